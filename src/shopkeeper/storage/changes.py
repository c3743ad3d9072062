"""What changed between two states of a table: the days whose rows differ and the people on those days."""

from collections.abc import Iterator, Sequence
from datetime import date

import pyarrow as pa

from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.engine.duckdb import DuckDBEngine, scan_statement, translated
from shopkeeper.storage.lake import Lake, Scan

__all__ = ["came_rows", "changed_days", "changed_keys", "moved_keys"]


def changed_days(lake: Lake, engine: DuckDBEngine, name: str, before: int, after: int) -> list[date]:
    """Gives the days of a partitioned table on which a row was added, taken away or altered.

    Only files that one state names and the other does not are read: rows that were merely moved to another file (by
    compaction) cancel out by the sum of their hashes.

    Args:
        lake: The lake.
        engine: Reads the files.
        name: A table partitioned by a date column.
        before: The older snapshot.
        after: The newer snapshot.

    Returns:
        The days, rising.
    """
    table = declared_table(name)
    gone, come = _moved(lake, name, before, after)
    row = f"hash({', '.join(table.column_names)})"
    statement = f"""
        WITH rows AS (
            SELECT {table.partition_column} AS day, -1 AS sign, {row} AS row_hash FROM ({scan_statement(table, gone)})
            UNION ALL
            SELECT {table.partition_column} AS day, 1 AS sign, {row} AS row_hash FROM ({scan_statement(table, come)})
        )
        SELECT day FROM rows GROUP BY day
        HAVING sum(sign) <> 0 OR sum(sign * CAST(row_hash AS HUGEINT)) <> 0
        ORDER BY day
    """
    with translated(f"the changes of {name}"):
        return [day for (day,) in engine.connection().execute(statement).fetchall()]


def moved_keys(
    lake: Lake, engine: DuckDBEngine, name: str, keys: tuple[str, ...], before: int, after: int
) -> tuple[pa.Table, pa.Table]:
    """Gives the keys that may have left a table between two states, and those that may have come.

    A key is among them if only the files that left name it, or only those that came; other files may name it too.

    Args:
        lake: The lake.
        engine: Reads the files.
        name: The table.
        keys: The columns to give.
        before: The older snapshot.
        after: The newer snapshot.

    Returns:
        The distinct keys of either sort, in no order.
    """
    table, wanted = declared_table(name), ", ".join(keys)
    gone, come = (
        f"SELECT DISTINCT {wanted} FROM ({scan_statement(table, scan)})" for scan in _moved(lake, name, before, after)
    )
    with translated(f"the changes of {name}"):
        cursor = engine.connection()
        left, came = (
            cursor.sql(f"{one} EXCEPT {other}").to_arrow_table() for one, other in ((gone, come), (come, gone))
        )
    return left, came


def came_rows(
    lake: Lake,
    engine: DuckDBEngine,
    name: str,
    keys: Sequence[str],
    statement: str,
    before: int | None,
    after: int,
    *,
    at_once: int,
) -> Iterator[pa.RecordBatch]:
    """Asks the rows of a table whose keys came between two states, or all rows, and gives the answer batch by batch.

    Args:
        lake: The lake.
        engine: Reads the files.
        name: The table.
        keys: The columns that make a row another one.
        statement: A SELECT from `came`.
        before: The older snapshot; None for all rows.
        after: The newer snapshot.
        at_once: Rows of a batch.
    """
    table = declared_table(name)
    rows = scan_statement(table, lake.scan(name, snapshot=after))
    if before is not None:
        left, now = _moved(lake, name, before, after)
        same = " AND ".join(f"o.{key} IS NOT DISTINCT FROM n.{key}" for key in keys)
        rows = (
            f"SELECT n.* FROM ({scan_statement(table, now)}) AS n "
            f"WHERE NOT EXISTS (SELECT 1 FROM ({scan_statement(table, left)}) AS o WHERE {same})"
        )
    cursor = engine.connection()
    try:
        with translated(f"the changes of {name}"):
            yield from cursor.sql(f"WITH came AS ({rows}) {statement}").to_arrow_reader(at_once)
    finally:
        cursor.close()


def _moved(lake: Lake, name: str, before: int, after: int) -> tuple[Scan, Scan]:
    """What only the older state reads, and what only the newer."""
    old, new = lake.scan(name, snapshot=before), lake.scan(name, snapshot=after)
    return (
        Scan(tuple(sorted(set(old.files) - set(new.files))), old.field_ids, columns=old.columns),
        Scan(tuple(sorted(set(new.files) - set(old.files))), new.field_ids, columns=new.columns),
    )


def changed_keys(
    lake: Lake, engine: DuckDBEngine, name: str, keys: tuple[str, ...], columns: tuple[str, ...], before: int
) -> pa.Table:
    """Gives the keys whose rows differ in some columns between an older state of a table and the present one.

    Args:
        lake: The lake.
        engine: Reads the files.
        name: The table.
        keys: The columns to give.
        columns: The columns that matter besides.
        before: The older snapshot.

    Returns:
        The distinct keys, in no order.
    """
    table = declared_table(name)
    old = scan_statement(table, lake.scan(name, snapshot=before))
    new = scan_statement(table, lake.scan(name))
    wanted, row = ", ".join(keys), f"hash({', '.join((*keys, *columns))})"
    statement = f"""
        SELECT DISTINCT {wanted} FROM (
            SELECT {wanted}, {row} AS row_hash, -1 AS sign FROM ({old})
            UNION ALL
            SELECT {wanted}, {row} AS row_hash, 1 AS sign FROM ({new})
        ) AS rows GROUP BY {wanted}
        HAVING sum(sign) <> 0 OR sum(sign * CAST(row_hash AS HUGEINT)) <> 0
    """
    with translated(f"the changes of {name}"):
        return engine.connection().sql(statement).to_arrow_table()
