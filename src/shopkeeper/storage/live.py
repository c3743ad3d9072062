"""The live store: one blob a record in `live.db`, and the position of the log that it holds, in one transaction.

It can be rebuilt, so it is not flushed at every commit; a power cut may take it back to an earlier position, whole.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from shopkeeper.base.errors import MissingError, StorageError
from shopkeeper.storage.live_queue import CHECKPOINT_PAGES, TABLES, Aside, enqueue, keep_aside, remove, touch

__all__ = ["Along", "LiveStore", "is_of_before"]

_ASKED_AT_ONCE = 500
_FORM = 2
_READS_KIB, _WRITES_KIB = 4_096, 131_072
_POSITION = "SELECT NULL, value FROM mark WHERE name = 'position'"


@dataclass(frozen=True, slots=True)
class Along:
    """What is kept along with changed records.

    Args:
        at: When it came, in seconds since 1970.
        touched: The records that are to be looked at again, with the words of what happened.
        aside: What could not be read.
    """

    at: float = 0
    touched: Mapping[str, Collection[str]] = field(default_factory=dict)
    aside: Sequence[Aside] = ()


class LiveStore:
    """The live state of a shop. One process writes, any number read; a thread opens its own.

    Args:
        file: Where; made when it is not there.
        reads_only: Whether this opening only reads.

    Raises:
        MissingError: It is not there and may not be made.
        StorageError: It is of another form.
    """

    def __init__(self, file: Path, *, reads_only: bool = False) -> None:
        self.file = file
        if reads_only and not file.exists():
            raise _missing(file)
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA temp_store = MEMORY")
        # A reader's cache is emptied by every commit of the writer: it is of use within one statement only. That of
        # the writer must hold what a step of some thousand records touches, else it writes and reads pages twice.
        self._connection.execute(f"PRAGMA cache_size = -{_READS_KIB if reads_only else _WRITES_KIB}")
        if reads_only:
            self._connection.execute("PRAGMA query_only = ON")
            # Its writer may be about to make it.
            (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'mark'").fetchone()
            if not tables:
                self._connection.close()
                raise _missing(file)
        else:
            # A record's blob is written anew all the time: what an erasure must reach may not stay in free pages.
            self._connection.execute("PRAGMA secure_delete = ON")
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            self._make()

    def position(self) -> int:
        """The position of the log up to which everything is in it."""
        return int(self._connection.execute("SELECT value FROM mark WHERE name = 'position'").fetchone()[0])

    def read(self, record_ids: Collection[str]) -> dict[str, bytes]:
        """Gives the blobs of some records; one that is not there is left out."""
        found: dict[str, bytes] = {}
        for chunk in _chunks(record_ids, _ASKED_AT_ONCE):
            marks = ", ".join("?" * len(chunk))
            query = f"SELECT record_id, state FROM record WHERE record_id IN ({marks})"
            found.update(self._connection.execute(query, chunk))
        return found

    def person(self, record_ids: Collection[str]) -> tuple[int, dict[str, bytes]]:
        """Gives the position and the blobs of a person's records, as of one instant."""
        if len(record_ids) <= _ASKED_AT_ONCE:
            # One statement is of one instant by itself.
            marks = ", ".join("?" * len(record_ids))
            query = f"{_POSITION} UNION ALL SELECT record_id, state FROM record WHERE record_id IN ({marks})"
            (_, position), *found = self._connection.execute(query, tuple(record_ids)).fetchall()
            return int(position), dict(found)
        self._connection.execute("BEGIN")
        try:
            return self.position(), self.read(record_ids)
        finally:
            self._connection.execute("COMMIT")

    def apply(
        self,
        tokens: Mapping[str, str],
        change: Callable[[Mapping[str, bytes]], Mapping[str, bytes]],
        *,
        after: int,
        through: int,
        along: Along | None = None,
    ) -> bool:
        """Changes records, has them wait to be looked at and moves the position on, in one transaction.

        Args:
            tokens: The records to be changed, with their tokens.
            change: Gives the new blobs of the old.
            after: The position it must be at.
            through: The position it is at afterwards.
            along: What is kept along with it.

        Returns:
            Whether it was done; not when somebody else moved the position.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if self.position() != after:
                self._connection.execute("ROLLBACK")
                return False
            changed = change(self.read(tokens))
            self._connection.executemany(
                "INSERT INTO record (record_id, token, touched_at, state) VALUES (?, ?, ?, ?) ON CONFLICT (record_id) "
                "DO UPDATE SET state = excluded.state, touched_at = max(touched_at, excluded.touched_at)",
                [
                    (record, tokens[record], int(along.at) if along and record in along.touched else 0, state)
                    for record, state in changed.items()
                ],
            )
            if along is not None:
                enqueue(self._connection, along.touched, position=through)
                keep_aside(self._connection, along.aside)
            self._connection.execute("UPDATE mark SET value = ? WHERE name = 'position'", (through,))
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return True

    def announce(self, record_ids: Collection[str], words: Collection[str], *, position: int, at: float) -> None:
        """Has records wait to be looked at once the store is at a position."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            touch(self._connection, record_ids, words, position=position, at=at)

    def forget(self, tokens: Iterable[str], person_ids: Collection[str] = ()) -> int:
        """Takes out the records of some identifiers; gives how many went. Their bytes are overwritten."""
        gone = 0
        remove(self._connection, (), person_ids)
        for chunk in _chunks(tokens, _ASKED_AT_ONCE):
            marks = ", ".join("?" * len(chunk))
            remove(self._connection, chunk, ())
            gone += self._connection.execute(f"DELETE FROM record WHERE token IN ({marks})", chunk).rowcount
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return gone

    def count(self) -> int:
        """How many records there are."""
        return int(self._connection.execute("SELECT count(*) FROM record").fetchone()[0])

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Gives every record and its blob, by record."""
        yield from self._connection.execute("SELECT record_id, state FROM record ORDER BY record_id")

    def settle(self) -> None:
        """Brings everything into the one file, on the disk, so that it can be renamed."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.execute("PRAGMA journal_mode = DELETE")

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def _make(self) -> None:
        (form,) = self._connection.execute("PRAGMA user_version").fetchone()
        if form not in (0, _FORM):
            raise StorageError(
                f"the live state is of form {form}, not {_FORM}",
                place=str(self.file),
                next_step="stop shopkeeper serve, then shopkeeper live rebuild",
            )
        self._connection.executescript(
            f"""
            BEGIN IMMEDIATE;
            CREATE TABLE IF NOT EXISTS record (
                record_id TEXT NOT NULL UNIQUE, token TEXT NOT NULL, touched_at INTEGER NOT NULL, state BLOB NOT NULL
            );
            CREATE INDEX IF NOT EXISTS ix_record_token ON record (token);
            CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
            INSERT INTO mark VALUES ('position', 0) ON CONFLICT DO NOTHING;
            {TABLES}
            PRAGMA user_version = {_FORM};
            COMMIT;
            """
        )


def is_of_before(file: Path) -> bool:
    """Whether a file is of a form that an earlier Shopkeeper wrote: it is made anew, as all of it stands elsewhere."""
    with closing(sqlite3.connect(file, timeout=10)) as connection:
        (form,) = connection.execute("PRAGMA user_version").fetchone()
    return 0 < int(form) < _FORM


def _missing(file: Path) -> MissingError:
    return MissingError("there is no live state yet", place=str(file), next_step="shopkeeper serve, and send an event")


def _chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk
