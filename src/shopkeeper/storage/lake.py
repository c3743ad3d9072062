"""The lake: PyIceberg is the catalog and the committer; engines only read and write Parquet."""

import json
import logging
import re
import shutil
import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError
from pyiceberg.expressions import BooleanExpression
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

from shopkeeper.base.errors import ConflictError, MissingError, StorageError
from shopkeeper.schema.query import Bounds
from shopkeeper.schema.table import Table
from shopkeeper.schema.tables import TABLES
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.bounds import mend_bounds
from shopkeeper.storage.catalog import all_tables, open_catalog, register, translated
from shopkeeper.storage.iceberg import iceberg_schema, iceberg_type, partition_spec
from shopkeeper.storage.parquet import STAGING_PREFIX
from shopkeeper.storage.retrying import retrying
from shopkeeper.storage.scan import Scan, local_path, plan

__all__ = ["Lake", "LostFileError", "Scan", "Snapshot"]

NAMESPACE = "shop"

# A file need not have bounds of every column; PyIceberg would say so once for each column of each file.
logging.getLogger("pyiceberg.io.pyarrow").addFilter(lambda record: "statistics missing" not in str(record.msg))
mend_bounds()
_PLANS_KEPT = 500
INPUT = "shopkeeper.input."
"""What the name of an input stands behind where a state notes which state of it was read."""
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

    @property
    def inputs(self) -> dict[str, int]:
        """The state of each table that it was made of, as its writer noted them."""
        noted = self.properties.items()
        return {name.removeprefix(INPUT): int(id_) for name, id_ in noted if name.startswith(INPUT)}


