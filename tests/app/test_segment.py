"""Saved segments: versions that can be taken back, stays that end when a segment is put away."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from shopkeeper.app.pages.segments import archive_segment, go_back, save_segment, segment_page
from shopkeeper.app.run import run
from shopkeeper.app.shop import Shop, init
from shopkeeper.base.errors import FaultsError, MissingError
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
