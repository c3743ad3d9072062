"""When and where an audience is evaluated, and the small trees that its SQL is built from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlglot import exp

from shopkeeper.base.clock import end_of_day
from shopkeeper.base.money import money
from shopkeeper.schema.query import literal
from shopkeeper.schema.table import Type
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.tree import Scalar, TreeValue

__all__ = ["Moment", "both", "column", "compared", "constant", "either", "holds", "is_in", "negated", "person_of"]

_OPERATORS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}


@dataclass(frozen=True)
class Moment:
    """The end of a shop-local day, and the catalogue that says what names mean."""

    as_of: date
    catalogue: Catalogue = field(default_factory=Catalogue)

    @property
    def end(self) -> datetime:
        """The instant (UTC) at which the day ends."""
        return end_of_day(self.as_of, self.catalogue.time_zone)

    def start_of(self, day: date) -> datetime:
        """The instant (UTC) at which a shop-local day begins."""
        return end_of_day(day - timedelta(days=1), self.catalogue.time_zone)

    def end_of(self, day: date) -> datetime:
        """The instant (UTC) at which a shop-local day ends."""
        return end_of_day(day, self.catalogue.time_zone)

    def local(self, instant: exp.Expr) -> exp.Expr:
        """The shop-local wall clock of an instant."""
        return exp.AtTimeZone(this=instant, zone=exp.Literal.string(self.catalogue.time_zone))

    def local_day(self, instant: exp.Expr) -> exp.Expr:
        """The shop-local day of an instant."""
        return exp.cast(self.local(instant), "DATE", dialect="duckdb")


def column(name: str, table: str) -> exp.Column:
    """A column of a table."""
    return exp.column(name, table=table)


def constant(value: Scalar, kind: Type) -> exp.Expr:
    """A checked value as a typed constant."""
    if kind in (Type.DATE, Type.INSTANT) and isinstance(value, str):
        return literal(date.fromisoformat(value))
    if kind is Type.MONEY and not isinstance(value, str):
        return literal(money(value))
    if kind is Type.NUMBER and not isinstance(value, str):
        return literal(float(value))
    return literal(value)


def compared(left: exp.Expr, op: str, value: TreeValue, kind: Type) -> exp.Expr:
    """A column or expression against a value, by an operator of the language."""
    if op in ("known", "unknown"):
        known = exp.Is(this=left, expression=exp.Not(this=exp.Null()))
        return known if op == "known" else exp.Is(this=left, expression=exp.Null())
    if isinstance(value, tuple):
        constants = [constant(item, kind) for item in value]
        if op == "between":
            return exp.Between(this=left, low=constants[0], high=constants[1])
        inside = exp.In(this=left, expressions=constants)
        return exp.Not(this=inside) if op == "not in" else inside
    if value is None:
        raise ValueError(f"'{op}' needs a value")
    if op == "contains":
        return exp.GT(this=exp.StrPosition(this=left, substr=constant(value, kind)), expression=literal(0))
    return _OPERATORS[op](this=left, expression=constant(value, kind))


def holds(value: float, op: str, limit: float) -> bool:
    """Whether a number passes a threshold, in Python as in SQL."""
    return {
        ">=": value >= limit,
        "<=": value <= limit,
        "=": value == limit,
        ">": value > limit,
        "<": value < limit,
    }[op]


def both(conditions: Sequence[exp.Expr]) -> exp.Expr:
    """Every condition; true when there is none."""
    return exp.and_(*conditions, copy=False) if conditions else exp.true()


def either(conditions: Sequence[exp.Expr]) -> exp.Expr:
    """Any condition; false when there is none."""
    return exp.or_(*conditions, copy=False) if conditions else exp.false()


def negated(condition: exp.Expr) -> exp.Expr:
    """The condition does not hold; true where it is unknown."""
    return exp.Not(this=exp.Coalesce(this=exp.Paren(this=condition), expressions=[exp.false()]))


def is_in(person: exp.Expr, people: exp.Select) -> exp.Expr:
    """The person is among those a SELECT gives."""
    return exp.In(this=person.copy(), query=exp.Subquery(this=people))


def person_of(table: str) -> exp.Join:
    """The join from a table with `source` and `customer_id` to the person the record belongs to today."""
    on = both(
        [
            exp.EQ(this=column("source", "person"), expression=column("source", table)),
            exp.EQ(this=column("customer_id", "person"), expression=column("customer_id", table)),
            exp.Is(this=column("valid_to", "person"), expression=exp.Null()),
        ]
    )
    return exp.Join(this=exp.to_table("person"), on=on)
