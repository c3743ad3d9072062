"""The rows of an act in SQL: which of them count, in which window, and whose they are."""

from collections.abc import Sequence

from sqlglot import exp

from shopkeeper.schema.query import literal
from shopkeeper.schema.table import Type
from shopkeeper.segment.field import ACTS, Field, FieldType, Origin
from shopkeeper.segment.moment import Moment, both, column, compared, person_of
from shopkeeper.segment.tree import Act, Filter, Window

__all__ = ["PERSON", "TYPES", "bought", "hull", "own_conditions", "owner", "product_condition", "window_condition"]

TYPES = {
    FieldType.TEXT: Type.STRING,
    FieldType.NUMBER: Type.NUMBER,
    FieldType.WHOLE: Type.INTEGER,
    FieldType.BOOLEAN: Type.BOOLEAN,
}
"""The dictionary's type of each type of field."""

PERSON = {"order_line": "person", "redemption": "person", "event": "link"}
"""The source that `owner` joins to each table, which holds `person_id`."""

_MONDAY = "1970-01-05"
_WEEK = 7


def owner(table: str) -> exp.Join:
    """The join from an act's table to the person whose rows they are."""
    if table != "event":
        return person_of(table)
    link = (
        exp.select(column("token", "identifier"), column("person_id", "person"))
        .from_("identifier", copy=False)
        .join(person_of("identifier"), copy=False)
        .distinct(copy=False)
    )
    token = exp.Coalesce(this=column("user_id", "event"), expressions=[column("anonymous_id", "event")])
    on = exp.EQ(this=column("token", "link"), expression=token)
    return exp.Join(this=exp.Subquery(this=link, alias=exp.TableAlias(this=exp.to_identifier("link"))), on=on)


def hull(windows: Sequence[Window], moment: Moment) -> Window:
    """The narrowest window that holds all of them, as days."""
    spans = [window.days(moment.as_of) for window in windows]
    firsts = [first for first, _ in spans if first is not None]
    return Window(None, min(firsts) if len(firsts) == len(spans) else None, max(last for _, last in spans))


def window_condition(table: str, window: Window, moment: Moment) -> list[exp.Expr]:
    """The conditions on a table's day or instant that keep rows in a window."""
    first, last = window.days(moment.as_of)
    kind = ACTS[table]
    if kind.day is not None:
        day = column(kind.day, table)
        if first is None:
            return [exp.LTE(this=day, expression=literal(last))]
        return [exp.Between(this=day, low=literal(first), high=literal(last))]
    instant = column(kind.moment, table)
    found: list[exp.Expr] = [exp.LT(this=instant, expression=literal(moment.end_of(last)))]
    if first is not None:
        found.append(exp.GTE(this=instant.copy(), expression=literal(moment.start_of(first))))
    return found


def bought(table: str) -> list[exp.Expr]:
    """What makes a row count as done: an order line is bought when its quantity is positive."""
    return [exp.GT(this=column("quantity", table), expression=literal(0))] if table == "order_line" else []


def own_conditions(act: Act, moment: Moment) -> list[exp.Expr]:
    """The filters on the table's own columns."""
    fields = ACTS[act.table].fields
    return [
        _own(fields[condition.field], condition, act.table, moment)
        for condition in act.where
        if fields[condition.field].origin is not Origin.PRODUCT
    ]


def product_condition(act: Act) -> exp.Expr | None:
    """The filters on the product, or None when there are none."""
    fields = ACTS[act.table].fields
    found = [
        compared(
            column(fields[condition.field].column, "product"),
            condition.op,
            condition.value,
            TYPES[fields[condition.field].type],
        )
        for condition in act.where
        if fields[condition.field].origin is Origin.PRODUCT
    ]
    return both(found) if found else None


def _own(field: Field, condition: Filter, table: str, moment: Moment) -> exp.Expr:
    of = column(field.column, table)
    if field.origin is Origin.POSITIVE:
        amount = exp.Coalesce(this=of, expressions=[literal(0)])
        wanted = (condition.op == "=") == condition.value
        return (exp.GT if wanted else exp.LTE)(this=amount, expression=literal(0))
    value: exp.Expr = of
    if field.origin is Origin.WEEKDAY:
        value = _weekday(of)
    elif field.origin is Origin.HOUR:
        value = exp.Extract(this=exp.var("HOUR"), expression=moment.local(of))
    return compared(value, condition.op, condition.value, TYPES[field.type])


def _weekday(day: exp.Expr) -> exp.Expr:
    """1 for Monday to 7, counted from a Monday: the engines number weekdays differently."""
    monday = exp.cast(exp.Literal.string(_MONDAY), "DATE", dialect="duckdb")
    since = exp.DateDiff(this=day, expression=monday, unit=exp.var("DAY"))
    week = exp.Mod(
        this=exp.Paren(this=exp.Add(this=since, expression=literal(_WEEK * 100_000))), expression=literal(_WEEK)
    )
    return exp.Add(this=exp.Paren(this=week), expression=literal(1))
