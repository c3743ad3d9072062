"""The starter set reads, says itself in both languages, runs, and comes in an order that can be refreshed."""

from datetime import date

import pytest

from shopkeeper.base.errors import FaultsError
from shopkeeper.segment.compile import count
from shopkeeper.segment.definition import Definition, in_order
from shopkeeper.segment.line import parse
from shopkeeper.segment.sentence import sentence
from shopkeeper.segment.starter import starters
from tests.segment.conftest import Shop
from tests.segment.oracle import World


@pytest.mark.parametrize("definition", starters(), ids=lambda definition: definition.name)
def test_each_starter(shop: Shop, definition: Definition) -> None:
    shop.fill(World(date(2017, 12, 31)))
    assert shop.rows(count(definition.tree, date(2017, 12, 31)).sql()) == [(0, 0)]
    assert all((definition.english, definition.chinese, definition.english_use, definition.chinese_use))
    assert sentence(definition.tree, "en").startswith("People for whom: ")
    assert "满足以下条件" in sentence(definition.tree, "zh")


def test_there_are_enough_of_them() -> None:
    assert len({definition.name for definition in starters()}) == len(starters()) >= 12


def test_order_follows_references() -> None:
    first, second = (
        Definition(name, parse(line), name, name) for name, line in (("a", 'in segment "b"'), ("b", "city is known"))
    )
    assert [one.name for one in in_order([first, second])] == ["b", "a"]
    with pytest.raises(FaultsError, match="refers to itself"):
        in_order([first, Definition("b", parse('in segment "a"'), "b", "b")])
