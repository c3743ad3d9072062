"""The serving set: one row a person in one SQLite file, so that a request opens no table of the lake.

It is made whole beside the old one and swapped in by a rename; readers see the new one at their next look. Nobody
writes the file in place but an erasure, whose readers hold SQLite's own locks. It can be made again at any time.
"""

import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path

import pyarrow as pa

from shopkeeper.base.errors import MissingError, StorageError
from shopkeeper.storage.parquet import sync_file, sync_folder

__all__ = ["ServingSet", "forget_served", "write_serving", "writing"]

_FORM = 1
_PAGE = 8_192
_CACHE_KIB = 8_192
_BUSY_SECONDS = 5
_ASKED_AT_ONCE = 500


class ServingSet:
    """The serving set as one thread reads it; another thread opens its own, and may close this.

    Args:
        file: Where it is.

    Raises:
        MissingError: There is none, or it is of another form.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._opened = _identity(file)
            self._connection = _connected(file)
        except (OSError, sqlite3.Error) as error:
            raise _missing(file) from error
        self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self.marks: Mapping[str, str] = dict(self._connection.execute("SELECT name, value FROM mark"))
        found = self._connection.execute("SELECT product_id FROM uncounted")
        self.uncounted = frozenset(product for (product,) in found)

    def read(self, person_ids: Collection[str]) -> dict[str, str]:
        """Gives the rows of some persons; one that is not there is left out.

        Raises:
            StorageError: The file is damaged.
        """
        found: dict[str, str] = {}
        try:
            for chunk in _chunks(person_ids, _ASKED_AT_ONCE):
                marks = ", ".join("?" * len(chunk))
                query = f"SELECT person_id, body FROM person WHERE person_id IN ({marks})"
                found.update(self._connection.execute(query, chunk))
        except sqlite3.Error as error:
            raise _failed(self._file, "read", error) from error
        return found

    def is_current(self) -> bool:
        """Whether the file is still the one that was opened."""
        try:
            return _identity(self._file) == self._opened
        except OSError:
            return False

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """The right to make the set anew or to take persons out; waits for whoever has it."""
    handle = os.open(file.with_name(f"{file.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_serving(
    file: Path, rows: Iterable[pa.RecordBatch], *, uncounted: Iterable[str], marks: Mapping[str, str]
) -> int:
    """Makes the set anew and swaps it in; who calls has the right to (`writing`).

    Args:
        file: Where.
        rows: Each person once: `person_id` and `body`.
        uncounted: The products that do not count.
        marks: What is said of the whole set.

    Returns:
        How many persons it has.

    Raises:
        StorageError: It could not be written; the old one stays.
    """
    beside = _beside(file)
    _remove(beside)
    try:
        # Records stand in it; a killed making leaves no journal behind, and is begun anew.
        os.close(os.open(beside, os.O_CREAT | os.O_WRONLY, 0o600))
        people = _filled(beside, rows, uncounted, marks)
        sync_file(beside)
        beside.replace(file)
        sync_folder(file.parent)
    except (OSError, sqlite3.Error) as error:
        raise _failed(file, "made", error) from error
    finally:
        _remove(beside)
    return people


def forget_served(file: Path, person_ids: Collection[str]) -> int:
    """Takes persons out of the set, their bytes overwritten; a file that is no serving set is removed.

    Args:
        file: Where it is.
        person_ids: The persons.

    Returns:
        How many were in it.
    """
    if not file.exists():
        return 0
    with writing(file):
        _remove(_beside(file))  # what a killed making left
        try:
            with closing(sqlite3.connect(file, isolation_level=None, timeout=_BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA secure_delete = ON")
                gone = 0
                for chunk in _chunks(person_ids, _ASKED_AT_ONCE):
                    marks = ", ".join("?" * len(chunk))
                    gone += connection.execute(f"DELETE FROM person WHERE person_id IN ({marks})", chunk).rowcount
                return gone
        except sqlite3.Error:
            _remove(file)
            return 0


def _filled(beside: Path, rows: Iterable[pa.RecordBatch], uncounted: Iterable[str], marks: Mapping[str, str]) -> int:
    people = 0
    with closing(sqlite3.connect(beside, isolation_level=None)) as connection:
        for setting in (f"page_size = {_PAGE}", "journal_mode = OFF", "synchronous = OFF", f"user_version = {_FORM}"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("CREATE TABLE person (person_id TEXT NOT NULL, body TEXT NOT NULL) STRICT")
        connection.execute("CREATE TABLE mark (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID")
        connection.execute("CREATE TABLE uncounted (product_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID")
        connection.execute("BEGIN")
        for batch in rows:
            pairs = zip(batch["person_id"].to_pylist(), batch["body"].to_pylist(), strict=True)
            connection.executemany("INSERT INTO person VALUES (?, ?)", pairs)
            people += batch.num_rows
        connection.executemany("INSERT INTO uncounted VALUES (?)", ((product,) for product in uncounted))
        connection.executemany("INSERT INTO mark VALUES (?, ?)", marks.items())
        # Made after the rows: it sorts once.
        connection.execute("CREATE UNIQUE INDEX ix_person ON person (person_id)")
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = DELETE")
    return people


def _connected(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=_BUSY_SECONDS,
        check_same_thread=False,
    )
    try:
        form = connection.execute("PRAGMA user_version").fetchone()
    except BaseException:
        connection.close()
        raise
    if form != (_FORM,):
        connection.close()
        raise _missing(file)
    return connection


def _identity(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_dev, found.st_ino


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.new")


def _remove(file: Path) -> None:
    for ending in ("", "-journal"):
        with suppress(FileNotFoundError):
            file.with_name(file.name + ending).unlink()


def _missing(file: Path) -> MissingError:
    return MissingError("there is no serving set yet", place=str(file), next_step="shopkeeper run")


def _failed(file: Path, what: str, error: Exception) -> StorageError:
    return StorageError(
        f"the serving set could not be {what}",
        place=str(file),
        next_step=f"free the disk, or remove {file}; then shopkeeper run",
        foreign=error,
    )


def _chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk
