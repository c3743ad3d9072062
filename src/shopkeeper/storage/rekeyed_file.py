"""A SQLite file under a new token key: changed in one transaction that notes the key, then written anew.

Killed before its commit the file is as it was, killed after it the note says so; what it held before is in no page of
it once it was written anew.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from shopkeeper.base.errors import StorageError
from shopkeeper.storage.state.failure import translated

__all__ = ["Change", "check_rekeys", "noted_rekeys", "rekey_file", "rewrite_table"]

Change = Callable[[sqlite3.Connection], int]
"""Changes a file within a transaction and says how many rows."""

_NOTE: Final = """
CREATE TABLE IF NOT EXISTS token_key (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), rekeys INTEGER NOT NULL) STRICT
"""


def noted_rekeys(file: Path) -> int:
    """How many rekeys the tokens of a file are of, as it notes it; 0 where it notes none."""
    with translated(str(file)), closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return _noted(connection)


def check_rekeys(file: Path, rekeys: int) -> None:
    """Sees that the tokens of a file are those of the shop's keys; one that is not there has none.

    Raises:
        StorageError: They are not.
    """
    found = noted_rekeys(file) if file.exists() else rekeys
    if found != rekeys:
        raise StorageError(
            f"the tokens of this shop are those of token key {found + 1}, and the shop has {rekeys + 1}",
            place=str(file),
            next_step="shopkeeper token rekey" if found < rekeys else "bring back the newest token.key",
        )


def rekey_file(file: Path, rekeys: int, change: Change) -> int:
    """Changes a file unless it notes the number of rekeys already; who calls has the file alone.

    Args:
        file: The file.
        rekeys: How many rekeys its tokens are of afterwards.
        change: What is done.

    Returns:
        How many rows were changed.

    Raises:
        StorageError: It is damaged, or the disk failed.
        UnavailableError: The disk is full.
    """
    with translated(str(file)), closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for setting in ("foreign_keys = OFF", "legacy_alter_table = ON", "secure_delete = ON", "synchronous = FULL"):
            connection.execute(f"PRAGMA {setting}")
        changed = 0
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _noted(connection) < rekeys:
                changed = change(connection)
                connection.execute(_NOTE)
                connection.execute("INSERT OR REPLACE INTO token_key VALUES (1, ?)", (rekeys,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk has ended it already
                connection.execute("ROLLBACK")
            raise
        # Also where a rekey was killed behind its commit: pages of before may be left.
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return changed


def rewrite_table(
    connection: sqlite3.Connection,
    table: str,
    change: Callable[[list[tuple[Any, ...]]], Iterable[tuple[Any, ...]]],
    query: str | None = None,
    *,
    at_once: int = 5_000,
) -> int:
    """Puts a table's rows, changed, into a new table that takes its place, since a key that changes moves its row.

    Args:
        connection: In a transaction.
        table: The table.
        change: Gives the new rows of some old ones, in their order.
        query: What gives the old ones, where more is needed than the table's own columns.
        at_once: So many rows are in memory at a time.

    Returns:
        How many rows differ in their own columns.
    """
    (made,) = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)).fetchone()
    columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
    more = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND type <> 'table' AND sql IS NOT NULL", (table,)
    ).fetchall()
    beside = f"rekeyed_{table}"
    connection.execute(re.sub(rf'\A\s*CREATE TABLE\s+(?:IF NOT EXISTS\s+)?"?{table}"?', f"CREATE TABLE {beside}", made))
    insert = f"INSERT INTO {beside} VALUES ({', '.join('?' * len(columns))})"
    reading, changed = connection.execute(query or f"SELECT * FROM {table}"), 0
    while rows := reading.fetchmany(at_once):
        new = list(change(rows))
        changed += sum(old[: len(columns)] != after for old, after in zip(rows, new, strict=True))
        connection.executemany(insert, new)
    connection.execute(f"DROP TABLE {table}")
    connection.execute(f"ALTER TABLE {beside} RENAME TO {table}")
    for (statement,) in more:
        connection.execute(statement)
    return changed


def _noted(connection: sqlite3.Connection) -> int:
    (is_there,) = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'token_key'").fetchone()
    return int(connection.execute("SELECT rekeys FROM token_key").fetchone()[0]) if is_there else 0
