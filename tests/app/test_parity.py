"""Every step that a query makes, and the queries of the report, give the same rows on Spark as on DuckDB.

On data as they come: a small made-up chain with Chinese names, guests and returns; and the baskets of a slice of
Complete Journey. `make bench ONLY=spark` holds two million lines.
"""

from decimal import Decimal
from math import isclose
from typing import Any

import pyarrow as pa
import pytest

from shopkeeper.app.plan import Plan
from shopkeeper.app.shop import Shop
from shopkeeper.app.steps import plans
from shopkeeper.insight import morning
from shopkeeper.profile.coverage import member_share
from shopkeeper.schema.query import Query
from tests.spark_cluster import Engines

pytestmark = pytest.mark.spark

STEPS = (
    "coverage",  # the plainest first: it bears the start of Spark
    "store_day",
    "department_day",
    "basket",
    "person",
    "product_fact",
    "person_habit",
    "profile",
    "lifecycle_balance",
)


def _of_queries(shop: Shop) -> dict[str, Plan]:
    return {plan.name: plan for plan in plans(shop) if plan.step is not None}


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


def _of_report(shop: Shop) -> dict[str, Query]:
    days = morning.span(shop.last_day(), shop.settings.chain.country)
    stores = shop.arrow(Query.from_sql("SELECT store_id FROM store ORDER BY store_id LIMIT 3"))["store_id"].to_pylist()
    return {
        "stores": morning.store_query(days, []),
        "departments": morning.department_query(days, stores),
        "newcomers": morning.newcomer_query(days, []),
        "redemptions": morning.redemption_query(days),
        "member share": member_share(days.last_week, days.day, "store_id"),
    }


def test_every_step_is_named_here(journey: Shop) -> None:
    assert set(STEPS) == set(_of_queries(journey))


@pytest.mark.parametrize("name", STEPS)
def test_a_step_gives_the_same_rows_of_the_chain(name: str, little_chain: Shop, spark_engine: Engines) -> None:
    query = _of_queries(little_chain)[name].query(little_chain.last_day())
    here = little_chain.duckdb.arrow(query)
    assert here.num_rows
    assert _differences(here, spark_engine(little_chain.lake).arrow(query)) == []


def test_baskets_of_complete_journey_are_the_same(journey: Shop, spark_engine: Engines) -> None:
    query = _of_queries(journey)["basket"].query(journey.last_day())
    here = journey.duckdb.arrow(query)
    assert here.num_rows
    assert _differences(here, spark_engine(journey.lake).arrow(query)) == []


def test_the_report_reads_the_same(little_chain: Shop, spark_engine: Engines) -> None:
    spark, queries = spark_engine(little_chain.lake), _of_report(little_chain)
    found = {name: _differences(little_chain.duckdb.arrow(q), spark.arrow(q)) for name, q in queries.items()}
    assert found == {"stores": [], "departments": [], "newcomers": [], "redemptions": [], "member share": []}


@pytest.mark.parametrize("name", ["basket", "store_day"])
def test_a_part_of_a_step_is_the_same_on_spark(name: str, little_chain: Shop, spark_engine: Engines) -> None:
    """What `run` makes again for some days, in the form the increment asks for."""
    day = little_chain.last_day()
    query = _of_queries(little_chain)[name].query(day, days=(day, day.replace(day=1), day.replace(day=7)))
    here = little_chain.duckdb.arrow(query)
    assert here.num_rows
    assert _differences(here, spark_engine(little_chain.lake).arrow(query)) == []
