"""The line of text: read as meant, said back the same, refused with the column and a hint."""

import pytest
from hypothesis import given, settings

from shopkeeper.base.errors import FaultsError
from shopkeeper.segment.line import parse
from shopkeeper.segment.phrase import phrase
from shopkeeper.segment.tree import (
    Act,
    All,
    Behaviour,
    Comparison,
    Filter,
    Member,
    Near,
    Node,
    Not,
    Score,
    Sequel,
    Some,
    Threshold,
    Window,
)
from tests.segment.strategies import trees, wild_trees

_MILK = Filter("category", "=", "MILK")
_THRICE = Behaviour(Act("order_line", (_MILK,), Window(last_days=90)), (Threshold("orders", ">=", 3),))


def test_the_line_of_the_design() -> None:
    line = (
        'recency_days > 60 and monetary_365d >= 500 and bought category "MILK" at least 3 times in last 90 days '
        'and not in segment "new_without_second"'
    )
    assert parse(line) == All(
        (
            Comparison("recency_days", ">", 60),
            Comparison("monetary_365d", ">=", 500),
            _THRICE,
            Not(Member("new_without_second")),
        )
    )


@pytest.mark.parametrize(
    "line",
    [
        '购买 品类 "MILK" 至少 3 次 近 90 天',
        "购买过品类“MILK”至少3次近90天",
        'bought category = "MILK" in the last 90 days at least 3 orders',
        "BOUGHT category 'MILK' at least 3 times in last 90 days",
    ],
)
def test_many_ways_to_say_milk(line: str) -> None:
    assert parse(line) == _THRICE


def test_and_binds_tighter_than_or() -> None:
    one, two, three = (Comparison(name, "=", 1) for name in "xyz")
    assert parse("x = 1 or y = 1 and z = 1") == Some((one, All((two, three))))
    assert parse("(x = 1 or y = 1) and not z = 1") == All((Some((one, two)), Not(three)))


def test_leaves() -> None:
    assert parse('decile "churn" for "c1" in (9, 10)') == Score("churn", "decile", "in", (9, 10), "c1")
    assert parse('within 5 km of store "0042"') == Near("0042", 5.0)
    assert parse('attributes["家庭"] is not known') == Comparison("attributes", "unknown", None, "家庭")
    assert parse("first_purchase_on between 2017-01-01 and 2017-02-01") == Comparison(
        "first_purchase_on", "between", ("2017-01-01", "2017-02-01")
    )
    assert parse('did event "view" in last 30 days then did not buy category "MILK" within 7 days') == Sequel(
        Act("event", (Filter("event", "=", "view"),), Window(last_days=30)), Act("order_line", (_MILK,)), 7, absent=True
    )


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("recency_days > ", 16, "a value"),
        ('bough category "x"', 1, "did you mean bought"),
        ('bought categry "x"', 8, "did you mean category"),
        ("bought at least 3 tims", 19, "did you mean times"),
        ('city = "x', 8, "a quote that is not closed"),
        ("recency_days > 60 adn city is known", 19, "did you mean and"),
        ("(recency_days > 60", 19, "')'"),
        ("recency_days > 60; DROP TABLE profile", 18, "means nothing"),
        ("first_purchase_on > 2017-02-30", 21, "no day of the calendar"),
        ("in segment new", 12, "in quotes"),
        ("bought within 3 days", 8, "found 'within'"),
        ("not " * 60 + "city is known", 145, "too deep"),
        ("(" * 60 + "city is known", 37, "too deep"),
    ],
)
def test_faults_name_the_column(line: str, column: int, words: str) -> None:
    with pytest.raises(FaultsError) as caught:
        parse(line)
    (fault,) = caught.value.faults
    assert words in fault.message
    assert fault.path == f"at column {column}"


@settings(max_examples=150, deadline=None)
@given(tree=trees | wild_trees)
def test_said_and_read_back(tree: Node) -> None:
    assert parse(phrase(tree)) == tree
