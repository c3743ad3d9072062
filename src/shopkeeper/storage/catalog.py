"""The catalog of the lake: PyIceberg's SQL catalog, made durable, quick to read and safe for several processes.

It may be a service instead (`catalog_service.py`).

A commit is one row of the catalog that moves from one metadata file to the next, so whatever the new one names must be
on the disk before: `DurableIO` syncs every file PyIceberg writes and the folder it stands in.
"""

import io
import os
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import pyarrow.fs
from pyiceberg import exceptions
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.metadata import TableMetadataUtil
from sqlalchemy import event, make_url, select
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.orm import Session

from shopkeeper.base.errors import (
    AlreadyThereError,
    ConflictError,
    DataError,
    ForbiddenError,
    MissingError,
    ShopkeeperError,
    StorageError,
    UnavailableError,
)
from shopkeeper.storage.catalog_service import driver_error, is_service, open_service
from shopkeeper.storage.parquet import sync_folder
from shopkeeper.storage.state.database import prepare_postgres, read_url
from shopkeeper.storage.state.failure import failure_of

__all__ = ["ERRORS", "DurableIO", "LakeCatalog", "all_tables", "open_catalog", "register", "translated"]

_BUSY_MILLISECONDS = 30_000
_OPEN_TRIES = 10
_READ_TRIES = 20

ERRORS: Mapping[type[Exception], type[ShopkeeperError]] = {
    exceptions.CommitFailedException: ConflictError,
    exceptions.WaitingForLockException: ConflictError,
    exceptions.ConditionalCheckFailedException: ConflictError,
    exceptions.ValidationException: ConflictError,
    exceptions.CommitStateUnknownException: StorageError,
    exceptions.ValidationError: DataError,
    exceptions.TableAlreadyExistsError: AlreadyThereError,
    exceptions.ViewAlreadyExistsError: AlreadyThereError,
    exceptions.NamespaceAlreadyExistsError: AlreadyThereError,
    exceptions.NamespaceNotEmptyError: AlreadyThereError,
    exceptions.NoSuchTableError: MissingError,
    exceptions.NoSuchIcebergTableError: MissingError,
    exceptions.NoSuchViewError: MissingError,
    exceptions.NoSuchIdentifierError: MissingError,
    exceptions.NoSuchNamespaceError: MissingError,
    exceptions.NoSuchPlanTaskError: MissingError,
    exceptions.UnauthorizedError: ForbiddenError,
    exceptions.ForbiddenError: ForbiddenError,
    exceptions.AuthorizationExpiredError: ForbiddenError,
    exceptions.OAuthError: ForbiddenError,
    exceptions.SignError: ForbiddenError,
    exceptions.ServiceUnavailableError: UnavailableError,
    exceptions.TooManyRequestsError: UnavailableError,
    exceptions.NotInstalledError: UnavailableError,
    exceptions.BadRequestError: StorageError,
    exceptions.ServerError: StorageError,
    exceptions.RESTError: StorageError,
    exceptions.NoSuchPropertyException: StorageError,
    exceptions.ResolveError: StorageError,
    exceptions.DynamoDbError: StorageError,
    exceptions.GenericDynamoDbError: StorageError,
}
"""What each of PyIceberg's errors is to a person."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """The one seam where PyIceberg's errors, and those of what it stands on, become Shopkeeper's."""
    try:
        yield
    except ShopkeeperError:
        raise
    except exceptions.CommitStateUnknownException as error:
        raise StorageError(
            f"it is not known whether the change of {what} was committed", next_step="shopkeeper check"
        ) from error
    except SQLAlchemyError as error:
        raise failure_of(error, what) from error
    except (OSError, ValueError, KeyError) as error:
        # What REST's library raises is an OSError too.
        kind = driver_error(error) or StorageError
        raise kind(f"{what} could not be read or written", foreign=error) from error
    except Exception as error:
        mine = next((ERRORS[kind] for kind in type(error).__mro__ if kind in ERRORS), None) or driver_error(error)
        if mine is None:
            raise
        if mine is ConflictError:
            raise ConflictError(f"another process changed {what} first", next_step="do the same again") from error
        raise mine(f"{what} was refused by its catalog", foreign=error) from error


class _DurableStream(io.BufferedWriter):
    """A file that is on the disk, under its name, when it is closed."""

    def __init__(self, path: Path) -> None:
        made = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in made:
            sync_folder(folder.parent)
        super().__init__(path.open("wb", buffering=0))
        self._path = path

    def close(self) -> None:
        if self.closed:
            return
        self.flush()
        os.fsync(self.fileno())
        super().close()
        sync_folder(self._path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _DurableFile(PyArrowFile):
    def create(self, overwrite: bool = False) -> Any:
        if not isinstance(self._filesystem, pyarrow.fs.LocalFileSystem):
            return super().create(overwrite)
        if not overwrite and self.exists():
            raise FileExistsError(f"{self.location} is there already")
        return _DurableStream(Path(self._path))


class DurableIO(PyArrowFileIO):
    """PyIceberg's files, local ones synced to the disk when they are closed."""

    def new_output(self, location: str) -> PyArrowFile:
        """Gives a file to write."""
        scheme, host, path = self.parse_location(location, self.properties)
        return _DurableFile(location=location, path=path, fs=self.fs_by_scheme(scheme, host))


