"""The JSON document: written and read back the same, every fault of its shape at its path."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkeeper.base.errors import FaultsError
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.check import judge
from shopkeeper.segment.document import KEYS, from_document, to_document
from shopkeeper.segment.line import parse
from shopkeeper.segment.tree import Node
from tests.segment.strategies import trees, wild_trees


@settings(max_examples=150, deadline=None)
@given(tree=trees | wild_trees)
def test_written_and_read_back(tree: Node) -> None:
    assert from_document(json.loads(json.dumps(to_document(tree)))) == tree


def test_the_document_says_what_the_line_says() -> None:
    document = {
        "all": [
            {"trait": "recency_days", "op": ">", "value": 60},
            {
                "did": "order_line",
                "where": [{"field": "category", "op": "=", "value": "MILK"}],
                "having": [{"measure": "orders", "op": ">=", "value": 3}],
                "window": {"last_days": 90},
            },
            {"not": {"segment": "x"}},
        ]
    }
    line = 'recency_days > 60 and bought category "MILK" at least 3 times in last 90 days and not in segment "x"'
    assert from_document(document) == parse(line)
    assert to_document(parse(line)) == document


def test_every_fault_of_shape_at_once() -> None:
    document = {
        "all": [
            {"trait": 5, "op": ">", "value": {"a": 1}},
            {"any": [{"trate": "x"}, "city", {"did": "orders", "window": {"last_days": "90"}}]},
            {"not": {"first": {"did": "event"}, "days": 1.5, "extra": 1}},
        ]
    }
    with pytest.raises(FaultsError) as caught:
        from_document(document)
    found = {fault.path: fault.message for fault in caught.value.faults}
    assert set(found) == {
        "all[0].trait", "all[0].value", "all[1].any[0]", "all[1].any[1]", "all[1].any[2].did",
        "all[1].any[2].window.last_days", "all[2].not.extra", "all[2].not.then", "all[2].not.days",
        "all[2].not.then.did",
    }  # fmt: skip
    assert "did you mean trait" in found["all[1].any[0]"]


_WORDS = (
    *KEYS,
    "op",
    "value",
    "key",
    "where",
    "having",
    "window",
    "last_days",
    "then",
    "days",
    "kilometres",
    "channel",
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3)
    | st.dictionaries(
        st.sampled_from(_WORDS),
        below, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(document=anything)
def test_whatever_comes_gives_faults_and_never_fails(document: Any) -> None:
    tree, faults = judge(document, Catalogue())
    assert tree is not None or faults


def test_too_deep() -> None:
    document: dict[str, Any] = {"segment": "x"}
    for _ in range(3000):
        document = {"not": document}
    with pytest.raises(FaultsError, match="nested deeper than 12"):
        from_document(document)
