"""The warehouse: what an engine computes becomes a state of a lake table, in one call."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol

import pyarrow as pa

from shopkeeper.base.clock import system_clock
from shopkeeper.base.errors import UsageError
from shopkeeper.base.ids import new_id
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Partition, Table, Type
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.engine.contract import Engine, Inputs
from shopkeeper.storage.lake import Lake, Snapshot
from shopkeeper.storage.part import Part
from shopkeeper.storage.retrying import retrying

__all__ = [
    "Leases", "append", "append_rows", "live_files", "replace", "replace_days", "replace_parts", "replace_rows",
    "retrying",
]  # fmt: skip

_LEASE_LASTS = timedelta(days=1)
_LEASE = "write:"


class Leases(Protocol):
    """Where a writer notes the files it is about to commit, so that no sweep takes them (`State.leases`)."""

    def acquire(
        self, name: str, holder: str, *, now: datetime, lasts: timedelta, note: Mapping[str, Any] | None = None
    ) -> Any:
        """Takes a lease."""

    def release(self, name: str, holder: str) -> bool:
        """Gives it back."""

    def live(self, now: datetime) -> Sequence[Any]:
        """The leases that have not expired, each with `name` and `note`."""


def append(
    lake: Lake,
    engine: Engine,
    name: str,
    query: Query,
    *,
    inputs: Inputs | None = None,
    properties: Mapping[str, str] | None = None,
    leases: Leases | None = None,
) -> Snapshot | None:
    """Adds a query's rows to a table."""
    files = engine.write(query, declared_table(name), inputs)
    with _noted(leases, name, files):
        return lake.append(name, files, properties)


def replace(
    lake: Lake,
    engine: Engine,
    name: str,
    *queries: Query,
    inputs: Inputs | None = None,
    properties: Mapping[str, str] | None = None,
    leases: Leases | None = None,
) -> Snapshot | None:
    """Makes the rows of a query, or of several one after the other, the whole of a table.

    Raises:
        ConflictError: Another process committed at the same moment; `retrying` does it again.
    """
    files = [file for query in queries for file in engine.write(query, declared_table(name), inputs)]
    with _noted(leases, name, files):
        return lake.replace(name, files, properties)


def replace_days(
    lake: Lake,
    engine: Engine,
    name: str,
    query: Query,
    days: Sequence[date],
    *,
    inputs: Inputs | None = None,
    properties: Mapping[str, str] | None = None,
    leases: Leases | None = None,
) -> Snapshot | None:
    """Makes a query's rows the whole of the given days of a partitioned table; other days stay as they are.

    Args:
        lake: The lake.
        engine: What computes and writes.
        name: A table partitioned by day or month.
        query: Gives all rows of the given days, and none of others.
        days: The days that are replaced, whether the query gives rows for them or not; of an instant its day in UTC.
        inputs: Tables handed over with the query.
        properties: Noted in the snapshot.
        leases: Where the files are noted until they are committed.

    Raises:
        ConflictError: Another process changed the table since it was read; `retrying` does it again.
        UsageError: The table has no partition.
    """
    table = declared_table(name)
    if table.partition is Partition.NONE:
        raise UsageError(f"table {name} is not kept by day or month, so no days of it can be replaced")
    before = lake.snapshot(name)
    if not days:
        return before
    files = engine.write(query, table, inputs)
    if before is not None and table.partition is Partition.MONTH:
        files += engine.write(_kept_query(table, days), table)
    partitions = {table.partition.number(day) for day in days}
    with _noted(leases, name, files):
        return lake.replace(
            name,
            files,
            properties,
            removes=lambda file: file.partition[0] in partitions,
            expected=before.id if before else 0,
        )


def replace_parts(
    lake: Lake,
    engine: Engine,
    name: str,
    parts: Sequence[Part],
    query_of: Callable[[Part], Query],
    *,
    properties: Mapping[str, str] | None = None,
    leases: Leases | None = None,
) -> Snapshot | None:
    """Makes the rows of several queries the whole of a table kept by month, computing a part or two at a time.

    Args:
        lake: The lake.
        engine: What computes and writes.
        name: The table.
        parts: The parts that hold any rows.
        query_of: Gives the query of a part's rows.
        properties: Noted in the snapshot.
        leases: Where the files are noted until they are committed.

    Raises:
        ConflictError: Another process committed at the same moment; `retrying` does it again.
    """
    table = declared_table(name)

    def written(part: Part) -> list[str]:
        return engine.write(query_of(part), table, one_partition=part.is_one_month)

    with ThreadPoolExecutor(engine.side_by_side) as pool:
        files = [file for each in pool.map(written, parts) for file in each]
    with _noted(leases, name, files):
        return lake.replace(name, files, properties)


def append_rows(
    lake: Lake,
    engine: Engine,
    name: str,
    rows: pa.Table,
    properties: Mapping[str, str] | None = None,
    leases: Leases | None = None,
) -> Snapshot | None:
    """Adds Arrow rows to a table."""
    return append(lake, engine, name, _given(name), inputs={"given": rows}, properties=properties, leases=leases)


def replace_rows(
    lake: Lake,
    engine: Engine,
    name: str,
    rows: pa.Table,
    properties: Mapping[str, str] | None = None,
    leases: Leases | None = None,
) -> Snapshot | None:
    """Makes Arrow rows the whole of a table."""
    return replace(lake, engine, name, _given(name), inputs={"given": rows}, properties=properties, leases=leases)


def live_files(leases: Leases, now: datetime) -> set[str]:
    """The files that writers noted and have not committed yet: what `Lake.sweep` must leave."""
    noted = [lease.note.get("files", []) for lease in leases.live(now) if lease.name.startswith(_LEASE)]
    return {file for files in noted for file in files}


@contextmanager
def _noted(leases: Leases | None, name: str, files: Sequence[str]) -> Iterator[None]:
    if leases is None or not files:
        yield
        return
    holder = new_id("write")
    lease = f"{_LEASE}{name}:{holder}"
    note = {"table": name, "files": list(files)}
    leases.acquire(lease, holder, now=system_clock(), lasts=_LEASE_LASTS, note=note)
    try:
        yield
    finally:
        leases.release(lease, holder)


def _given(name: str) -> Query:
    table = declared_table(name)
    given = Table("given", f"rows for {name}", table.columns, table.key)
    return Query.from_sql(f"SELECT {', '.join(table.column_names)} FROM given", name=name, inputs=(given,))


def _kept_query(table: Table, days: Sequence[date]) -> Query:
    """The rows of the months of the given days that lie on other days."""
    column = str(table.partition_column)
    months = sorted({day.replace(day=1) for day in days})
    following = (months[-1] + timedelta(days=31)).replace(day=1)
    instants = table.column(column).type is Type.INSTANT
    text = (
        f"SELECT {', '.join(table.column_names)} FROM {table.name} WHERE {column} >= $first AND {column} < $following "
        f"AND CAST(date_trunc('month', {column}) AS DATE) IN $months AND CAST({column} AS DATE) NOT IN $days"
    )
    return Query.from_sql(
        text,
        name=f"the other days of {table.name}",
        first=_midnight(months[0]) if instants else months[0],
        following=_midnight(following) if instants else following,
        months=months,
        days=sorted(set(days)),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
