"""Whom a visitor of some stores sees: persons with an order there within 365 days, by the figures of those stores."""

from datetime import date, timedelta
from typing import Any

from shopkeeper.app.pages.reading import rows, stands_at
from shopkeeper.app.shop import Shop
from shopkeeper.app.visitor import Scope
from shopkeeper.base.errors import MissingError
from shopkeeper.schema.query import Query

__all__ = ["SEEN_DAYS", "SEEN_TRAITS", "must_see", "seen", "sees"]

SEEN_DAYS = 365
"""For how many days an order lets a store see a person, up to the day of the profile."""

SEEN_TRAITS = (
    "lifecycle",
    "trend",
    "rfm_class",
    "recency_days",
    "orders_365d",
    "monetary_365d",
    "basket_value",
    "favourite_store",
)
"""The traits that a visitor of some stores gets: classes as they are, figures computed from those stores alone."""

_SEEN = """(
    SELECT
        f.person_id,
        f.lifecycle,
        f.trend,
        f.rfm_class,
        DATE_DIFF('DAY', s.last_day, $seen_until) AS recency_days,
        s.orders AS orders_365d,
        CAST(s.paid AS DECIMAL(18, 4)) AS monetary_365d,
        CAST(s.paid / s.orders AS DECIMAL(18, 4)) AS basket_value,
        CASE WHEN f.favourite_store IN $seen_stores THEN f.favourite_store END AS favourite_store
    FROM profile AS f
    JOIN (
        SELECT r.person_id, COUNT(*) AS orders, SUM(b.all_net) AS paid, MAX(b.business_day) AS last_day
        FROM basket AS b
        JOIN person AS r ON r.source = b.source AND r.customer_id = b.customer_id AND r.valid_to IS NULL
        WHERE b.business_day BETWEEN $seen_from AND $seen_until AND b.store_id IN $seen_stores AND b.all_lines > 0
        GROUP BY r.person_id
    ) AS s ON s.person_id = f.person_id
)"""


def seen(shop: Shop, scope: Scope | None) -> tuple[str, dict[str, Any]]:
    """Gives the relation of persons and `SEEN_TRAITS` that a visitor sees, and its parameters.

    Args:
        shop: The shop.
        scope: The visitor's stores; the whole profile without one.
    """
    if scope is None:
        return "profile", {}
    until: date = stands_at(shop, "profile") or shop.today()
    first = until - timedelta(days=SEEN_DAYS - 1)
    return _SEEN, {"seen_from": first, "seen_until": until, "seen_stores": list(scope.stores)}


def must_see(shop: Shop, person_id: str, scope: Scope | None) -> None:
    """Lets a person pass that a visitor sees: without a scope anybody.

    Raises:
        MissingError: There is no such person, or it is another store's: the answer does not tell which.
    """
    if not sees(shop, person_id, scope):
        raise MissingError("there is no such person", next_step="look for the id in the list of people")


def sees(shop: Shop, person_id: str, scope: Scope | None) -> bool:
    """Whether a visitor sees a person: without a scope anybody."""
    if scope is None:
        return True
    source, named = seen(shop, scope)
    text = f"SELECT p.person_id FROM {source} AS p WHERE p.person_id = $person"
    return bool(rows(shop, Query.from_sql(text, name="seen", person=person_id, **named)))
