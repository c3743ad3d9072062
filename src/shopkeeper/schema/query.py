"""A query: one SQL computation held as a SQLGlot tree with typed parameters, checked against the dictionary.

It is written in DuckDB's dialect, in a `.sql` file beside the Python that names it or composed as a tree, never by
pasting text, and gives its text for either dialect.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, SqlglotError
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from shopkeeper.base.errors import QueryError
from shopkeeper.schema.dialect import for_spark
from shopkeeper.schema.table import Partition, Table
from shopkeeper.schema.tables import TABLES

__all__ = ["Bounds", "Query", "Value", "literal", "of_days"]

Scalar = str | int | float | bool | Decimal | date | datetime | None
Value = Scalar | Sequence[Scalar]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The days a query reads of a partitioned table, both ends included; None where it is open."""

    first: date | None = None
    last: date | None = None

    def hull(self, other: "Bounds") -> "Bounds":
        """The narrowest bounds that hold both."""
        first = None if self.first is None or other.first is None else min(self.first, other.first)
        last = None if self.last is None or other.last is None else max(self.last, other.last)
        return Bounds(first, last)

    def narrowed(self, other: "Bounds") -> "Bounds":
        """The days in both."""
        firsts = [day for day in (self.first, other.first) if day is not None]
        lasts = [day for day in (self.last, other.last) if day is not None]
        return Bounds(max(firsts, default=None), min(lasts, default=None))


