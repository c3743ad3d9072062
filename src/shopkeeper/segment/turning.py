"""Whose answer may turn as days go by, nothing new being known: found by queries, so that nobody else is asked."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from sqlglot import exp

from shopkeeper.schema.query import Query, literal
from shopkeeper.segment.compile import HOME
from shopkeeper.segment.moment import Moment, column, is_in
from shopkeeper.segment.rows import PERSON, own_conditions, owner, product_condition, window_condition
from shopkeeper.segment.tree import Act, Behaviour, Comparison, Node, Sequel, Window, walk
from shopkeeper.segment.view import Ground

__all__ = ["turning"]

_LINES = Act("order_line")
_QUARTER, _TREND_DAYS, _YEAR = 90, 180, 365
_FIRST_DAY = 2
_COUNTED = {
    "orders_30d": (30,),
    "orders_90d": (_QUARTER,),
    "orders_365d": (_YEAR,),
    "monetary_30d": (30,),
    "monetary_90d": (_QUARTER,),
    "monetary_365d": (_YEAR,),
    "basket_value_90d": (_QUARTER,),
    "trend": (_QUARTER, _TREND_DAYS),
    "rfm_frequency_points": (_YEAR,),
    "rfm_monetary_points": (_YEAR,),
    "rfm_class": (_YEAR,),
}
"""After how many days a line stops to count for a trait."""


class _Span(NamedTuple):
    """Rows of an act, or a day of the profile, that turn something so many days later.

    Args:
        what: The act, or the column of the profile.
        low: After how many days at least.
        high: After how many days at most.
    """

    what: Act | str
    low: int
    high: int


def turning(tree: Node, after: date, through: date, ground: Ground) -> tuple[Query, ...]:
    """Gives queries of the people whose answer may change from the end of one day to the end of another.

    They may name some whose answer stays, and leave out none whose changes; what is found after a run stands at most
    until the next, and scores and consents come anew with it or by themselves.

    Args:
        tree: The audience, with the rules of segments that mean their rule.
        after: The day from whose end on.
        through: The last day.
        ground: What is the same for everybody.

    Returns:
        Queries of one column `person_id`, each of a few days only; none when time alone turns nobody.
    """
    moment = Moment(through, ground.catalogue)
    spans = dict.fromkeys(span for _, node in walk(tree) for span in _spans(node, ground))
    return tuple(Query(_people(span, after, moment), name="turning") for span in spans)


def _spans(node: Node, ground: Ground) -> Iterator[_Span]:
    match node:
        case Behaviour():
            yield from _of_window(node.act, 0)
        case Sequel():
            # A business day may end hours after its date: instants lie on it or on the day after.
            yield from _of_window(node.first, 1)
            yield _Span(node.then, 0, 1)
            if node.absent:
                yield _Span(node.first, node.days - 1, node.days + 2)
        case Comparison():
            yield from _of_trait(node, ground)


def _of_window(act: Act, late: int) -> Iterator[_Span]:
    yield _Span(act, 0, late)
    if act.window.last_days is not None:
        yield _Span(act, act.window.last_days, act.window.last_days)


def _of_trait(leaf: Comparison, ground: Ground) -> Iterator[_Span]:
    if not ground.catalogue.traits[leaf.trait].live_days:
        return
    yield _Span(_LINES, 0, 0)
    for days in _COUNTED.get(leaf.trait, ()):
        yield _Span(_LINES, days, days)
    for name, days in _since(leaf, ground):
        yield _Span(name, days, days)


def _since(leaf: Comparison, ground: Ground) -> Iterator[tuple[str, int]]:
    """The days of the profile since which so many days turn a trait."""
    lifecycle, recency = ground.lifecycle, [cut + 1 for cut in ground.rfm.recency]
    match leaf.trait:
        case "recency_days":
            yield from (("last_purchase_on", days) for days in _compared(leaf))
        case "tenure_days":
            yield from ((name, days) for name in ("first_visit_on", "registered_at") for days in _compared(leaf))
        case "lifecycle_fixed":
            yield "first_visit_on", lifecycle.new_days
            yield from (("last_visit_on", days + 1) for days in (lifecycle.sleeping_days, lifecycle.lapsed_days))
        case "trend":
            yield "first_purchase_on", _TREND_DAYS
        case "rfm_recency_points" | "rfm_class":
            yield from (("last_purchase_on", days) for days in recency)


def _compared(leaf: Comparison) -> list[int]:
    values = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,)
    return [int(value) + past for value in values if isinstance(value, int | float) for past in (0, 1)]


def _people(span: _Span, after: date, moment: Moment) -> exp.Select:
    first, last = _day(after, 1 - span.high), _day(moment.as_of, -span.low)
    if isinstance(span.what, str):
        return _of_profile(span.what, first, last, moment)
    act = span.what
    where = window_condition(act.table, Window(None, first, last), moment) + own_conditions(act, moment)
    goods = product_condition(act)
    if goods is not None:
        products = exp.select(column("product_id", "product")).from_("product").where(goods, copy=False)
        where.append(is_in(column("product_id", act.table), products))
    select = exp.select(column("person_id", PERSON[act.table])).distinct(copy=False).from_(act.table, copy=False)
    return select.join(owner(act.table), copy=False).where(*where, copy=False)


def _of_profile(name: str, first: date, last: date, moment: Moment) -> exp.Select:
    of: exp.Expr = column(name, HOME)
    if name == "registered_at":
        of = moment.local_day(of)
    within = exp.Between(this=of, low=literal(first), high=literal(last))
    return exp.select(column("person_id", HOME)).from_(HOME, copy=False).where(within, copy=False)


def _day(day: date, days: int) -> date:
    """A day so many days later, within what a date can be."""
    return date.fromordinal(max(day.toordinal() + days, _FIRST_DAY))
