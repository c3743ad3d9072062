"""Every fault of an audience is said in English and in Chinese, whatever was given."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from shopkeeper.base.errors import Fault, FaultsError
from shopkeeper.segment import check
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.check import judge
from shopkeeper.segment.line import MAX_TEXT, parse
from tests.segment.strategies import wild_trees
from tests.segment.test_document import anything

ROOM = Path(check.__file__).parent
_CHINESE = re.compile("[\u4e00-\u9fff]")
_ENGLISH_WORDS = re.compile(r"\b(expected|found|is no|is not|not a|did you mean|more than|missing|none of)\b")

LINES = (
    "recency_days >", "recency_days > 60 monkey", "recency_days > 60 and (city = 5", 'city = "x', "city = #",
    "city = 2017-02-30", "citty is", "bougt milk", "recency_days", "bought category", "bought for at least x",
    "bought at least 3 apples", "bought in last 5 days in last 6 days", "bought in last 2.5 days", "in segment x",
    "bought at least 2 times then bought within 3 days", "did then bought at least 2 times within 3 days",
    "bought then x", "within 5 km of store x", "consents to x", "bought since 5", "attributes[x] = 1", 'city = "\\q"',
    "x" * (MAX_TEXT + 1), "not " * 50 + "everyone", "score x > 1", "all (recency_days > 1", "bought at nothing",
)  # fmt: skip
DOCUMENTS: tuple[Any, ...] = (
    None, [], {}, {"trate": 1}, {"all": 5}, {"trait": 5, "op": ">", "value": {}}, {"trait": "x", "extra": 1},
    {"trait": "recensy_days", "op": ">", "value": 1}, {"trait": "city", "op": ">", "value": "x"},
    {"trait": "city", "op": "in", "value": "x"}, {"trait": "city", "op": "in", "value": []},
    {"trait": "recency_days", "op": "between", "value": [1]}, {"trait": "recency_days", "op": "=", "value": None},
    {"trait": "lifecycle", "op": "=", "value": "actve"}, {"trait": "attributes", "op": "=", "value": "x"},
    {"trait": "city", "key": "x", "op": "=", "value": "x"}, {"trait": "city", "op": "known", "value": "x"},
    {"did": "orders"}, {"did": "order_line", "where": [{"field": "colour", "op": "=", "value": "x"}]},
    {"did": "order_line", "where": [{"field": "hour", "op": "contains", "value": 5}]},
    {"did": "order_line", "where": 5}, {"did": "order_line", "where": [5]}, {"did": "order_line", "window": 5},
    {"did": "order_line", "having": [{"measure": "apples", "op": ">=", "value": 1}]},
    {"did": "order_line", "having": [{"measure": "orders", "op": "~", "value": -1}]},
    {"did": "order_line", "window": {"last_days": 0}}, {"did": "order_line", "window": {"last_days": "5"}},
    {"did": "order_line", "window": {"from": "2017-02-01", "to": "2017-01-01", "last_days": 5}},
    {"did": "order_line", "window": {"from": "soon"}},
    {"first": {"did": "redemption"}, "then": {"did": "event", "window": {"last_days": 1}}, "days": 0, "absent": 5},
    {"score": "", "measure": "size", "op": ">", "value": 1}, {"score": "x", "op": "known", "value": 1},
    {"segment": "none"}, {"segment": ""}, {"near": "s", "kilometres": 0}, {"near": "s", "kilometres": "far"},
    {"consent": "", "channel": ""}, {"trait": "city", "op": "=", "value": "x" * 501},
    {"trait": "monetary_365d", "op": ">", "value": 0.00001}, {"trait": "monetary_365d", "op": ">", "value": 1e300},
    {"trait": "first_purchase_on", "op": ">", "value": 5}, {"trait": "recency_days", "op": ">", "value": 1.5},
    {"all": [{"trait": "recency_days", "op": ">", "value": 1}] * 101},
)  # fmt: skip


def _in_both(faults: tuple[Fault, ...]) -> None:
    assert faults
    for fault in faults:
        assert fault.path
        said = fault.said("zh")
        assert _CHINESE.search(said), fault
        assert not _ENGLISH_WORDS.search(said), said
        assert not _CHINESE.search(fault.said("en")), fault


@pytest.mark.parametrize("line", LINES)
def test_what_is_wrong_with_a_line(line: str) -> None:
    with pytest.raises(FaultsError) as caught:
        parse(line)
    _in_both(caught.value.faults)
    assert caught.value.said("zh").startswith("人群规则有 1 处错误：")
    assert caught.value.message == caught.value.said("en")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document)[:60])
def test_what_is_wrong_with_a_document(document: Any) -> None:
    _, faults = judge(document, Catalogue(segments={}))
    _in_both(faults)


@settings(max_examples=150, deadline=None)
@given(document=anything)
def test_whatever_comes_is_said_in_both(document: Any) -> None:
    _, faults = judge(document, Catalogue())
    assert all(fault.chinese and _CHINESE.search(fault.chinese) for fault in faults)


@settings(max_examples=100, deadline=None)
@given(tree=wild_trees)
def test_wild_trees_are_said_in_both(tree: Any) -> None:
    assert all(fault.chinese for fault in check.check(tree, Catalogue(segments={})))


def test_no_fault_of_the_room_is_made_in_one_language() -> None:
    for file in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Fault":
                assert file.name == "said.py", f"{file.name}:{node.lineno} makes a fault by itself: use said.fault"