def literal(value: Scalar) -> exp.Expr:
    """Gives the tree of a typed constant: the only way a value gets into a query."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise QueryError(f"{value!r} has no time zone")
        text = value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00:00")
        return exp.cast(exp.Literal.string(text), "TIMESTAMPTZ", dialect="duckdb")
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), "DATE", dialect="duckdb")
    if isinstance(value, Decimal):
        return exp.cast(exp.Literal.string(format(value, "f")), "DECIMAL(18,4)", dialect="duckdb")
    if isinstance(value, float):
        return exp.cast(exp.Literal.string(repr(value)), "DOUBLE", dialect="duckdb")
    return exp.convert(value)


def of_days(column: exp.Column, days: Sequence[date]) -> exp.Expr:
    """Gives the condition that a column is one of some days: a range where they follow each other, else a list."""
    ordered = sorted(set(days))
    if ordered and (ordered[-1] - ordered[0]).days == len(ordered) - 1:
        return column.between(literal(ordered[0]), literal(ordered[-1]))
    return column.isin(*(literal(day) for day in ordered))


@dataclass(frozen=True)
class Query:
    """One SELECT over declared tables, with its parameters filled in.

    Args:
        tree: The SELECT as a SQLGlot tree, parameters written `$name`; taken over, not copied.
        parameters: The value of each parameter. A sequence serves `column IN $name`.
        inputs: Tables that are not in the dictionary but handed to the engine with the query.

    Raises:
        QueryError: It is no SELECT, a parameter is missing or unknown, or it names a table or column that is not
            declared.
    """

    tree: exp.Query
    parameters: Mapping[str, Value] = field(default_factory=dict)
    inputs: tuple[Table, ...] = ()
    name: str = "query"
    _qualified: exp.Query = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.tree, exp.Query):
            raise QueryError(f"{self.name} is no SELECT but {type(self.tree).__name__}")
        _fill(self.tree, self.parameters, self.name)
        object.__setattr__(self, "_qualified", self._check())

    def __repr__(self) -> str:
        """The text, which is what a reader of a notebook wants to see; the tree would fill pages."""
        return f"-- {self.name}\n{self.sql()}"

    @classmethod
    def from_file(cls, anchor: str, name: str, *, inputs: Sequence[Table] = (), **parameters: Value) -> "Query":
        """Reads a query from a `.sql` file.

        Args:
            anchor: `__file__` of the module beside which the file stands.
            name: The file's name.
            inputs: Tables handed to the engine with the query.
            **parameters: The value of each `$parameter` in it.
        """
        text = Path(anchor).with_name(name).read_text(encoding="utf-8")
        return cls.from_sql(text, name=name, inputs=inputs, **parameters)

    @classmethod
    def from_sql(cls, text: str, *, name: str = "query", inputs: Sequence[Table] = (), **parameters: Value) -> "Query":
        """Parses a query written in DuckDB's dialect; the text must be our own, never made from input."""
        try:
            tree = sqlglot.parse_one(text, read="duckdb")
        except ParseError as error:
            raise QueryError(f"{name} is not SQL: {error}") from error
        return cls(tree, parameters, tuple(inputs), name)  # type: ignore[arg-type]

    @cached_property
    def tables(self) -> frozenset[str]:
        """The names of the tables it reads."""
        return frozenset(source.name for source in _sources(self.tree))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns it gives, in order, stars spelled out."""
        return tuple(self._qualified.named_selects)

    def sql(self, dialect: str = "duckdb", *, pretty: bool = True) -> str:
        """Gives its text in a dialect (`duckdb`, `spark`), parameters filled in, for anybody's own tables.

        The Spark text gives the rows that DuckDB gives, in Spark's ANSI mode and with UTC as the session's time zone.
        """
        try:
            if dialect == "spark":
                return for_spark(self._qualified.copy(), _mapping(self._declared())).sql(dialect, pretty=pretty)
            return self.tree.sql(dialect, pretty=pretty)
        except SqlglotError as error:
            raise QueryError(f"{self.name} cannot be written in {dialect}: {error}") from error

    def bounds(self) -> dict[str, Bounds]:
        """Gives, for each partitioned table it reads, the days that can matter, so that other files are not opened."""
        found: dict[str, Bounds] = {}
        declared = {**TABLES, **{table.name: table for table in self.inputs}}
        for scope in traverse_scope(self.tree):
            if not isinstance(scope.expression, exp.Select):
                continue
            for alias, source in scope.sources.items():
                if not isinstance(source, exp.Table) or not source.name:
                    continue
                table = declared[source.name]
                if table.partition is Partition.NONE or table.partition_column is None:
                    continue
                bounds = _where_bounds(scope.expression, alias, table.partition_column, len(scope.sources))
                found[source.name] = found[source.name].hull(bounds) if source.name in found else bounds
        return found

    def lineage(self, column: str) -> tuple[str, ...]:
        """Gives the `table.column`s that a column of its result comes from."""
        root = lineage(column, self.tree.copy(), schema=_mapping(self._declared()), dialect="duckdb")
        leaves = (node for node in root.walk() if not node.downstream)
        return tuple(sorted({node.name for node in leaves if "." in node.name}))

    def _declared(self) -> Iterable[Table]:
        mine = {table.name: table for table in self.inputs}
        missing = [name for name in self.tables if name not in TABLES and name not in mine]
        if missing:
            raise QueryError(
                f"{self.name} reads {', '.join(sorted(missing))}, not in the dictionary",
                next_step="shopkeeper table list",
            )
        return [mine.get(name) or TABLES[name] for name in self.tables]

    def _check(self) -> exp.Query:
        mapping = _mapping(self._declared())
        try:
            return qualify(
                self.tree.copy(),
                schema=mapping,
                dialect="duckdb",
                quote_identifiers=False,
                identify=False,
            )
        except OptimizeError as error:
            raise QueryError(f"{self.name} does not fit the dictionary: {error}") from error


def _mapping(tables: Iterable[Table]) -> dict[str, Any]:
    return {table.name: {column.name: column.type.value for column in table.columns} for table in tables}


def _sources(tree: exp.Query) -> list[exp.Table]:
    """The tables that are read, common table expressions left out."""
    found = []
    for scope in traverse_scope(tree):
        found += [source for source in scope.sources.values() if isinstance(source, exp.Table) and source.name]
    return found


def _fill(tree: exp.Query, parameters: Mapping[str, Value], name: str) -> None:
    used = set()
    for placeholder in list(tree.find_all(exp.Placeholder)):
        parameter = placeholder.name
        if parameter not in parameters:
            raise QueryError(f"{name} has no value for its parameter ${parameter}")
        used.add(parameter)
        _put(placeholder, parameters[parameter])
    unknown = set(parameters) - used
    if unknown:
        raise QueryError(f"{name} has no parameter {', '.join(sorted(unknown))}")


def _put(placeholder: exp.Placeholder, value: Value) -> None:
    if isinstance(value, str) or not isinstance(value, Sequence):
        placeholder.replace(literal(value))
        return
    parent = placeholder.parent
    if not isinstance(parent, exp.In):
        placeholder.replace(exp.Array(expressions=[literal(item) for item in value]))
        return
    parent.set("field", None)
    parent.set("expressions", [literal(item) for item in value] or [exp.null()])


def _where_bounds(select: exp.Select, alias: str, column: str, sources: int) -> Bounds:
    where = select.args.get("where")
    bounds = Bounds()
    if where is None:
        return bounds
    for condition in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
        bounds = bounds.narrowed(_condition_bounds(condition.unnest(), alias, column, sources))
    return bounds


def _condition_bounds(condition: exp.Expr, alias: str, column: str, sources: int) -> Bounds:
    def is_column(node: exp.Expr | None) -> bool:
        if not isinstance(node, exp.Column) or node.name != column:
            return False
        return node.table == alias or (not node.table and sources == 1)

    if isinstance(condition, exp.Between) and is_column(condition.this):
        return Bounds(_day(condition.args["low"]), _day(condition.args["high"]))
    if isinstance(condition, exp.In) and is_column(condition.this) and not condition.args.get("query"):
        days = [_day(item) for item in condition.expressions]
        known = [day for day in days if day is not None]
        return Bounds(min(known), max(known)) if days and len(known) == len(days) else Bounds()
    if not isinstance(condition, exp.GTE | exp.GT | exp.LTE | exp.LT | exp.EQ):
        return Bounds()
    if is_column(condition.left):
        day, kind = _day(condition.right), type(condition)
    elif is_column(condition.right):
        flipped: dict[type[exp.Expr], Any] = {
            exp.GTE: exp.LTE,
            exp.GT: exp.LT,
            exp.LTE: exp.GTE,
            exp.LT: exp.GT,
            exp.EQ: exp.EQ,
        }
        day, kind = _day(condition.left), flipped[type(condition)]
    else:
        return Bounds()
    if kind is exp.EQ:
        return Bounds(day, day)
    return Bounds(day, None) if kind in (exp.GTE, exp.GT) else Bounds(None, day)


def _day(node: exp.Expr) -> date | None:
    """The day of a constant, if it is one (the UTC day of an instant)."""
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.this.is_string:
        try:
            return (
                datetime.fromisoformat(node.this.name).astimezone(UTC).date()
                if ":" in node.this.name
                else date.fromisoformat(node.this.name)
            )
        except ValueError:
            return None
    return None
