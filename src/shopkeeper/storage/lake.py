"""The lake: PyIceberg is the catalog and the committer; engines only read and write Parquet."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pyarrow as pa
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, GreaterThanOrEqual, LessThan
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

from shopkeeper.base.errors import ConflictError, MissingError, StorageError
from shopkeeper.schema.query import Bounds
from shopkeeper.schema.table import Partition, Table, Type
from shopkeeper.schema.tables import TABLES
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.iceberg import iceberg_schema, iceberg_type, partition_spec

__all__ = ["Lake", "LostFileError", "Scan", "Snapshot"]

NAMESPACE = "shop"
_APPEND_TRIES = 20
_PROPERTIES = {
    "format-version": "2",
    "commit.retry.num-retries": "0",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "20",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}


class LostFileError(StorageError):
    """A data file that a reader had planned was removed before it was read; planning again helps."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of a table.

    Args:
        id: Its id.
        committed_at: When it was committed (UTC).
        operation: append, overwrite or delete.
        rows: Rows in the table.
        bytes: Bytes of its files.
        files: Number of its files.
        properties: What the writer noted: step, code hash, input snapshots, as-of.
    """

    id: int
    committed_at: datetime
    operation: str
    rows: int
    bytes: int
    files: int
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scan:
    """What an engine needs to read a table: its files and the field id of each of its columns.

    `rows` is set instead of the files when a foreign writer left delete files, which only PyIceberg applies.
    """

    files: tuple[str, ...]
    field_ids: Mapping[str, int]
    rows: pa.Table | None = None


class Lake:
    """The Iceberg tables of one shop.

    Args:
        location: Folder of the data and, by default, of the catalog.
        catalog_url: `sqlite:///…` or another URL of a PyIceberg SQL catalog; by default `catalog.db` in `location`.
        tables: The declared tables; the dictionary unless a test brings its own.
    """

    def __init__(self, location: Path, catalog_url: str | None = None, tables: Mapping[str, Table] = TABLES) -> None:
        self.location = location.absolute()
        self.location.mkdir(parents=True, exist_ok=True)
        self._tables = tables
        self._lock = threading.Lock()
        self._planned: dict[tuple[str, str, Bounds | None], Scan] = {}
        self._catalog = _catalog(catalog_url or f"sqlite:///{self.location / 'catalog.db'}", self.location)

    def tables(self) -> list[str]:
        """The names of the tables that were ever written."""
        return sorted(name for _, name in self._catalog.list_tables(NAMESPACE))

    def folder(self, name: str) -> Path:
        """The folder of a table's data files."""
        self.declared(name)
        folder = self.location / NAMESPACE / name / "data"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def field_ids(self, name: str) -> dict[str, tuple[int, ...]]:
        """The Iceberg field ids of a table's columns, with those of its parts (map: key, value; list: element)."""
        ids = {}
        for field in self.ensure(name).schema().fields:
            kind = field.field_type
            parts = [getattr(kind, part) for part in ("key_id", "value_id", "element_id") if hasattr(kind, part)]
            ids[field.name] = (field.field_id, *parts)
        return ids

    def ensure(self, name: str) -> IcebergTable:
        """Makes a table from its declaration where it is missing and adds columns that were declared since."""
        declared = self.declared(name)
        found = self._load(name)
        if found is None:
            try:
                return self._catalog.create_table(
                    f"{NAMESPACE}.{name}",
                    schema=iceberg_schema(declared),
                    partition_spec=partition_spec(declared),
                    location=f"file://{self.location / NAMESPACE / name}",
                    properties=_PROPERTIES,
                )
            except TableAlreadyExistsError:
                return self._catalog.load_table(f"{NAMESPACE}.{name}")
        present = {field.name for field in found.schema().fields}
        missing = [column for column in declared.columns if column.name not in present]
        if missing:
            with _translated(name), found.update_schema() as update:
                for column in missing:
                    update.add_column(column.name, iceberg_type(column, (10_001, 10_002)), doc=column.meaning)
            found = self._catalog.load_table(f"{NAMESPACE}.{name}")
        return found

    def snapshot(self, name: str) -> Snapshot | None:
        """The present state of a table, None if it was never written."""
        table = self._load(name)
        current = table.current_snapshot() if table else None
        return _snapshot(current) if current else None

    def history(self, name: str) -> list[Snapshot]:
        """The states of a table that were not expired, oldest first."""
        table = self._load(name)
        return [_snapshot(each) for each in table.snapshots()] if table else []

    def scan(self, name: str, bounds: Bounds | None = None, snapshot: int | None = None) -> Scan:
        """Plans the reading of a table as it stands now (or at a snapshot)."""
        declared = self.declared(name)
        table = self._load(name)
        if table is None or (snapshot is None and table.current_snapshot() is None):
            return Scan((), {})
        key = (table.metadata_location, str(snapshot), bounds)
        with self._lock:
            planned = self._planned.get(key)
        if planned is None:
            planned = _plan(table, _row_filter(declared, bounds), snapshot)
            with self._lock:
                if len(self._planned) > 500:  # noqa: PLR2004 - bounds the memory, nothing else
                    self._planned.clear()
                self._planned[key] = planned
        return planned

    def files(self, name: str, bounds: Bounds | None = None, snapshot: int | None = None) -> list[str]:
        """The paths of the Parquet files of a table."""
        return list(self.scan(name, bounds, snapshot).files)

    def append(self, name: str, files: Sequence[str], properties: Mapping[str, str] | None = None) -> Snapshot | None:
        """Adds files to a table; when another writer commits first it tries again, since appends do not conflict."""
        if not files:
            return self.snapshot(name)
        for attempt in range(_APPEND_TRIES):
            table = self.ensure(name)
            try:
                with _translated(name), table.transaction() as transaction:
                    transaction.add_files(
                        [f"file://{file}" for file in files], dict(properties or {}), check_duplicate_files=False
                    )
                return self.snapshot(name)
            except ConflictError:
                if attempt == _APPEND_TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def replace(
        self,
        name: str,
        files: Sequence[str],
        properties: Mapping[str, str] | None = None,
        *,
        removes: Callable[[DataFile], bool] | None = None,
        expected: int | None = None,
    ) -> Snapshot | None:
        """Puts files in the place of others, in one commit.

        Args:
            name: The table.
            files: The new files.
            properties: Noted in the snapshot.
            removes: Which files of the present state go; all of them by default.
            expected: The snapshot the new files were made from; the commit is refused if the table moved on since.

        Raises:
            ConflictError: Another process committed first; read again and redo.
        """
        table = self.ensure(name)
        current = table.current_snapshot()
        if expected is not None and (current is None or current.snapshot_id != expected):
            raise ConflictError(f"table {name} moved on while it was rewritten", next_step="do the same again")
        old = [task.file for task in table.scan().plan_files()] if current else []
        gone = [file for file in old if removes is None or removes(file)]
        if not gone and not files:
            return self.snapshot(name)
        with _translated(name), table.transaction() as transaction:
            added = _data_files(transaction, table, files)
            with transaction.update_snapshot(snapshot_properties=dict(properties or {})).overwrite() as overwrite:
                for file in gone:
                    overwrite.delete_data_file(file)
                for file in added:
                    overwrite.append_data_file(file)
        return self.snapshot(name)

    def delete(self, name: str, predicate: BooleanExpression | str) -> Snapshot | None:
        """Deletes the rows that fit a predicate; files that hold others too are rewritten."""
        table = self._load(name)
        if table is not None and table.current_snapshot() is not None:
            with _translated(name):
                table.delete(predicate)
        return self.snapshot(name)

    def expire(self, name: str, *, keep: timedelta, now: datetime) -> list[int]:
        """Forgets the states older than `keep`, but for the present one; the sweep takes their files later."""
        table = self._load(name)
        if table is None:
            return []
        current = table.current_snapshot()
        border = now - keep
        old = [
            each.snapshot_id
            for each in table.snapshots()
            if datetime.fromtimestamp(each.timestamp_ms / 1000, UTC) < border
            and (current is None or each.snapshot_id != current.snapshot_id)
        ]
        if old:
            with _translated(name):
                table.maintenance.expire_snapshots().by_ids(old).commit()
        return old

    def known_files(self, name: str) -> set[str]:
        """The paths of all data files that any state of a table names."""
        table = self._load(name)
        if table is None:
            return set()
        found = table.inspect.all_files() if table.snapshots() else None
        return {_path(uri) for uri in found["file_path"].to_pylist()} if found is not None else set()

    def sweep(
        self, name: str, *, now: datetime, live: set[str], older_than: timedelta = timedelta(days=1)
    ) -> list[str]:
        """Removes data files that no state names, no live lease covers and that are old enough."""
        known, border = self.known_files(name), (now - older_than).timestamp()
        removed = []
        for file in sorted(self.folder(name).rglob("*.parquet")):
            path = str(file)
            if path in known or path in live or file.stat().st_mtime > border:
                continue
            file.unlink(missing_ok=True)
            removed.append(path)
        return removed

    def data_files(self, name: str) -> list[DataFile]:
        """The files of the present state with their sizes, partitions and column bounds."""
        table = self._load(name)
        if table is None or table.current_snapshot() is None:
            return []
        return [task.file for task in table.scan().plan_files()]

    def iceberg(self, name: str) -> IcebergTable:
        """The Iceberg table itself, for foreign readers and maintenance.

        Raises:
            MissingError: It was never written.
        """
        found = self._load(name)
        if found is None:
            raise MissingError(f"table {name} is not in the lake", next_step="shopkeeper table list")
        return found

    def drop(self, name: str) -> None:
        """Takes a table out of the catalog; its files are swept later."""
        try:
            self._catalog.drop_table(f"{NAMESPACE}.{name}")
        except NoSuchTableError:
            raise MissingError(f"table {name} is not in the lake", next_step="shopkeeper table list") from None

    def declared(self, name: str) -> Table:
        """The declaration of a table.

        Raises:
            MissingError: It is not declared.
        """
        return self._tables[name] if name in self._tables else declared_table(name)

    def _load(self, name: str) -> IcebergTable | None:
        self.declared(name)
        try:
            return self._catalog.load_table(f"{NAMESPACE}.{name}")
        except NoSuchTableError:
            return None
        except OSError as error:
            raise StorageError(f"table {name} cannot be read: {error}", place=str(self.location)) from error


