"""Saved segments: versions that can be taken back, stays that end when a segment is put away."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from shopkeeper.app.copy import backup, restore
from shopkeeper.app.pages.builder import preview
from shopkeeper.app.pages.segments import (
    archive_segment,
    export_members,
    go_back,
    restore_segment,
    save_segment,
    segment_page,
    segments,
)
from shopkeeper.app.run import run
from shopkeeper.app.shop import Shop, init, open_shop
from shopkeeper.base.errors import FaultsError, MissingError, UsageError
from shopkeeper.cli.main import main
from shopkeeper.cli.terminal import caller
from shopkeeper.schema.query import Query
from tests.shop import fill

LAST = date(2026, 3, 31)
NOW = datetime(2026, 4, 1, 8, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    lines = [
        {
            "source": "till", "order_id": f"{who}-{order}", "line_id": "1", "customer_id": f"c{who}", "product_id": "p",
            "store_id": "s", "channel": "store", "quantity": 1, "net_amount": 10, "business_day": LAST,
            "ordered_at": datetime(2026, 3, 31, 4, tzinfo=UTC),
        }
        for who in range(1, 4)
        for order in range(who)
    ]  # fmt: skip
    with init(tmp_path / "shop", {"engine.memory_limit": "1GB"}) as made:
        fill(made, "order_line", lines)
        yield made


def _save(shop: Shop, name: str, tree: dict[str, Any]) -> int:
    return save_segment(shop, name, tree, label_en=name, label_zh=name, by="ann", now=NOW).version


def _at_least(orders: int) -> dict[str, Any]:
    return {"trait": "orders_ever", "op": ">=", "value": orders}


def _stays(shop: Shop) -> list[tuple[str, str, bool, int]]:
    query = Query.from_sql("SELECT segment, person_id, left_at IS NULL AS inside, version FROM segment_member")
    return sorted(tuple(row.values()) for row in shop.arrow(query).to_pylist())


def test_people_leave_a_segment_that_is_put_away(shop: Shop) -> None:
    _save(shop, "many", _at_least(2))
    _save(shop, "most", _at_least(3))
    run(shop)
    inside = [("many", "till:c2", True, 1), ("many", "till:c3", True, 1), ("most", "till:c3", True, 1)]
    assert _stays(shop) == inside
    archive_segment(shop, "many", by="ann", now=NOW)
    run(shop)
    assert _stays(shop) == [("many", "till:c2", False, 1), ("many", "till:c3", False, 1), ("most", "till:c3", True, 1)]
    archive_segment(shop, "most", by="ann", now=NOW)
    run(shop)
    assert not any(inside for _, _, inside, _ in _stays(shop)), "the last one too"


def test_a_segment_that_others_refer_to_is_not_put_away(shop: Shop) -> None:
    _save(shop, "many", _at_least(2))
    _save(shop, "both", {"all": [{"segment": "many"}, _at_least(3)]})
    with pytest.raises(FaultsError) as caught:
        archive_segment(shop, "many", by="ann", now=NOW)
    assert [(fault.path, fault.said("zh")) for fault in caught.value.faults] == [("both", "引用了它")]
    archive_segment(shop, "both", by="ann", now=NOW)
    archive_segment(shop, "many", by="ann", now=NOW)


def test_a_changed_rule_is_a_version_and_an_earlier_one_comes_back(shop: Shop) -> None:
    assert [_save(shop, "many", _at_least(2)), _save(shop, "many", _at_least(3))] == [1, 2]
    assert _save(shop, "many", _at_least(3)) == 2, "the same again is no version"
    run(shop)
    back = go_back(shop, "many", 1, by="bob", now=NOW)
    assert (back.version, back.tree, back.created_by) == (3, _at_least(2), "bob")
    said = [(each.saved.version, each.english) for each in segment_page(shop, "many").versions]
    assert [version for version, _ in said] == [3, 2, 1]
    assert said[0][1] == said[2][1] != said[1][1]
    run(shop)
    assert _stays(shop) == [("many", "till:c2", True, 3), ("many", "till:c3", True, 2)], "each by the version of entry"
    with pytest.raises(MissingError):
        go_back(shop, "many", 9, by="bob", now=NOW)


def test_a_published_segment_stays_published_when_it_is_changed(shop: Shop) -> None:
    _save(shop, "many", _at_least(2))
    shop.state.segments.publish("many", by="ann", now=NOW)
    _save(shop, "many", _at_least(3))
    assert shop.state.segments.get("many").published


def _counted(shop: Shop) -> dict[str, tuple[int | None, bool]]:
    return {row.name: (row.people, row.is_kept) for row in segments(shop)}


def test_a_segment_taken_back_after_a_run_is_counted_by_its_rule(shop: Shop) -> None:
    _save(shop, "many", _at_least(2))
    run(shop)
    assert _counted(shop) == {"many": (2, True)}
    archive_segment(shop, "many", by="ann", now=NOW)
    run(shop)
    restore_segment(shop, "many", by="ann", now=NOW)
    assert _counted(shop) == {"many": (2, False)}, "nobody is kept in it, but it has people"
    file = export_members(shop, "many", "csv", by="ann", now=NOW)
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1 + 2
    run(shop)
    assert _counted(shop) == {"many": (2, True)}


def test_what_is_kept_does_not_hang_on_clocks(shop: Shop, tmp_path: Path) -> None:
    _save(shop, "many", _at_least(2))
    _save(shop, "same", _at_least(2))
    run(shop)
    before = datetime(2020, 1, 1, tzinfo=UTC)
    save_segment(shop, "many", _at_least(3), label_en="many", label_zh="many", by="ann", now=before)
    assert _counted(shop) == {"many": (1, False), "same": (2, True)}, "saved after the run, by a clock that is slow"
    run(shop)
    assert _counted(shop) == {"many": (1, True), "same": (2, True)}
    _save(shop, "many", _at_least(1))
    backup(shop, tmp_path / "copy.tar", with_keys=True)
    restore(tmp_path / "copy.tar", tmp_path / "restored")
    with open_shop(tmp_path / "restored") as restored:
        assert _counted(restored) == {"many": (3, False), "same": (2, True)}, "what was noted comes along"
        run(restored)
        assert _counted(restored) == {"many": (3, True), "same": (2, True)}


def test_what_is_saved_during_a_run_waits_for_the_next(shop: Shop) -> None:
    _save(shop, "many", _at_least(2))

    def meanwhile(step: str, _place: int, _of: int) -> None:
        if step == "segments":
            _save(shop, "many", _at_least(3))
            _save(shop, "all", _at_least(1))

    run(shop, progress=meanwhile)
    assert _stays(shop) == [("many", "till:c2", True, 1), ("many", "till:c3", True, 1)], "as the run found them"
    assert _counted(shop) == {"many": (1, False), "all": (3, False)}
    run(shop)
    assert _counted(shop) == {"many": (1, True), "all": (3, True)}


def test_a_segment_whose_rule_no_longer_holds_is_not_taken_back(shop: Shop) -> None:
    _save(shop, "many", _at_least(2))
    _save(shop, "both", {"all": [{"segment": "many"}, _at_least(3)]})
    archive_segment(shop, "both", by="ann", now=NOW)
    archive_segment(shop, "many", by="ann", now=NOW)
    with pytest.raises(FaultsError, match="there is no segment 'many'"):
        restore_segment(shop, "both", by="ann", now=NOW)
    run(shop)
    restore_segment(shop, "many", by="ann", now=NOW)
    restore_segment(shop, "both", by="ann", now=NOW)
    run(shop)
    assert _counted(shop) == {"many": (2, True), "both": (1, True)}


def test_a_run_names_the_segment_whose_rule_is_wrong(shop: Shop) -> None:
    shop.state.segments.save("both", {"segment": "gone"}, label_en="b", label_zh="b", by="ann", now=NOW)
    with pytest.raises(FaultsError, match="the rule of segment 'both' has 1 fault"):
        run(shop)


def test_a_rule_by_a_segment_that_no_run_has_seen_means_its_rule(shop: Shop) -> None:
    run(shop)
    _save(shop, "many", _at_least(2))
    _save(shop, "few", {"not": {"segment": "many"}})
    _save(shop, "fewest", {"all": [{"segment": "few"}, _at_least(1)]})
    assert _counted(shop) == {"many": (2, False), "few": (1, False), "fewest": (1, False)}
    assert preview(shop, {"segment": "many"}).count == 2
    run(shop)
    assert _counted(shop) == {"many": (2, True), "few": (1, True), "fewest": (1, True)}


def test_the_terminal_counts_saves_and_notes_as_the_console_does(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shop)
    folder = ["--shop", str(shop.folder)]
    file = tmp_path / "many.json"
    file.write_text(json.dumps({"name": "many", "label_zh": "常客", "audience": "orders_ever >= 2"}), encoding="utf-8")
    assert main(["segment", "create", str(file), *folder]) == 0
    assert shop.state.segments.get("many").label_en == "常客", "not the short name"
    assert main(["segment", "export", "many", str(tmp_path / "many.csv"), *folder]) == 0
    file.write_text(json.dumps({"name": "so many!", "audience": "orders_ever >= 2"}), encoding="utf-8")
    assert main(["segment", "create", str(file), *folder]) == UsageError.exit_code
    capsys.readouterr()
    assert main(["segment", "list", "--json", *folder]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["people"]) == ("many", 2), "though no run has seen it"
    seen = [(row.who, row.what, row.target, row.detail) for row in shop.state.audit.rows()]
    assert [row for row in seen if row[1].startswith("segment")] == [
        (caller(), "segment.save", "many", {"version": 1}),
        (caller(), "segments.export", "many", {"command": "shopkeeper segment export"}),
        (caller(), "segment.export", "many", {"people": 2, "as": "csv"}),
    ]
