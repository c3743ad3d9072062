"""Which ids the log has seen: on disk by their hash, the newest in memory until the turn of their part comes.

Hashes are spread evenly, so putting each into its tree at once would write one page an event. What is in memory alone
can always be read again from the batches, so it is as durable as they are; a part's turn comes after so many events
that a page of the tree takes several ids at a time.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

from shopkeeper.storage.log_file import PARTS

__all__ = ["KNOWN_DAYS", "Seen", "day_of", "id_of", "kept_day", "kept_of", "same_content"]

KNOWN_DAYS: Final = 90
"""An id is known so many days after it was accepted."""

_HASH = 16
_CONTENT = 8  # of the payload's hash: enough to tell two contents apart
_EVENTS_A_PART = 2_000
_SECONDS_A_DAY = 86_400
_ASKED_AT_ONCE = 1024


def id_of(source: str, message_id: str) -> bytes:
    """The hash under which an id is kept: the same id of another source is another."""
    return blake2b(f"{len(source)} {source}{message_id}".encode(), digest_size=_HASH).digest()


def day_of(received_at: float) -> int:
    """The day of an instant, in days since 1970 (UTC)."""
    return int(received_at // _SECONDS_A_DAY)


def kept_of(payload_hash: bytes, day: int) -> bytes:
    """What is kept of an id: the beginning of its content's hash, and the day on which it was accepted."""
    return payload_hash[:_CONTENT] + day.to_bytes(2, "big")


def kept_day(kept: bytes) -> int:
    """The day on which an id was accepted."""
    return int.from_bytes(kept[_CONTENT:], "big")


def same_content(kept: bytes, payload_hash: bytes) -> bool:
    """Whether an id came with the same content before."""
    return kept[:_CONTENT] == payload_hash[:_CONTENT]


class Seen:
    """The ids of one log, for its writer.

    Args:
        connection: The writer's.
        events_a_part: After so many new ids the next part's turn comes.
    """

    def __init__(self, connection: sqlite3.Connection, *, events_a_part: int = _EVENTS_A_PART) -> None:
        self._connection = connection
        self._events_a_part = events_a_part
        rows = connection.execute("SELECT first, through, day FROM part ORDER BY first").fetchall()
        self._through: list[int] = [through for _, through, _ in rows]
        self._swept: list[int] = [day for _, _, day in rows]
        self._fresh: list[dict[bytes, bytes]] = [{} for _ in range(PARTS)]
        self._turn = min(range(PARTS), key=self._through.__getitem__)
        self._since_turn = 0

    @property
    def on_disk_through(self) -> int:
        """Up to this position all ids are on disk; those of later batches must be told with `remember`."""
        return min(self._through)

    def remember(self, position: int, fresh: Iterable[tuple[bytes, bytes]]) -> None:
        """Takes the ids of a batch that is in the log, as it is read back when the log is opened."""
        for found, kept in fresh:
            if position > self._through[found[0]]:
                self._fresh[found[0]][found] = kept

    def known(self, asked: Sequence[bytes]) -> dict[bytes, bytes]:
        """Gives what is kept of those ids that were ever seen, however long ago."""
        fresh = self._fresh
        known: dict[bytes, bytes] = {}
        unknown = []
        for each in asked:
            kept = fresh[each[0]].get(each)
            if kept is None:
                unknown.append(each)
            else:
                known[each] = kept
        for start in range(0, len(unknown), _ASKED_AT_ONCE):
            some = unknown[start : start + _ASKED_AT_ONCE]
            # A power of two, so that few statements are ever prepared; the last one is asked again to fill it.
            width = 1 << (len(some) - 1).bit_length()
            some += some[-1:] * (width - len(some))
            marks = ",".join("?" * width)
            known.update(self._connection.execute(f"SELECT id, kept FROM seen WHERE id IN ({marks})", some))
        return known

    def due(self, coming: int) -> list[int]:
        """The parts whose turn comes with so many new ids."""
        turns = (self._since_turn + coming) // self._events_a_part
        return [(self._turn + each) % PARTS for each in range(min(turns, PARTS))]

    def behind(self, position: int, day: int) -> list[int]:
        """The parts of which an id up to a position may not be on disk, or that were not swept on or after a day."""
        return [part for part in range(PARTS) if self._through[part] < position or self._swept[part] < day]

    def write(self, parts: Iterable[int], fresh: dict[bytes, bytes], through: int, day: int) -> None:
        """Writes parts to disk, inside the caller's transaction, and drops what is too old from them.

        Args:
            parts: Which.
            fresh: The ids that the same transaction brings, not yet added.
            through: The last position of the transaction.
            day: The newest day of the log.
        """
        chosen = set(parts)
        rows = [row for part in chosen for row in self._fresh[part].items()]
        rows += [row for row in fresh.items() if row[0][0] in chosen]
        rows.sort()
        self._connection.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", rows)
        oldest = max(day - KNOWN_DAYS, 0).to_bytes(2, "big")
        for part in chosen:
            if self._swept[part] < day:
                self._connection.execute(
                    "DELETE FROM seen WHERE id >= ? AND id <= ? AND substr(kept, ?) < ?",
                    (bytes([part]), bytes([part]) + b"\xff" * _HASH, _CONTENT + 1, oldest),
                )
        self._connection.executemany(
            "UPDATE part SET through = ?, day = ? WHERE first = ?", [(through, day, part) for part in chosen]
        )

    def written(self, parts: Sequence[int], through: int, day: int) -> None:
        """Takes note that the transaction of `write` is durable."""
        for part in parts:
            self._fresh[part].clear()
            self._through[part] = through
            self._swept[part] = day

    def add(self, fresh: dict[bytes, bytes], turned: Sequence[int]) -> None:
        """Takes the new ids of a transaction that is durable, but for those whose part was written with it."""
        chosen = set(turned)
        for found, kept in fresh.items():
            if found[0] not in chosen:
                self._fresh[found[0]][found] = kept
        self._since_turn = (self._since_turn + len(fresh)) % self._events_a_part
        self._turn = (self._turn + len(turned)) % PARTS
