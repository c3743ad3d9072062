"""One person: who it is, all traits, what it bought, where it belongs, how it scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from shopkeeper.app.pages.reading import rows, stands_at
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import MissingError
from shopkeeper.schema.query import Query
from shopkeeper.schema.traits import GROUPS, TRAITS

__all__ = [
    "Basket",
    "Line",
    "Membership",
    "MonthSpend",
    "PersonPage",
    "Record",
    "basket_lines",
    "baskets",
    "months",
    "person_page",
]

_BASKETS_SHOWN = 20
_MONTHS_SHOWN = 24


@dataclass(frozen=True, slots=True)
class Record:
    """One customer record that belongs to the person."""

    source: str
    customer_id: str
    method: str


@dataclass(frozen=True, slots=True)
class Basket:
    """One order, or one return.

    Args:
        source: The source.
        order_id: The order.
        business_day: The business day.
        store_id: The store.
        store_name: Its name, where known.
        channel: The channel.
        lines: Lines bought.
        paid: What was paid, returns taken off.
        discount: Product and coupon discounts.
        with_coupon: Whether a coupon was used.
    """

    source: str
    order_id: str
    business_day: date
    store_id: str
    store_name: str | None
    channel: str | None
    lines: int
    paid: float
    discount: float
    with_coupon: bool


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
    """A segment the person is in, since when, and what it is called."""

    segment: str
    entered_at: datetime
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
    """What the page of one person shows but for the baskets.

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


def person_page(shop: Shop, person_id: str) -> PersonPage:
    """Gives what is known of a person.

    Raises:
        MissingError: There is no such person.
    """
    columns = ", ".join(TRAITS)
    query = Query.from_sql(f"SELECT {columns} FROM profile WHERE person_id = $person", name="profile", person=person_id)
    found = rows(shop, query)
    if not found:
        raise MissingError("there is no such person", next_step="look for the id in the list of people")
    records = Query.from_sql(
        "SELECT source, customer_id, method FROM person WHERE person_id = $person AND valid_to IS NULL "
        "ORDER BY source, customer_id",
        name="records",
        person=person_id,
    )
    segments = Query.from_sql(
        "SELECT segment, entered_at FROM segment_member WHERE person_id = $person AND left_at IS NULL ORDER BY segment",
        name="memberships",
        person=person_id,
    )
    saved = {each.name: each for each in (*shop.state.segments.all(archived=True), *shop.state.segments.all())}
    return PersonPage(
        person_id,
        stands_at(shop, "profile"),
        tuple(Record(**row) for row in rows(shop, records)),
        found[0],
        tuple(
            Membership(**row, label_en=saved[row["segment"]].label_en, label_zh=saved[row["segment"]].label_zh)
            for row in rows(shop, segments)
            if row["segment"] in saved
        ),
    )


def baskets(shop: Shop, person_id: str, *, page: int = 0) -> tuple[tuple[Basket, ...], bool]:
    """Gives twenty baskets of a person, newest first, and whether more follow.

    Args:
        shop: The shop.
        person_id: The person.
        page: Which twenty, from 0.
    """
    query = Query.from_sql(
        """
        SELECT
            b.source,
            b.order_id,
            b.business_day,
            b.store_id,
            s.name AS store_name,
            b.channel,
            b.all_lines AS lines,
            CAST(b.all_net AS DOUBLE) AS paid,
            CAST(COALESCE(b.product_discount, 0) + COALESCE(b.coupon_discount, 0) AS DOUBLE) AS discount,
            COALESCE(b.coupon_discount, 0) > 0 AS with_coupon
        FROM basket AS b
        JOIN person AS p ON p.source = b.source AND p.customer_id = b.customer_id AND p.valid_to IS NULL
        LEFT JOIN store AS s ON s.store_id = b.store_id
        WHERE p.person_id = $person
        ORDER BY b.business_day DESC, b.hour DESC NULLS LAST, b.order_id DESC
        LIMIT $shown OFFSET $skipped
        """,
        name="baskets",
        person=person_id,
        shown=_BASKETS_SHOWN + 1,
        skipped=max(page, 0) * _BASKETS_SHOWN,
    )
    found = [Basket(**row) for row in rows(shop, query)]
    return tuple(found[:_BASKETS_SHOWN]), len(found) > _BASKETS_SHOWN


def basket_lines(shop: Shop, person_id: str, source: str, order_id: str) -> tuple[Line, ...]:
    """Gives the lines of one basket of a person.

    Raises:
        MissingError: The person has no such basket.
    """
    day = Query.from_sql(
        """
        SELECT b.business_day
        FROM basket AS b
        JOIN person AS p ON p.source = b.source AND p.customer_id = b.customer_id AND p.valid_to IS NULL
        WHERE p.person_id = $person AND b.source = $source AND b.order_id = $order_id
        """,
        name="basket",
        person=person_id,
        source=source,
        order_id=order_id,
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


def months(shop: Shop, person_id: str) -> tuple[MonthSpend, ...]:
    """Gives what a person paid by month, oldest first, months without a basket left out."""
    query = Query.from_sql(
        """
        SELECT
            CAST(DATE_TRUNC('MONTH', b.business_day) AS DATE) AS month,
            CAST(SUM(b.all_net) AS DOUBLE) AS paid,
            COUNT(DISTINCT b.order_id) AS orders
        FROM basket AS b
        JOIN person AS p ON p.source = b.source AND p.customer_id = b.customer_id AND p.valid_to IS NULL
        WHERE p.person_id = $person
        GROUP BY CAST(DATE_TRUNC('MONTH', b.business_day) AS DATE)
        ORDER BY month DESC
        LIMIT $shown
        """,
        name="spend by month",
        person=person_id,
        shown=_MONTHS_SHOWN,
    )
    return tuple(reversed([MonthSpend(**row) for row in rows(shop, query)]))
