"""The warehouse: what an engine computes becomes a state of a lake table, in one call."""

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa
import sqlglot

from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Partition, Table
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.engine.contract import Engine, Inputs
from shopkeeper.storage.lake import Lake, Snapshot

__all__ = ["append", "append_rows", "replace", "replace_days", "replace_rows"]


def append(
    lake: Lake,
    engine: Engine,
    name: str,
    query: Query,
    *,
    inputs: Inputs | None = None,
    properties: Mapping[str, str] | None = None,
) -> Snapshot | None:
    """Adds a query's rows to a table."""
    return lake.append(name, engine.write(query, declared_table(name), inputs), properties)


def replace(
    lake: Lake,
    engine: Engine,
    name: str,
    query: Query,
    *,
    inputs: Inputs | None = None,
    properties: Mapping[str, str] | None = None,
) -> Snapshot | None:
    """Makes a query's rows the whole of a table."""
    return lake.replace(name, engine.write(query, declared_table(name), inputs), properties)


def replace_days(
    lake: Lake,
    engine: Engine,
    name: str,
    query: Query,
    days: Sequence[date],
    *,
    inputs: Inputs | None = None,
    properties: Mapping[str, str] | None = None,
) -> Snapshot | None:
    """Makes a query's rows the whole of the given days of a partitioned table; other days stay as they are.

    Args:
        lake: The lake.
        engine: What computes and writes.
        name: A table partitioned by day or month.
        query: Gives all rows of the given days, and none of others.
        days: The days that are replaced, whether the query gives rows for them or not.
        inputs: Tables handed over with the query.
        properties: Noted in the snapshot.
    """
    table = declared_table(name)
    before = lake.snapshot(name)
    if before is None:
        return append(lake, engine, name, query, inputs=inputs, properties=properties)
    touched = {_cut(table, day) for day in days}
    kept = _kept_query(table, days, touched)
    files = engine.write(query, table, inputs) + engine.write(kept, table)
    partitions = {_partition_value(table, day) for day in days}
    return lake.replace(
        name, files, properties, removes=lambda file: file.partition[0] in partitions, expected=before.id
    )


def append_rows(
    lake: Lake, engine: Engine, name: str, rows: pa.Table, properties: Mapping[str, str] | None = None
) -> Snapshot | None:
    """Adds Arrow rows to a table."""
    return append(lake, engine, name, _given(name), inputs={"given": rows}, properties=properties)


def replace_rows(
    lake: Lake, engine: Engine, name: str, rows: pa.Table, properties: Mapping[str, str] | None = None
) -> Snapshot | None:
    """Makes Arrow rows the whole of a table."""
    return replace(lake, engine, name, _given(name), inputs={"given": rows}, properties=properties)


def _given(name: str) -> Query:
    table = declared_table(name)
    given = Table("given", f"rows for {name}", table.columns, table.key)
    return Query.from_sql(f"SELECT {', '.join(table.column_names)} FROM given", name=name, inputs=(given,))


def _cut(table: Table, day: date) -> date:
    return day.replace(day=1) if table.partition is Partition.MONTH else day


def _kept_query(table: Table, days: Sequence[date], touched: set[date]) -> Query:
    columns = ", ".join(table.column_names)
    column = table.partition_column
    unit = "month" if table.partition is Partition.MONTH else "day"
    text = (
        f"SELECT {columns} FROM {table.name} WHERE {column} BETWEEN $first AND $last "
        f"AND CAST(date_trunc('{unit}', {column}) AS DATE) IN $touched AND CAST({column} AS DATE) NOT IN $days"
    )
    tree = sqlglot.parse_one(text, read="duckdb")
    last = max(days).replace(day=28) if unit == "month" else max(days)
    return Query(
        tree,  # type: ignore[arg-type]
        {
            "first": min(touched),
            "last": _month_end(last) if unit == "month" else last,
            "touched": sorted(touched),
            "days": sorted(days),
        },
        name=f"kept of {table.name}",
    )


def _month_end(day: date) -> date:
    following = (day.replace(day=1).toordinal()) + 32
    return date.fromordinal(date.fromordinal(following).replace(day=1).toordinal() - 1)


def _partition_value(table: Table, day: date) -> int:
    """Iceberg's value of a partition: months or days since 1970."""
    if table.partition is Partition.MONTH:
        return (day.year - 1970) * 12 + day.month - 1
    return (day - date(1970, 1, 1)).days
