"""Cut-points are versions: who set them, when, what before; `run` uses the newest and does again what hangs on it."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from shopkeeper.app.cuts import FILE, go_back, newest, save_cuts, versions
from shopkeeper.app.pages.lifecycle import balance, cut_sets, moves
from shopkeeper.app.run import run
from shopkeeper.app.shop import Shop, init, open_shop
from shopkeeper.base.errors import ConflictError, FaultsError, MissingError
from shopkeeper.schema.query import Query
from tests.shop import fill

LAST = date(2026, 3, 31)
NOW = datetime(2026, 4, 1, 8, tzinfo=UTC)


def _lines() -> list[dict[str, object]]:
    """Ten people whose last visits lie 0, 20, 40 … 180 days back, each with one before, in two stores."""
    return [
        {
            "source": "till", "order_id": f"{who}-{ago}", "line_id": "1", "customer_id": f"c{who}", "product_id": "p",
            "store_id": f"s{who % 2}", "channel": "store", "quantity": 1, "net_amount": 10 + who,
            "business_day": LAST - timedelta(days=ago),
            "ordered_at": datetime(2026, 3, 31, 4, tzinfo=UTC) - timedelta(days=ago),
        }
        for who in range(10)
        for ago in (20 * who, 20 * who + 25)
    ]  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with init(tmp_path / "shop", {"engine.memory_limit": "1GB"}) as made:
        fill(made, "order_line", _lines())
        fill(made, "store", [{"store_id": "s0", "name": "North"}, {"store_id": "s1", "name": "South"}])
        yield made


def _stages(shop: Shop) -> dict[str, int]:
    query = Query.from_sql("SELECT lifecycle_fixed AS stage, count(*) AS n FROM profile GROUP BY lifecycle_fixed")
    return {row["stage"]: row["n"] for row in shop.arrow(query).to_pylist()}


def test_the_settings_file_gives_the_first_version(shop: Shop) -> None:
    first = newest(shop, "lifecycle")
    assert (first.number, first.set_by, first.set_at) == (1, FILE, None)
    run(shop, until="profile")
    (kept,) = versions(shop, "lifecycle")
    assert kept.set_at is not None
    assert (kept.label, kept.settings) == (first.label, first.settings)


def test_an_edited_file_is_a_version_until_a_person_sets_one(shop: Shop) -> None:
    run(shop, until="profile")
    file = shop.folder / "shopkeeper.toml"
    file.write_text(file.read_text().replace("# sleeping_days = 90", "sleeping_days = 80"))
    with open_shop(shop.folder) as edited:
        latest = newest(edited, "lifecycle")
        assert (latest.number, latest.changed) == (2, {"sleeping_days": (90, 80)})
        save_cuts(edited, "lifecycle", {"sleeping_days": 70}, by="ann", now=NOW)
        kept = [(each.number, each.set_by) for each in versions(edited, "lifecycle")]
        assert kept == [(3, "ann"), (2, FILE), (1, FILE)]
    file.write_text(file.read_text().replace("sleeping_days = 80", "sleeping_days = 60"))
    with open_shop(shop.folder) as again:
        assert newest(again, "lifecycle").set_by == "ann", "what a person set is not undone by the file"


def test_run_uses_the_newest_and_does_again_what_depends_on_it(shop: Shop) -> None:
    steps = ("person", "product_fact", "basket", "person_habit", "profile", "lifecycle_balance", "segments")
    run(shop, steps)
    assert _stages(shop) == {"new": 1, "active": 4, "sleeping": 5}
    saved = save_cuts(shop, "lifecycle", {"sleeping_days": 30, "lapsed_days": "100"}, by="ann", now=NOW)
    assert (saved.number, saved.changed) == (2, {"sleeping_days": (90, 30), "lapsed_days": (180, 100)})
    again = {step.name: step.skipped for step in run(shop, steps).steps}
    assert again == {
        "person": True, "product_fact": True, "basket": True, "person_habit": True,
        "profile": False, "lifecycle_balance": False, "segments": False,
    }  # fmt: skip
    assert _stages(shop) == {"new": 1, "active": 1, "sleeping": 4, "lapsed": 4}
    assert balance(shop).version == saved
    assert all(step.skipped for step in run(shop, steps).steps)


def test_the_preview_is_what_the_run_then_does(shop: Shop) -> None:
    run(shop, until="profile")
    before = _stages(shop)
    asked = moves(shop, "lifecycle", {"sleeping_days": 30, "lapsed_days": 100})
    fixed = next(each for each in asked.traits if each.trait == "lifecycle_fixed")
    assert {value: was for value, was, _ in fixed.values if was} == before
    assert _stages(shop) == before, "a preview changes nothing"
    assert versions(shop, "lifecycle")[0].number == 1
    save_cuts(shop, "lifecycle", {"sleeping_days": 30, "lapsed_days": 100}, by="ann", now=NOW)
    run(shop, until="profile")
    assert {value: will_be for value, _, will_be in fixed.values if will_be} == _stages(shop)
    assert fixed.moved == 7, "those away 40 to 80 days sleep now, those away 120 to 180 days are lapsed"
    assert asked.people == 10


def test_points_of_rfm_move_too(shop: Shop) -> None:
    run(shop, until="profile")
    asked = moves(shop, "rfm", {"recency_cuts": [7, 30, 60, 181]})
    points = next(each for each in asked.traits if each.trait == "rfm_recency_points")
    assert points.moved == 3, "those away 140, 160 and 180 days get 2 points instead of 1"
    nothing = moves(shop, "rfm", {})
    assert (nothing.moved, nothing.people) == (0, 10)


def test_going_back_is_a_new_version_with_the_old_label(shop: Shop) -> None:
    run(shop, until="profile")
    first = newest(shop, "rfm")
    save_cuts(shop, "rfm", {"monetary_cuts": (1, 2, 3, 4)}, by="ann", now=NOW)
    back = go_back(shop, "rfm", 1, by="bob", now=NOW + timedelta(minutes=1))
    assert (back.number, back.set_by, back.settings, back.label) == (3, "bob", first.settings, first.label)
    assert back.changed == {"monetary_cuts": ((1, 2, 3, 4), (100, 500, 1000, 2000))}
    assert all(step.skipped for step in run(shop, until="profile").steps), "what stands was computed with these"
    with pytest.raises(MissingError, match="no version 9"):
        go_back(shop, "rfm", 9, by="bob", now=NOW)
    what = [(row.who, row.what, row.target) for row in shop.state.audit.rows()]
    assert what[-2:] == [("ann", "cuts.save", "rfm"), ("bob", "cuts.save", "rfm")]


def test_saving_what_is_there_makes_no_version_and_two_at_once_are_told(shop: Shop) -> None:
    save_cuts(shop, "lifecycle", {"sleeping_days": 90}, by="ann", now=NOW)
    assert [each.number for each in versions(shop, "lifecycle")] == [1]
    save_cuts(shop, "lifecycle", {"sleeping_days": 80}, by="ann", now=NOW, expected=1)
    with pytest.raises(ConflictError, match="version 2 by now, not 1"):
        save_cuts(shop, "lifecycle", {"sleeping_days": 70}, by="bob", now=NOW, expected=1)


def test_of_many_who_save_from_one_version_at_once_one_does(shop: Shop) -> None:
    def save(days: int) -> str:
        try:
            save_cuts(shop, "lifecycle", {"sleeping_days": days}, by="ann", now=NOW, expected=1)
        except ConflictError:
            return "told"
        return "saved"

    assert newest(shop, "lifecycle").number == 1
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(save, range(50, 58))) == ["saved", *["told"] * 7]
    assert [each.number for each in versions(shop, "lifecycle")] == [2, 1]


def test_the_furthest_cut_points_run_and_further_ones_are_refused(shop: Shop) -> None:
    furthest = {
        "new_days": 36_500, "sleeping_gaps": 999, "lapsed_gaps": 1_000, "shortest": 36_500, "longest": 36_500,
        "usual": 36_500, "sleeping_days": 36_499, "lapsed_days": 36_500, "trend_factor": 1_000,
    }  # fmt: skip
    save_cuts(shop, "lifecycle", furthest, by="ann", now=NOW)
    most = 10**12
    cuts = (most - 3, most - 2, most - 1, most)
    save_cuts(shop, "rfm", {"recency_cuts": (1, 2, 3, 36_500), "frequency_cuts": cuts, "monetary_cuts": cuts},
              by="ann", now=NOW)  # fmt: skip
    assert run(shop, ("person", "product_fact", "basket", "person_habit", "profile", "lifecycle_balance")).steps
    for name, value in furthest.items():
        for further in (value * 40, "inf", "nan"):
            with pytest.raises(FaultsError) as caught:
                save_cuts(shop, "lifecycle", {name: further}, by="ann", now=NOW)
            assert f"lifecycle.{name}" in {fault.path for fault in caught.value.faults}
    for name in ("recency_cuts", "frequency_cuts", "monetary_cuts"):
        with pytest.raises(FaultsError):
            save_cuts(shop, "rfm", {name: (1, 2, 3, 10**14)}, by="ann", now=NOW)


@pytest.mark.parametrize(
    ("kind", "name", "value", "english", "chinese"),
    [
        ("lifecycle", "sleeping_days", "many", "is not a whole number", "不是整数"),
        ("lifecycle", "sleeping_days", 1.5, "is not a whole number", "不是整数"),
        ("lifecycle", "usual", "many", "is not a number", "不是数字"),
        ("lifecycle", "usual", "inf", "is not a number", "不是数字"),
        ("lifecycle", "usual", "0", "must be more than 0", "应大于 0"),
        ("lifecycle", "new_days", 0, "must be at least 1", "应不小于 1"),
        ("lifecycle", "new_days", 999_999, "must be at most 36500", "应不大于 36500"),
        ("rfm", "recency_cuts", (1, 2, 2, 4), "must rise and not be negative", "应逐个递增且不为负"),
    ],
)
def test_what_is_wrong_with_a_number_is_said_in_both_languages(
    shop: Shop, kind: str, name: str, value: object, english: str, chinese: str
) -> None:
    with pytest.raises(FaultsError) as caught:
        save_cuts(shop, kind, {name: value}, by="ann", now=NOW)
    (fault,) = caught.value.faults
    assert fault.path == f"{kind}.{name}"
    assert fault.said("en") == f"{english} (given: {value!r})"
    assert fault.said("zh") == f"{chinese}（填写的是 {value!r}）"


def test_every_fault_of_cut_points_at_its_path(shop: Shop) -> None:
    with pytest.raises(FaultsError) as caught:
        save_cuts(shop, "lifecycle", {"sleeping_days": "many", "new_days": 0, "shrtest": 1}, by="ann", now=NOW)
    assert {fault.path for fault in caught.value.faults} == {
        "lifecycle.sleeping_days", "lifecycle.new_days", "lifecycle.shrtest",
    }  # fmt: skip
    with pytest.raises(FaultsError) as caught:
        save_cuts(shop, "lifecycle", {"sleeping_days": 200}, by="ann", now=NOW)
    assert [fault.path for fault in caught.value.faults] == ["lifecycle.lapsed_days"]
    with pytest.raises(MissingError, match="no cut-points 'xyz'"):
        versions(shop, "xyz")
    assert [each.number for each in versions(shop, "lifecycle")] == [1]


def test_the_balance_adds_up_by_store_and_says_its_version(shop: Shop) -> None:
    run(shop, ("person", "product_fact", "basket", "person_habit", "profile", "lifecycle_balance"))
    found = balance(shop, 90)
    assert found.whole is not None
    for row in (found.whole, *found.stores):
        assert row.opening + row.new + row.recalled - row.sleeping - row.lapsed == row.closing
    assert (found.of, {row.name for row in found.stores}) == (2, {"North", "South"})
    assert sum(row.closing for row in found.stores) == found.whole.closing == 5
    assert found.version == newest(shop, "lifecycle")
    assert not cut_sets(shop)["lifecycle"].waits
    save_cuts(shop, "lifecycle", {"sleeping_days": 30}, by="ann", now=NOW)
    assert cut_sets(shop)["lifecycle"].waits
    assert balance(shop, 90).version == versions(shop, "lifecycle")[1], "it says what it was computed with"
    assert [row.store_id for row in balance(shop, 90, store="South").stores] == ["s1"]
    assert re.match("cuts_", newest(shop, "lifecycle").label)
