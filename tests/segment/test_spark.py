"""The SQL of audiences gives the same people on Spark, on one fixed world and on random ones."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopkeeper.schema.query import Query
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.compile import count, members
from shopkeeper.segment.line import parse
from shopkeeper.segment.tree import Node
from shopkeeper.storage.lake import Lake
from tests.segment.conftest import Shop
from tests.segment.oracle import World, is_in
from tests.segment.strategies import AS_OF, PEOPLE, shared_trees, trees, worlds
from tests.spark_cluster import Engines

_DAY = date(2017, 3, 31)
_LINES = (
    'recency_days > 2 and monetary_365d >= 5.5 and not city = "a\'b\\\\c"',
    'bought category "A" hour between 6 and 9 weekday in (5, 6) at least 1 times in last 30 days',
    "bought at most 1 times in last 30 days or bought for at least 10 and bought at least 2 days",
    'did event "view" at least 1 days in last 5 days',
    'did event "view" then not bought category "A" within 2 days',
    'did event "view" then bought within 3 days',
    'within 20 km of store "s1" or consents to "marketing" by "sms"',
    'decile "churn" >= 9 or in segment "x"',
    'attributes["k"] = "v" or registered_at >= 2017-03-02',
    'attributes contains "k" and not redeemed offer "o"',
    'bought store "s1" product in ("g1", "g2") at least 1 units since 2017-03-01 until 2017-03-29',
    'redeemed offer "o" at least 1 days in last 1 days or score "churn" > 0.35',
    "all (any (lifecycle is unknown, nobody), not bought more than 1 lines ever)",
)


def _at(day: int, hour: int = 0) -> datetime:
    return datetime(2017, 3, day, hour, tzinfo=UTC)


def _world() -> World:
    def line(number: int, customer: str, product: str, day: int, amount: str) -> dict:
        return {
            "order_id": f"o{number}", "line_no": 1, "source": "till", "customer_id": customer, "store_id": "s1",
            "product_id": product, "ordered_at": _at(day, 23), "business_day": date(2017, 3, day + 1),
            "quantity": Decimal(1), "net_amount": Decimal(amount), "coupon_discount": None,
        }  # fmt: skip

    def event(number: int, user: str | None, anonymous: str | None, day: int) -> dict:
        return {
            "source": "web", "message_id": str(number), "type": "track", "name": "view", "user_id": user,
            "anonymous_id": anonymous, "occurred_at": _at(day, 12), "received_at": _at(day, 12),
        }  # fmt: skip

    people = [
        {
            "person_id": f"p{n}",
            "recency_days": n,
            "monetary_365d": Decimal(3 * n),
            "city": "a'b\\c" if n == 4 else None,
            "favourite_store": f"s{n}",
            "attributes": {"k": "v"} if n == 1 else None,
            "registered_at": _at(1, 5 * n),
        }
        for n in range(1, 5)
    ]
    return World(
        _DAY,
        "Asia/Shanghai",
        {
            "profile": people,
            "person": [
                {"source": "till", "customer_id": str(n), "person_id": f"p{n}", "method": "own", "valid_to": None}
                for n in range(1, 4)
            ],
            "product": [{"product_id": "g1", "category": "A"}, {"product_id": "g2", "category": None}],
            "order_line": [line(1, "1", "g1", 30, "4"), line(2, "1", "g2", 23, "7"), line(3, "2", "g1", 9, "2")],
            "event": [event(1, "t1", None, 29), event(2, None, "t3", 27)],
            "identifier": [
                {"kind": "cookie", "token": f"t{n}", "source": "till", "customer_id": str(n)} for n in (1, 3)
            ],
            "store": [
                {"store_id": "s1", "latitude": 31.0, "longitude": 121.0},
                {"store_id": "s2", "latitude": 31.1, "longitude": 121.1},
            ],
            "consent": [
                {"person_id": "p3", "purpose": "marketing", "channel": "sms", "granted": n == 2, "occurred_at": _at(n)}
                for n in (1, 2)
            ],
            "score": [
                {
                    "person_id": f"p{n}",
                    "model": "churn",
                    "version": "1",
                    "subject": "",
                    "as_of": _DAY,
                    "value": 0.1 * n,
                    "decile": 5 + n,
                }
                for n in range(1, 5)
            ],
            "segment_member": [
                {"segment": "x", "person_id": "p1", "entered_at": _at(1), "left_at": _at(31, 16), "version": 1},
                {"segment": "x", "person_id": "p2", "entered_at": _at(1), "left_at": None, "version": 1},
            ],
            "redemption": [
                {"redemption_id": "1", "offer_id": "o", "source": "till", "customer_id": "1", "redeemed_on": _DAY}
            ],
        },
    )


def test_the_lines_choose_somebody(shop: Shop) -> None:
    world = _world()
    shop.fill(world)
    for line in _LINES:
        tree = parse(line)
        found = {person for (person,) in shop.rows(members(tree, _DAY, Catalogue(time_zone=world.time_zone)).sql())}
        assert found == {f"p{n}" for n in range(1, 5) if is_in(tree, f"p{n}", world)}
    shop.rows(count(parse(_LINES[0]), _DAY).sql())


@pytest.mark.spark
def test_spark_agrees(shop: Shop, spark_engine: Engines, tmp_path: Path) -> None:
    world = _world()
    shop.fill(world)
    rows = {name: shop.connection.sql(f'SELECT * FROM "{name}"').to_arrow_table() for name in world.rows}
    spark = spark_engine(Lake(tmp_path))

    def on_spark(query: Query) -> pa.Table:
        return spark.arrow(query, {name: rows[name] for name in query.tables if name in rows})

    for line in _LINES:
        tree = parse(line)
        found = on_spark(members(tree, _DAY, Catalogue(time_zone=world.time_zone)))["person_id"].to_pylist()
        assert set(found) == {f"p{n}" for n in range(1, 5) if is_in(tree, f"p{n}", world)}, line
    assert on_spark(count(parse(_LINES[0]), _DAY))["of"].to_pylist() == [4]


@pytest.mark.spark
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(world=worlds(), found=st.lists(trees | shared_trees, min_size=3, max_size=3))
def test_spark_agrees_on_random_worlds(
    shop: Shop, spark_engine: Engines, tmp_path_factory: pytest.TempPathFactory, world: World, found: list[Node]
) -> None:
    shop.fill(world)
    spark = spark_engine(Lake(tmp_path_factory.mktemp("lake")))
    for tree in found:
        query = members(tree, AS_OF, Catalogue(time_zone=world.time_zone))
        rows = {name: shop.connection.sql(f'SELECT * FROM "{name}"').to_arrow_table() for name in query.tables}
        expected = {person for person in PEOPLE if is_in(tree, person, world)}
        assert set(spark.arrow(query, rows)["person_id"].to_pylist()) == expected, query.sql("spark")
