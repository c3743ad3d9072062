"""An incremental run equals a full one, row by row, whatever came late or was corrected."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shopkeeper.app.run import RunReport, run
from shopkeeper.app.shop import Shop, init, open_shop
from shopkeeper.base.errors import DataError, MissingError
from shopkeeper.base.money import MOST_AMOUNT
from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import table
from shopkeeper.storage import warehouse
from shopkeeper.storage.iceberg import arrow_schema

FIRST = date(2026, 9, 1)
DERIVED = ("product_fact", "basket", "person", "person_habit", "profile", "store_day", "department_day")


def _line(order: int, day: date, customer: str | None, product: str, amount: int, *, line: int = 1) -> dict[str, Any]:
    return {
        "order_id": f"o{order}",
        "line_no": line,
        "source": "till",
        "customer_id": customer,
        "store_id": f"s{order % 3}",
        "channel": "store",
        "product_id": product,
        "ordered_at": datetime(day.year, day.month, day.day, 2 + order % 9, tzinfo=UTC),
        "business_day": day,
        "quantity": Decimal(1 + order % 2),
        "gross_amount": Decimal(amount),
        "product_discount": Decimal(0),
        "coupon_discount": Decimal(0),
        "net_amount": Decimal(amount),
    }


def _lines(days: int, begin: int = 0) -> list[dict[str, Any]]:
    found = []
    for offset in range(begin, begin + days):
        for place in range(6):
            order = offset * 10 + place
            customer = None if place == 5 else f"c{(offset * 7 + place * 3) % 11}"
            found.append(_line(order, FIRST + timedelta(days=offset), customer, f"p{order % 5}", 5 + order % 17))
    return found


def _rows(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=arrow_schema(table(name)))


def _products(count: int = 5) -> pa.Table:
    kinds = ("merchandise", "fresh", "tobacco", "merchandise", "bag")
    return _rows(
        "product",
        [
            {
                "product_id": f"p{n}",
                "kind": kinds[n % 5],
                "department": f"d{n % 2}",
                "category": f"k{n % 3}",
                "list_price": Decimal(3 + n),
            }
            for n in range(count)
        ],
    )


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with init(tmp_path / "shop", {"chain.time_zone": "Asia/Shanghai", "engine.memory_limit": "1GB"}) as made:
        warehouse.append_rows(made.lake, made.duckdb, "product", _products())
        warehouse.append_rows(made.lake, made.duckdb, "order_line", _rows("order_line", _lines(40)))
        yield made


def _whole(shop: Shop, name: str) -> list[dict[str, Any]]:
    columns = ", ".join(table(name).column_names)
    return shop.arrow(Query.from_sql(f"SELECT {columns} FROM {name} ORDER BY ALL")).to_pylist()


def _assert_equal_to_full(shop: Shop, as_of: date | None = None) -> None:
    found = {name: _whole(shop, name) for name in DERIVED}
    run(shop, until="profile", as_of=as_of, force=True)
    run(shop, ["store_day", "department_day"], as_of=as_of, force=True)
    for name in DERIVED:
        assert found[name] == _whole(shop, name), name


def _refreshed(report: RunReport) -> dict[str, str]:
    return {step.name: step.refreshed for step in report.steps}


def _run(shop: Shop, as_of: date | None = None) -> RunReport:
    first = run(shop, until="profile", as_of=as_of)
    second = run(shop, ["store_day", "department_day"], as_of=as_of)
    return RunReport(first.as_of, first.engine, (*first.steps, *second.steps))


def test_a_second_run_skips_everything(shop: Shop) -> None:
    assert set(_refreshed(_run(shop)).values()) == {"all"}
    assert set(_refreshed(_run(shop)).values()) == {"nothing"}


def test_a_new_day_touches_that_day_and_its_people(shop: Shop) -> None:
    _run(shop)
    warehouse.append_rows(shop.lake, shop.duckdb, "order_line", _rows("order_line", _lines(1, begin=40)))
    refreshed = _refreshed(_run(shop))
    assert refreshed["basket"] == "1 days"
    assert refreshed["store_day"] == "1 days"
    assert refreshed["person_habit"].endswith("people")
    assert int(refreshed["person_habit"].split()[0]) < 11
    _assert_equal_to_full(shop)


def test_late_and_corrected_lines_of_old_days_are_taken_in(shop: Shop) -> None:
    _run(shop)
    late = [
        _line(9001, FIRST + timedelta(days=3), "c4", "p1", 77),
        _line(9002, FIRST + timedelta(days=35), "new", "p2", 9),
    ]
    warehouse.append_rows(shop.lake, shop.duckdb, "order_line", _rows("order_line", late))
    corrected = FIRST + timedelta(days=10)
    query = Query.from_sql(
        "SELECT * REPLACE (CAST(net_amount * 2 AS DECIMAL(18, 4)) AS net_amount) FROM order_line "
        "WHERE business_day = $day AND product_id <> 'p3'",
        day=corrected,
    )
    warehouse.replace_days(shop.lake, shop.duckdb, "order_line", query, [corrected])
    assert _refreshed(_run(shop))["basket"] == "3 days"
    _assert_equal_to_full(shop)


def test_persons_are_made_again_only_when_a_record_came_or_went(shop: Shop) -> None:
    _run(shop)
    stood = shop.lake.snapshot("person")
    day = FIRST + timedelta(days=40)
    warehouse.append_rows(shop.lake, shop.duckdb, "order_line", _rows("order_line", _lines(1, begin=40)))
    assert _refreshed(_run(shop))["person"] == "0 records"
    assert shop.lake.snapshot("person") == stood
    _assert_equal_to_full(shop)
    new = [_line(9001, day, "only orders know me", "p1", 7)]
    warehouse.append_rows(shop.lake, shop.duckdb, "order_line", _rows("order_line", new))
    assert _refreshed(_run(shop))["person"] == "all"
    kept = Query.from_sql("SELECT * FROM order_line WHERE business_day = $day AND order_id <> 'o9001'", day=day)
    warehouse.replace_days(shop.lake, shop.duckdb, "order_line", kept, [day])
    assert _refreshed(_run(shop))["person"] == "all"
    _assert_equal_to_full(shop)


def test_a_product_that_changes_its_kind_touches_the_days_it_was_sold(shop: Shop) -> None:
    _run(shop)
    changed = _products().to_pylist()
    changed[1]["kind"] = "tobacco"
    changed.append({"product_id": "p9", "kind": "fresh"})
    warehouse.replace_rows(shop.lake, shop.duckdb, "product", _rows("product", changed))
    assert _refreshed(_run(shop))["basket"] not in {"all", "0 days", "nothing"}
    _assert_equal_to_full(shop)


def test_people_in_shares_are_the_people_at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(shop)
    whole, files = shop.table("person_habit").order("person_id").fetchall(), shop.lake.files("person_habit")
    monkeypatch.setattr("shopkeeper.app.run.PEOPLE_AT_ONCE", 3)
    run(shop, ["person_habit"], force=True, by="test")
    assert shop.table("person_habit").order("person_id").fetchall() == whole
    assert len(shop.lake.files("person_habit")) > len(files) == 1


def test_as_of_moves_on_and_back(shop: Shop) -> None:
    middle = FIRST + timedelta(days=20)
    _run(shop, as_of=middle)
    _run(shop, as_of=middle + timedelta(days=5))
    _assert_equal_to_full(shop, as_of=middle + timedelta(days=5))
    _run(shop, as_of=middle)
    _assert_equal_to_full(shop, as_of=middle)


def test_the_largest_lines_there_may_be_can_be_summed(shop: Shop) -> None:
    most = MOST_AMOUNT - 1
    large = [_line(9000 + place, FIRST, "c1", "p1", most) | {"quantity": Decimal(most)} for place in range(900)]
    warehouse.append_rows(shop.lake, shop.duckdb, "order_line", _rows("order_line", large))
    assert set(_refreshed(run(shop)).values()) == {"all"}
    (one,) = shop.arrow(Query.from_sql("SELECT monetary_90d FROM profile WHERE person_id = 'till:c1'")).to_pylist()
    assert one["monetary_90d"] > 899 * most


def test_a_run_is_recorded_with_its_steps(shop: Shop) -> None:
    run(shop, until="basket", by="somebody")
    last = shop.state.runs.last()
    assert last is not None
    recorded = shop.state.runs.get(last.id)
    assert (recorded.state, recorded.started_by) == ("done", "somebody")
    assert [step.name for step in recorded.steps] == ["product_fact", "basket"]


def test_an_unknown_step_names_the_known_ones(shop: Shop) -> None:
    with pytest.raises(MissingError, match="basket"):
        run(shop, ["nothere"])


def test_without_lines_there_is_nothing_to_run(tmp_path: Path) -> None:
    with init(tmp_path / "empty") as empty, pytest.raises(MissingError, match="shopkeeper load order_line"):
        run(empty)


def test_a_run_on_a_reopened_shop_goes_on_where_the_other_ended(shop: Shop) -> None:
    _run(shop)
    shop.close()
    with open_shop(shop.folder) as again:
        assert set(_refreshed(_run(again)).values()) == {"nothing"}


def test_what_a_step_failed_on_is_told_and_not_recorded(tmp_path: Path) -> None:
    with init(tmp_path / "shop") as shop:
        lines = [_line(1, FIRST, "c1", "p1", 87_654_321_098_765, line=number) for number in (1, 2)]
        warehouse.append_rows(shop.lake, shop.duckdb, "order_line", _rows("order_line", lines))
        with pytest.raises(DataError, match=r"175308642197530"):
            run(shop, until="basket")
        (record,) = shop.state.runs.recent()
        assert record.state == "failed"
        assert record.error is not None
        assert "met a value it cannot take" in record.error
        assert "175308642197530" not in record.error
