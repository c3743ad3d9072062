"""Settling: which staged rows are new, which change something, which were there, which contradict what is there.

Works on staged rows only, in which every identifier is a token already, so what it sorts and joins may be spilled.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot

from shopkeeper.base.errors import ConflictError
from shopkeeper.schema.query import Bounds, Query
from shopkeeper.schema.table import Column, Partition, Table, TableKind, Type
from shopkeeper.storage.engine.duckdb import DuckDBEngine, scan_statement, translated
from shopkeeper.storage.lake import Lake, Snapshot

__all__ = ["SEQ", "Settled", "commit", "first_rows", "parts_of", "settle"]

SEQ = "row_seq"
KEY_HASH = "row_key_hash"
CONTENT_HASH = "row_content_hash"
_PART_ROWS = 2_000_000


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to become of staged rows.

    Args:
        table: Where they go.
        given: The columns they bring; an update leaves the others as they are.
        staged: The Parquet files they are in.
        before: The state of the table they were held against.
        stored: How many are new.
        updated: How many change what is there.
        duplicate: How many were there, or came before in the same load.
        conflicts: `row_seq` of those that contradict a fact under the same key.
        verdicts: `row_seq`, `put` (whether it is written), `in_lake`, for rows whose key occurs elsewhere too.
        net_amount: What the rows that are not conflicts add up to, for lines of orders.
    """

    table: Table
    given: tuple[str, ...]
    staged: Path
    before: Snapshot | None
    stored: int
    updated: int
    duplicate: int
    conflicts: pa.Array
    verdicts: pa.Table
    net_amount: Decimal | None = None


def settle(
    lake: Lake,
    engine: DuckDBEngine,
    table: Table,
    given: tuple[str, ...],
    staged: Path,
    *,
    replace: bool,
    only_new: bool = False,
) -> Settled:
    """Holds staged rows against each other and against the lake.

    A row whose key is new is stored. One whose key and content are there is a duplicate. One whose key is there with
    other content is an update for master tables and where `replace` says so, else a conflict. Rows of one load count
    in their order, so the last one of a key stands.

    Args:
        lake: The lake.
        engine: What computes.
        table: The table they are for.
        given: The columns they bring, keys included.
        staged: Parquet files of the rows, numbered by `row_seq`.
        replace: Whether facts may be replaced.
        only_new: Whether what is known under a key stays whatever comes, so that other content counts as a duplicate;
            under a new key the first of the rows that say most stands.

    Returns:
        The verdicts; nothing is written yet. Rows of a fact are sought in the lake within 31 days of the staged days.
    """
    before = lake.snapshot(table.name)
    updates = (replace or _is_master(table)) and not only_new
    connection = engine.connection()
    with translated(table.name):
        connection.execute(f"CREATE TEMP VIEW staged AS {_hashed(table, given, staged)}")
        scan = lake.scan(table.name, _bounds(connection, table))
        connection.execute(f"CREATE TEMP VIEW known AS {scan_statement(table, scan)}")
        total = connection.execute("SELECT count(*) FROM staged").fetchall()[0][0]
        _find_twice(connection, total)
        connection.execute(
            f"CREATE TEMP TABLE verdict AS {_verdicts(table, given, updates=updates, only_new=only_new)}"
        )
        counts: dict[str, int] = dict(connection.execute("SELECT verdict, count(*) FROM verdict GROUP BY 1").fetchall())
        conflicts = connection.sql(f"SELECT {SEQ} FROM verdict WHERE verdict = 'conflict' ORDER BY 1").to_arrow_table()
        verdicts = connection.sql(f"SELECT {SEQ}, put, in_lake FROM verdict").to_arrow_table()
        net_amount = _net_amount(connection) if "net_amount" in given else None
    return Settled(
        table,
        given,
        staged,
        before,
        total - sum(counts.values()) + counts.get("stored", 0),
        counts.get("updated", 0),
        counts.get("duplicate", 0),
        conflicts.column(0).combine_chunks(),
        verdicts,
        net_amount,
    )


def first_rows(engine: DuckDBEngine, settled: Settled, rows: int) -> list[dict[str, Any]]:
    """Gives the first staged rows, in the order of their file."""
    columns = ", ".join(settled.given)
    with translated(settled.table.name):
        found = engine.connection().sql(
            f"SELECT {columns} FROM read_parquet({_quoted(str(settled.staged))}) ORDER BY {SEQ} LIMIT {int(rows)}"
        )
        return list(found.to_arrow_table().to_pylist())


