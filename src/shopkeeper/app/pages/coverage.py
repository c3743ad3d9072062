"""What pages about members cover: members' share of sales and tickets, in total, by store, channel and hour."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from shopkeeper.app.pages.reading import names_of, rows, stands_at
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import UsageError
from shopkeeper.profile.coverage import member_share
from shopkeeper.schema.query import Query

__all__ = ["GROUPS", "SPANS", "Coverage", "Covered", "Share", "coverage_page", "covered"]

Group = Literal["store_id", "channel", "hour"]
GROUPS: tuple[Group, ...] = ("store_id", "channel", "hour")
"""What the shares are broken down by."""
SPANS = (7, 28, 90, 365)
"""The days that the page offers."""
_STORES_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Share:
    """Members' part of the sales and tickets of one group; `value` is the store, channel or hour, None for all."""

    value: str | int | None
    name: str | None
    tickets: int
    member_tickets: int
    sales: float
    member_sales: float
    ticket_share: float | None
    sales_share: float | None


@dataclass(frozen=True, slots=True)
class Covered:
    """What a page about members covers, for the line below it.

    Args:
        as_of: The day up to which it is counted; None when nothing was computed.
        sales: Members' share of sales in the 365 days up to it.
        tickets: Members' share of tickets.
        left_out: Kinds of products that RFM, favourites, baskets and price tier leave out.
    """

    as_of: date | None
    sales: float | None
    tickets: float | None
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What pages about members cover over some days.

    Args:
        first: The first day.
        last: The last day.
        whole: All sales and tickets.
        by: The shares of each store (those with most sales), channel and hour.
        of: How many stores there are.
        left_out: Kinds of products that RFM, favourites, baskets and price tier leave out.
    """

    first: date
    last: date
    whole: Share
    by: Mapping[Group, tuple[Share, ...]]
    of: int
    left_out: tuple[str, ...]


def covered(shop: Shop) -> Covered:
    """Gives what members make up of the 365 days up to the profile, from the daily facts, which are few rows."""
    as_of, left_out = stands_at(shop, "profile"), shop.settings.profile.left_out_kinds
    if as_of is None:
        return Covered(None, None, None, left_out)
    query = Query.from_sql(
        """
        SELECT
            CAST(SUM(member_sales) AS DOUBLE) / NULLIF(CAST(SUM(sales) AS DOUBLE), 0) AS sales,
            CAST(SUM(member_tickets) AS DOUBLE) / NULLIF(CAST(SUM(tickets) AS DOUBLE), 0) AS tickets
        FROM store_day
        WHERE business_day > $before AND business_day <= $as_of
        """,
        name="what members make up",
        before=as_of - timedelta(days=max(SPANS)),
        as_of=as_of,
    )
    (found,) = rows(shop, query)
    return Covered(as_of, found["sales"], found["tickets"], left_out)


def coverage_page(shop: Shop, days: int = 365) -> Coverage | None:
    """Gives members' shares over the days up to the profile (or the last with data); None without any ticket.

    Raises:
        UsageError: The page does not offer so many days.
    """
    if days not in SPANS:
        raise UsageError(f"coverage is not shown for {days} days", next_step=f"one of {', '.join(map(str, SPANS))}")
    last = stands_at(shop, "profile") or stands_at(shop, "coverage")
    if last is None:
        return None
    first = last - timedelta(days=days - 1)
    (whole,) = rows(shop, member_share(first, last))
    if whole["tickets"] is None:
        return None
    names = names_of(shop, "store")
    by = {
        group: tuple(_share(row, group, names) for row in rows(shop, member_share(first, last, group)))
        for group in GROUPS
    }
    stores = sorted(by["store_id"], key=lambda share: (-share.sales, str(share.value)))
    by["store_id"] = tuple(stores[:_STORES_SHOWN])
    return Coverage(first, last, _share(whole, None, names), by, len(stores), shop.settings.profile.left_out_kinds)


def _share(row: dict[str, Any], group: Group | None, names: Mapping[str, str]) -> Share:
    value = row[group] if group else None
    return Share(
        value,
        names.get(str(value)) if group == "store_id" else None,
        row["tickets"],
        row["member_tickets"],
        float(row["sales"]),
        float(row["member_sales"]),
        row["ticket_share"],
        row["sales_share"],
    )
