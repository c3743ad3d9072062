"""The one seam at which errors of SQLAlchemy, Alembic, SQLite and PostgreSQL become ours."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import exc

from shopkeeper.base.errors import (
    AlreadyThereError,
    ConflictError,
    MissingError,
    ShopkeeperError,
    StorageError,
    UnavailableError,
    UsageError,
)

__all__ = ["FAILURES", "failure_of", "translated"]

_MISUSED = "the state store was asked something it cannot do"
_REFUSED = "the database refused"
_UNFIT = "a value is none that the database holds"

FAILURES: Mapping[type[exc.SQLAlchemyError], tuple[type[ShopkeeperError], str]] = {
    exc.SQLAlchemyError: (StorageError, _REFUSED),
    exc.AmbiguousColumnError: (StorageError, _MISUSED),
    exc.AmbiguousForeignKeysError: (StorageError, _MISUSED),
    exc.ArgumentError: (StorageError, _MISUSED),
    exc.AwaitRequired: (StorageError, _MISUSED),
    exc.CircularDependencyError: (StorageError, _MISUSED),
    exc.CompileError: (StorageError, _MISUSED),
    exc.ConstraintColumnNotFoundError: (StorageError, _MISUSED),
    exc.DBAPIError: (StorageError, _REFUSED),
    exc.DataError: (StorageError, _REFUSED),
    exc.DatabaseError: (StorageError, _REFUSED),
    exc.DisconnectionError: (UnavailableError, "the connection to the database was lost"),
    exc.DuplicateColumnError: (StorageError, _MISUSED),
    exc.IdentifierError: (StorageError, _MISUSED),
    exc.IllegalStateChangeError: (StorageError, _MISUSED),
    exc.IntegrityError: (StorageError, _REFUSED),
    exc.InterfaceError: (UnavailableError, "the database driver failed"),
    exc.InternalError: (StorageError, _REFUSED),
    exc.InvalidRequestError: (StorageError, _MISUSED),
    exc.InvalidatePoolError: (UnavailableError, "the connection to the database was lost"),
    exc.MissingGreenlet: (StorageError, _MISUSED),
    exc.MultipleResultsFound: (StorageError, _MISUSED),
    exc.NoDBAPILoaded: (UnavailableError, "the database driver is missing"),
    exc.NoForeignKeysError: (StorageError, _MISUSED),
    exc.NoInspectionAvailable: (StorageError, _MISUSED),
    exc.NoReferenceError: (StorageError, _MISUSED),
    exc.NoReferencedColumnError: (StorageError, _MISUSED),
    exc.NoReferencedTableError: (StorageError, _MISUSED),
    exc.NoResultFound: (MissingError, "there is no such row"),
    exc.NoSuchColumnError: (StorageError, _MISUSED),
    exc.NoSuchModuleError: (UnavailableError, "the database driver is missing"),
    exc.NoSuchTableError: (StorageError, _MISUSED),
    exc.NotSupportedError: (StorageError, _REFUSED),
    exc.ObjectNotExecutableError: (StorageError, _MISUSED),
    exc.OperationalError: (StorageError, _REFUSED),
    exc.PendingRollbackError: (StorageError, _MISUSED),
    exc.ProgrammingError: (StorageError, _REFUSED),
    exc.ResourceClosedError: (StorageError, _MISUSED),
    exc.StatementError: (StorageError, _MISUSED),
    exc.TimeoutError: (UnavailableError, "no connection to the database came free in time"),
    exc.UnboundExecutionError: (StorageError, _MISUSED),
    exc.UnreflectableTableError: (StorageError, _MISUSED),
    exc.UnsupportedCompilationError: (StorageError, _MISUSED),
}

_SQLITE: Mapping[str, tuple[type[ShopkeeperError], str]] = {
    "SQLITE_CONSTRAINT_UNIQUE": (AlreadyThereError, "it is already there"),
    "SQLITE_CONSTRAINT_PRIMARYKEY": (AlreadyThereError, "it is already there"),
    "SQLITE_CONSTRAINT_ROWID": (AlreadyThereError, "it is already there"),
    "SQLITE_CONSTRAINT_FOREIGNKEY": (MissingError, "what it points to is not there"),
    "SQLITE_BUSY": (ConflictError, "another process kept the database busy"),
    "SQLITE_BUSY_SNAPSHOT": (ConflictError, "another process changed the database first"),
    "SQLITE_LOCKED": (ConflictError, "another process kept the table busy"),
    "SQLITE_CANTOPEN": (UnavailableError, "the file cannot be opened"),
    "SQLITE_FULL": (StorageError, "the disk is full"),
    "SQLITE_READONLY": (StorageError, "the file is read-only"),
    "SQLITE_CORRUPT": (StorageError, "the file is damaged"),
    "SQLITE_NOTADB": (StorageError, "the file is no SQLite database"),
}

# By SQLSTATE, whole or its class of two characters; PostgreSQL's appendix A.
_POSTGRES: Mapping[str, tuple[type[ShopkeeperError], str]] = {
    "22": (UsageError, _UNFIT),
    "23505": (AlreadyThereError, "it is already there"),
    "23503": (MissingError, "what it points to is not there"),
    "40001": (ConflictError, "another process changed it first"),
    "40P01": (ConflictError, "two processes waited for each other"),
    "55P03": (ConflictError, "another process kept it busy"),
    "57P01": (UnavailableError, "the server is stopping"),
    "57P02": (UnavailableError, "the server crashed"),
    "57P03": (UnavailableError, "the server is starting"),
    "53": (UnavailableError, "the server is out of resources"),
    "08": (UnavailableError, "the connection to the server was lost"),
    "28": (UnavailableError, "the server refused the sign-in"),
    "3D": (UnavailableError, "the server has no such database"),
}


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turns whatever the database library raises inside the block into an error of ours.

    Args:
        place: Where it was tried, without password: the message says it.

    Raises:
        StorageError: The database refused.
        ConflictError: Another process was first, or kept it busy.
        AlreadyThereError: A key is taken.
        MissingError: What a row points to is not there.
        UnavailableError: The server, the file or the driver cannot be reached.
        UsageError: A value is none that the database holds, such as a number beyond its largest.
    """
    try:
        yield
    except OverflowError as error:
        raise UsageError(_UNFIT, place=place) from error
    except (exc.SQLAlchemyError, sqlite3.Error) as error:
        raise failure_of(error, place) from error


