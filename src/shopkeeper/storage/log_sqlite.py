"""The durable log in SQLite: one file, one writer, and as many readers as there are.

One `append` is one transaction, synced before it returns: batches, traffic and, when their turn comes, ids.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from shopkeeper.base.errors import StorageError, UnavailableError
from shopkeeper.storage.log import Batch, Erasure, Outcome, Stored, Traffic
from shopkeeper.storage.log_file import WriterLock, abandon, failure_of_log, is_passing, open_writing
from shopkeeper.storage.log_plan import Plan
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.log_row import check_batch, mark_of, rewritten, unpacked
from shopkeeper.storage.log_seen import Seen, day_of, id_of, kept_of

__all__ = ["SqliteLog"]

_PART_BYTES = 2**17  # what writing a part puts into the WAL, more or less
_PARTS_AT_ONCE = 8
_TRIMMED_AT_ONCE = 500
_TRIMMED_BYTES_AT_ONCE = 4 * 2**20  # they are overwritten with zeros, and writers wait meanwhile
_ERASED_AT_ONCE = 50

_EMPTY_ROWS = 1_500  # of 300 a page: two neighbours of a page and more
_TO_TRIM = "SELECT position, length(body) FROM batch WHERE position BETWEEN ? AND ? ORDER BY position LIMIT ?"

_COUNT = (
    "INSERT INTO traffic VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (hour, source) DO UPDATE SET"
    " accepted = accepted + excluded.accepted, duplicate = duplicate + excluded.duplicate,"
    " different = different + excluded.different, refused = refused + excluded.refused"
)


class SqliteLog:
    """The writer of one log; threads may share it, other processes read with `LogReader`.

    Args:
        file: Its SQLite file, made where it is not there.
        events_a_part: After so many new ids a part of them is written to their tree (`log_seen`).
        behind: Its next position is behind this one: a log that was lost begins anew behind what was made of it.

    Raises:
        ConflictError: Another process writes it.
        UnavailableError: The folder is not there, or the disk is full.
        StorageError: The file is no log, is damaged, or is a log of a newer form.
    """

    _SYNCHRONOUS = "FULL"
    _CHECKPOINT_BYTES = 16 * 2**20
    _LONG_WAL_FRAMES = 50_000

    def __init__(self, file: Path, *, events_a_part: int = 2_000, behind: int = 0) -> None:
        self._file = file
        self._writing = threading.RLock()
        self._failure: StorageError | None = None
        self._unsaved = 0
        self._is_rewritten = False
        with ExitStack() as opened:
            opened.callback(WriterLock(file).release)
            self._connection = open_writing(file, synchronous=self._SYNCHRONOUS)
            opened.callback(self._let_go)
            self._reader = LogReader(file)
            opened.callback(self._reader.close)
            # A full disk leaves it readable, and `append` tries again.
            with suppress(UnavailableError), self._reported():
                self._rewrite_wal()
            with self._reported():
                mark: tuple[int, int] = self._connection.execute("SELECT position, day FROM mark").fetchone()
                self._end, self._day = mark
                self._seen = Seen(self._connection, events_a_part=events_a_part)
            if self._end < behind:
                with self._transaction() as connection:
                    connection.execute("UPDATE mark SET position = ?", (behind,))
                self._end = behind
            self._remember()
            self._opened = opened.pop_all()

    def append(self, batches: Sequence[Batch]) -> list[Outcome]:
        """Keeps batches in one commit and returns once they are durable; see `storage.log.Log`.

        Raises:
            UsageError: A batch cannot be kept by anybody: nothing of the call was.
            UnavailableError: The disk is full or the log is busy: nothing was kept, the same may be sent again later.
            StorageError: A write or sync failed; the log takes nothing more until it is opened anew.
        """
        for batch in batches:
            check_batch(batch)
        with self._writing:
            with self._reported():
                if not self._is_rewritten:
                    self._rewrite_wal()
                plan = Plan(batches, known=self._seen.known, end=self._end, day=self._day)
            counted = plan.traffic()
            if not counted:
                return plan.outcomes
            turned = self._seen.due(len(plan.fresh))
            with self._transaction() as connection:
                connection.executemany("INSERT INTO batch VALUES (?, ?)", plan.rows)
                connection.executemany(_COUNT, counted)
                connection.execute("UPDATE mark SET position = ?, day = ?", (plan.end, plan.day))
                if turned:
                    self._seen.write(turned, plan.fresh, plan.end, plan.day)
            self._end, self._day = plan.end, plan.day
            self._seen.written(turned, plan.end, plan.day)
            self._seen.add(plan.fresh, turned)
            self._unsaved += sum(len(body) for _, body in plan.rows) + len(turned) * _PART_BYTES
            self._checkpoint()
        return plan.outcomes

    def read(self, after: int, most: int = 500) -> list[Stored]:
        """Gives the batches behind a position, in order, at most so many; it waits for no writing."""
        return self._reader.read(after, most)

    def end(self) -> int:
        """The position of the last durable batch, 0 for an empty log."""
        return self._end

    def trim(self, through: int) -> int:
        """Forgets batches up to a position that every reader has passed, and ids older than 90 days.

        Writers come between its steps.

        Returns:
            How many batches.

        Raises:
            UnavailableError: The disk is full or the log is busy: the rest may be trimmed later.
            StorageError: A write or sync failed; the log takes nothing more until it is opened anew.
        """
        self._write_ids(through)
        trimmed = 0
        while some := self._trim_some(through):
            trimmed += some
        return trimmed

    def erase(self, erasures: Sequence[Erasure]) -> list[int]:
        """Takes out of batches what is to go, each whole or not at all, and leaves no byte of it in the files.

        Writers come between its steps.

        Returns:
            The positions of batches that were left as they are, since they changed after they were read.

        Raises:
            UnavailableError: The disk is full, or readers held the files: do the same again.
            StorageError: A write or sync failed; the log takes nothing more until it is opened anew.
        """
        if erasures:
            self._write_ids(max(each.position for each in erasures))
        left: list[int] = []
        for start in range(0, len(erasures), _ERASED_AT_ONCE):
            with self._writing, self._transaction() as connection:
                some = erasures[start : start + _ERASED_AT_ONCE]
                left += [each.position for each in some if not self._erase(connection, each)]
        with self._writing, self._reported():
            # What stood there before is in the WAL too.
            is_held, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if is_held:
                raise UnavailableError("readers hold the log's files", place=str(self._file), next_step="do it again")
            self._unsaved = 0
        return left

    def begin(self) -> int:
        """The position of the first batch that is still there, or the next one's where none is."""
        return self._reader.begin()

    def traffic(self, since: int) -> list[Traffic]:
        """What came in since an instant (seconds since 1970), by hour and source."""
        return self._reader.traffic(since)

    def close(self) -> None:
        """Gives the log back; what is durable stays as it is, even where the last checkpoint fails."""
        with self._writing:
            self._opened.close()
            if self._failure is None:
                self._failure = StorageError("the log is closed", place=str(self._file))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_ids(self, through: int) -> None:
        """Has every id up to a position on disk, as its batch will not be there to read it back from."""
        with self._writing:
            behind = self._seen.behind(through, self._day)
        for start in range(0, len(behind), _PARTS_AT_ONCE):
            parts = behind[start : start + _PARTS_AT_ONCE]
            with self._writing:
                with self._transaction():
                    self._seen.write(parts, {}, self._end, self._day)
                self._seen.written(parts, self._end, self._day)
                self._unsaved += len(parts) * _PART_BYTES
                self._checkpoint()

    def _trim_some(self, through: int) -> int:
        """Empties some batches, and takes out those emptied before that lie far from any that stays.

        Where SQLite takes a row out it moves its neighbours to other pages, and leaves copies behind that no erasure
        could find. Emptying a row moves none, and rows that are empty may be moved.
        """
        first = self._reader.begin()
        with self._writing:
            with self._transaction() as connection:
                size, last = 0, first - 1
                chosen = connection.execute(_TO_TRIM, (first, through, _TRIMMED_AT_ONCE)).fetchall()
                for position, length in chosen:
                    size, last = size + length, position
                    if size > _TRIMMED_BYTES_AT_ONCE:
                        break
                empty = "UPDATE batch SET body = x'' WHERE position BETWEEN ? AND ?"
                trimmed = connection.execute(empty, (first, last)).rowcount
                connection.execute("DELETE FROM batch WHERE position <= ?", (last - _EMPTY_ROWS,))
            self._unsaved += size
            self._checkpoint()
        return trimmed

    def _erase(self, connection: sqlite3.Connection, erasure: Erasure) -> bool:
        found = connection.execute("SELECT body FROM batch WHERE position = ?", (erasure.position,)).fetchone()
        if found is None or not found[0]:
            return True  # it was trimmed meanwhile
        stored = unpacked(erasure.position, found[0], str(self._file))
        if mark_of(stored) != erasure.mark:
            return False
        body = rewritten(stored, found[0], erasure)
        connection.execute("UPDATE batch SET body = ? WHERE position = ?", (body, erasure.position))
        return True

    def _rewrite_wal(self) -> None:
        """Moves all of the WAL into the file before anything is built on it.

        After a sync that failed the system may hold pages that the disk lacks: this writes them anew, and syncs them.
        """
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._is_rewritten = True

    def _let_go(self) -> None:
        if self._failure is None:
            self._connection.close()
        else:
            abandon(self._connection, self._file)

    def _remember(self) -> None:
        """Takes the ids again that were in memory alone, from their batches."""
        position = self._seen.on_disk_through
        while stored := self._reader.read(position):
            for batch in stored:
                day = day_of(batch.received_at)
                ids = [
                    (id_of(entry.source, entry.message_id), kept_of(entry.payload_hash, day)) for entry in batch.entries
                ]
                self._seen.remember(batch.position, ids)
            position = stored[-1].position

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        with self._reported():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Refuses after a failure, and takes note of one: only a full disk or a busy file may pass by itself."""
        if self._failure is not None:
            raise StorageError(self._failure.own, place=str(self._file), next_step=self._failure.next_step)
        try:
            yield
        except (sqlite3.Error, MemoryError) as error:
            failure = failure_of_log(error, self._file)
            if not is_passing(error):
                self._failure = StorageError(
                    "the log failed and takes nothing more until it is opened anew",
                    place=str(self._file),
                    next_step="look at the disk, then start the server again",
                )
            raise failure from error

    def _checkpoint(self) -> None:
        """Moves what is synced from the WAL into the file, where there is enough of it.

        The append before it is durable, so its outcome stands; a failure is told by the next one.
        """
        if self._unsaved < self._CHECKPOINT_BYTES:
            return
        self._unsaved = 0
        try:
            with self._reported():
                _, frames, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if frames > self._LONG_WAL_FRAMES:
                    # Readers kept it from beginning anew for long: wait for them once.
                    self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        except Exception as error:
            if self._failure is None and not is_passing(error.__cause__ or error):
                raise
