"""What live evaluation knows of one person: compact rows with the dictionary's column names, in whole numbers.

Days are `date.toordinal()`, instants are microseconds since 1970 (UTC), money and quantities are ten-thousandths: all
exact and quick to compare. The rows of a person are those of all their records, each once, in any order.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from shopkeeper.base.clock import end_of_day, instant, microseconds, zone
from shopkeeper.base.money import MONEY_PLACES, money
from shopkeeper.profile.live import Line

__all__ = [
    "Happening",
    "Line",
    "LocalDays",
    "Permission",
    "Person",
    "Product",
    "Redemption",
    "Scored",
    "Stay",
    "ten_thousandths",
]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY_MICROSECONDS = 86_400_000_000
_MOST_KEPT = 100_000
_Kept = TypeVar("_Kept")


class Happening(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One event; columns as in `event`."""

    occurred_at: int
    type: str
    name: str | None = None
    product_id: str | None = None
    store_id: str | None = None
    channel: str | None = None
    query: str | None = None
    value: int | None = None


class Redemption(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One use of an offer; columns as in `redemption`."""

    redeemed_on: int
    offer_id: str
    campaign_id: str | None = None


class Scored(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One score; columns as in `score`."""

    model: str
    subject: str
    as_of: int
    value: float | None = None
    decile: int | None = None


class Stay(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One stay in a segment; columns as in `segment_member`."""

    segment: str
    entered_at: int
    left_at: int | None = None


class Permission(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One change of consent; columns as in `consent`."""

    purpose: str
    channel: str
    granted: bool
    occurred_at: int


class Product(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is asked of a product; columns as in `product`, and whether it counts (`product_fact.counted`)."""

    category: str | None = None
    subcategory: str | None = None
    department: str | None = None
    brand: str | None = None
    kind: str | None = None
    private_label: bool | None = None
    counted: bool = True


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One person as live evaluation sees them.

    Args:
        person_id: The person.
        profile: The row of the last run, Python values by trait; empty for one whom no run has seen.
        lines: Order lines of as many days as the audiences need (`live_check.history_days`).
        events: Events of as many days.
        redemptions: Redemptions of as many days.
        scores: The person's scores.
        stays: Stays in segments.
        permissions: Changes of consent, all of them.
    """

    person_id: str
    profile: Mapping[str, Any] = {}
    lines: Sequence[Line] = ()
    events: Sequence[Happening] = ()
    redemptions: Sequence[Redemption] = ()
    scores: Sequence[Scored] = ()
    stays: Sequence[Stay] = ()
    permissions: Sequence[Permission] = ()


class LocalDays:
    """Turns instants into the shop's days and back; what was asked before is kept.

    Args:
        time_zone: The shop's time zone.
    """

    def __init__(self, time_zone: str) -> None:
        self._name = time_zone
        self._zone = zone(time_zone)
        self._starts: dict[int, int] = {}
        self._clocks: dict[int, tuple[int, int]] = {}

    def start(self, day: int) -> int:
        """The instant at which a day begins."""
        found = self._starts.get(day)
        if found is None:
            found = microseconds(end_of_day(date.fromordinal(day - 1), self._name))
            _bounded(self._starts)[day] = found
        return found

    def day(self, at: int) -> int:
        """The day whose beginning was the last before an instant."""
        day = _EPOCH_DAY + at // _DAY_MICROSECONDS + 1
        while self.start(day) > at:
            day -= 1
        return day

    def clock(self, at: int) -> tuple[int, int]:
        """The day and hour that the wall shows at an instant."""
        found = self._clocks.get(at)
        if found is None:
            local = instant(at).astimezone(self._zone)
            found = (local.toordinal(), local.hour)
            _bounded(self._clocks)[at] = found
        return found

    def day_of(self, moment: datetime) -> date:
        """The day that the wall shows at an instant."""
        return moment.astimezone(self._zone).date()


def ten_thousandths(amount: Decimal | float) -> int:
    """An amount or quantity as ten-thousandths."""
    return int(money(amount).scaleb(MONEY_PLACES))


def _bounded(kept: dict[int, _Kept]) -> dict[int, _Kept]:
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    return kept