def commit(lake: Lake, engine: DuckDBEngine, settled: Settled, note: dict[str, str]) -> Snapshot | None:
    """Writes what is new and what changed, in one commit; nothing at all if there is nothing.

    Raises:
        ConflictError: The table moved on since it was settled; settle again.
    """
    table, name = settled.table, settled.table.name
    if lake.snapshot(name) != settled.before:
        raise ConflictError(f"table {name} moved on while rows were held against it", next_step="load again")
    inputs: dict[str, pa.Table | Path] = {"staged": settled.staged, "verdict": settled.verdicts}
    changed = settled.verdicts.filter(pc.and_(settled.verdicts["put"], settled.verdicts["in_lake"]))
    if not changed.num_rows:
        if not settled.stored:
            return settled.before
        files = engine.write(_query(settled, _new_rows(settled)), table, inputs)
        return lake.append(name, files, note)
    partitions = _touched(lake, engine, settled)
    files = engine.write(_query(settled, _rewritten(settled, partitions)), table, inputs)
    numbers = None if partitions is None else {table.partition.number(day) for day in partitions}
    return lake.replace(
        name,
        files,
        note,
        removes=None if numbers is None else lambda file: file.partition[0] in numbers,
        expected=settled.before.id if settled.before else None,
    )


def _is_master(table: Table) -> bool:
    return table.kind is TableKind.MASTER


def _verdicts(table: Table, given: tuple[str, ...], *, updates: bool, only_new: bool) -> str:
    keys = ", ".join(f"s.{name}" for name in table.key)
    same = " AND ".join(f"k.{name} IS NOT DISTINCT FROM s.{name}" for name in table.key)
    content = _hash([f"k.{name}" for name in given if name not in table.key])
    window = f"PARTITION BY {keys} ORDER BY s.{SEQ}"
    if updates:
        previous = f"coalesce(lag(s.{CONTENT_HASH}) OVER ({window}), l.known_hash)"
        last = f"(lead(s.{SEQ}) OVER ({window})) IS NULL"
        verdict = f"""
            CASE WHEN {previous} IS NULL THEN 'stored' WHEN {previous} = s.{CONTENT_HASH} THEN 'duplicate'
            ELSE 'updated' END AS verdict,
            {last} AND (l.known_hash IS NULL OR l.known_hash <> s.{CONTENT_HASH}) AS put
        """
    else:
        other = "duplicate" if only_new else "conflict"
        if only_new:  # of the rows under a new key the one that says most
            empty = " + ".join(f"CAST(s.{name} IS NULL AS INTEGER)" for name in given)
            window = f"PARTITION BY {keys} ORDER BY {empty}, s.{SEQ}"
        first = f"(lag(s.{SEQ}) OVER ({window})) IS NULL"
        reference = f"coalesce(l.known_hash, first_value(s.{CONTENT_HASH}) OVER ({window}))"
        verdict = f"""
            CASE WHEN {first} AND l.known_hash IS NULL THEN 'stored'
            WHEN {reference} = s.{CONTENT_HASH} THEN 'duplicate' ELSE '{other}' END AS verdict,
            {first} AND l.known_hash IS NULL AS put
        """
    # Only rows whose key occurs twice are sorted: among ten million clean lines that is none.
    return f"""
        WITH there AS (
            SELECT s.{SEQ} AS seq, any_value({content}) AS known_hash
            FROM staged AS s JOIN known AS k ON {same} GROUP BY s.{SEQ}
        )
        SELECT s.{SEQ}, l.known_hash IS NOT NULL AS in_lake, {verdict}
        FROM staged AS s LEFT JOIN there AS l ON l.seq = s.{SEQ}
        WHERE l.seq IS NOT NULL OR s.{KEY_HASH} IN (SELECT {KEY_HASH} FROM twice)
    """


def _net_amount(connection: duckdb.DuckDBPyConnection) -> Decimal | None:
    found: Decimal | None = connection.execute(
        f"SELECT sum(net_amount) FROM staged WHERE {SEQ} NOT IN (SELECT {SEQ} FROM verdict WHERE verdict = 'conflict')"
    ).fetchall()[0][0]
    return found


