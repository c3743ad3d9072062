"""The log as it is, and logs made worse on purpose: a check that finds nothing wrong with these proves nothing."""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from shopkeeper.base.errors import StorageError
from shopkeeper.storage.log import Batch, Erasure, Outcome
from shopkeeper.storage.log_sqlite import SqliteLog

__all__ = ["KINDS"]


class _Log(SqliteLog):
    """The log as it is, but that it moves its WAL into the file and ids to their tree often, so that cuts meet it."""

    _CHECKPOINT_BYTES = 150_000

    def __init__(self, file: Path) -> None:
        super().__init__(file, events_a_part=20)


class _Normal(_Log):
    """Syncs at checkpoints alone."""

    _SYNCHRONOUS = "NORMAL"


class _Off(_Log):
    """Never syncs."""

    _SYNCHRONOUS = "OFF"


class _Hasty(SqliteLog):
    """Acknowledges first and writes later."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self._later: list[Batch] = []

    def append(self, batches: Sequence[Batch]) -> list[Outcome]:
        self._later += batches
        if len(self._later) > 50:
            super().append(self._later)
            self._later = []
        return [Outcome(1, bytes(len(batch.entries))) for batch in batches]


class _Pretending(_Log):
    """Goes on after a failed sync as if nothing had been."""

    def append(self, batches: Sequence[Batch]) -> list[Outcome]:
        try:
            return super().append(batches)
        except StorageError:
            return [Outcome(1, bytes(len(batch.entries))) for batch in batches]


class _Trusting(_Log):
    """Builds on whatever the system shows it of the WAL when it is opened."""

    def _rewrite_wal(self) -> None:
        self._is_rewritten = True


class _Forgetful(SqliteLog):
    """Keeps what it knows already."""

    def append(self, batches: Sequence[Batch]) -> list[Outcome]:
        for each in self._seen._fresh:  # noqa: SLF001 - made worse on purpose
            each.clear()
        return super().append(batches)


class _Halving(SqliteLog):
    """Erases in two commits."""

    def _erase(self, connection: sqlite3.Connection, erasure: Erasure) -> bool:
        place = (erasure.position,)
        (body,) = connection.execute("SELECT body FROM batch WHERE position = ?", place).fetchone()
        connection.execute("UPDATE batch SET body = substr(body, 1, length(body) / 2) WHERE position = ?", place)
        connection.execute("COMMIT")
        time.sleep(0.1)  # long enough for a kill to fall into it
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE batch SET body = ? WHERE position = ?", (body, *place))
        return super()._erase(connection, erasure)


class _Narrow(SqliteLog):
    """Has room for few pages while the file `ballast` lies beside it: a full disk where none can be mounted."""

    def append(self, batches: Sequence[Batch]) -> list[Outcome]:
        pages = 300 if self._file.with_name("ballast").exists() else 1_000_000
        self._connection.execute(f"PRAGMA max_page_count = {pages}")
        return super().append(batches)


KINDS: Mapping[str, type[SqliteLog]] = {
    "log": _Log,
    "plain": SqliteLog,
    "normal": _Normal,
    "off": _Off,
    "hasty": _Hasty,
    "pretending": _Pretending,
    "trusting": _Trusting,
    "forgetful": _Forgetful,
    "narrow": _Narrow,
    "halving": _Halving,
}
"""Which log a suite runs on: `log` and `plain` must pass, the others must fail the suite whose control they are."""