class Lake:
    """The Iceberg tables of one shop.

    Args:
        location: Folder of the data and, by default, of the catalog.
        catalog_url: Address of the catalog, a database or a service; by default `catalog.db` in `location`.
        tables: The declared tables; the dictionary unless a test brings its own.
        catalog_options: PyIceberg's properties for a service, each `name=value`.
    """

    def __init__(
        self,
        location: Path,
        catalog_url: str | None = None,
        tables: Mapping[str, Table] = TABLES,
        catalog_options: Sequence[str] = (),
    ) -> None:
        self.location = location.absolute()
        self.location.mkdir(parents=True, exist_ok=True)
        self._tables = tables
        self._lock = threading.Lock()
        self._planned: dict[tuple[str, str, Bounds | None], Scan] = {}
        url = catalog_url or f"sqlite:///{self.location / 'catalog.db'}"
        self._catalog = open_catalog(NAMESPACE, url, self.location, catalog_options)

    def tables(self) -> list[str]:
        """The names of the tables that were ever written."""
        with translated("the lake"):
            return sorted(name for _, name in self._catalog.list_tables(NAMESPACE))

    def declared(self, name: str) -> Table:
        """The declaration of a table.

        Raises:
            MissingError: It is not declared.
        """
        return self._tables[name] if name in self._tables else declared_table(name)

    def folder(self, name: str) -> Path:
        """The folder of a table's data files."""
        self.declared(name)
        folder = self.location / NAMESPACE / name / "data"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def field_ids(self, name: str) -> dict[str, tuple[int, ...]]:
        """The Iceberg field ids of a table's columns, each with those of its parts (map: key, value; list: element)."""
        ids = {}
        for field in self.ensure(name).schema().fields:
            kind = field.field_type
            parts = [getattr(kind, part) for part in ("key_id", "value_id", "element_id") if hasattr(kind, part)]
            ids[field.name] = (field.field_id, *parts)
        return ids

    def ensure(self, name: str) -> IcebergTable:
        """Makes a table from its declaration where it is missing and adds columns that were declared since."""
        return retrying(lambda: self._ensure(name))

    def iceberg(self, name: str) -> IcebergTable:
        """The Iceberg table itself, for foreign readers and maintenance.

        Raises:
            MissingError: It was never written.
        """
        found = self._load(name)
        if found is None:
            raise MissingError(f"table {name} is not in the lake", next_step="shopkeeper table list")
        return found

    def snapshot(self, name: str) -> Snapshot | None:
        """The present state of a table, None if it was never written."""
        table = self._load(name)
        return _present(table) if table else None

    def history(self, name: str) -> list[Snapshot]:
        """The states of a table that were not expired, oldest first."""
        table = self._load(name)
        return [_snapshot(each) for each in table.snapshots()] if table else []

    def point(self) -> dict[str, int]:
        """The present snapshot of every table that has one, all of one instant."""
        with translated("the lake"):
            tables = all_tables(self._catalog, NAMESPACE)
        current = {table.name()[-1]: table.current_snapshot() for table in tables}
        return {name: snapshot.snapshot_id for name, snapshot in current.items() if snapshot is not None}

    def definition(self, name: str) -> str:
        """A table's columns with their ids, its partition and properties, as JSON, without any of its states."""
        metadata = json.loads(self.iceberg(name).metadata.model_dump_json())
        for states in ("snapshots", "snapshot-log", "metadata-log", "refs", "statistics", "partition-statistics"):
            metadata.pop(states, None)
        for place in ("current-snapshot-id", "location", "table-uuid"):
            metadata.pop(place, None)
        return json.dumps(metadata, sort_keys=True)

    def adopt(self, name: str, definition: str) -> None:
        """Makes an empty table as another lake defined it, so that files written there can be read here.

        Raises:
            AlreadyThereError: The table is there.
        """
        self.declared(name)
        location = f"file://{self.location / NAMESPACE / name}"
        made = {**json.loads(definition), "location": location, "table-uuid": str(uuid4()), "last-sequence-number": 0}
        with translated(f"table {name}"):
            register(self._catalog, f"{NAMESPACE}.{name}", json.dumps(made))

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
            with translated(f"table {name}"):
                planned = plan(declared, table, bounds, snapshot)
            with self._lock:
                if len(self._planned) > _PLANS_KEPT:
                    self._planned.clear()
                self._planned[key] = planned
        return planned

    def files(self, name: str, bounds: Bounds | None = None, snapshot: int | None = None) -> list[str]:
        """The paths of the Parquet files of a table."""
        return list(self.scan(name, bounds, snapshot).files)

    def data_files(self, name: str) -> list[DataFile]:
        """The files of the present state with their sizes, partitions and column bounds."""
        table = self._load(name)
        if table is None or table.current_snapshot() is None:
            return []
        with translated(f"table {name}"):
            return [task.file for task in table.scan().plan_files()]

    def append(self, name: str, files: Sequence[str], properties: Mapping[str, str] | None = None) -> Snapshot | None:
        """Adds files to a table; when another writer commits first it tries again, since appends do not conflict."""
        if not files:
            return self.snapshot(name)
        uris = [f"file://{file}" for file in files]

        def add() -> Snapshot | None:
            table = self.ensure(name)
            with translated(f"table {name}"), table.transaction() as transaction:
                transaction.add_files(uris, dict(properties or {}), check_duplicate_files=False)
            return _present(table)

        return retrying(add)

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
            expected: The snapshot the new files were made from, 0 for a table that had none; the commit is refused if
                the table moved on since.

        Raises:
            ConflictError: Another process committed first; read again and redo.
        """
        table = self.ensure(name)
        current = table.current_snapshot()
        if expected is not None and (current.snapshot_id if current else 0) != expected:
            raise ConflictError(f"table {name} moved on while it was rewritten", next_step="do the same again")
        with translated(f"table {name}"):
            old = [task.file for task in table.scan().plan_files()] if current else []
            gone = [file for file in old if removes is None or removes(file)]
            # What was noted of an empty result is kept too, or it would be computed again each time.
            if not gone and not files and not properties:
                return _present(table)
            with table.transaction() as transaction:
                added = _data_files(transaction, table, files)
                with transaction.update_snapshot(snapshot_properties=dict(properties or {})).overwrite() as overwrite:
                    for file in gone:
                        overwrite.delete_data_file(file)
                    for file in added:
                        overwrite.append_data_file(file)
        return _present(table)

    def delete(self, name: str, predicate: BooleanExpression | str) -> Snapshot | None:
        """Deletes the rows that fit a predicate; files that hold others too are rewritten."""

        def remove() -> Snapshot | None:
            table = self._load(name)
            if table is None or table.current_snapshot() is None:
                return None
            with translated(f"table {name}"), warnings.catch_warnings():
                # A delete that fits no row is no news.
                warnings.filterwarnings("ignore", message="Delete operation did not match")
                table.delete(predicate)
            return _present(table)

        return retrying(remove)

    def expire(self, name: str, *, keep: timedelta, now: datetime) -> list[int]:
        """Forgets the states older than `keep`, but for the present one; the sweep takes their files later."""
        border = now - keep
        return self.forget(name, lambda states: {each.id for each in states if each.committed_at < border})

    def forget(self, name: str, chosen: Callable[[Sequence[Snapshot]], Collection[int]]) -> list[int]:
        """Forgets states, but for the present one; the sweep takes their files later.

        Args:
            name: The table.
            chosen: Gives the ids of those that go, of all states, oldest first.
        """

        def forget() -> list[int]:
            table = self._load(name)
            current = table.current_snapshot() if table else None
            if table is None or current is None:
                return []
            old = sorted(set(chosen([_snapshot(each) for each in table.snapshots()])) - {current.snapshot_id})
            if old:
                with translated(f"table {name}"):
                    table.maintenance.expire_snapshots().by_ids(old).commit()
            return old

        return retrying(forget)

    def known_files(self, name: str) -> set[str]:
        """The paths of all data files, manifests and manifest lists that any state of a table names."""
        table = self._load(name)
        if table is None or not table.snapshots():
            return set()
        with translated(f"table {name}"):
            # PyIceberg cannot list the files of a table whose states have none.
            some = any(each.manifests(table.io) for each in table.snapshots())
            files = table.inspect.all_files()["file_path"].to_pylist() if some else []
            manifests = table.inspect.all_manifests()["path"].to_pylist() if some else []
            lists = [each.manifest_list for each in table.snapshots()]
            return {local_path(uri) for uri in (*files, *manifests, *lists)}

    def sweep(
        self, name: str, *, now: datetime, live: Iterable[str] = (), older_than: timedelta = timedelta(days=1)
    ) -> list[str]:
        """Removes data files and manifests that no state names, and folders of unfinished writes.

        Args:
            name: The table.
            now: The present instant.
            live: Files and folders that a live lease covers; they stay.
            older_than: Younger ones stay: their writer may still be about to commit them.

        Returns:
            The paths that were removed.
        """
        folder, border = self.folder(name), (now - older_than).timestamp()
        # The files are listed before the states are read: what is committed in between is known.
        found = [*folder.glob(f"{STAGING_PREFIX}*"), *folder.glob("*.parquet"), *folder.parent.glob("metadata/*.avro")]
        old = [path for path in found if _newest(path) <= border]
        kept = self.known_files(name) | set(live) if old else set()
        removed = [path for path in old if str(path) not in kept]
        for path in removed:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        return sorted(map(str, removed))

    def drop(self, name: str) -> None:
        """Takes a table out of the catalog; its files are swept later."""
        self.iceberg(name)
        with translated(f"table {name}"):
            self._catalog.drop_table(f"{NAMESPACE}.{name}")

    def close(self) -> None:
        """Closes the connections to the catalog."""
        self._catalog.close()

    def _ensure(self, name: str) -> IcebergTable:
        declared = self.declared(name)
        found = self._load(name)
        with translated(f"table {name}"):
            if found is None:
                return self._create(declared)
            present = {field.name for field in found.schema().fields}
            missing = [column for column in declared.columns if column.name not in present]
            if missing:
                with found.update_schema() as update:
                    for column in missing:
                        # The ids of the parts of a map or list are given anew by the update.
                        update.add_column(column.name, iceberg_type(column, (10_001, 10_002)), doc=column.meaning)
        return found

    def _create(self, declared: Table) -> IcebergTable:
        identifier = f"{NAMESPACE}.{declared.name}"
        try:
            return self._catalog.create_table(
                identifier,
                schema=iceberg_schema(declared),
                partition_spec=partition_spec(declared),
                location=f"file://{self.location / NAMESPACE / declared.name}",
                properties=_PROPERTIES,
            )
        except TableAlreadyExistsError:
            return self._catalog.load_table(identifier)

    def _load(self, name: str) -> IcebergTable | None:
        self.declared(name)
        with translated(f"table {name}"):
            try:
                found = self._catalog.load_table(f"{NAMESPACE}.{name}")
            except NoSuchTableError:
                return None
        self._refuse_other_home(name, found.location())
        return found

    def _refuse_other_home(self, name: str, location: str) -> None:
        """A lake's files are known by their whole paths, so a copied folder would change those of the original."""
        home = f"file://{self.location / NAMESPACE / name}"
        if location == home or not location.startswith("file:"):
            return
        place = Path(local_path(location))
        if place.resolve() != (self.location / NAMESPACE / name).resolve():
            raise StorageError(
                f"table {name} is kept in another folder: this one was copied or moved",
                place=str(place),
                next_step="move it back, or copy a shop with shopkeeper backup and restore",
            )


def _data_files(transaction: Any, table: IcebergTable, files: Sequence[str]) -> list[DataFile]:
    from pyiceberg.table import TableProperties, _parquet_files_to_data_files  # noqa: PLC0415 - private

    metadata = transaction.table_metadata
    if metadata.name_mapping() is None:
        mapping = metadata.schema().name_mapping.model_dump_json()
        transaction.set_properties(**{TableProperties.DEFAULT_NAME_MAPPING: mapping})
        metadata = transaction.table_metadata
    paths = [f"file://{file}" for file in files]
    return list(_parquet_files_to_data_files(table_metadata=metadata, file_paths=paths, io=table.io))


def _present(table: IcebergTable) -> Snapshot | None:
    current = table.current_snapshot()
    return _snapshot(current) if current else None


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


def _newest(path: Path) -> float:
    """When a file, or anything in a folder, was last touched (seconds since 1970); never for what is gone."""
    try:
        inside = (each.stat().st_mtime for each in path.rglob("*")) if path.is_dir() else ()
        return float(max((path.stat().st_mtime, *inside)))
    except FileNotFoundError:
        return float("inf")