def _catalog(url: str, location: Path) -> Catalog:
    catalog = load_catalog(
        NAMESPACE,
        type="sql", uri=url, warehouse=f"file://{location}", init_catalog_tables="true",
    )
    try:
        catalog.create_namespace(NAMESPACE)
    except NamespaceAlreadyExistsError:
        pass
    return catalog


def _plan(table: IcebergTable, row_filter: BooleanExpression, snapshot: int | None) -> Scan:
    scan = table.scan(row_filter=row_filter, snapshot_id=snapshot)
    tasks = list(scan.plan_files())
    ids = {field.name: field.field_id for field in table.schema().fields}
    if any(task.delete_files for task in tasks):
        return Scan((), ids, scan.to_arrow())
    return Scan(tuple(sorted(_path(task.file.file_path) for task in tasks)), ids)


def _row_filter(table: Table, bounds: Bounds | None) -> BooleanExpression:
    if bounds is None or table.partition_column is None or table.partition is Partition.NONE:
        return AlwaysTrue()
    column = table.partition_column
    parts: list[BooleanExpression] = []
    at_least: Any = GreaterThanOrEqual  # pydantic hides how they are called
    before: Any = LessThan
    is_instant = table.column(column).type is Type.INSTANT
    # An instant's day is only known to within a time zone, so its bounds are a day wider.
    margin = timedelta(days=1 if is_instant else 0)
    ending = "T00:00:00+00:00" if is_instant else ""
    if bounds.first is not None:
        parts.append(at_least(column, f"{bounds.first - margin}{ending}"))
    if bounds.last is not None:
        parts.append(before(column, f"{bounds.last + margin + timedelta(days=1)}{ending}"))
    return And(*parts) if len(parts) > 1 else (parts[0] if parts else AlwaysTrue())


