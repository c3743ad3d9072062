"""How many people an audience has, for who may not see persons."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sqlglot import exp

from shopkeeper.app.pages.builder import Preview, catalogue_of, preview
from shopkeeper.app.pages.membership import within
from shopkeeper.app.pages.reading import stands_at
from shopkeeper.app.pages.segments import SegmentRow
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import Fault
from shopkeeper.privacy.small_count import AskedCounts, Blur
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Type
from shopkeeper.schema.traits import TRAITS
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.compile import HOME, predicate
from shopkeeper.segment.document import from_document
from shopkeeper.segment.light import Mask, leaves, spread, without_light
from shopkeeper.segment.tree import Behaviour, Comparison, Leaf, Node, Sequel, walk

__all__ = ["AskedCounts", "asked_counts", "everybody", "guarded_preview", "guarded_row"]

_MOST_LEAVES = 50
_TYPED = frozenset({"search"})
"""Fields that hold what people typed: a phone number as well as a word."""


def asked_counts(shop: Shop) -> AskedCounts:
    """Makes what remembers the audiences that were counted for who may not see persons."""
    web = shop.settings.web
    blur = Blur(web.smallest_count, shop.tokens.digest("counts", b""))
    return AskedCounts(blur, shop.state.counts, most=web.counts_a_day)


def guarded_preview(shop: Shop, draft: Mapping[str, Any], asked: AskedCounts, *, who: str) -> Preview:
    """Judges and counts a draft; the count is what may be told, and nobody is named.

    What would name a person is refused, and parts of the rule that move few people are left out.

    Raises:
        ForbiddenError: The asker has counted too many different audiences today.
    """
    found = preview(shop, draft)
    if found.count is None or found.as_of is None:
        return found
    tree, catalogue = from_document(draft), catalogue_of(shop)
    parts = leaves(spread(tree))
    faults = tuple(_faults(tree, len(parts)))
    if faults:
        return Preview(faults)
    people, masks = _chosen_by(shop, parts, found, catalogue)
    everyone = np.ones(len(people), dtype=np.bool_)

    def is_light(moved: Mask) -> bool:
        few = np.flatnonzero(moved)
        return asked.blur.may_be_light(len(few)) and asked.blur.is_light(asked.blur.marks(people[few]))

    _, chosen = without_light(spread(tree), masks, everyone, is_light)
    told = asked.answer(asked.blur.marks(people[chosen]), now=now(shop), who=who, rule=_digest(tree))
    return replace(found, count=told, of=everybody(asked, found.of), sample=())


def guarded_row(shop: Shop, row: SegmentRow, asked: AskedCounts) -> SegmentRow:
    """Gives what may be told of a saved segment: its size, and no money, which would tell more than the size."""
    if stands_at(shop, "profile") is None:
        return replace(row, people=None, spend=None, live_people=None)
    saved = shop.state.segments.get(row.name)
    people = within(shop, saved, "SELECT i.person_id FROM inside AS i", name="people of a segment")
    marks = asked.blur.marks(shop.arrow(people)["person_id"].to_pylist())
    return replace(row, people=asked.answer(marks, now=now(shop)), spend=None, live_people=None)


def everybody(asked: AskedCounts, people: int | None) -> int | None:
    """Gives what may be told of the number of all people."""
    return None if people is None else asked.blur.told(people, people.to_bytes(8, "little"))


def _chosen_by(
    shop: Shop, parts: tuple[Leaf, ...], found: Preview, catalogue: Catalogue
) -> tuple[np.ndarray[Any, np.dtype[np.object_]], dict[Leaf, Mask]]:
    """The ids of all people, and whom each leaf chooses of them."""
    assert found.as_of is not None  # noqa: S101 - who calls has looked
    person = exp.column("person_id", table=HOME)
    inside = [
        exp.alias_(predicate(part, found.as_of, catalogue, person=person.copy()), f"part_{place}")
        for place, part in enumerate(parts)
    ]
    select = exp.select(person, *inside).from_(HOME).order_by(person.copy())
    rows = shop.arrow(Query(select, name="parts of an audience"))
    masks = {part: rows[f"part_{place}"].to_numpy().astype(np.bool_) for place, part in enumerate(parts)}
    return rows["person_id"].to_numpy(), masks


def _digest(tree: Node) -> str:
    return hashlib.sha256(repr(tree).encode()).hexdigest()


def _faults(tree: Node, parts: int) -> Iterator[Fault]:
    if parts > _MOST_LEAVES:
        yield Fault(
            "audience",
            f"has {parts} conditions and values, more than the {_MOST_LEAVES} of who may not see persons",
            f"有 {parts} 个条件和取值，超过无权查看会员者的上限 {_MOST_LEAVES} 个",
        )
    for path, node in walk(tree):
        if isinstance(node, Leaf) and _may_name(node):
            yield Fault(
                path or "audience",
                "may name a person: who may not see persons cannot ask so",
                "可能指向个人：无权查看会员者不能这样查询",
            )


def _may_name(leaf: Leaf) -> bool:
    """Whether a leaf asks for what a source or a person may have written as it likes, identifiers too."""
    if isinstance(leaf, Comparison):
        return TRAITS[leaf.trait].type is Type.MAP and leaf.op not in ("known", "unknown")
    acts = (leaf.act,) if isinstance(leaf, Behaviour) else (leaf.first, leaf.then) if isinstance(leaf, Sequel) else ()
    return any(condition.field in _TYPED for act in acts for condition in act.where)
