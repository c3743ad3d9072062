"""Behaviours and sequences over one person's rows: the same counts, sums and orders in time as the SQL's."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter, eq, ge, gt, le, lt
from typing import Any, TypeVar

from shopkeeper.segment.field import ACTS, Origin
from shopkeeper.segment.history import Product, ten_thousandths
from shopkeeper.segment.live_value import compared
from shopkeeper.segment.rows import TYPES
from shopkeeper.segment.tree import Act, Behaviour, Filter, Sequel, Threshold, Window
from shopkeeper.segment.view import Condition, Ground, View, earliest

__all__ = ["behaved", "followed"]

_DAY = 86_400_000_000
_FIRST_DAY = 2
_BEGINNING = -(2**63)
_OPERATORS: dict[str, Callable[[int, int], bool]] = {">=": ge, "<=": le, "=": eq, ">": gt, "<": lt}
_AT_LEAST = (">=", ">")
_ROWS = {
    "order_line": attrgetter("person.lines"),
    "event": attrgetter("person.events"),
    "redemption": attrgetter("person.redemptions"),
}
_SUMS = {
    ("order_line", "units"): attrgetter("quantity"),
    ("order_line", "amount"): attrgetter("net_amount"),
    ("event", "amount"): attrgetter("value"),
}
_ORDER = attrgetter("source", "customer_id", "order_id")

Rows = Sequence[Any]
Find = Callable[[View], Rows]
_Found = TypeVar("_Found")


def behaved(leaf: Behaviour, ground: Ground) -> Condition:
    """The condition that a person did an act so often, so much."""
    inside = _inside(leaf.act, ground)
    leaves, enters = _window_edge(leaf.act, ground), _window_edge(leaf.act, ground, leaves=False)
    limits = [(_measure(leaf.act, each), _OPERATORS[each.op], _limit(leaf.act, each)) for each in leaf.having]
    least = [
        limit
        for limit, each in zip(limits, leaf.having, strict=True)
        if each.op in _AT_LEAST and (leaf.act.table, each.measure) not in _SUMS
    ]

    def holds(view: View) -> bool:
        rows = inside(view)
        return all(passes(measure(view, rows), limit) for measure, passes, limit in limits)

    def edge(view: View) -> int | None:
        rows = inside(view)
        # A count that is too low is not raised by what leaves the window.
        if any(not passes(measure(view, rows), limit) for measure, passes, limit in least):
            return enters(view)
        return leaves(view)

    return Condition(holds, edge)


def followed(leaf: Sequel, ground: Ground) -> Condition:
    """The condition that a person did one act and then another (or then not) within so many times 24 hours."""
    first, first_found, first_edge = (
        _inside(leaf.first, ground),
        _matching(leaf.first, ground),
        _window_edge(leaf.first, ground),
    )
    then, then_found = _inside(leaf.then, ground), _matching(leaf.then, ground)
    then_edge = _window_edge(leaf.then, ground)
    first_at, then_at = _moment(leaf.first), _moment(leaf.then)
    first_bought, then_bought = leaf.first.table == "order_line", leaf.then.table == "order_line"
    length = leaf.days * _DAY

    def starts(rows: Rows) -> list[int]:
        return [first_at(row) for row in rows if not first_bought or row.quantity > 0]

    def holds(view: View) -> bool:
        begun = [at for at in starts(first(view)) if at < view.end]
        if not begun:
            return False
        later = sorted(
            at for row in then(view) if (not then_bought or row.quantity > 0) and (at := then_at(row)) < view.end
        )
        for at in begun:
            place = bisect_right(later, at)
            came = place < len(later) and later[place] <= at + length
            if (not came and at + length <= view.end) if leaf.absent else came:
                return True
        return False

    def edge(view: View) -> int | None:
        known = first_found(view)
        instants = starts(known)
        found = [first_edge(view), then_edge(view)]
        # An order line may be of today and yet lie ahead.
        found += [at for at in instants if at > view.now]
        found += [at for row in then_found(view) if (at := then_at(row)) > view.now]
        if leaf.absent:
            found += [at + length - 1 for at in instants if at + length > view.end]
        return earliest(found)

    return Condition(holds, edge)


def _matching(act: Act, ground: Ground) -> Find:
    """The person's rows that pass every filter of an act, its window not looked at."""
    rows, passes = _ROWS[act.table], [_filter(act.table, condition, ground) for condition in act.where]
    key = ground.number(("rows", act.table, act.where))
    if not passes:
        return rows

    def find(view: View) -> Rows:
        found = view.memo.get(key)
        if found is None:
            found = rows(view)
            for passed in passes:
                found = [row for row in found if passed(row)]
            view.memo[key] = found
        return found

    return find


def _inside(act: Act, ground: Ground) -> Find:
    """The matching rows within the window."""
    find, window, day = _matching(act, ground), act.window, _day(act.table)
    key = ground.number(("inside", act.table, act.where, window))

    def work_out(view: View) -> Rows:
        first, last = _span(window, view.day)
        if day is not None:
            return [row for row in find(view) if first <= day(row) <= last]
        begins = view.start(first) if first else _BEGINNING
        ends = min(view.start(last + 1), view.end)
        return [row for row in find(view) if begins <= row.occurred_at < ends]

    return _kept(key, work_out)


