"""The file of the durable log: its form, how it is opened, its one writer's lock, and what its failures mean."""

import errno
import fcntl
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from shopkeeper.base.errors import ConflictError, MissingError, ShopkeeperError, StorageError, UnavailableError
from shopkeeper.storage.parquet import sync_folder

__all__ = [
    "PARTS",
    "WriterLock",
    "abandon",
    "failure_of_log",
    "is_passing",
    "noted_writer",
    "open_reading",
    "open_writing",
]

PARTS: Final = 256
"""Ids are kept in so many parts, by the first byte of their hash."""

_FORM = 1
_APPLICATION = 0x53484C47  # "SHLG": the file's own word for what it is
_PAGE = 4096
_CACHE_KIB = 32_768
_WAL_KEPT = 64 * 2**20
_BUSY_SECONDS = 5
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

# A batch's content stands whole in its row; a trimmed one is empty until the row goes. The position of the last one is
# kept apart, since all rows may be trimmed.
_TABLES: Final = """
CREATE TABLE batch (position INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE mark (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, day INTEGER NOT NULL) STRICT;
CREATE TABLE seen (id BLOB PRIMARY KEY, kept BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE part (first INTEGER PRIMARY KEY, through INTEGER NOT NULL, day INTEGER NOT NULL) STRICT;
CREATE TABLE traffic (
    hour INTEGER NOT NULL, source TEXT NOT NULL, accepted INTEGER NOT NULL, duplicate INTEGER NOT NULL,
    different INTEGER NOT NULL, refused INTEGER NOT NULL, PRIMARY KEY (hour, source)
) STRICT, WITHOUT ROWID;
INSERT INTO mark VALUES (1, 0, 0);
"""


class WriterLock:
    """The right to write a log: one process has it at a time, and the system takes it back when that process ends.

    Args:
        file: The log's file; the lock stands beside it.

    Raises:
        UnavailableError: The folder is not there.
        ConflictError: Another writer has it.
    """

    def __init__(self, file: Path) -> None:
        if not file.parent.is_dir():
            raise UnavailableError(
                "the folder of the log is not there", place=str(file), next_step="shopkeeper init DIR"
            )
        place = file.with_name(f"{file.name}.lock")
        try:
            self._handle = os.open(place, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise failure_of_log(error, file) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._handle)
            raise ConflictError(
                f"the log has a writer already, process {holder}",
                place=str(file),
                next_step="send to its socket, or stop it first",
            ) from error
        with suppress(OSError):  # on a full disk the lock holds without the note
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Gives the right back."""
        os.close(self._handle)


def noted_writer(file: Path) -> int | None:
    """The process that took the lock of a log last, as it noted it; it may be gone."""
    try:
        return int(file.with_name(f"{file.name}.lock").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def open_writing(file: Path, *, synchronous: str = "FULL") -> sqlite3.Connection:
    """Opens a log for its writer, who has the lock, making it where it is not there.

    Args:
        file: Its file.
        synchronous: SQLite's word for how it syncs; only the controls of the tests give another.

    Raises:
        UnavailableError: The disk is full.
        StorageError: The file is no log, is damaged, is a log of a newer form, or cannot be written.
    """
    try:
        if not file.exists():
            # Tokens stand in it; SQLite gives its -wal and -shm files the mode of the file.
            os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
        sync_folder(file.parent)
    except OSError as error:
        raise failure_of_log(error, file) from error
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS)
    try:
        _check_form(connection, file, is_new_allowed=True)
        connection.execute(f"PRAGMA page_size = {_PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA fullfsync = ON")  # macOS alone: else its fsync does not reach the disk
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT}")
        connection.execute("PRAGMA temp_store = MEMORY")
        # What is trimmed or erased is overwritten; appending frees nothing, so it pays nothing for that.
        connection.execute("PRAGMA secure_delete = ON")
        # An automatic checkpoint swallows its errors: a failed sync would be retried, and then pretended to be done.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        _make(connection)
    except sqlite3.Error as error:
        abandon(connection, file)
        raise failure_of_log(error, file) from error
    except BaseException:
        abandon(connection, file)
        raise
    return connection


def abandon(connection: sqlite3.Connection, file: Path) -> None:
    """Closes a writer's connection after a failure.

    The last connection that leaves makes a checkpoint, so would ask a disk again whose sync failed. A reader's makes
    none, so one stays until the other is gone.
    """
    with suppress(sqlite3.Error), closing(_connect_reading(file)) as other:
        other.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.close()
    connection.close()


def open_reading(file: Path) -> sqlite3.Connection:
    """Opens a log for a reader, in whatever process.

    Raises:
        MissingError: There is no log yet.
        StorageError: The file is no log, is damaged, or is a log of a newer form.
    """
    if not file.exists():
        raise MissingError("there is no log yet", place=str(file), next_step="shopkeeper serve")
    connection = _connect_reading(file)
    try:
        _check_form(connection, file, is_new_allowed=False)
    except sqlite3.Error as error:
        connection.close()
        raise failure_of_log(error, file) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_reading(file: Path) -> sqlite3.Connection:
    address = f"{file.resolve().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS)


def failure_of_log(error: BaseException, file: Path) -> ShopkeeperError:
    """Gives our error for one of SQLite's or the system's; it bears no value of a row."""
    name = getattr(error, "sqlite_errorname", "")
    if isinstance(error, MemoryError):
        return UnavailableError("there is no memory for the log: nothing was kept", place=str(file))
    if name == "SQLITE_FULL" or getattr(error, "errno", None) in _NO_ROOM:
        return UnavailableError(
            "the disk is full: nothing was kept", place=str(file), next_step="make room; the log goes on by itself"
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return UnavailableError("the log is busy: nothing was kept", place=str(file), next_step="send it again")
    words = "the log is damaged" if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) else "the log failed"
    return StorageError(words, place=str(file), next_step="shopkeeper doctor", foreign=f"{name or error}")


def is_passing(error: BaseException) -> bool:
    """Whether the same may be tried again: the disk was full or the log busy, and nothing was kept."""
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(error, MemoryError) or name.startswith(("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED"))


def _check_form(connection: sqlite3.Connection, file: Path, *, is_new_allowed: bool) -> None:
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if (form, application) == (_FORM, _APPLICATION):
        return
    if application == _APPLICATION and form > _FORM:
        raise StorageError(
            f"the log is of form {form}, this program knows {_FORM}", place=str(file), next_step="upgrade Shopkeeper"
        )
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (form, application, tables) != (0, 0, 0):
        raise StorageError("the file is no log", place=str(file), next_step="move it away")
    if not is_new_allowed:
        raise MissingError("there is no log yet", place=str(file), next_step="shopkeeper serve")


def _make(connection: sqlite3.Connection) -> None:
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    if form:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.executemany("INSERT INTO part VALUES (?, 0, 0)", [(first,) for first in range(PARTS)])
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_FORM}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
