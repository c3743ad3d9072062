"""The traits that the last profile and the order lines since say exactly, as `profile.sql` works them out."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from shopkeeper.base.money import MONEY_PLACES
from shopkeeper.segment.tree import Comparison
from shopkeeper.segment.view import View, earliest

__all__ = ["LIVE_TRAITS", "LiveTrait"]

_QUARTER, _YEAR = 90, 365
_TREND_DAYS = 180

# Lowest and highest points of recency, lowest sum of the other two; the first that fits.
_CLASSES = (
    (4, 5, 9, "champions"),
    (3, 5, 7, "loyal"),
    (4, 5, 4, "potential_loyal"),
    (4, 5, 0, "newcomers"),
    (3, 3, 0, "needs_attention"),
    (1, 2, 8, "cannot_lose"),
    (1, 2, 5, "at_risk"),
    (2, 2, 0, "hibernating"),
    (1, 1, 0, "lost"),
)

Value = Callable[[View], Any]
Edge = Callable[[View, Comparison], int | None]


class LiveTrait(NamedTuple):
    """How a trait is worked out, and when a comparison with it may change by time alone."""

    value: Value
    edge: Edge


class _Days(NamedTuple):
    """First and last days of purchases and visits, None where there was none."""

    first_purchase: int | None
    last_purchase: int | None
    first_visit: int | None
    last_visit: int | None


def _of(view: View, key: str, work_out: Value) -> Any:
    if key not in view.memo:
        view.memo[key] = work_out(view)
    return view.memo[key]


def _days(view: View) -> _Days:
    return _of(view, "days", _work_out_days)  # type: ignore[no-any-return]  # what the memo keeps under this key


def _work_out_days(view: View) -> _Days:
    visits = [row for row in view.person.lines if row.quantity > 0 and row.business_day <= view.day]
    came = [row.business_day for row in visits]
    bought = [row.business_day for row in visits if _counts(view, row.product_id)]
    return _Days(
        _extreme(min, view, "first_purchase_on", bought),
        _extreme(max, view, "last_purchase_on", bought),
        _extreme(min, view, "first_visit_on", came),
        _extreme(max, view, "last_visit_on", came),
    )


def _extreme(choose: Callable[[Iterable[int]], int], view: View, trait: str, days: list[int]) -> int | None:
    before: date | None = view.person.profile.get(trait)
    known = [*days, before.toordinal()] if before is not None else days
    return choose(known) if known else None


def _counts(view: View, product_id: str) -> bool:
    product = view.ground.products.get(product_id)
    return product is None or product.counted


def _orders(days: int) -> Value:
    key = f"orders_{days}"

    def work_out(view: View) -> int:
        after = view.day - days
        return len(
            {
                (row.source, row.customer_id, row.order_id, row.business_day, row.store_id, row.channel)
                for row in view.person.lines
                if after < row.business_day <= view.day and row.quantity > 0 and _counts(view, row.product_id)
            }
        )

    return lambda view: _of(view, key, work_out)


def _spent(days: int, until: int = 0) -> Value:
    """Ten-thousandths paid in the last so many days, those of the last `until` left out."""
    key = f"spent_{days}_{until}"

    def work_out(view: View) -> int:
        after, last = view.day - days, view.day - until
        return sum(
            row.net_amount
            for row in view.person.lines
            if after < row.business_day <= last and _counts(view, row.product_id)
        )

    return lambda view: _of(view, key, work_out)


def _money(value: Value) -> Value:
    return lambda view: Decimal(value(view)).scaleb(-MONEY_PLACES)


def _basket_value(view: View) -> Decimal | None:
    orders, spent = _orders(_QUARTER)(view), _spent(_QUARTER)(view)
    if orders == 0:
        return None
    doubled = 2 * spent + orders
    # SQL divides whole numbers towards zero.
    rounded = abs(doubled) // (2 * orders)
    return Decimal(rounded if doubled >= 0 else -rounded).scaleb(-MONEY_PLACES)


def _recency(view: View) -> int | None:
    last = _days(view).last_purchase
    return None if last is None else int(view.day - last)


def _known_since(view: View) -> int | None:
    registered: datetime | None = view.person.profile.get("registered_at")
    first = _days(view).first_visit
    if registered is None:
        return first
    day = view.ground.days.day_of(registered).toordinal()
    return day if first is None else min(day, first)


def _tenure(view: View) -> int | None:
    since = _known_since(view)
    return None if since is None else view.day - since


def _lifecycle_fixed(view: View) -> str:
    days, cuts = _days(view), view.ground.lifecycle
    if days.last_visit is None or days.first_visit is None:
        return "prospect"
    away = view.day - days.last_visit
    if away > cuts.lapsed_days:
        return "lapsed"
    if away > cuts.sleeping_days:
        return "sleeping"
    return "new" if view.day - days.first_visit < cuts.new_days else "active"


def _trend(view: View) -> str | None:
    first = _days(view).first_purchase
    now, before = _spent(_QUARTER)(view), _spent(_TREND_DAYS, _QUARTER)(view)
    if (first is not None and view.day - first < _TREND_DAYS) or (now <= 0 and before <= 0):
        return None
    factor = view.ground.lifecycle.trend_factor
    if now > before * factor:
        return "rising"
    if now * factor < before:
        return "falling"
    return "steady" if first is not None else None


def _recency_points(view: View) -> int | None:
    recency = _recency(view)
    return None if recency is None else 1 + sum(recency <= cut for cut in view.ground.rfm.recency)


def _frequency_points(view: View) -> int | None:
    if _recency(view) is None:
        return None
    orders: int = _orders(_YEAR)(view)
    return 1 + sum(orders >= cut for cut in view.ground.rfm.frequency)


def _monetary_points(view: View) -> int | None:
    if _recency(view) is None:
        return None
    spent: Decimal = _money(_spent(_YEAR))(view)
    return 1 + sum(spent >= cut for cut in view.ground.rfm.monetary)


def _rfm_class(view: View) -> str | None:
    recency = _recency_points(view)
    if recency is None:
        return None
    both = (_frequency_points(view) or 0) + (_monetary_points(view) or 0)
    return next(name for low, high, least, name in _CLASSES if low <= recency <= high and both >= least)


def _day(choose: Callable[[_Days], int | None]) -> Value:
    def value(view: View) -> date | None:
        found = choose(_days(view))
        return None if found is None else date.fromordinal(found)

    return value


def _new_lines(view: View, _: Comparison | None = None) -> int | None:
    """When the first line dated ahead comes to count."""
    return _of(view, "new", _work_out_new)  # type: ignore[no-any-return]  # what the memo keeps under this key


def _work_out_new(view: View) -> int | None:
    ahead = [row.business_day for row in view.person.lines if row.business_day > view.day]
    return view.start(min(ahead)) if ahead else None


def _leaving(*lengths: int) -> Edge:
    """When the first line leaves one of the windows of so many days."""
    key = f"leaving_{lengths}"

    def work_out(view: View) -> int | None:
        days = {row.business_day for row in view.person.lines if row.business_day <= view.day}
        leave = [day + length for length in lengths for day in days if day + length > view.day]
        return earliest([view.start(min(leave)) if leave else None, _new_lines(view)])

    return lambda view, _: _of(view, key, work_out)


def _ageing(since: Callable[[View], int | None]) -> Edge:
    """When a number of days since a day reaches, or passes, a value it is compared with."""

    def edge(view: View, leaf: Comparison) -> int | None:
        day = since(view)
        values = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
        numbers = [int(value) for value in values if isinstance(value, int | float)]
        if day is None:
            return _new_lines(view)
        return _reached(view, (day + number + past for number in numbers for past in (0, 1)))

    return edge


def _reached(view: View, days: Iterable[int]) -> int | None:
    ahead = min((day for day in days if day > view.day), default=None)
    return earliest([None if ahead is None else view.start(ahead), _new_lines(view)])


def _recency_edge(view: View, _: Comparison) -> int | None:
    last = _days(view).last_purchase
    return _new_lines(view) if last is None else _reached(view, (last + cut + 1 for cut in view.ground.rfm.recency))


def _lifecycle_edge(view: View, _: Comparison) -> int | None:
    days, cuts = _days(view), view.ground.lifecycle
    if days.last_visit is None or days.first_visit is None:
        return _new_lines(view)
    ends = (days.last_visit + cuts.sleeping_days + 1, days.last_visit + cuts.lapsed_days + 1)
    return _reached(view, (*ends, days.first_visit + cuts.new_days))


def _trend_edge(view: View, leaf: Comparison) -> int | None:
    first = _days(view).first_purchase
    old_enough = None if first is None else _reached(view, (first + _TREND_DAYS,))
    return earliest([_leaving(_QUARTER, _TREND_DAYS)(view, leaf), old_enough])


def _class_edge(view: View, leaf: Comparison) -> int | None:
    return earliest([_recency_edge(view, leaf), _leaving(_YEAR)(view, leaf)])


LIVE_TRAITS: Mapping[str, LiveTrait] = MappingProxyType(
    {
        "first_purchase_on": LiveTrait(_day(lambda days: days.first_purchase), _new_lines),
        "last_purchase_on": LiveTrait(_day(lambda days: days.last_purchase), _new_lines),
        "first_visit_on": LiveTrait(_day(lambda days: days.first_visit), _new_lines),
        "last_visit_on": LiveTrait(_day(lambda days: days.last_visit), _new_lines),
        "recency_days": LiveTrait(_recency, _ageing(lambda view: _days(view).last_purchase)),
        "tenure_days": LiveTrait(_tenure, _ageing(_known_since)),
        **{f"orders_{days}d": LiveTrait(_orders(days), _leaving(days)) for days in (30, 90, 365)},
        **{f"monetary_{days}d": LiveTrait(_money(_spent(days)), _leaving(days)) for days in (30, 90, 365)},
        "basket_value_90d": LiveTrait(_basket_value, _leaving(_QUARTER)),
        "lifecycle_fixed": LiveTrait(_lifecycle_fixed, _lifecycle_edge),
        "trend": LiveTrait(_trend, _trend_edge),
        "rfm_recency_points": LiveTrait(_recency_points, _recency_edge),
        "rfm_frequency_points": LiveTrait(_frequency_points, _leaving(_YEAR)),
        "rfm_monetary_points": LiveTrait(_monetary_points, _leaving(_YEAR)),
        "rfm_class": LiveTrait(_rfm_class, _class_edge),
    }
)
"""The live traits by name: exactly those that the catalogue declares live."""
