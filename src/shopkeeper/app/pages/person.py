"""One person: who it is, all traits, what it bought, where it belongs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from shopkeeper.app.pages.membership import within
from shopkeeper.app.pages.reading import kept_segments, rows, stands_at
from shopkeeper.app.pages.seen import SEEN_TRAITS, must_see, seen
from shopkeeper.app.shop import Shop
from shopkeeper.app.visitor import Scope
from shopkeeper.base.errors import MissingError
from shopkeeper.schema.query import Query
from shopkeeper.schema.traits import GROUPS, TRAITS

__all__ = [
    "Line",
    "Membership",
    "MonthSpend",
    "PersonPage",
    "Record",
    "basket_lines",
    "months",
    "person_page",
]

_MONTHS_SHOWN = 24


@dataclass(frozen=True, slots=True)
class Record:
    """One customer record that belongs to the person."""

    source: str
    customer_id: str
    method: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order."""

    line_no: int
    product_id: str
    product: str | None
    category: str | None
    quantity: float
    paid: float


@dataclass(frozen=True, slots=True)
class Membership:
    """A segment the person is in, since when (None where no run has kept it yet), and what it is called."""

    segment: str
    entered_at: datetime | None
    label_en: str
    label_zh: str


@dataclass(frozen=True, slots=True)
class MonthSpend:
    """What the person paid in one month."""

    month: date
    paid: float
    orders: int


@dataclass(frozen=True, slots=True)
class PersonPage:
    """What the page of one person shows but for the timeline.

    Args:
        person_id: The person.
        as_of: The day at whose end the traits hold.
        records: The customer records.
        traits: Every trait by name.
        segments: The segments the person is in now.
    """

    person_id: str
    as_of: date | None
    records: tuple[Record, ...]
    traits: Mapping[str, Any] = field(hash=False)
    segments: tuple[Membership, ...] = ()

    def by_group(self) -> dict[str, list[str]]:
        """The names of the traits that are known of the person, by group."""
        found: dict[str, list[str]] = {group: [] for group in GROUPS}
        for name, declared in TRAITS.items():
            if self.traits.get(name) not in (None, "", {}, []):
                found[declared.group].append(name)
        return {group: names for group, names in found.items() if names}


def person_page(shop: Shop, person_id: str, scope: Scope | None = None) -> PersonPage:
    """Gives what is known of a person; to a visitor of some stores by the figures of those alone, and no segments.

    A person who was linked to another since is that other: the id of the page says so.

    Raises:
        MissingError: There is no such person, or it is none of the visitor's stores.
    """
    source, named = seen(shop, scope)
    columns = ", ".join(f"p.{name}" for name in (TRAITS if scope is None else SEEN_TRAITS))
    text = f"SELECT {columns} FROM {source} AS p WHERE p.person_id = $person"
    query = Query.from_sql(text, name="profile", person=person_id, **named)
    found = rows(shop, query)
    if not found:
        now = shop.state.identifiers.person(person_id)
        if now != person_id:
            return person_page(shop, now, scope)
        raise MissingError("there is no such person", next_step="look for the id in the list of people")
    records = Query.from_sql(
        "SELECT source, customer_id, method FROM person WHERE person_id = $person AND valid_to IS NULL "
        "ORDER BY source, customer_id",
        name="records",
        person=person_id,
    )
    return PersonPage(
        person_id,
        stands_at(shop, "profile"),
        tuple(Record(**row) for row in rows(shop, records)),
        dict.fromkeys(TRAITS) | found[0],
        tuple(_memberships(shop, person_id)) if scope is None else (),
    )


def _memberships(shop: Shop, person_id: str) -> Iterator[Membership]:
    kept = kept_segments(shop)
    stays = Query.from_sql(
        "SELECT segment, entered_at FROM segment_member WHERE person_id = $person AND left_at IS NULL",
        name="memberships",
        person=person_id,
    )
    entered = {row["segment"]: row["entered_at"] for row in rows(shop, stays)}
    text = "SELECT i.entered_at FROM inside AS i WHERE i.person_id = $person"
    for saved in shop.state.segments.all():
        if kept.get(saved.name) != saved.version:
            inside = bool(rows(shop, within(shop, saved, text, name="membership by the rule", person=person_id)))
        else:
            inside = saved.name in entered
        if inside:
            yield Membership(saved.name, entered.get(saved.name), saved.label_en, saved.label_zh)


def basket_lines(
    shop: Shop, person_id: str, source: str, order_id: str, scope: Scope | None = None
) -> tuple[Line, ...]:
    """Gives the lines of one basket of a person, in the stores of the visitor.

    Raises:
        MissingError: The person has no such basket.
    """
    must_see(shop, person_id, scope)
    here, named = _here(scope)
    day = Query.from_sql(
        f"""
        SELECT b.business_day
        FROM basket AS b
        JOIN person AS p ON p.source = b.source AND p.customer_id = b.customer_id AND p.valid_to IS NULL
        WHERE p.person_id = $person AND b.source = $source AND b.order_id = $order_id{here}
        """,
        name="basket",
        person=person_id,
        source=source,
        order_id=order_id,
        **named,
    )
    days = [row["business_day"] for row in rows(shop, day)]
    if not days:
        raise MissingError("the person has no such basket", next_step="look at the person's baskets")
    query = Query.from_sql(
        """
        SELECT
            l.line_no,
            l.product_id,
            g.name AS product,
            g.category,
            CAST(l.quantity AS DOUBLE) AS quantity,
            CAST(l.net_amount AS DOUBLE) AS paid
        FROM order_line AS l
        LEFT JOIN product AS g ON g.product_id = l.product_id
        WHERE l.business_day BETWEEN $first AND $last AND l.source = $source AND l.order_id = $order_id
        ORDER BY l.line_no
        """,
        name="basket lines",
        first=min(days),
        last=max(days),
        source=source,
        order_id=order_id,
    )
    return tuple(Line(**row) for row in rows(shop, query))


def months(shop: Shop, person_id: str, scope: Scope | None = None) -> tuple[MonthSpend, ...]:
    """Gives what a person paid by month in the stores of the visitor, oldest first, empty months left out."""
    here, named = _here(scope)
    query = Query.from_sql(
        f"""
        SELECT
            CAST(DATE_TRUNC('MONTH', b.business_day) AS DATE) AS month,
            CAST(SUM(b.all_net) AS DOUBLE) AS paid,
            COUNT(DISTINCT b.order_id) AS orders
        FROM basket AS b
        JOIN person AS p ON p.source = b.source AND p.customer_id = b.customer_id AND p.valid_to IS NULL
        WHERE p.person_id = $person{here}
        GROUP BY CAST(DATE_TRUNC('MONTH', b.business_day) AS DATE)
        ORDER BY month DESC
        LIMIT $shown
        """,
        name="spend by month",
        person=person_id,
        shown=_MONTHS_SHOWN,
        **named,
    )
    return tuple(reversed([MonthSpend(**row) for row in rows(shop, query)]))


def _here(scope: Scope | None) -> tuple[str, dict[str, Any]]:
    """The condition that a basket `b` is of the visitor's stores."""
    return ("", {}) if scope is None else (" AND b.store_id IN $here", {"here": list(scope.stores)})
