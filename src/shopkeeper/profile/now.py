"""What a person has bought up to now: the baskets of the last run and the orders that live state knows, each once.

An order is told by its key, not by a position in the log: rows of an event stand in `order_line` before `event` moves
on, a file may bring the orders that a till has sent already, and a run stands at the end of a day. Lines are only ever
added to an order, so of its two forms the one with more lines is the newer; where they are equal they are the same.
"""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence

import msgspec

from shopkeeper.profile.live import Line

__all__ = ["KNOWN_DAYS", "Bought", "Ever", "Totals", "basket_key", "live_baskets", "totals_now"]

KNOWN_DAYS = 400
"""Days of baskets that the last run hands on: as long as live state keeps orders."""

_WINDOWS = (30, 90, 365)
_KEY_DIGITS = 8


class Bought(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One basket, as in the table `basket`; money in ten-thousandths.

    Args:
        key: What `basket_key` gives.
        day: Its business day, `date.toordinal()`.
        lines: Counted lines bought.
        all_lines: Lines bought of any kind.
        net: Paid for counted lines, returns taken off.
        returned: Amount of counted lines returned, not negative.
    """

    key: str
    day: int
    lines: int
    all_lines: int
    net: int
    returned: int = 0


class Ever(msgspec.Struct, frozen=True):
    """What the profile says of all time up to its day; days as ordinals, money in ten-thousandths."""

    orders: int = 0
    monetary: int = 0
    first_purchase_on: int | None = None
    last_purchase_on: int | None = None


class Totals(msgspec.Struct, frozen=True):
    """Recency, frequency and monetary value up to and with a day, as a run at its end would find them.

    Args:
        orders: Orders by days of the window, 0 for all time.
        monetary: Paid in ten-thousandths, by days of the window, 0 for all time.
        first_purchase_on: Day of the first purchase.
        last_purchase_on: Day of the last purchase.
        recency_days: Days since then.
    """

    orders: Mapping[int, int]
    monetary: Mapping[int, int]
    first_purchase_on: int | None
    last_purchase_on: int | None
    recency_days: int | None


def basket_key(source: str, customer_id: str, order_id: str) -> str:
    """What tells a person's baskets apart, with the day: the beginning of a hash, as `serving.sql` makes it."""
    text = f"{source}\x1f{customer_id}\x1f{order_id}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:_KEY_DIGITS]


def live_baskets(lines: Iterable[Line], uncounted: Container[str]) -> list[Bought]:
    """Puts live order lines together as baskets, as `basket.sql` does.

    Args:
        lines: The lines, each once.
        uncounted: The products that do not count.
    """
    found: dict[tuple[str, str, str, int, str, str | None], list[Line]] = {}
    for line in lines:
        key = (line.source, line.customer_id, line.order_id, line.business_day, line.store_id, line.channel)
        found.setdefault(key, []).append(line)
    baskets = []
    for (source, customer_id, order_id, day, _, _), own in found.items():
        counted = [line for line in own if line.product_id not in uncounted]
        baskets.append(
            Bought(
                basket_key(source, customer_id, order_id),
                day,
                sum(line.quantity > 0 for line in counted),
                sum(line.quantity > 0 for line in own),
                sum(line.net_amount for line in counted),
                -sum(line.net_amount for line in counted if line.quantity < 0),
            )
        )
    return baskets


def totals_now(known: Sequence[Bought], live: Sequence[Bought], ever: Ever, as_of: int | None, today: int) -> Totals:
    """Adds what is live to what the last run knew.

    Args:
        known: The baskets of `KNOWN_DAYS` up to the day of the profile, and those of later days.
        live: The orders of live state, as baskets.
        ever: The profile's own totals; those of several profiles added where persons became one since.
        as_of: The day of the profile; None for one whom no run has seen.
        today: The day up to and with which everything counts.
    """
    first = None if as_of is None else as_of - KNOWN_DAYS
    newest = _orders(known)
    # What is older than all that was handed on may be in the profile or not: the next run says.
    for order, found in _orders(basket for basket in live if first is None or basket.day > first).items():
        if order not in newest or _size(found) > _size(newest[order]):
            newest[order] = found
    past = [basket for found in newest.values() for basket in found if basket.day <= today]
    before = [basket for basket in known if as_of is not None and basket.day <= as_of]
    orders = {0: ever.orders + sum(basket.lines > 0 for basket in past) - sum(basket.lines > 0 for basket in before)}
    monetary = {0: ever.monetary + sum(basket.net for basket in past) - sum(basket.net for basket in before)}
    for days in _WINDOWS:
        within = [basket for basket in past if basket.day > today - days]
        orders[days] = sum(basket.lines > 0 for basket in within)
        monetary[days] = sum(basket.net for basket in within)
    bought = [basket.day for basket in past if basket.lines > 0]
    last = max((day for day in (*bought, ever.last_purchase_on) if day is not None), default=None)
    return Totals(
        orders,
        monetary,
        min((day for day in (*bought, ever.first_purchase_on) if day is not None), default=None),
        last,
        None if last is None else today - last,
    )


def _orders(baskets: Iterable[Bought]) -> dict[tuple[str, int], list[Bought]]:
    """By order and day: one that names two stores or channels is two baskets."""
    found: dict[tuple[str, int], list[Bought]] = {}
    for basket in baskets:
        found.setdefault((basket.key, basket.day), []).append(basket)
    return found


def _size(baskets: Iterable[Bought]) -> tuple[int, int]:
    """How far an order has come: lines are only ever added."""
    sizes = [(basket.all_lines, basket.returned) for basket in baskets]
    return sum(lines for lines, _ in sizes), sum(returned for _, returned in sizes)
