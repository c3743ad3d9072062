"""The segment builder: what a form holds is the draft; a button changes it; the draft is judged, said and counted."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from shopkeeper.app.pages.reading import kept_segments, rows, stands_at
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import Fault
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Type
from shopkeeper.schema.traits import TRAITS
from shopkeeper.segment.catalogue import OPERATORS, Catalogue
from shopkeeper.segment.check import judge
from shopkeeper.segment.compile import count, members
from shopkeeper.segment.document import from_document
from shopkeeper.segment.edit import act, from_form
from shopkeeper.segment.field import ACTS, FieldType
from shopkeeper.segment.phrase import phrase
from shopkeeper.segment.sentence import sentence

__all__ = [
    "ACTS",
    "FIELD_OPERATORS",
    "OPERATORS",
    "Preview",
    "catalogue_of",
    "draft_of",
    "edited",
    "preview",
    "suggestions",
]

FIELD_OPERATORS: Mapping[FieldType, tuple[str, ...]] = {
    FieldType.TEXT: ("=", "!=", "in", "not in"),
    FieldType.WHOLE: (">=", "<=", "=", "between", "in"),
    FieldType.NUMBER: (">=", "<=", "=", "between"),
    FieldType.BOOLEAN: ("=",),
}
"""The operators that the builder offers for a field of each type."""

_SAMPLE = 5
_SUGGESTED = 60
_PRODUCT_FIELDS = ("category", "subcategory", "department", "brand", "kind")
_STORE_FIELD = "store"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a draft comes to.

    Args:
        faults: What is still wrong, each with its path; then the rest is empty.
        count: How many people are in it; None, as the rest, before the first run.
        of: How many people there are.
        seconds: How long counting took.
        as_of: The day at whose end it was counted.
        english: The audience in words.
        chinese: The same in Chinese.
        line: The audience as one line of text.
        sql: Its SQL.
        sample: Some of the people.
    """

    faults: tuple[Fault, ...]
    count: int | None = None
    of: int | None = None
    seconds: float | None = None
    as_of: date | None = None
    english: str = ""
    chinese: str = ""
    line: str = ""
    sql: str = ""
    sample: tuple[str, ...] = field(default=())


def catalogue_of(shop: Shop) -> Catalogue:
    """Gives what an audience of the shop may name: traits and segments, by their rule where no run has kept them."""
    chain, kept = shop.settings.chain, kept_segments(shop)
    saved = shop.state.segments.all()
    trees = {each.name: from_document(each.tree) for each in saved}
    by_rule = {each.name: trees[each.name] for each in saved if kept.get(each.name) != each.version}
    return Catalogue(segments=trees, by_rule=by_rule, time_zone=chain.time_zone, currency=chain.currency)


def draft_of(fields: Mapping[str, str], catalogue: Catalogue) -> dict[str, Any]:
    """Makes a draft of a form's fields, each named by its path; operators that no longer fit are set right."""
    settled: dict[str, Any] = _settled(from_form(fields, catalogue))
    return settled


def edited(draft: Mapping[str, Any], action: str) -> dict[str, Any]:
    """Does what a button says: `add:PATH:KIND`, `wrap:PATH:WORD`, `change:PATH:KIND`, `remove|up|down:PATH`."""
    changed: dict[str, Any] = act(draft, action)
    return changed


def preview(shop: Shop, draft: Mapping[str, Any], *, name: str | None = None) -> Preview:
    """Judges a draft, says it in words and counts it.

    Args:
        shop: The shop.
        draft: The audience as a JSON document, finished or not.
        name: The segment it is to be kept as, which it may not refer to.
    """
    catalogue = catalogue_of(shop)
    tree, faults = judge(draft, catalogue, name)
    open_faults = (*faults, *_blanks(draft, tuple(fault.path for fault in faults)))
    if open_faults or tree is None:
        return Preview(open_faults)
    as_of = stands_at(shop, "profile")
    english, chinese, line = sentence(tree, "en", catalogue), sentence(tree, "zh", catalogue), phrase(tree)
    if as_of is None:
        return Preview((), english=english, chinese=chinese, line=line)
    began = time.perf_counter()
    (found,) = rows(shop, count(tree, as_of, catalogue))
    seconds = time.perf_counter() - began
    who = members(tree, as_of, catalogue)
    return Preview(
        (),
        count=found["count"],
        of=found["of"],
        seconds=seconds,
        as_of=as_of,
        english=english,
        chinese=chinese,
        line=line,
        sql=who.sql(),
        sample=_some(shop, who) if found["count"] else (),
    )