def _data_files(transaction: Any, table: IcebergTable, files: Sequence[str]) -> list[DataFile]:
    from pyiceberg.table import TableProperties, _parquet_files_to_data_files  # noqa: PLC0415

    metadata = transaction.table_metadata
    if metadata.name_mapping() is None:
        mapping = metadata.schema().name_mapping.model_dump_json()
        transaction.set_properties(**{TableProperties.DEFAULT_NAME_MAPPING: mapping})
        metadata = transaction.table_metadata
    paths = [f"file://{file}" for file in files]
    return list(_parquet_files_to_data_files(table_metadata=metadata, file_paths=paths, io=table.io))


def _snapshot(found: IcebergSnapshot) -> Snapshot:
    summary = found.summary
    values: dict[str, str] = dict(summary.additional_properties) if summary else {}
    return Snapshot(
        id=found.snapshot_id,
        committed_at=datetime.fromtimestamp(found.timestamp_ms / 1000, UTC),
        operation=summary.operation.value if summary else "append",
        rows=int(values.get("total-records", 0)),
        bytes=int(values.get("total-files-size", 0)),
        files=int(values.get("total-data-files", 0)),
        properties={name: value for name, value in values.items() if re.match(r"shopkeeper\.", name)},
    )


def _path(uri: str) -> str:
    return unquote(urlparse(uri).path) if uri.startswith("file:") else uri


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except CommitFailedException as error:
        raise ConflictError(f"another process changed table {name} first", next_step="do the same again") from error
    except CommitStateUnknownException as error:
        raise StorageError(
            f"it is not known whether the write to table {name} was committed", next_step="shopkeeper check"
        ) from error
    except (OSError, ValueError) as error:
        raise StorageError(f"table {name} could not be written: {error}") from error
