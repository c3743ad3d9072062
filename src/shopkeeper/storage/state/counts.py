"""The audiences that were counted for who may not see persons, and which were too near to an earlier one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, text

from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["Asked", "Counts", "Turn"]

_LOCK = 7_360_210


@dataclass(frozen=True, slots=True)
class Asked:
    """One audience that was counted.

    Args:
        seq: Its place, from 1.
        size: How many people it had.
        sketch: A keyed short form of the set.
        told: What was told of its size.
        root: The place of the audience whose answer it got, None where it has its own.
    """

    seq: int
    size: int
    sketch: bytes
    told: int | None
    root: int | None


class Turn:
    """One process's turn to look and to add: another waits until it is over.

    Args:
        connection: The transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newer(self, seq: int, limit: int) -> list[Asked]:
        """Gives the newest audiences after a place, in order."""
        asked = tables.asked_counts
        query = select(asked.c.seq, asked.c.size, asked.c.sketch, asked.c.told, asked.c.root)
        query = query.where(asked.c.seq > seq).order_by(asked.c.seq.desc()).limit(limit)
        return [Asked(**row) for row in reversed(self._connection.execute(query).mappings().all())]

    def asked(self, who: str, *, since: datetime, overlaps: bool) -> int:
        """Gives how many rules new to somebody they counted since an instant: with an answer of their own, or not."""
        asked = tables.asked_counts
        kind = asked.c.root.is_not(None) if overlaps else asked.c.root.is_(None)
        query = select(func.count()).where(
            asked.c.who == who, asked.c.asked_at > since, asked.c.rule.is_not(None), kind
        )
        return int(self._connection.execute(query).scalar_one())

    def has_asked(self, who: str, rule: str) -> bool:
        """Whether somebody counted by a rule before, whoever fitted it then."""
        asked = tables.asked_counts
        query = select(asked.c.seq).where(asked.c.who == who, asked.c.rule == rule).limit(1)
        return self._connection.execute(query).first() is not None

    def add(
        self,
        size: int,
        sketch: bytes,
        told: int | None,
        *,
        who: str | None,
        rule: str | None,
        root: int | None,
        now: datetime,
    ) -> int:
        """Adds an audience, with its rule where that is new to who asks; gives its place."""
        asked = tables.asked_counts
        seq = int(self._connection.execute(select(func.coalesce(func.max(asked.c.seq), 0))).scalar_one()) + 1
        values = {
            "seq": seq,
            "who": who,
            "size": size,
            "sketch": sketch,
            "told": told,
            "root": root,
            "rule": rule,
            "asked_at": now,
        }
        self._connection.execute(asked.insert(), values)
        return seq

    def trim(self, seq: int) -> None:
        """Removes what is older than a place."""
        if seq > 0:
            self._connection.execute(tables.asked_counts.delete().where(tables.asked_counts.c.seq <= seq))


class Counts:
    """The counted audiences of a shop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Gives a turn."""
        with self._database.write() as connection:
            if not self._database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            yield Turn(connection)
