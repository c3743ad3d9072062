"""The queries of learn, experiment and engage give the same rows on Spark as on DuckDB."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from shopkeeper.engage.plan import plan_rows
from shopkeeper.experiment.effect import effect_rows
from shopkeeper.learn import response
from shopkeeper.learn.lookahead import assert_no_lookahead
from shopkeeper.schema.query import Query
from shopkeeper.storage.lake import Lake
from tests.learn.toy_campaigns import campaigns
from tests.spark_cluster import Engines
from tests.toy import Toy

pytestmark = pytest.mark.spark

AS_OF = date(2017, 8, 31)
QUERIES = {
    "outcomes": (response.outcomes(AS_OF), ("campaign_id", "person_id")),
    "effects": (effect_rows(AS_OF), ("campaign_id", "person_id")),
    "plan": (plan_rows("later", AS_OF), ("person_id", "offer_id")),
}


@pytest.fixture(scope="module")
def toy() -> Toy:
    return campaigns()


@pytest.mark.parametrize("name", QUERIES)
def test_spark_gives_the_rows_of_duckdb(name: str, toy: Toy, spark_engine: Engines, tmp_path: Path) -> None:
    query, keys = QUERIES[name]
    inputs = {each: toy.con.table(each).to_arrow_table() for each in query.tables}
    there = spark_engine(Lake(tmp_path)).arrow(query, inputs)
    here = toy.run(query)
    assert here.num_rows > 0
    assert_no_lookahead(_plain(here, query), _plain(there, query), keys)  # the same comparison, another question


def test_spark_can_plan_the_features(spark_engine: Engines, tmp_path: Path) -> None:
    """Its rows were equal too, but Spark works out the shared parts again and again: 95 seconds on a busy machine."""
    query = response.features(AS_OF)
    assert tuple(spark_engine(Lake(tmp_path)).relation(query).columns) == query.columns


def _plain(table: pa.Table, query: Query) -> pa.Table:
    """Decimals and integers as floats: an engine may give a sum another width."""
    columns = {
        name: table[name].cast(pa.float64())
        if pa.types.is_decimal(table[name].type) or pa.types.is_integer(table[name].type)
        else table[name]
        for name in query.columns
    }
    return pa.table(columns)
