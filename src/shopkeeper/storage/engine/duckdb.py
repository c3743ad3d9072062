"""DuckDB in the process: the default engine."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from shopkeeper.base.errors import DataError, QueryError, ShopkeeperError, StorageError
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Column, Partition, Table, Type
from shopkeeper.storage.engine.contract import Inputs, check_columns
from shopkeeper.storage.lake import Lake, LostFileError, Scan
from shopkeeper.storage.parquet import publish, staging, with_rows

__all__ = ["ERRORS", "DuckDBEngine"]

_PARTITION = "shopkeeper_partition"
_HELD_ROWS = 61_440

ERRORS: Mapping[type[duckdb.Error], type[ShopkeeperError]] = {
    duckdb.ConversionException: DataError,
    duckdb.DataError: DataError,
    duckdb.InvalidInputException: DataError,
    duckdb.OutOfRangeException: DataError,
    duckdb.BinderException: QueryError,
    duckdb.CatalogException: QueryError,
    duckdb.ConstraintException: QueryError,
    duckdb.DatabaseError: QueryError,
    duckdb.DependencyException: QueryError,
    duckdb.Error: QueryError,
    duckdb.IntegrityError: QueryError,
    duckdb.InvalidTypeException: QueryError,
    duckdb.NotImplementedException: QueryError,
    duckdb.NotSupportedError: QueryError,
    duckdb.ParserException: QueryError,
    duckdb.PermissionException: QueryError,
    duckdb.ProgrammingError: QueryError,
    duckdb.SequenceException: QueryError,
    duckdb.SyntaxException: QueryError,
    duckdb.TypeMismatchException: QueryError,
    duckdb.ConnectionException: StorageError,
    duckdb.FatalException: StorageError,
    duckdb.HTTPException: StorageError,
    duckdb.IOException: StorageError,
    duckdb.InternalError: StorageError,
    duckdb.InternalException: StorageError,
    duckdb.InterruptException: StorageError,
    duckdb.OperationalError: StorageError,
    duckdb.OutOfMemoryException: StorageError,
    duckdb.ResourceInUseException: StorageError,
    duckdb.SerializationException: StorageError,
    duckdb.TransactionException: StorageError,
}
"""What each of DuckDB's errors is to a person."""
_ADVICE: Mapping[type[duckdb.Error], str] = {
    duckdb.ConnectionException: "look whether what it reads can be reached, then do the same again",
    duckdb.HTTPException: "look whether what it reads can be reached, then do the same again",
    duckdb.InterruptException: "it was interrupted; do the same again",
    duckdb.IOException: "free the disk, or look whether the file can be read: shopkeeper doctor",
    duckdb.OutOfMemoryException: "raise engine.memory_limit or free the disk",
    duckdb.ResourceInUseException: "another process was at it; do the same again",
    duckdb.SerializationException: "another process was at it; do the same again",
    duckdb.TransactionException: "another process was at it; do the same again",
}
"""What helps against those that are a `StorageError`; against the others, which are faults of DuckDB, the doctor."""