def failure_of(error: exc.SQLAlchemyError | sqlite3.Error, place: str) -> ShopkeeperError:
    """Gives our error for one of the database libraries; it bears no value of the row it was about."""
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    kind, words = _by_driver(original) or _by_class(error)
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        kind, words = UnavailableError, "the connection to the database was lost"
    next_step = "shopkeeper doctor" if kind in (StorageError, UnavailableError) else None
    return kind(f"{words}: {_said(original)}", place=place, next_step=next_step)


def _by_class(error: BaseException) -> tuple[type[ShopkeeperError], str]:
    for ancestor in type(error).__mro__:
        if ancestor in FAILURES:
            return FAILURES[ancestor]
    return StorageError, _REFUSED


def _by_driver(error: BaseException | None) -> tuple[type[ShopkeeperError], str] | None:
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", "")
        # SQLITE_IOERR_WRITE is a SQLITE_IOERR, SQLITE_READONLY_DBMOVED a SQLITE_READONLY.
        return _SQLITE.get(name) or _SQLITE.get("_".join(name.split("_")[:2]))
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return _POSTGRES.get(state) or _POSTGRES.get(state[:2])
    if type(error).__module__.startswith("psycopg") and type(error).__name__ == "DataError":
        return UsageError, _UNFIT  # said by the driver, before anything was asked: a text with a NUL
    if type(error).__module__.startswith("psycopg") and type(error).__name__ in (
        "OperationalError",
        "ConnectionTimeout",
    ):
        return UnavailableError, "the server cannot be reached"
    return None


def _said(error: BaseException | None) -> str:
    # PostgreSQL's detail line quotes the row, so only its first line is repeated; SQLite quotes names alone.
    diagnosis = getattr(error, "diag", None)
    primary = getattr(diagnosis, "message_primary", None)
    text = primary if isinstance(primary, str) else str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
