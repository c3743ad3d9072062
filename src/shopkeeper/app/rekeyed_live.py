"""Live state under a new token key."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from shopkeeper.storage.live import is_of_before
from shopkeeper.storage.rekeyed_file import rekey_file, rewrite_table
from shopkeeper.storage.renaming import Renaming

__all__ = ["rekey_live"]

_RECORDS_AT_ONCE = 500


def rekey_live(file: Path, rekeys: int, renaming: Renaming) -> int:
    """Renames the records of live state, what is in them, and what waits or was set aside; one of before goes."""
    if is_of_before(file):
        # The worker makes it anew of the log and the lake, which have the new tokens by then.
        for ending in ("", "-wal", "-shm"):
            file.with_name(file.name + ending).unlink(missing_ok=True)
        return 0

    def records(rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        ids, tokens = renaming.names(row[0] for row in rows), renaming.names(row[1] for row in rows)
        states = renaming.trees([msgspec.msgpack.decode(row[3]) for row in rows])
        touched = (row[2] for row in rows)
        yield from zip(ids, tokens, touched, map(msgspec.msgpack.encode, states), strict=True)

    def change(connection: sqlite3.Connection) -> int:
        changed = rewrite_table(connection, "record", records, at_once=_RECORDS_AT_ONCE)
        changed += rewrite_table(connection, "waiting", lambda rows: _renamed(rows, 1, renaming))
        changed += rewrite_table(connection, "touched", lambda rows: _renamed(rows, 0, renaming))
        return changed + rewrite_table(connection, "aside", lambda rows: _renamed(rows, 1, renaming))

    return rekey_file(file, rekeys, change)


def _renamed(rows: list[tuple[Any, ...]], place: int, renaming: Renaming) -> Iterator[tuple[Any, ...]]:
    for row, name in zip(rows, renaming.names(row[place] for row in rows), strict=True):
        yield (*row[:place], name, *row[place + 1 :])
