"""Stays over three days: who enters, stays, leaves, comes back; sizes and overlaps of them."""

from datetime import UTC, date, datetime

from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.definition import Definition
from shopkeeper.segment.line import parse
from shopkeeper.segment.membership import overlap, refreshed, sizes_by_day
from tests.segment.conftest import Shop
from tests.segment.oracle import World

_SHANGHAI = Catalogue(time_zone="Asia/Shanghai")
_LATE = Definition("late", parse("recency_days > 60"), "Late", "迟到", version=3)
_OTHER = {
    "segment": "other",
    "person_id": "b",
    "entered_at": datetime(2017, 1, 1, tzinfo=UTC),
    "left_at": None,
    "version": 1,
}


def _refresh(shop: Shop, day: date, late: str, stays: list[dict]) -> list[dict]:
    people = [{"person_id": person, "recency_days": 90 if person in late else 1} for person in "abc"]
    shop.fill(World(day, rows={"profile": people, "segment_member": stays}))
    query = refreshed(_LATE, day, _SHANGHAI)
    assert query.columns == ("segment", "person_id", "entered_at", "left_at", "version")
    return [dict(zip(query.columns, row, strict=True)) for row in shop.rows(query.sql())]


def _end(day: int) -> datetime:
    return datetime(2017, 3, day, 16, tzinfo=UTC)


def test_entered_and_left_are_kept(shop: Shop) -> None:
    stays = [_OTHER]
    for day, late in ((1, "ab"), (2, "bc"), (2, "bc"), (3, "abc")):
        stays = _refresh(shop, date(2017, 3, day), late, stays)
    mine = sorted((row["person_id"], row["entered_at"], row["left_at"]) for row in stays if row["segment"] == "late")
    assert mine[1:] == [("a", _end(3), None), ("b", _end(1), None), ("c", _end(2), None)]
    assert mine[0] == ("a", _end(1), _end(2))
    assert _OTHER in stays
    assert {row["version"] for row in stays if row["segment"] == "late"} == {3}
    shop.fill(World(date(2017, 3, 3), rows={"segment_member": stays}))
    sizes = shop.rows(sizes_by_day(date(2017, 3, 1), date(2017, 3, 3), _SHANGHAI).sql())
    assert sorted(row[2] for row in sizes if row[1] == "late") == [2, 2, 3]
    assert shop.rows(overlap(("late", "other"), date(2017, 3, 3), _SHANGHAI).sql()) == [
        ("late", "late", 3), ("late", "other", 1), ("other", "late", 1), ("other", "other", 1),
    ]  # fmt: skip


def test_the_definition_may_name_other_segments(shop: Shop) -> None:
    both = Definition("both", parse('recency_days > 60 and in segment "other"'), "Both", "两者")
    people = [{"person_id": person, "recency_days": 90} for person in "ab"]
    shop.fill(World(date(2017, 3, 1), rows={"profile": people, "segment_member": [_OTHER]}))
    rows = shop.rows(refreshed(both, date(2017, 3, 1)).sql())
    assert [(segment, person) for segment, person, *_ in rows if segment == "both"] == [("both", "b")]
    assert "segment_member" in refreshed(both, date(2017, 3, 1)).tables
