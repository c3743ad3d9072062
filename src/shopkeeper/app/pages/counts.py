"""How many people an audience has, for who may not see persons."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shopkeeper.app.pages.builder import Preview, catalogue_of, preview
from shopkeeper.app.pages.membership import within
from shopkeeper.app.pages.reading import stands_at
from shopkeeper.app.pages.segments import SegmentRow
from shopkeeper.app.shop import Shop
from shopkeeper.privacy.small_count import AskedCounts, rounded
from shopkeeper.schema.query import Query
from shopkeeper.segment.compile import members
from shopkeeper.segment.document import from_document

__all__ = ["AskedCounts", "guarded_preview", "guarded_row", "rounded"]


def guarded_preview(shop: Shop, draft: Mapping[str, Any], asked: AskedCounts) -> Preview:
    """Judges and counts a draft; the count is what may be told, and nobody is named."""
    found = preview(shop, draft)
    if found.count is None or found.as_of is None:
        return found
    people = members(from_document(draft), found.as_of, catalogue_of(shop))
    told = asked.answer(_ids(shop, people))
    return replace(found, count=told, of=rounded(found.of, shop.settings.web.smallest_count), sample=())


def guarded_row(shop: Shop, row: SegmentRow, asked: AskedCounts) -> SegmentRow:
    """Gives what may be told of a saved segment: its size, and no money, which would tell more than the size."""
    if stands_at(shop, "profile") is None:
        return replace(row, people=None, spend=None, live_people=None)
    saved = shop.state.segments.get(row.name)
    people = within(shop, saved, "SELECT i.person_id FROM inside AS i", name="people of a segment")
    return replace(row, people=asked.answer(_ids(shop, people)), spend=None, live_people=None)


def _ids(shop: Shop, people: Query) -> list[str]:
    found: list[str] = shop.arrow(people)["person_id"].to_pylist()
    return found
