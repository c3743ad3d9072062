"""The list of people: found by id, filtered, sorted, page by page."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from shopkeeper.app.pages.membership import within
from shopkeeper.app.pages.reading import first_row, rows, stands_at
from shopkeeper.app.pages.seen import seen
from shopkeeper.app.shop import Shop
from shopkeeper.app.visitor import Scope
from shopkeeper.base.errors import ForbiddenError, UsageError
from shopkeeper.schema.query import Query, Value
from shopkeeper.schema.traits import TRAITS

__all__ = ["LISTED", "SORTED_BY", "People", "PeopleFilter", "PersonRow", "people"]

LISTED = (
    "lifecycle",
    "trend",
    "rfm_class",
    "recency_days",
    "orders_365d",
    "monetary_365d",
    "basket_value",
    "favourite_store",
)
"""The traits that the list shows."""

SORTED_BY = ("monetary_365d", "orders_365d", "recency_days", "basket_value")
"""The traits that the list is sorted by."""

_MOST = 100


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """Whom the list shows and in which order; None does not filter.

    Args:
        search: A person id, or a customer id of any source.
        stage: A lifecycle stage.
        rfm_class: An RFM class.
        segment: A segment they are in now.
        sort: One of `SORTED_BY`.
        rising: Whether the smallest comes first.
    """

    search: str | None = None
    stage: str | None = None
    rfm_class: str | None = None
    segment: str | None = None
    sort: str = "monetary_365d"
    rising: bool = False

    def __post_init__(self) -> None:
        if self.sort not in SORTED_BY:
            raise UsageError(f"people are not sorted by '{self.sort}'", next_step=f"one of {', '.join(SORTED_BY)}")
        for name, value in (("lifecycle", self.stage), ("rfm_class", self.rfm_class)):
            if value is not None and value not in TRAITS[name].values:
                raise UsageError(f"'{value}' is no {name}", next_step=f"one of {', '.join(TRAITS[name].values)}")


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person of the list, with the traits of `LISTED`."""

    person_id: str
    traits: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class People:
    """One page of the list.

    Args:
        as_of: The day at whose end the traits hold.
        rows: The people.
        total: How many pass the filter.
        cursor: Where the next page begins; None on the last.
    """

    as_of: date | None
    rows: tuple[PersonRow, ...]
    total: int
    cursor: str | None


def people(
    shop: Shop, chosen: PeopleFilter, *, cursor: str | None = None, limit: int = 50, scope: Scope | None = None
) -> People:
    """Gives one page of people.

    Args:
        shop: The shop.
        chosen: Whom and in which order.
        cursor: What the page before said.
        limit: People a page, at most 100.
        scope: The stores of the visitor, who sees no others' people and figures; the whole chain by default.

    Raises:
        ForbiddenError: A visitor of some stores asks for a segment, which is worked out over the whole chain.
        UsageError: The cursor is none of ours.
        MissingError: There is no such segment.
    """
    if scope is not None and chosen.segment:
        raise ForbiddenError("who sees some stores sees no audiences of the chain", next_step="leave the segment out")
    limit = min(max(limit, 1), _MOST)
    source, seen_by = seen(shop, scope)
    where, named = _where(chosen)
    named |= seen_by
    total = first_row(shop, _asked(shop, chosen, f"SELECT COUNT(*) AS people FROM {source} AS p{_and(where)}", named))
    if cursor:
        condition, more = _after(chosen, _opened(cursor))
        where, named = [*where, condition], {**named, **more}
    columns = ", ".join(f"p.{name}" for name in LISTED)
    order = f"p.{chosen.sort} {'ASC' if chosen.rising else 'DESC'} NULLS LAST, p.person_id"
    text = f"SELECT p.person_id, {columns} FROM {source} AS p{_and(where)} ORDER BY {order} LIMIT $shown"
    query = _asked(shop, chosen, text, {**named, "shown": limit + 1})
    found = [PersonRow(row.pop("person_id"), row) for row in rows(shop, query)]
    more_follow = len(found) > limit
    return People(
        stands_at(shop, "profile"),
        tuple(found[:limit]),
        total["people"],
        _sealed(found[limit - 1], chosen.sort) if more_follow else None,
    )


def _where(chosen: PeopleFilter) -> tuple[list[str], dict[str, Any]]:
    """The conditions in SQL over our own names, and the values that their parameters take."""
    conditions: list[str] = []
    named: dict[str, Any] = {}
    if chosen.search:
        conditions.append(
            "(p.person_id = $search OR p.person_id IN "
            "(SELECT r.person_id FROM person AS r WHERE r.customer_id = $search AND r.valid_to IS NULL))"
        )
        named["search"] = chosen.search.strip()
    if chosen.stage:
        conditions.append("p.lifecycle = $stage")
        named["stage"] = chosen.stage
    if chosen.rfm_class:
        conditions.append("p.rfm_class = $rfm_class")
        named["rfm_class"] = chosen.rfm_class
    if chosen.segment:
        conditions.append("p.person_id IN (SELECT i.person_id FROM inside AS i)")
    return conditions, named


def _asked(shop: Shop, chosen: PeopleFilter, text: str, named: Mapping[str, Any]) -> Query:
    if chosen.segment is None:
        return Query.from_sql(text, name="people", **named)
    return within(shop, shop.state.segments.get(chosen.segment), text, name="people", **named)


def _and(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _after(chosen: PeopleFilter, last: tuple[Value, str]) -> tuple[str, dict[str, Any]]:
    """What comes after the last person of the page before; unknown values come last."""
    value, person = last
    if value is None:
        return f"(p.{chosen.sort} IS NULL AND p.person_id > $last_person)", {"last_person": person}
    beyond = ">" if chosen.rising else "<"
    condition = (
        f"(p.{chosen.sort} {beyond} $last_value OR p.{chosen.sort} IS NULL "
        f"OR (p.{chosen.sort} = $last_value AND p.person_id > $last_person))"
    )
    return condition, {"last_value": value, "last_person": person}


def _sealed(row: PersonRow, sort: str) -> str:
    value = row.traits[sort]
    plain = [str(value) if isinstance(value, Decimal) else value, row.person_id]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def _opened(cursor: str) -> tuple[Value, str]:
    try:
        value, person = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        known = Decimal(value) if isinstance(value, str) else value
    except (ValueError, ArithmeticError, TypeError):
        raise UsageError("the place in the list is not known", next_step="begin at the first page") from None
    if not isinstance(person, str) or not isinstance(known, Decimal | int | float | None):
        raise UsageError("the place in the list is not known", next_step="begin at the first page")
    return known, person
