"""Records that wait to be looked at again, and what could not be read and was set aside; in `live.db`.

A record is put into the queue in the transaction that changes its state, so that no kill parts the two. The queue is
written at its end and emptied at its beginning, so thousands of records a second touch few pages of the file; when an
event touched a record last stands beside its state, which is written anyway.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "CHECKPOINT_PAGES",
    "TABLES",
    "Aside",
    "LiveQueue",
    "Touching",
    "enqueue",
    "keep_aside",
    "looked_at",
    "remove",
    "set_aside",
    "touch",
]

CHECKPOINT_PAGES = 8_000
"""Pages of the WAL that are brought into the file at once: most of them change again before, and are written once."""
TABLES = """
CREATE TABLE IF NOT EXISTS waiting (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, record_id TEXT NOT NULL, position INTEGER NOT NULL, words TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS touched (record_id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aside (
    part TEXT NOT NULL, place TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (part, place)
) WITHOUT ROWID;
"""

_ENQUEUE = """
INSERT INTO waiting (record_id, position, words)
SELECT json_extract(given.value, '$[0]'), ?, json_extract(given.value, '$[1]') FROM json_each(?) AS given
"""
_TOUCH = """
INSERT INTO touched SELECT given.value, ? FROM json_each(?) AS given WHERE true
ON CONFLICT (record_id) DO UPDATE SET at = max(at, excluded.at)
"""
_DONE = "DELETE FROM waiting WHERE seq IN (SELECT value FROM json_each(?))"
_THIN = """
INSERT INTO waiting (record_id, position, words)
SELECT record_id, max(position), ? FROM waiting WHERE seq <= ? GROUP BY record_id
"""
_KEEP_ASIDE = """
INSERT INTO aside VALUES (?, ?, ?, ?, 1)
ON CONFLICT (part, place) DO UPDATE SET reason = excluded.reason, at = max(at, excluded.at), times = times + 1
"""
_WAITING = """
SELECT json_group_array(json_array(seq, record_id, words)) FROM (
    SELECT seq, record_id, words FROM waiting
    WHERE position <= (SELECT value FROM mark WHERE name = 'position')
    ORDER BY seq LIMIT ?
)
"""
_SINCE = """
SELECT json_group_array(record_id) FROM (
    SELECT record_id FROM record WHERE touched_at >= ?1 UNION SELECT record_id FROM touched WHERE at >= ?1
)
"""


class Touching(NamedTuple):
    """A record that waits; it may do so several times.

    Args:
        seq: Its place in the queue.
        record_id: The record.
        words: What happened, as it is kept.
    """

    seq: int
    record_id: str
    words: str

    @property
    def happened(self) -> frozenset[str]:
        """What happened, in the words of `segment/live_check.reads`."""
        return frozenset(self.words.split("\n")) - {""}


class Aside(NamedTuple):
    """Something that could not be read and was set aside, so that the rest goes on.

    Args:
        part: `event`, or `person` where it was the looking at somebody that failed.
        place: The event's offset in the log, or the person.
        reason: Why, without the words of the error, which may quote what it met.
        at: When last, in seconds since 1970.
        times: How often.
    """

    part: str
    place: str
    reason: str
    at: int
    times: int = 1

    @property
    def moment(self) -> datetime:
        """When last."""
        return datetime.fromtimestamp(self.at, UTC)


def _written(words: Collection[str]) -> str:
    return "\n" + "\n".join(sorted(words)) + "\n"


def enqueue(connection: sqlite3.Connection, touched: Mapping[str, Collection[str]], *, position: int) -> None:
    """Puts records into the queue, with the words of what happened to each."""
    # In one step: SQLite lets go of Python with every row, and waits beside busy threads to have it back.
    rows = [(record, _written(words)) for record, words in touched.items()]
    connection.execute(_ENQUEUE, (position, json.dumps(rows)))


def touch(
    connection: sqlite3.Connection, record_ids: Collection[str], words: Collection[str], *, position: int, at: float
) -> None:
    """Puts records into the queue for another reason than an event of theirs, and notes when."""
    connection.execute(_TOUCH, (int(at), json.dumps(list(record_ids))))
    enqueue(connection, dict.fromkeys(record_ids, words), position=position)


def keep_aside(connection: sqlite3.Connection, found: Iterable[Aside]) -> None:
    """Notes what was set aside."""
    connection.executemany(_KEEP_ASIDE, [(each.part, each.place, each.reason, each.at) for each in found])


def remove(connection: sqlite3.Connection, tokens: Collection[str], person_ids: Collection[str]) -> None:
    """Takes every trace of somebody out: by the tokens that records end with, and by person."""
    for table, column in (("waiting", "record_id"), ("touched", "record_id"), ("aside", "place")):
        marks = ", ".join("?" * len(tokens))
        token = f"substr({column}, instr({column}, ':') + 1)"
        connection.execute(f"DELETE FROM {table} WHERE {token} IN ({marks})", tuple(tokens))
        connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(person,) for person in person_ids])


def set_aside(file: Path) -> list[Aside]:
    """Gives what was set aside, the newest first; nothing where there is no live state yet."""
    return [Aside(*row) for row in _asked(file, "SELECT * FROM aside ORDER BY at DESC, part, place")]


def looked_at(file: Path) -> int | None:
    """When everybody who was touched had been looked at, in seconds since 1970; None when nobody ever was."""
    found = _asked(file, "SELECT value FROM mark WHERE name = 'looked_at'")
    return int(found[0][0]) if found else None


def _asked(file: Path, query: str) -> list[Any]:
    if not file.exists():
        return []
    with closing(sqlite3.connect(file, timeout=10)) as connection:
        connection.execute("PRAGMA query_only = ON")
        # Its writer may be about to make it, or of a version that had no queue.
        (there,) = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'aside'").fetchone()
        return connection.execute(query).fetchall() if there else []


class LiveQueue:
    """The queue, from the side of who looks at the records; a connection of its own beside that of the live store.

    Args:
        file: The live store, which is there.
    """

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=30)
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._thinned = 0

    def waiting(self, most: int) -> list[Touching]:
        """Gives records that wait, those first that came first."""
        (found,) = self._connection.execute(_WAITING, (most,)).fetchone()
        return [Touching(*row) for row in json.loads(found)]

    def done(self, looked_at: Sequence[Touching], asides: Sequence[Aside] = ()) -> None:
        """Notes that records were looked at; one that was touched again meanwhile goes on waiting."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(_DONE, (json.dumps([each.seq for each in looked_at]),))
            keep_aside(self._connection, asides)

    def touch(self, record_ids: Collection[str], words: Collection[str], *, at: float) -> None:
        """Puts records into the queue for another reason than an event."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            (position,) = self._connection.execute("SELECT value FROM mark WHERE name = 'position'").fetchone()
            touch(self._connection, record_ids, words, position=position, at=at)

    def thin(self, words: Collection[str], *, most: int) -> None:
        """Has each record wait once, where more came than `most` and nobody looks at them yet.

        Args:
            words: What happened to each from then on.
            most: So many may come before it is done (again).
        """
        (last,) = self._connection.execute("SELECT coalesce(max(seq), 0) FROM waiting").fetchone()
        if last - self._thinned <= most:
            return
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(_THIN, (_written(words), last))
            self._connection.execute("DELETE FROM waiting WHERE seq <= ?", (last,))
        (self._thinned,) = self._connection.execute("SELECT coalesce(max(seq), 0) FROM waiting").fetchone()

    def touched_since(self, at: float) -> list[str]:
        """Gives the records that were touched from an instant on, looked at or not."""
        (found,) = self._connection.execute(_SINCE, (int(at),)).fetchone()
        return list(json.loads(found))

    def settle(self, before: float) -> int:
        """Forgets of records that were touched for other reasons than events before an instant; gives how many."""
        return self._connection.execute("DELETE FROM touched WHERE at < ?", (int(before),)).rowcount

    def reached(self, at: float) -> None:
        """Notes when everybody who was touched had been looked at."""
        self._connection.execute("INSERT OR REPLACE INTO mark VALUES ('looked_at', ?)", (int(at),))

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()