class DuckDBEngine:
    """Runs queries with DuckDB over the lake's Parquet files.

    Args:
        lake: The tables to read and the folders to write.
        spill: Folder for what does not fit into memory.
        memory_limit: How much memory it may take, such as `4GB`.
        threads: How many threads it may use; all cores by default.
    """

    name = "duckdb"
    side_by_side = 2

    def __init__(self, lake: Lake, *, spill: Path, memory_limit: str = "4GB", threads: int | None = None) -> None:
        self._lake = lake
        spill.mkdir(parents=True, exist_ok=True)
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "temp_directory": str(spill),
            "preserve_insertion_order": False,
            # What each partition holds back before it writes: half a row group; the default is four whole ones.
            "partitioned_write_flush_threshold": _HELD_ROWS,
            # A division by zero is NULL in both engines, never an infinity.
            "ieee_floating_point_ops": False,
            "error_on_division_by_zero": False,
        }
        if threads:
            settings["threads"] = threads
        with translated("duckdb"):
            self._root = duckdb.connect(":memory:", config=settings)
            self._root.execute("SET GLOBAL TimeZone = 'UTC'")

    def arrow(self, query: Query, inputs: Inputs | None = None, snapshots: Mapping[str, int] | None = None) -> pa.Table:
        """Runs a query and gives all of its rows."""
        for last in (False, True):
            try:
                with self._session(query, inputs, snapshots) as connection:
                    return connection.sql(query.sql(pretty=False)).to_arrow_table()
            except LostFileError:
                # An erasure took a file after it was planned; the present state no longer names it.
                if last:
                    raise
        raise AssertionError("unreachable")

    def batches(self, query: Query, inputs: Inputs | None = None, rows: int = 100_000) -> Iterator[pa.RecordBatch]:
        """Runs a query and gives its rows batch by batch."""
        with self._session(query, inputs) as connection:
            reader, empty = connection.sql(query.sql(pretty=False)).to_arrow_reader(rows), True
            for batch in reader:
                empty = False
                yield batch
            if empty:
                yield pa.RecordBatch.from_pylist([], reader.schema)

    def relation(self, query: Query) -> Any:
        """Gives a DuckDB relation, not executed; it keeps reading the files it was planned on."""
        connection = self._root.cursor()
        with translated(query.name):
            self._bind(connection, query, {}, {})
            return connection.sql(query.sql(pretty=False))

    def write(
        self, query: Query, table: Table, inputs: Inputs | None = None, *, one_partition: bool = False
    ) -> list[str]:
        """Runs a query and writes its rows as Parquet files of a table."""
        folder = self._lake.folder(table.name)
        ids = self._lake.field_ids(table.name)
        with self._session(query, inputs) as connection, staging(folder) as place:
            statement = copy_statement(query, table, ids, place, one_partition=one_partition)
            connection.execute(statement)
            return publish(with_rows(place), folder)

    def copy(
        self,
        scan: Scan,
        table: Table,
        place: Path,
        *,
        changed: Mapping[str, str] | None = None,
        but: str = "false",
        given: Mapping[str, pa.Table] | None = None,
    ) -> None:
        """Writes the rows of some files of one partition as one new file in a folder.

        Args:
            scan: The files.
            table: Their table.
            place: The folder.
            changed: SQL for columns that get another value, by column.
            but: SQL of the rows that are left out.
            given: Tables that the SQL names.
        """
        ids = self._lake.field_ids(table.name)
        target = _quoted(str(place / "rows.parquet"))
        new = changed or {}
        columns = ", ".join(
            f"CAST({new[column.name]} AS {column.type.value}) AS {column.name}" if column.name in new else column.name
            for column in table.columns
        )
        rows = f"SELECT {columns} FROM ({scan_statement(table, scan)}) AS {table.name} WHERE NOT ({but})"
        with self._given(table.name, given) as cursor:
            cursor.execute(f"COPY ({rows}) TO {target} ({_parquet(table, ids)})")

    def count(self, scan: Scan, table: Table, where: str, given: Mapping[str, pa.Table] | None = None) -> int:
        """Counts the rows of some files for which a condition holds; it may name given tables."""
        with self._given(table.name, given) as cursor:
            rows = f"SELECT count(*) FROM ({scan_statement(table, scan)}) AS {table.name} WHERE {where}"
            found = cursor.execute(rows).fetchall()
        return int(found[0][0])

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Gives a connection of its own with the engine's limits, for loading files."""
        return self._root.cursor()

    def close(self) -> None:
        """Closes the connection and gives back its memory."""
        self._root.close()

    @contextmanager
    def _given(self, what: str, given: Mapping[str, pa.Table] | None) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self._root.cursor()
        try:
            with translated(what):
                for name, rows in (given or {}).items():
                    cursor.register(name, rows)
                yield cursor
        finally:
            cursor.close()

    @contextmanager
    def _session(
        self, query: Query, inputs: Inputs | None, snapshots: Mapping[str, int] | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self._root.cursor()
        try:
            with translated(query.name):
                self._bind(cursor, query, inputs or {}, snapshots or {})
                yield cursor
        finally:
            cursor.close()

    def _bind(
        self, connection: duckdb.DuckDBPyConnection, query: Query, inputs: Inputs, snapshots: Mapping[str, int]
    ) -> None:
        bounds = query.bounds()
        for name in query.tables:
            if name in inputs:
                _give(connection, name, inputs[name])
                continue
            table = self._lake.declared(name)
            scan = self._lake.scan(name, bounds.get(name), snapshots.get(name))
            if scan.rows is not None:
                connection.register(f"{name}_rows", scan.rows)
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {scan_statement(table, scan)}")


def _give(connection: duckdb.DuckDBPyConnection, name: str, given: pa.Table | Path) -> None:
    if isinstance(given, Path):
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet({_quoted(str(given))})")
    else:
        connection.register(name, given)


def scan_statement(table: Table, scan: Scan) -> str:
    """The SELECT that reads a table's files; columns the files lack are typed NULLs.

    Files that agree are read by name, since DuckDB takes a scan by field id for one row and joins on its wrong side.
    """
    if scan.rows is not None:
        return f"SELECT {', '.join(table.column_names)} FROM {table.name}_rows"
    if not scan.files:
        nulls = ", ".join(f"CAST(NULL AS {column.type.value}) AS {column.name}" for column in table.columns)
        return f"SELECT {nulls} WHERE false"
    files = ", ".join(_quoted(file) for file in scan.files)
    if scan.columns is not None:
        columns = ", ".join(
            f"CAST({column.name if column.name in scan.columns else 'NULL'} AS {column.type.value}) AS {column.name}"
            for column in table.columns
        )
        return f"SELECT {columns} FROM read_parquet([{files}])"
    fields = ", ".join(
        f"{scan.field_ids[column.name]}: {{name: '{column.name}', type: '{column.type.value}', default_value: NULL}}"
        for column in table.columns
        if column.name in scan.field_ids
    )
    columns = ", ".join(
        column.name if column.name in scan.field_ids else f"CAST(NULL AS {column.type.value}) AS {column.name}"
        for column in table.columns
    )
    return f"SELECT {columns} FROM read_parquet([{files}], schema = MAP {{{fields}}})"


def copy_statement(
    query: Query, table: Table, ids: Mapping[str, tuple[int, ...]], place: Path, *, one_partition: bool
) -> str:
    """The COPY that writes a query's rows as Parquet with the table's types, field ids and partition."""
    check_columns(query, table)
    given = set(query.columns)
    columns = [
        f"CAST({column.name if column.name in given else 'NULL'} AS {column.type.value}) AS {column.name}"
        for column in table.columns
    ]
    options = [_parquet(table, ids)]
    target = place / "rows.parquet"
    if table.partition is not Partition.NONE and not one_partition:
        form = "%Y-%m" if table.partition is Partition.MONTH else "%Y-%m-%d"
        columns.append(f"strftime({table.partition_column}, '{form}') AS {_PARTITION}")
        options += [f"PARTITION_BY ({_PARTITION})"]
        target = place
    source = f"SELECT {', '.join(columns)} FROM ({query.sql(pretty=False)}) AS given"
    return f"COPY ({source}) TO {_quoted(str(target))} ({', '.join(options)})"


def _parquet(table: Table, ids: Mapping[str, tuple[int, ...]]) -> str:
    return f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, FIELD_IDS {{{_field_ids(table, ids)}}}"


def _field_ids(table: Table, ids: Mapping[str, tuple[int, ...]]) -> str:
    def one(column: Column) -> str:
        own, *parts = ids[column.name]
        if column.type is Type.MAP:
            return f"{column.name}: {{__duckdb_field_id: {own}, key: {parts[0]}, value: {parts[1]}}}"
        if column.type is Type.STRINGS:
            return f"{column.name}: {{__duckdb_field_id: {own}, element: {parts[0]}}}"
        return f"{column.name}: {own}"

    return ", ".join(one(column) for column in table.columns)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """The one seam where DuckDB's errors become Shopkeeper's."""
    try:
        yield
    except ShopkeeperError:
        raise
    except duckdb.Error as error:
        kind = next((ERRORS[each] for each in type(error).__mro__ if each in ERRORS), StorageError)
        if kind is StorageError:
            lost = re.search(r"No files found|No such file", str(error))
            advice = next((_ADVICE[each] for each in type(error).__mro__ if each in _ADVICE), "shopkeeper doctor")
            raise (LostFileError if lost else StorageError)(
                f"{what} could not be computed", next_step=advice, foreign=error
            ) from error
        said = "met a value it cannot take" if kind is DataError else "was refused by DuckDB"
        raise kind(f"{what} {said}", foreign=error) from error