def _find_twice(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Finds the keys that occur twice, part by part of their hashes, so that memory does not grow with the rows."""
    connection.execute(f"CREATE TEMP TABLE twice ({KEY_HASH} UBIGINT)")
    parts = parts_of(rows)
    for part in range(parts):
        connection.execute(
            f"INSERT INTO twice SELECT {KEY_HASH} FROM staged WHERE {KEY_HASH} % {parts} = {part} "
            f"GROUP BY {KEY_HASH} HAVING count(*) > 1"
        )


def parts_of(rows: int) -> int:
    """In how many parts rows are sorted or grouped so that each fits into little memory."""
    return 1 + rows // _PART_ROWS


def _hashed(table: Table, given: tuple[str, ...], staged: Path) -> str:
    content = _hash([name for name in given if name not in table.key])
    return (
        f"SELECT *, {_hash(list(table.key))} AS {KEY_HASH}, {content} AS {CONTENT_HASH} "
        f"FROM read_parquet({_quoted(str(staged))})"
    )


def _hash(columns: list[str]) -> str:
    return f"hash({', '.join(columns)})" if columns else "CAST(0 AS UBIGINT)"


def _bounds(connection: duckdb.DuckDBPyConnection, table: Table) -> Bounds | None:
    if table.partition_column is None:
        return None
    found = connection.execute(
        f"SELECT CAST(min({table.partition_column}) AS DATE) - 31, CAST(max({table.partition_column}) AS DATE) + 31"
        " FROM staged"
    ).fetchall()[0]
    return Bounds(found[0], found[1]) if found[0] is not None else None


def _query(settled: Settled, text: str) -> Query:
    table = settled.table
    columns = (Column(SEQ, Type.INTEGER, "Ordinal of the row"), *(table.column(name) for name in settled.given))
    flags = (Column("put", Type.BOOLEAN, "Whether it is written"), Column("in_lake", Type.BOOLEAN, "Whether known"))
    inputs = (
        Table("staged", "one staged row", columns, ()),
        Table("verdict", "one row whose key occurs elsewhere", (columns[0], *flags), ()),
    )
    tree = sqlglot.parse_one(text, read="duckdb")
    return Query(tree, inputs=inputs, name=f"rows of {table.name}")  # type: ignore[arg-type]


def _new_rows(settled: Settled) -> str:
    columns = ", ".join(
        f"s.{name}" if name in settled.given else f"CAST(NULL AS {settled.table.column(name).type.value}) AS {name}"
        for name in settled.table.column_names
    )
    return (
        f"SELECT {columns} FROM staged AS s WHERE NOT s.{SEQ} IN "
        "(SELECT v.row_seq FROM verdict AS v WHERE NOT v.put OR v.in_lake)"
    )


def _rewritten(settled: Settled, partitions: list[date] | None) -> str:
    """What stands in the touched partitions (or the whole table) afterwards."""
    table = settled.table
    columns = ", ".join(
        f"CASE WHEN u.{SEQ} IS NULL THEN k.{name} ELSE u.{name} END AS {name}" if name in settled.given else f"k.{name}"
        for name in table.column_names
    )
    same = " AND ".join(f"u.{name} IS NOT DISTINCT FROM k.{name}" for name in table.key)
    where = "" if partitions is None else f" WHERE {_in_partitions(table, partitions, 'k')}"
    changed = f"SELECT s.* FROM staged AS s JOIN verdict AS v ON v.{SEQ} = s.{SEQ} WHERE v.put AND v.in_lake"
    old = f"SELECT {columns} FROM {table.name} AS k LEFT JOIN ({changed}) AS u ON {same}{where}"
    return f"{old} UNION ALL {_new_rows(settled)}"


def _touched(lake: Lake, engine: DuckDBEngine, settled: Settled) -> list[date] | None:
    """The first days of the partitions that rows leave, enter or change in; None if the table is not cut."""
    table, column = settled.table, settled.table.partition_column
    if column is None:
        return None
    unit = "month" if table.partition is Partition.MONTH else "day"
    same = " AND ".join(f"k.{name} IS NOT DISTINCT FROM s.{name}" for name in table.key)
    connection = engine.connection()
    with translated(table.name):
        connection.execute(f"CREATE TEMP VIEW staged AS SELECT * FROM read_parquet({_quoted(str(settled.staged))})")
        connection.register("verdict", settled.verdicts)
        scan = lake.scan(table.name, _bounds(connection, table))
        connection.execute(f"CREATE TEMP VIEW known AS {scan_statement(table, scan)}")
        rows = connection.execute(
            f"""
            WITH written AS (
                SELECT s.* FROM staged AS s LEFT JOIN verdict AS v USING ({SEQ}) WHERE coalesce(v.put, true)
            )
            SELECT DISTINCT CAST(date_trunc('{unit}', {column}) AS DATE) FROM written
            UNION
            SELECT DISTINCT CAST(date_trunc('{unit}', k.{column}) AS DATE)
            FROM written AS s JOIN known AS k ON {same}
            ORDER BY 1
            """
        ).fetchall()
    return [day for (day,) in rows]


def _in_partitions(table: Table, partitions: list[date], alias: str) -> str:
    unit = "month" if table.partition is Partition.MONTH else "day"
    days = ", ".join(f"DATE '{day}'" for day in partitions)
    return f"CAST(date_trunc('{unit}', {alias}.{table.partition_column}) AS DATE) IN ({days})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