def _span(window: Window, today: int) -> tuple[int, int]:
    """The first (0: from the beginning) and last day of a window."""
    if window.last_days is not None:
        return max(today - window.last_days + 1, _FIRST_DAY), today
    first = window.first.toordinal() if window.first is not None else 0
    return first, today if window.last is None else min(window.last.toordinal(), today)


def _window_edge(act: Act, ground: Ground, *, leaves: bool = True) -> Callable[[View], int | None]:
    """When the first matching row enters or, where that is asked, leaves a window as time goes by."""
    lasts, day, find = act.window.last_days if leaves else None, _day(act.table), _matching(act, ground)
    key = ground.number(("edge", act.table, act.where, lasts))

    def of_days(view: View) -> int | None:
        soonest = None
        for row in find(view):
            at = day(row)  # type: ignore[misc]  # chosen only for tables with a day
            if at <= view.day:
                if lasts is None:
                    continue
                at += lasts
                if at <= view.day:
                    continue
            if soonest is None or at < soonest:
                soonest = at
        return None if soonest is None else view.start(soonest)

    def of_instants(view: View) -> int | None:
        rows = find(view)
        ahead = [row.occurred_at for row in rows if row.occurred_at > view.now]
        if lasts is None:
            return min(ahead, default=None)
        begins = view.start(_span(act.window, view.day)[0])
        oldest = min((row.occurred_at for row in rows if begins <= row.occurred_at <= view.now), default=None)
        gone = None if oldest is None else view.start(view.ground.days.day(oldest) + lasts)
        return earliest([*ahead, gone])

    return _kept(key, of_instants if day is None else of_days)


def _kept(key: int, work_out: Callable[[View], _Found]) -> Callable[[View], _Found]:
    """Works something out once a view, whichever audience asks."""

    def found(view: View) -> _Found:
        memo = view.memo
        if key not in memo:
            memo[key] = work_out(view)
        return memo[key]  # type: ignore[no-any-return]  # what the memo keeps under this key

    return found


def _day(table: str) -> Callable[[Any], int] | None:
    column = ACTS[table].day
    return None if column is None else attrgetter(column)


def _moment(act: Act) -> Callable[[Any], int]:
    return attrgetter(ACTS[act.table].moment)


def _limit(act: Act, threshold: Threshold) -> int:
    whole = ACTS[act.table].measures[threshold.measure].whole
    return int(threshold.value) if whole else ten_thousandths(threshold.value)


def _measure(act: Act, threshold: Threshold) -> Callable[[View, Rows], int]:
    table, measure = act.table, threshold.measure
    summed = _SUMS.get((table, measure))
    if summed is not None:
        return lambda _, rows: sum(amount for row in rows if (amount := summed(row)) is not None)
    if table == "event":
        if measure == "days":
            return lambda view, rows: len({view.ground.days.clock(row.occurred_at)[0] for row in rows})
        return lambda _, rows: len(rows)
    if table == "redemption":
        if measure == "days":
            return lambda _, rows: len({row.redeemed_on for row in rows})
        return lambda _, rows: len(rows)
    return {
        "orders": lambda _, rows: len({_ORDER(row) for row in rows if row.quantity > 0}),
        "lines": lambda _, rows: sum(row.quantity > 0 for row in rows),
        "days": lambda _, rows: len({row.business_day for row in rows if row.quantity > 0}),
    }[measure]


def _filter(table: str, condition: Filter, ground: Ground) -> Callable[[Any], bool]:
    kind = ACTS[table].fields[condition.field]
    value = attrgetter(kind.column)
    if kind.origin is Origin.POSITIVE:
        is_wanted = (condition.op == "=") == condition.value
        return lambda row: ((value(row) or 0) > 0) is is_wanted
    passes, days = compared(TYPES[kind.type], condition.op, condition.value), ground.days
    if kind.origin is Origin.PRODUCT:
        known = _Products(ground, lambda product: passes(value(product)))
        return lambda row: known[row.product_id]
    if kind.origin is Origin.WEEKDAY:
        # Day 1 of the calendar, 0001-01-01, was a Monday.
        return lambda row: passes((value(row) - 1) % 7 + 1)
    if kind.origin is Origin.HOUR:
        return lambda row: passes(days.clock(value(row))[1])
    if condition.op == "=":
        wanted = condition.value
        return lambda row: value(row) == wanted
    return lambda row: passes(value(row))


class _Products(dict[str | None, bool]):
    """Whether products pass a filter, each looked at once; one that is not known passes none."""

    def __init__(self, ground: Ground, passes: Callable[[Product], bool]) -> None:
        super().__init__()
        self._ground, self._passes = ground, passes

    def __missing__(self, product_id: str | None) -> bool:
        product = self._ground.products.get(product_id) if product_id is not None else None
        passed = self[product_id] = product is not None and self._passes(product)
        return passed
