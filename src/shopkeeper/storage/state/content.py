"""What a SQLite file contains, as hashes that stay the same wherever and whenever the same rows are kept."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from shopkeeper.base.errors import AlreadyThereError, MissingError, StorageError
from shopkeeper.storage.state.failure import translated

__all__ = ["TableContent", "content", "copy_file", "put_in_place", "same_content"]


@dataclass(frozen=True, slots=True)
class TableContent:
    """What one table contains.

    Args:
        rows: How many rows.
        sha256: SHA-256 over its column names and its rows in order of the key, in hexadecimal.
    """

    rows: int
    sha256: str


def content(file: Path) -> dict[str, TableContent]:
    """Gives the content of every table of a SQLite file, by name.

    Raises:
        MissingError: There is no such file.
        StorageError: It is damaged or no SQLite database.
    """
    if not file.is_file():
        raise MissingError("there is no such file", place=str(file), next_step="shopkeeper backup FILE")
    with translated(str(file)), closing(_opened(file)) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise StorageError(f"the file is damaged: {verdict}", place=str(file), next_step="take an older backup")
        names = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
        ).fetchall()
        return {name: _table(connection, name) for (name,) in names}


def same_content(file: Path, manifest: Mapping[str, TableContent]) -> None:
    """Checks a file against what a manifest says of it.

    Raises:
        StorageError: They differ; the message names the tables.
    """
    found = content(file)
    different = sorted(name for name in found.keys() | manifest.keys() if found.get(name) != manifest.get(name))
    if different:
        raise StorageError(
            f"the content differs from the manifest in {', '.join(different)}",
            place=str(file),
            next_step="take another backup",
        )


def copy_file(source: sqlite3.Connection, target: Path) -> None:
    """Copies a SQLite database that others write to into one new file, as it was at one instant.

    One step of the backup API reads one snapshot of the WAL, so that it neither waits for writers nor starts over.

    Raises:
        AlreadyThereError: The target is there.
        StorageError: It cannot be written.
    """
    _refuse_present(target)
    beside = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with translated(str(target)):
            os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with closing(sqlite3.connect(beside)) as copy:
                source.backup(copy, pages=-1)
                copy.execute("PRAGMA journal_mode = DELETE")
        put_in_place(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def put_in_place(beside: Path, target: Path) -> None:
    """Makes a written file durable under its name: fsync, rename, fsync of the folder.

    Raises:
        AlreadyThereError: The target is there.
    """
    _refuse_present(target)
    _sync(beside)
    beside.rename(target)
    _sync(target.parent)


def _refuse_present(target: Path) -> None:
    # A stale -wal beside a restored file would be played into it.
    for file in (target, *(target.with_name(target.name + ending) for ending in ("-wal", "-shm", "-journal"))):
        if file.exists():
            raise AlreadyThereError("the file is there already", place=str(file), next_step="name a new file")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)


def _table(connection: sqlite3.Connection, name: str) -> TableContent:
    columns = connection.execute("SELECT name, pk FROM pragma_table_info(?)", (name,)).fetchall()
    # Columns are hashed by name: a table that was rebuilt may have them in another order.
    names = sorted(column for column, _ in columns)
    key = [column for column, place in sorted(columns, key=lambda column: column[1]) if place] or names
    listed, order = (", ".join(f'"{column}"' for column in some) for some in (names, key))
    digest, rows = hashlib.sha256("\x1f".join(names).encode()), 0
    for row in connection.execute(f'SELECT {listed} FROM "{name}" ORDER BY {order}'):
        rows += 1
        for part in _parts(row):
            digest.update(part)
    return TableContent(rows, digest.hexdigest())


def _parts(row: tuple[object, ...]) -> Iterator[bytes]:
    for value in row:
        data = value if isinstance(value, bytes) else b"" if value is None else str(value).encode()
        yield f"{type(value).__name__}:{len(data)}:".encode()
        yield data
    yield b"\n"
