"""`shopkeeper cuts` shows, sets and takes back cut-points; a dry run only says who would move."""

from pathlib import Path

from shopkeeper.cli.terminal import caller
from tests.cli.conftest import Says


def test_a_dry_run_says_who_would_move_and_changes_nothing(says: Says) -> None:
    asked = says("cuts", "set", "lifecycle", "sleeping_days=1", "lapsed_days=2", "--dry-run", "--json").document()
    assert asked["people"] >= asked["moved"] > 0
    assert [each["trait"] for each in asked["traits"]] == ["lifecycle", "lifecycle_fixed", "trend"]
    assert "people would move" in says("cuts", "set", "rfm", "recency_cuts=1,2,3,4", "--dry-run").out
    assert [each["version"] for each in says("cuts", "list", "lifecycle", "--json").document()] == [1]


def test_set_list_and_back(says: Says, tmp_path: Path) -> None:
    shop = ("--shop", tmp_path / "other")
    assert says("init", tmp_path / "other").code == 0
    saved = says("cuts", "set", "rfm", "monetary_cuts=10,20,30,40", *shop, "--json").document()
    assert (saved["version"], saved["values"]["monetary_cuts"]) == (2, [10, 20, 30, 40])
    assert "monetary_cuts 10,20,30,40 → 100,500,1000,2000" in says("cuts", "back", "rfm", "1", *shop).out
    listed = says("cuts", "list", "rfm", *shop, "--json").document()
    assert [(each["version"], each["set_by"]) for each in listed] == [
        (3, caller()),
        (2, caller()),
        (1, "shopkeeper.toml"),
    ]
    assert listed[0]["label"] == listed[2]["label"] != listed[1]["label"]
    assert "monetary_cuts" in says("cuts", "show", "rfm", *shop).out


def test_what_is_wrong_is_said_with_its_path(says: Says) -> None:
    wrong = says("cuts", "set", "lifecycle", "sleeping_days=many", "new_days=0")
    assert wrong.code == 2
    assert "lifecycle.sleeping_days" in wrong.err
    assert "lifecycle.new_days" in wrong.err
    far = says("cuts", "set", "lifecycle", "sleeping_days=999999", "lapsed_days=9999999", "usual=inf")
    assert far.code == 2
    assert far.err.count("应不大于 36500") == 2
    assert "lifecycle.usual: 不是数字" in far.err
    assert says("cuts", "set", "lifecycle", "sleeping_days").code == 2
    assert says("cuts", "back", "lifecycle", "9").code == 1
    assert says("cuts", "show", "xyz").code == 2
