from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from shopkeeper.base.errors import StorageError
from shopkeeper.schema.query import Query
from shopkeeper.storage import compact as compact_module
from shopkeeper.storage import warehouse
from shopkeeper.storage.compact import Compacted, Policy, compact, maintain
from shopkeeper.storage.content import Content, content
from shopkeeper.storage.engine import DuckDBEngine
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.scan import Scan
from tests.storage.rows import filled

JANUARY, FEBRUARY = date(2017, 1, 5), date(2017, 2, 5)
MIDDLE = datetime(2017, 2, 20, tzinfo=UTC)
FEW = Policy(min_files=3)


def line(order: str, day: date, **more: Any) -> pa.Table:
    return filled("order_line", [{"order_id": order, "business_day": day, "net_amount": Decimal("1.5"), **more}])


def fill(lake: Lake, engine: DuckDBEngine) -> None:
    for number in range(4):
        for day in (JANUARY, FEBRUARY):
            warehouse.append_rows(
                lake, engine, "order_line", line(f"{number}", day), {"shopkeeper.step": "load", "shopkeeper.x": "1"}
            )


def by_month(lake: Lake) -> dict[int, int]:
    months = [file.partition[0] for file in lake.data_files("order_line")]
    return {month: months.count(month) for month in months}


def test_content_does_not_ask_for_order_or_files(lake: Lake, engine: DuckDBEngine) -> None:
    a, b = line("a", JANUARY), line("b", JANUARY)
    for rows in (a, b):
        warehouse.append_rows(lake, engine, "order_line", rows)
    apart = content(lake, engine, "order_line")
    warehouse.replace_rows(lake, engine, "order_line", pa.concat_tables([b, a]))
    assert content(lake, engine, "order_line") == apart
    assert apart.rows == 2
    warehouse.replace_rows(lake, engine, "order_line", pa.concat_tables([b, line("a", JANUARY, quantity=Decimal(1))]))
    assert content(lake, engine, "order_line") != apart
    assert content(lake, engine, "product") == Content(0, "0" * 16)


def test_closed_months_are_compacted_and_the_rows_stay(lake: Lake, engine: DuckDBEngine) -> None:
    fill(lake, engine)
    before, old = content(lake, engine, "order_line"), lake.snapshot("order_line")
    assert compact(lake, engine, "order_line", MIDDLE, policy=FEW) == Compacted(1, 4, 1)
    assert by_month(lake) == {564: 1, 565: 4}
    assert content(lake, engine, "order_line") == before
    new = lake.snapshot("order_line")
    assert old is not None
    assert new is not None
    assert new.properties == old.properties
    assert lake.iceberg("order_line").scan().to_arrow().num_rows == 8
    assert compact(lake, engine, "order_line", MIDDLE + timedelta(days=30), policy=FEW) == Compacted(1, 4, 1)
    assert by_month(lake) == {564: 1, 565: 1}
    assert compact(lake, engine, "order_line", MIDDLE + timedelta(days=30), policy=FEW) == Compacted()


def test_few_or_large_files_are_left_alone(lake: Lake, engine: DuckDBEngine) -> None:
    fill(lake, engine)
    assert compact(lake, engine, "order_line", MIDDLE, policy=Policy(min_files=5)) == Compacted()
    assert compact(lake, engine, "order_line", MIDDLE, policy=Policy(min_files=3, target_bytes=100)) == Compacted()


def test_a_bundle_is_about_as_large_as_a_file_should_be(lake: Lake, engine: DuckDBEngine) -> None:
    fill(lake, engine)
    size = max(file.file_size_in_bytes for file in lake.data_files("order_line"))
    policy = Policy(min_files=3, target_bytes=2 * size + 2)
    assert compact(lake, engine, "order_line", MIDDLE, policy=policy).files_after in (1, 2)
    assert content(lake, engine, "order_line").rows == 8