def suggestions(shop: Shop, name: str) -> tuple[str, ...]:
    """Gives the most frequent values of a text trait, or of a field of what was bought; of stores, the ids."""
    if name in _PRODUCT_FIELDS:
        text = f"SELECT {name} AS value, COUNT(*) AS n FROM product WHERE {name} IS NOT NULL GROUP BY {name}"
    elif name == _STORE_FIELD:
        text = "SELECT store_id AS value, COUNT(*) AS n FROM store GROUP BY store_id"
    elif name in TRAITS and TRAITS[name].type is Type.STRING and not TRAITS[name].values:
        text = f"SELECT {name} AS value, COUNT(*) AS n FROM profile WHERE {name} IS NOT NULL GROUP BY {name}"
    else:
        return ()
    query = Query.from_sql(f"{text} ORDER BY n DESC, value LIMIT $shown", name="suggestions", shown=_SUGGESTED)
    return tuple(row["value"] for row in rows(shop, query))


def _blanks(node: Any, known: tuple[str, ...], path: str = "") -> tuple[Fault, ...]:
    """A fault for each comparison whose text is still empty: right in the language, but never what is meant."""
    if isinstance(node, list):
        return tuple(fault for place, item in enumerate(node) for fault in _blanks(item, known, f"{path}[{place}]"))
    if not isinstance(node, dict):
        return ()
    blank = ("trait" in node or "field" in node) and node.get("value") == "" and f"{path}.value" not in known
    own = (
        (Fault(f"{path}.value".lstrip("."), "needs a value", "需要一个值"),)
        if blank and node.get("trait") != ""
        else ()
    )
    below = (fault for key, value in node.items() for fault in _blanks(value, known, f"{path}.{key}".lstrip(".")))
    return (*own, *below)


def _some(shop: Shop, who: Query) -> tuple[str, ...]:
    few = Query(who.tree.copy().order_by("person_id").limit(_SAMPLE), name="sample")
    return tuple(row["person_id"] for row in rows(shop, few))


def _settled(node: Any) -> Any:
    """Operators and values of traits and fields that changed under them are set to ones that fit."""
    if isinstance(node, list):
        return [_settled(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _settled(value) for key, value in node.items()}
    allowed = _allowed(found)
    if allowed and found.get("op") not in allowed:
        found["op"] = allowed[0]
        found["value"] = ""
    if found.get("op") == "=" and found.get("value") == "" and _counts(found):
        found["op"] = ">="
    if found.get("op") in ("known", "unknown"):
        found.pop("value", None)
    elif "op" in found:
        found.setdefault("value", "")
    return found


def _counts(node: Mapping[str, Any]) -> bool:
    """Whether a comparison is of a trait that counts or measures: there one seldom means `=`."""
    trait = TRAITS.get(str(node.get("trait")))
    return trait is not None and trait.type in (Type.INTEGER, Type.NUMBER, Type.MONEY)


def _allowed(node: Mapping[str, Any]) -> tuple[str, ...]:
    if "trait" in node:
        trait = TRAITS.get(str(node["trait"]))
        return OPERATORS[trait.type] if trait else ()
    if "field" in node:
        kinds = {name: each for kind in ACTS.values() for name, each in kind.fields.items()}
        known = kinds.get(str(node["field"]))
        return FIELD_OPERATORS[known.type] if known else ()
    return ()
