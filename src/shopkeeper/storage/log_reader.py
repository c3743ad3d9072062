"""Reading a log, in whatever process, while its one writer writes."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from shopkeeper.storage.log import Stored, Traffic
from shopkeeper.storage.log_file import failure_of_log, open_reading
from shopkeeper.storage.log_row import unpacked

__all__ = ["LogReader"]

_BYTES_AT_ONCE: Final = 32 * 2**20
_SECONDS_AN_HOUR: Final = 3_600


class LogReader:
    """The readers' side of one log; threads may share it, a forked process opens its own.

    Args:
        file: The log's file.

    Raises:
        MissingError: There is no log yet.
        StorageError: The file is no log, is damaged, or is a log of a newer form.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._connection = open_reading(file)

    def read(self, after: int, most: int = 500) -> list[Stored]:
        """Gives the batches behind a position, in order: at most so many, and fewer where they are large.

        Raises:
            StorageError: The file is damaged.
        """
        found: list[Stored] = []
        size = 0
        query = "SELECT position, body FROM batch WHERE position > ? AND length(body) > 0 ORDER BY position LIMIT ?"
        with self._reading() as connection:
            for position, body in connection.execute(query, (after, most)):
                found.append(unpacked(position, body, str(self._file)))
                size += len(body)
                if size > _BYTES_AT_ONCE:
                    break
        return found

    def end(self) -> int:
        """The position of the last durable batch, 0 for an empty log."""
        with self._reading() as connection:
            (position,) = connection.execute("SELECT position FROM mark").fetchone()
        return int(position)

    def begin(self) -> int:
        """The position of the first batch that is still there, or the next one's where none is."""
        first = "SELECT position FROM batch WHERE length(body) > 0 ORDER BY position LIMIT 1"
        with self._reading() as connection:
            (position,) = connection.execute(f"SELECT coalesce(({first}), position + 1) FROM mark").fetchone()
        return int(position)

    def traffic(self, since: int) -> list[Traffic]:
        """What came in since an instant (seconds since 1970), by hour and source; the instant's hour is whole."""
        query = (
            "SELECT source, hour, accepted, duplicate, different, refused FROM traffic"
            " WHERE hour > ? ORDER BY hour, source"
        )
        with self._reading() as connection:
            rows = connection.execute(query, (since - _SECONDS_AN_HOUR,)).fetchall()
        return [
            Traffic(source, hour, accepted + duplicate + refused, accepted, duplicate, different, refused)
            for source, hour, accepted, duplicate, different, refused in rows
        ]

    def totals(self) -> list[tuple[str, int, int, int]]:
        """What each source brought since the log began: the source, accepted, duplicate, refused."""
        query = "SELECT source, sum(accepted), sum(duplicate), sum(refused) FROM traffic GROUP BY source"
        with self._reading() as connection:
            return connection.execute(query).fetchall()

    def close(self) -> None:
        """Gives the log back."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise failure_of_log(error, self._file) from error
