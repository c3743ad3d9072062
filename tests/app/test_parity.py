"""Every step that a query makes, and the queries of the report, give the same rows on Spark as on DuckDB.

On data as they come: a slice of Complete Journey, and a small made-up chain with Chinese names, guests and returns.
"""

from datetime import date
from decimal import Decimal
from math import isclose
from typing import Any

import pyarrow as pa
import pytest

from shopkeeper.app.plan import Plan
from shopkeeper.app.shop import Shop
from shopkeeper.app.steps import plans
from shopkeeper.insight import morning
from shopkeeper.schema.query import Query
from tests.spark_cluster import Engines

pytestmark = pytest.mark.spark

SHOPS = ("journey", "little_chain")


@pytest.fixture(params=SHOPS)
def shop(request: pytest.FixtureRequest) -> Shop:
    found: Shop = request.getfixturevalue(request.param)
    return found


def _of_queries(shop: Shop) -> list[Plan]:
    return [plan for plan in plans(shop) if plan.step is not None]


def _plain(value: Any) -> Any:
    """A value in a form that sorts, whatever its type."""
    if isinstance(value, float | Decimal):
        return ("number", f"{value:.6f}")
    if isinstance(value, list | dict):
        return (type(value).__name__, repr(value))
    return (type(value).__name__, str(value))


def _sorted(rows: pa.Table) -> list[dict[str, Any]]:
    exact = [name for name in rows.column_names if not pa.types.is_floating(rows[name].type)]
    return sorted(rows.to_pylist(), key=lambda row: [_plain(row[name]) for name in (*exact, *rows.column_names)])


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other)


def _differences(here: pa.Table, there: pa.Table) -> list[str]:
    """What differs, by row and column, the first few."""
    assert there.column_names == here.column_names
    if here.num_rows != there.num_rows:
        return [f"{here.num_rows} rows in DuckDB, {there.num_rows} in Spark"]
    pairs = zip(_sorted(here), _sorted(there), strict=True)
    found = [
        f"{name}: {one[name]!r} in DuckDB, {other[name]!r} in Spark, of {list(one.values())[:3]}"
        for one, other in pairs
        for name in one
        if not _same(one[name], other[name])
    ]
    return found[:10]


def _queries(shop: Shop) -> dict[str, Query]:
    day = shop.last_day()
    queries = {plan.name: plan.query(day) for plan in _of_queries(shop)}
    days = morning.span(day, shop.settings.chain.country)
    stores = shop.arrow(Query.from_sql("SELECT store_id FROM store ORDER BY store_id LIMIT 3"))["store_id"].to_pylist()
    for name, own in (("all", []), ("some", stores)):
        queries[f"report: stores, {name}"] = morning.store_query(days, own)
        queries[f"report: departments, {name}"] = morning.department_query(days, own)
        queries[f"report: newcomers, {name}"] = morning.newcomer_query(days, own)
    return queries


def test_spark_gives_the_rows_of_duckdb(shop: Shop, spark_engine: Engines) -> None:
    spark = spark_engine(shop.lake)
    differing = {}
    for name, query in _queries(shop).items():
        here = shop.duckdb.arrow(query)
        found = _differences(here, spark.arrow(query))
        if found:
            differing[name] = found
    assert differing == {}


def test_the_steps_tested_give_rows(shop: Shop) -> None:
    empty = [plan.name for plan in _of_queries(shop) if not shop.duckdb.arrow(plan.query(shop.last_day())).num_rows]
    assert empty == []


def test_a_part_of_a_step_is_the_same_on_spark(shop: Shop, spark_engine: Engines) -> None:
    """What `run` makes again for some days, in the form the increment asks for."""
    spark, day = spark_engine(shop.lake), shop.last_day()
    days = (day, date(day.year, day.month, 1), day.replace(day=7))
    for name in ("basket", "store_day"):
        (plan,) = (plan for plan in _of_queries(shop) if plan.name == name)
        query = plan.query(day, days=days)
        here = shop.duckdb.arrow(query)
        assert here.num_rows
        assert _differences(here, spark.arrow(query)) == []
