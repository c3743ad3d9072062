"""Every step of identity and profile gives the same rows on Spark as on DuckDB."""

import random
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from shopkeeper.identity.person import person
from shopkeeper.profile.coverage import coverage, member_share
from shopkeeper.profile.lifecycle_balance import lifecycle_balance
from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import TABLES
from shopkeeper.storage.lake import Lake
from tests.profile.toy import AS_OF, PRODUCTS, STEPS, ZONE, Row, Tables, arrow, ask, computed, line, shop
from tests.spark_cluster import Engines

pytestmark = pytest.mark.spark


def _random_lines(seed: int) -> list[Row]:
    draw = random.Random(seed)  # noqa: S311 - made-up lines, not secrets
    goods = [*(row["product_id"] for row in PRODUCTS), "nobody knows"]
    return [
        line(
            draw.choice(["a", "b", "c", "d", "e", "f", None]),
            AS_OF - timedelta(days=draw.randrange(400)),
            draw.choice(goods),
            draw.randrange(1, 9999) / 100,
            order=f"o{number // 2}",
            line_no=number,
            hour=draw.randrange(24),
            store_id=draw.choice(["s1", "s2"]),
            channel=draw.choice(["store", "app", None]),
            quantity=Decimal(draw.choice([-1, 1, 1, 2])),
            product_discount=Decimal(draw.choice([0, 1])),
            coupon_discount=Decimal(draw.choice([0, 0, 2])),
        )
        for number in range(400)
    ]


@pytest.fixture(scope="module")
def tables() -> Tables:
    customers = [{"customer_id": "a", "birth_year": 1980, "attributes": [("x", "1")]}, {"customer_id": "never"}]
    return computed(shop(_random_lines(7), customers))


QUERIES = {step.name: step(**arguments) for step, arguments in STEPS} | {
    "person": person(),
    "lifecycle_balance": lifecycle_balance(as_of=AS_OF),
    "coverage": coverage(time_zone=ZONE),
}


@pytest.mark.parametrize("name", QUERIES)
def test_spark_gives_the_rows_of_duckdb(name: str, tables: Tables, spark_engine: Engines, tmp_path: Path) -> None:
    query = QUERIES[name]
    there = spark_engine(Lake(tmp_path)).arrow(query, {each: tables[each] for each in query.tables})
    assert _rows(query, there.to_pylist()) == _rows(query, ask(query, tables).to_pylist())


def test_shares_agree_too(tables: Tables, spark_engine: Engines, tmp_path: Path) -> None:
    query = member_share(AS_OF - timedelta(days=90), AS_OF, "channel")
    inputs = {"coverage": arrow(TABLES["coverage"], ask(QUERIES["coverage"], tables).to_pylist())}
    there = spark_engine(Lake(tmp_path)).arrow(query, inputs)
    assert _rows(query, there.to_pylist()) == _rows(query, ask(query, inputs).to_pylist())


def _rows(query: Query, rows: list[Row]) -> list[str]:
    return sorted(repr({name: row[name] for name in query.columns}) for row in rows)
