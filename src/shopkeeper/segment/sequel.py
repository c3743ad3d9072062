"""Sequences: one act and then another, or then not, within so many days, in one pass over both."""

from datetime import date, timedelta

from sqlglot import exp

from shopkeeper.schema.query import literal
from shopkeeper.segment.field import ACTS
from shopkeeper.segment.moment import Moment, both, column, is_in
from shopkeeper.segment.rows import PERSON, bought, own_conditions, owner, product_condition, window_condition
from shopkeeper.segment.tree import Act, Sequel, Window

__all__ = ["followed"]

_HOURS = 24


def followed(leaf: Sequel, moment: Moment, person: exp.Expr) -> exp.Expr:
    """The condition that a person did one act and then another (or then not) within so many times 24 hours.

    Both acts are laid on one line of time and read backwards, so that each first act sees the nearest later second act;
    acts of the same instant do not follow one another.
    """
    happened, following = column("started", "path"), column("following", "path")
    limit = exp.Add(this=happened, expression=_hours(_HOURS * leaf.days))
    where: list[exp.Expr] = [exp.Not(this=column("is_second", "path"))]
    if leaf.absent:
        where.append(exp.LTE(this=limit, expression=literal(moment.end)))
        late = exp.GT(this=following, expression=limit.copy())
        where.append(exp.Paren(this=exp.or_(exp.Is(this=following.copy(), expression=exp.Null()), late)))
    else:
        where.append(exp.LTE(this=following, expression=limit))
    path = _named(_path(leaf, moment), "path")
    return is_in(person, exp.select(column("who", "path")).from_(path, copy=False).where(*where, copy=False))


def _hours(hours: int) -> exp.Interval:
    return exp.Interval(this=exp.Literal.string(str(hours)), unit=exp.var("HOUR"))


def _named(select: exp.Query, name: str) -> exp.Subquery:
    return exp.Subquery(this=select, alias=exp.TableAlias(this=exp.to_identifier(name)))


def _path(leaf: Sequel, moment: Moment) -> exp.Select:
    first, last = leaf.first.window.days(moment.as_of)
    # A business day may end hours after its date: one day more at either end.
    day = timedelta(days=1)
    since = first if first is None or first == date.min else first - day
    then = Window(None, since, min(moment.as_of, last + (leaf.days + 1) * day))
    steps = exp.union(
        _steps(leaf.first, leaf.first.window, moment, is_then=False),
        _steps(leaf.then, then, moment, is_then=True),
        distinct=False,
        copy=False,
    )
    happened, is_then = column("happened", "step"), column("is_then", "step")
    window = exp.Window(
        this=exp.Min(this=exp.Case().when(is_then.copy(), happened.copy())),
        partition_by=[column("person_id", "step")],
        order=exp.Order(
            expressions=[
                exp.Ordered(this=happened.copy(), desc=True, nulls_first=False),
                exp.Ordered(this=is_then.copy(), desc=False, nulls_first=False),
            ]
        ),
        spec=exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW"),
    )
    # Every column gets another name: Spark 4.3 fails on a window over a union beside aliases that change nothing.
    named = ((column("person_id", "step"), "who"), (happened, "started"), (is_then, "is_second"), (window, "following"))
    columns = [exp.alias_(expression, name, copy=False) for expression, name in named]
    return exp.select(*columns, copy=False).from_(_named(steps, "step"), copy=False)


def _steps(act: Act, window: Window, moment: Moment, *, is_then: bool) -> exp.Select:
    kind = ACTS[act.table]
    where = window_condition(act.table, window, moment) + own_conditions(act, moment) + bought(act.table)
    if act.table == "order_line":
        # The instant may lie after the end of the day asked about where the business day does not.
        where.append(exp.LT(this=column(kind.moment, act.table), expression=literal(moment.end)))
    goods = product_condition(act)
    if goods is not None:
        products = exp.select(column("product_id", "product")).from_("product").where(goods, copy=False)
        where.append(is_in(column("product_id", act.table), products))
    return (
        exp.select(
            column("person_id", PERSON[act.table]),
            exp.alias_(column(kind.moment, act.table), "happened", copy=False),
            exp.alias_(literal(is_then), "is_then", copy=False),
        )
        .from_(act.table, copy=False)
        .join(owner(act.table), copy=False)
        .where(both(where), copy=False)
    )
