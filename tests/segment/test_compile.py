"""The SQL of an audience agrees with the oracle, on DuckDB, on random worlds; its dates let files be left out."""

from datetime import date

import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopkeeper.schema.query import Bounds, Query
from shopkeeper.segment.catalogue import Catalogue, inlined
from shopkeeper.segment.check import check
from shopkeeper.segment.compile import count, members, predicate
from shopkeeper.segment.line import parse
from shopkeeper.segment.tree import EVERYONE, Member, Node, Not
from tests.segment.conftest import Shop
from tests.segment.oracle import World, is_in
from tests.segment.strategies import AS_OF, PEOPLE, shared_trees, trees, worlds

_DAY = date(2017, 12, 31)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(world=worlds(), found=st.lists(trees | shared_trees, min_size=2, max_size=4))
def test_sql_and_oracle_agree(shop: Shop, world: World, found: list[Node]) -> None:
    shop.fill(world)
    catalogue = Catalogue(time_zone=world.time_zone)
    for tree in found:
        assert check(tree, catalogue) == ()
        expected = {person for person in PEOPLE if is_in(tree, person, world)}
        assert {person for (person,) in shop.rows(members(tree, AS_OF, catalogue).sql(pretty=False))} == expected
    assert shop.rows(count(tree, AS_OF, catalogue).sql(pretty=False)) == [(len(expected), len(PEOPLE))]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=trees)
def test_spark_can_read_it(tree: Node) -> None:
    sqlglot.parse_one(members(tree, AS_OF).sql("spark"), read="spark")


def test_predicate_stands_in_any_where(shop: Shop) -> None:
    shop.fill(
        World(_DAY, rows={"profile": [{"person_id": "a", "recency_days": 1}, {"person_id": "b", "recency_days": 9}]})
    )
    condition = predicate(parse("recency_days < 5"), _DAY)
    assert shop.rows(
        f"SELECT * FROM (VALUES ('a'), ('b'), ('c')) people(person_id) WHERE {condition.sql('duckdb')}"
    ) == [("a",)]


def test_everyone_is_the_profile() -> None:
    assert members(EVERYONE, _DAY).sql(pretty=False) == "SELECT profile.person_id FROM profile"


@pytest.mark.parametrize(
    ("line", "bounds"),
    [
        ("bought in last 90 days", Bounds(date(2017, 10, 3), _DAY)),
        ("bought ever", Bounds(None, _DAY)),
        ("bought between 2017-01-05 and 2017-02-01", Bounds(date(2017, 1, 5), date(2017, 2, 1))),
        ("bought at least 3 days in last 7 days", Bounds(date(2017, 12, 25), _DAY)),
        ('bought in last 7 days and bought category "A" in last 30 days', Bounds(date(2017, 12, 2), _DAY)),
        ("bought in last 7 days or not bought at least 2 days in last 30 days", Bounds(date(2017, 12, 2), _DAY)),
        ("bought in last 10 days then not bought within 2 days", Bounds(date(2017, 12, 21), _DAY)),
    ],
)
def test_windows_become_bounds(line: str, bounds: Bounds) -> None:
    assert members(parse(line), _DAY).bounds()["order_line"] == bounds


def test_event_windows_are_local_days() -> None:
    query = members(parse('did event "view" in last 1 days'), _DAY, Catalogue(time_zone="Asia/Shanghai"))
    assert query.bounds()["event"] == Bounds(date(2017, 12, 30), date(2017, 12, 31))


def test_behaviours_share_a_scan() -> None:
    line = (
        'bought category "A" at least 2 times and bought brand "x" for at least 10 and (not bought or bought store "1")'
    )
    assert _reads(members(parse(line), _DAY), "order_line") == 1


def test_days_are_counted_apart() -> None:
    assert _reads(members(parse("bought at least 2 times at least 2 days"), _DAY), "order_line") == 2


def _reads(query: Query, table: str) -> int:
    return sum(found.name == table for found in query.tree.find_all(sqlglot.exp.Table))


def test_a_rule_that_leads_back_to_itself_ends() -> None:
    assert inlined(Member("a"), {"a": Not(Member("b")), "b": Member("a")}) == Not(Member("a"))
    assert inlined(Member("c"), {"a": EVERYONE}) == Member("c")