_IO = f"{__name__}.{DurableIO.__name__}"


class LakeCatalog(SqlCatalog):
    """PyIceberg's SQL catalog; a table whose row did not change is not parsed again.

    It is built from its arguments alone: `~/.pyiceberg.yaml` and `PYICEBERG_*` belong to somebody else's catalogs.
    """

    def __init__(self, name: str, **properties: str) -> None:
        self._parsed: dict[str, IcebergTable] = {}
        self._lock = threading.Lock()
        try:
            super().__init__(name, **properties)
        except SQLAlchemyError:
            if hasattr(self, "engine"):
                self.engine.dispose()
            raise
        # Who drops a lake without closing it leaves no connection open.
        weakref.finalize(self, self.engine.dispose)
        event.listen(
            self.engine, "connect", _prepare_sqlite if self.engine.dialect.name == "sqlite" else prepare_postgres
        )
        self.engine.dispose()

    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> IcebergTable:
        name = orm_table.table_name
        with self._lock:
            parsed = self._parsed.get(name)
        if parsed is None or parsed.metadata_location != orm_table.metadata_location:
            parsed = super()._convert_orm_to_iceberg(orm_table)
            with self._lock:
                self._parsed[name] = parsed
        # A table object changes with its commits, so each caller gets one of its own.
        return IcebergTable(parsed.name(), parsed.metadata, parsed.metadata_location, parsed.io, self)

    def all_tables(self, namespace: str) -> list[IcebergTable]:
        """All tables as they stand at one instant: their rows are read in one statement."""
        wanted = (IcebergTables.catalog_name == self.name) & (IcebergTables.table_namespace == namespace)
        with Session(self.engine) as session:
            return [self._convert_orm_to_iceberg(row) for row in session.scalars(select(IcebergTables).where(wanted))]

    def close(self) -> None:
        """Closes the connections."""
        self.engine.dispose()


def open_catalog(name: str, url: str, warehouse: Path, options: Sequence[str] = ()) -> Catalog:
    """Opens a catalog, making its tables and the namespace where they are missing; two processes may do so at once.

    Args:
        name: Name of the catalog and of the namespace.
        url: A database URL, or the address of a service.
        warehouse: Folder of the tables.
        options: PyIceberg's properties for a service, each `name=value`.

    Raises:
        UnavailableError: The service cannot be reached, or what talks to it is not installed.
        StorageError: It refused.
    """
    place = _without_password(url)
    with translated(f"the lake's catalog at {place}"):
        if not is_service(url):
            return _open_database(name, url, warehouse)
        catalog = open_service(name, url, options, _IO)
        _make_namespace(catalog, name)
        return catalog


def all_tables(catalog: Catalog, namespace: str) -> list[IcebergTable]:
    """All tables as they stand at one instant.

    A service gives one table at a time: it is asked until two rounds in a row say the same, which then stood at the
    instant between them, since a table never goes back to an older metadata file.

    Raises:
        ConflictError: The tables changed faster than they could be read.
    """
    if isinstance(catalog, LakeCatalog):
        return catalog.all_tables(namespace)
    before: dict[str, str] = {}
    for _ in range(_READ_TRIES):
        tables = [catalog.load_table(identifier) for identifier in catalog.list_tables(namespace)]
        found = {".".join(table.name()): table.metadata_location for table in tables}
        if found == before:
            return tables
        before = found
    raise ConflictError("the tables changed faster than they could be read", next_step="do the same again")


def register(catalog: Catalog, identifier: str, metadata: str) -> None:
    """Makes a table from the text of its metadata."""
    parsed = TableMetadataUtil.parse_raw(metadata)
    place = f"{parsed.location}/metadata/00000-{uuid4()}.metadata.json"
    ToOutputFile.table_metadata(parsed, DurableIO().new_output(place))
    catalog.register_table(identifier, place)


def _open_database(name: str, url: str, warehouse: Path) -> LakeCatalog:
    properties = {
        "type": "sql",
        "uri": read_url(url, "catalog").render_as_string(hide_password=False),
        "warehouse": f"file://{warehouse}",
        "py-io-impl": _IO,
        "pool_pre_ping": "true",
    }
    for attempt in range(_OPEN_TRIES):
        catalog = None
        try:
            catalog = LakeCatalog(name, **properties)
            with suppress(exceptions.NamespaceAlreadyExistsError):
                catalog.create_namespace(name)
        except ModuleNotFoundError as error:
            raise UnavailableError(
                "the PostgreSQL driver is not installed", next_step="pip install 'shopkeeper[postgres]'"
            ) from error
        except (IntegrityError, OperationalError, ProgrammingError):
            if catalog is not None:
                catalog.close()
            if attempt == _OPEN_TRIES - 1:
                raise
            time.sleep(0.05 * (attempt + 1))
        else:
            return catalog
    raise AssertionError("unreachable")


def _make_namespace(catalog: Catalog, name: str) -> None:
    for attempt in range(_OPEN_TRIES):
        try:
            catalog.create_namespace(name)
        except exceptions.NamespaceAlreadyExistsError:
            return
        except exceptions.ServerError:
            # Apache's own server says so to all but one of those that make it at once.
            if attempt == _OPEN_TRIES - 1:
                raise
            time.sleep(0.05 * (attempt + 1))
        else:
            return


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return url.partition("://")[0]


def _prepare_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()
