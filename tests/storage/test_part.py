from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pyiceberg.table import Table as IcebergTable

from shopkeeper.base.errors import ShopkeeperError
from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import table as declared
from shopkeeper.storage import warehouse
from shopkeeper.storage.engine import DuckDBEngine
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.part import Part, parts
from tests.storage.rows import filled

NOON = datetime(2017, 1, 1, 12, tzinfo=UTC)


def sold(lake: Lake, engine: DuckDBEngine, days: dict[date, int]) -> None:
    rows = [
        {"order_id": f"{day}-{n}", "business_day": day, "ordered_at": NOON, "source": "till", "net_amount": Decimal(n)}
        for day, count in days.items()
        for n in range(count)
    ]
    warehouse.append_rows(lake, engine, "order_line", filled("order_line", rows))


def of_days(part: Part) -> Query:
    text = "SELECT * FROM order_line WHERE business_day BETWEEN $first AND $last"
    return Query.from_sql(text, first=part.first, last=part.last)


def test_small_months_go_together_and_large_ones_stand_alone(lake: Lake, engine: DuckDBEngine) -> None:
    sold(lake, engine, {date(2016, 12, 31): 1, date(2017, 1, 15): 2, date(2017, 2, 28): 5, date(2017, 5, 1): 1})
    assert parts(lake, "order_line", rows=3) == [
        Part(date(2016, 12, 1), date(2017, 1, 31)),
        Part(date(2017, 2, 1), date(2017, 2, 28)),
        Part(date(2017, 5, 1), date(2017, 5, 31)),
    ]
    assert [part.is_one_month for part in parts(lake, "order_line", rows=3)] == [False, True, True]
    assert parts(lake, "order_line") == [Part(date(2016, 12, 1), date(2017, 5, 31))]


def test_the_days_of_a_part_are_all_days_of_its_months() -> None:
    days = Part(date(2016, 12, 1), date(2017, 2, 28)).days
    assert (days[0], days[-1], len(days)) == (date(2016, 12, 1), date(2017, 2, 28), 31 + 31 + 28)


def test_a_table_without_rows_has_no_parts(lake: Lake) -> None:
    assert parts(lake, "order_line") == []


@pytest.mark.parametrize("rows", [1, 4, 100])
def test_part_by_part_is_the_whole(lake: Lake, engine: DuckDBEngine, rows: int) -> None:
    sold(lake, engine, {date(2017, 1, 1): 3, date(2017, 1, 31): 2, date(2017, 2, 1): 1, date(2017, 4, 30): 2})
    query = Query.from_sql("SELECT * FROM order_line ORDER BY order_id")
    before = engine.arrow(query).to_pylist()
    warehouse.replace_parts(lake, engine, "order_line", parts(lake, "order_line", rows=rows), of_days)
    assert engine.arrow(query).to_pylist() == before
    assert {file.partition[0] for file in lake.data_files("order_line")} == {564, 565, 567}


def test_a_part_whose_rows_lie_elsewhere_is_refused(lake: Lake, engine: DuckDBEngine) -> None:
    sold(lake, engine, {date(2017, 1, 1): 1, date(2017, 2, 1): 1})
    january = Part(date(2017, 1, 1), date(2017, 1, 31))
    with pytest.raises(ShopkeeperError):
        warehouse.replace_parts(
            lake, engine, "order_line", [january], lambda _: Query.from_sql("SELECT * FROM order_line")
        )
    assert engine.arrow(Query.from_sql("SELECT count(*) AS n FROM order_line"))["n"].to_pylist() == [2]


def test_files_that_agree_are_read_by_name_and_others_by_id(lake: Lake, engine: DuckDBEngine) -> None:
    sold(lake, engine, {date(2017, 1, 1): 1, date(2017, 2, 1): 1})
    assert lake.scan("order_line").columns == frozenset(declared("order_line").column_names)
    _renamed(lake.iceberg("order_line"))
    assert Lake(lake.location).scan("order_line").columns is None
    assert engine.arrow(Query.from_sql("SELECT count(order_id) AS n FROM order_line"))["n"].to_pylist() == [2]


def _renamed(table: IcebergTable) -> None:
    """Renames a column and back: from now on a file may carry either name."""
    for old, new in (("cashier_id", "till_id"), ("till_id", "cashier_id")):
        with table.update_schema() as change:
            change.rename_column(old, new)
