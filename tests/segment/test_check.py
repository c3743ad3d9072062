"""The check against the catalogue: every fault at once, with its path and the nearest names."""

import pytest

from shopkeeper.base.errors import FaultsError
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.check import MAX_RULES, audience, check
from shopkeeper.segment.line import parse
from shopkeeper.segment.tree import All, Comparison, Not


def _faults(line: str, catalogue: Catalogue | None = None) -> dict[str, str]:
    return {fault.path: fault.message for fault in check(parse(line), catalogue or Catalogue())}


def test_all_faults_at_once_each_with_its_path() -> None:
    line = (
        'recensy_days > 60 and (city > "x" or recency_days = "60" or lifecycle = "actve") '
        'and not bought channel "shop" at least 2 times in last 0 days '
        "and bought hour in (1.5) since 2017-02-01 until 2017-01-01"
    )
    found = _faults(line)
    assert set(found) == {
        "all[0].trait", "all[1].any[0].op", "all[1].any[1].value", "all[1].any[2].value",
        "all[2].not.where[0].value", "all[2].not.window.last_days", "all[3].where[0].value[0]", "all[3].window",
    }  # fmt: skip
    assert "did you mean recency_days" in found["all[0].trait"]
    assert "did you mean active" in found["all[1].any[2].value"]
    assert "use =, !=" in found["all[1].any[0].op"]
    assert "'60' is not a number" in found["all[1].any[1].value"]


@pytest.mark.parametrize(
    ("line", "path", "words"),
    [
        ("recency_days > 1.5", "value", "not a whole number"),
        ("recency_days = true", "value", "not a number"),
        ("monetary_365d > 0.00001", "value", "decimal places"),
        ("monetary_365d > 1e300", "value", "no number"),
        ("first_purchase_on > 5", "value", "not a day"),
        ('attributes = "x"', "key", "is missing"),
        ('city["x"] = "y"', "key", "no entries"),
        ("city = 5", "value", "in quotes"),
        ('city = ""', None, ""),
        ('city in ("a", 5)', "value[1]", "not text"),
        ('redeemed offer "x" then bought within 3 days', "first.did", "an instant"),
        ('within 0 km of store "s"', "kilometres", "not more than 0"),
        ('score "" > 0.5', "score", "is empty"),
        ("bought at least 2.5 times", "having[0].value", "whole number"),
        ('city = "\x01\x00"', "value", "no text has"),
    ],
)
def test_each_fault(line: str, path: str | None, words: str) -> None:
    found = _faults(line)
    if path is None:
        assert found == {}
    else:
        assert list(found) == [path]
        assert words in found[path]


def test_segments_and_circles() -> None:
    catalogue = Catalogue(
        segments={"a": parse('in segment "b"'), "b": parse('in segment "c"'), "c": parse("city is known")}
    )
    assert "did you mean" not in _faults('in segment "zzz"', catalogue)["segment"]
    assert audience('in segment "a"', catalogue, name="d")
    with pytest.raises(FaultsError, match="c → a → b → c"):
        audience('in segment "a"', catalogue, name="c")
    with pytest.raises(FaultsError, match="d → d"):
        audience('in segment "d"', Catalogue(segments={"d": All()}), name="d")


def test_caps() -> None:
    leaf = Comparison("recency_days", ">", 1)
    assert "more than 100" in check(All((leaf,) * (MAX_RULES + 1)), Catalogue())[0].message
    deep = leaf
    for _ in range(20):
        deep = Not(deep)
    assert "nested deeper" in check(deep, Catalogue())[0].message
    many = Comparison("recency_days", "in", tuple(range(1001)))
    assert "has 1001 values" in check(many, Catalogue())[0].message


def test_audience_reads_both_forms() -> None:
    assert audience({"trait": "recency_days", "op": ">", "value": 60}) == audience("recency_days > 60")
    with pytest.raises(FaultsError, match="trait: there is no trait 'recency'"):
        audience({"trait": "recency", "op": ">", "value": 60})