def test_a_table_without_partitions_is_compacted_as_a_whole(lake: Lake, engine: DuckDBEngine) -> None:
    for number in range(3):
        rows = filled("product", [{"product_id": f"{number}", "attributes": {"size": f"{number}"}}])
        warehouse.append_rows(lake, engine, "product", rows)
    before = content(lake, engine, "product")
    assert compact(lake, engine, "product", MIDDLE, policy=FEW) == Compacted(1, 3, 1)
    assert content(lake, engine, "product") == before


def test_rows_that_would_change_are_not_committed(
    lake: Lake, engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control of the check: a copy that loses a row is caught."""
    fill(lake, engine)
    before, real = lake.snapshot("order_line"), engine.copy

    def losing(scan: Scan, *rest: Any) -> None:
        real(Scan(scan.files[1:], scan.field_ids), *rest)

    monkeypatch.setattr(engine, "copy", losing)
    with pytest.raises(StorageError, match="would change its rows"):
        compact(lake, engine, "order_line", MIDDLE, policy=FEW)
    assert lake.snapshot("order_line") == before
    assert not list(lake.folder("order_line").glob(".staging-*"))


def test_a_partition_another_changes_meanwhile_is_left(
    lake: Lake, engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lake, engine)
    real = compact_module.content

    def meddled(*arguments: Any) -> Content:
        if lake.snapshot("order_line").rows == 8:  # type: ignore[union-attr]
            warehouse.append_rows(lake, engine, "order_line", line("late", JANUARY))
        return real(*arguments)

    monkeypatch.setattr(compact_module, "content", meddled)
    assert compact(lake, engine, "order_line", MIDDLE, policy=FEW) == Compacted()
    assert content(lake, engine, "order_line").rows == 9
    on_disk = {str(file) for file in lake.folder("order_line").glob("*.parquet")}
    assert on_disk == set(lake.files("order_line")), "nothing that was rewritten in vain stays"
    assert compact(lake, engine, "order_line", MIDDLE, policy=FEW) == Compacted(1, 5, 1)


def test_a_reader_of_the_old_files_goes_on(lake: Lake, engine: DuckDBEngine) -> None:
    fill(lake, engine)
    relation = engine.relation(Query.from_sql("SELECT count(*) AS n FROM order_line"))
    maintain(lake, engine, MIDDLE, policy=FEW)
    assert relation.fetchall() == [(8,)]


def test_maintain_compacts_expires_and_sweeps(lake: Lake, engine: DuckDBEngine) -> None:
    fill(lake, engine)
    warehouse.append_rows(lake, engine, "product", filled("product", [{"product_id": "a"}]))
    before, now = content(lake, engine, "order_line"), datetime.now(UTC) + timedelta(days=30)
    done = maintain(lake, engine, now, policy=FEW)
    assert done.compacted == {"order_line": Compacted(2, 8, 2), "product": Compacted()}
    assert done.expired == {"order_line": 9, "product": 0}
    assert done.swept["order_line"] >= 8
    assert done.failed == {}
    assert len(list(lake.folder("order_line").glob("*.parquet"))) == 2
    assert content(lake, engine, "order_line") == before
    again = maintain(lake, engine, now, policy=FEW)
    assert (again.compacted["order_line"], again.swept) == (Compacted(), {"order_line": 0, "product": 0})


def test_what_fails_in_one_table_does_not_stop_the_others(
    lake: Lake, engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lake, engine)
    warehouse.append_rows(lake, engine, "product", filled("product", [{"product_id": "a"}]))
    real = lake.expire

    def failing(name: str, **named: Any) -> list[int]:
        if name == "order_line":
            raise StorageError("the disk is full")
        return real(name, **named)

    monkeypatch.setattr(lake, "expire", failing)
    done = maintain(lake, engine, MIDDLE, policy=FEW)
    assert done.failed == {"order_line": "the disk is full"}
    assert "product" in done.swept
