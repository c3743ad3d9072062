"""Whatever text stands in any slot stays a value: the canary lives, and what was asked for is found."""

import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.check import check
from shopkeeper.segment.compile import members
from shopkeeper.segment.line import parse
from shopkeeper.segment.phrase import phrase
from shopkeeper.segment.tree import Comparison, Node
from tests.segment.conftest import Shop
from tests.segment.oracle import World, is_in
from tests.segment.strategies import AS_OF, wild_leaves, wild_texts

_SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@_SETTINGS
@given(text=wild_texts, data=st.data())
def test_canary_lives_and_values_come_back(shop: Shop, text: str, data: st.DataObject) -> None:
    leaf: Node = data.draw(wild_leaves(st.just(text)))
    shop.connection.execute("CREATE OR REPLACE TABLE canary AS SELECT 1 AS alive")
    profile = {"person_id": text, "city": text, "favourite_store": text, "attributes": {text: text}}
    world = World(AS_OF, rows={"profile": [profile]})
    shop.fill(world)
    tree = parse(phrase(leaf))
    assert tree == leaf
    assert check(tree, Catalogue()) == ()
    found = {person for (person,) in shop.rows(members(tree, AS_OF).sql())}
    assert found == ({text} if is_in(tree, text, world) else set())
    assert shop.rows("SELECT alive FROM canary") == [(1,)]


@_SETTINGS
@given(text=wild_texts, data=st.data())
def test_both_dialects_read_the_value_back(text: str, data: st.DataObject) -> None:
    leaf = data.draw(wild_leaves(st.just(text)))
    for dialect in ("duckdb", "spark"):
        (tree,) = sqlglot.parse(members(leaf, AS_OF).sql(dialect), read=dialect)
        assert tree is not None
        assert text in {literal.this for literal in tree.find_all(exp.Literal) if literal.is_string}


@_SETTINGS
@given(text=wild_texts)
def test_equal_text_is_found(shop: Shop, text: str) -> None:
    shop.fill(World(AS_OF, rows={"profile": [{"person_id": "p", "city": text}]}))
    assert shop.rows(members(Comparison("city", "=", text), AS_OF).sql()) == [("p",)]
