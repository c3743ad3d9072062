"""The vault under a new token key: what is sealed is bound to its token and subject, so all of it is sealed anew."""

import json
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from shopkeeper.storage.rekeyed_file import rekey_file, rewrite_table
from shopkeeper.storage.renaming import Known, Renaming
from shopkeeper.storage.sealing import Sealing
from shopkeeper.storage.state.failure import translated
from shopkeeper.storage.vault import bound

__all__ = ["check_vault", "rekey_vault", "tokens_in_vault"]

_NONCE: Final = 12
_ENTRIES = (
    "SELECT e.token, e.subject, e.kind, e.sealed, s.mark, s.key_id, s.wrapped"
    " FROM entry e JOIN subject s ON s.id = e.subject"
)
_ASKED = (
    "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM entry WHERE token = value)"
    " OR EXISTS (SELECT 1 FROM body WHERE refused_id = value)"
)


@contextmanager
def tokens_in_vault(file: Path) -> Iterator[Known]:
    """Gives what tells which texts are tokens, or ids of refused rows, that the vault holds something of."""
    with translated(str(file)), closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:

        def known(texts: Collection[str]) -> Collection[str]:
            return [text for (text,) in connection.execute(_ASKED, (json.dumps(list(texts)),))]

        yield known


def check_vault(file: Path, sealing: Sealing) -> None:
    """Sees that everything in a vault opens.

    Raises:
        StorageError: A value was altered.
        MissingError: The vault key that wraps one is gone.
    """
    asked = f"{file.resolve().as_uri()}?mode=ro"
    with translated(str(file)), closing(sqlite3.connect(asked, uri=True)) as connection:
        for _, mark, key_id, wrapped in connection.execute("SELECT * FROM subject"):
            sealing.unwrap(key_id, wrapped, mark)
        for token, _, kind, sealed, mark, key_id, wrapped in connection.execute(_ENTRIES):
            Sealing.open(sealing.unwrap(key_id, wrapped, mark), sealed, bound(kind, token, mark))
        for refused_id, _, key_id, wrapped, sealed in connection.execute("SELECT * FROM body"):
            owner = f"body|{refused_id}".encode()
            Sealing.open(sealing.unwrap(key_id, wrapped, owner), sealed, owner)


def rekey_vault(file: Path, rekeys: int, renaming: Renaming, sealing: Sealing) -> int:
    """Renames the tokens, subjects and refused rows of a vault, and seals what it holds for them anew.

    Args:
        file: The vault; nobody has it open.
        rekeys: How many rekeys its tokens are of afterwards.
        renaming: Gives the new names.
        sealing: The shop's vault keys.

    Returns:
        How many rows were changed.

    Raises:
        StorageError: A value was altered.
        MissingError: The vault key that wraps one is gone.
    """
    mark_of = renaming.chain.mark

    def entries(rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        for row, token in zip(rows, renaming.names(row[0] for row in rows), strict=True):
            before, subject, kind, sealed, mark, key_id, wrapped = row
            key = sealing.unwrap(key_id, wrapped, mark)
            clear = Sealing.open(key, sealed, bound(kind, before, mark))
            again = Sealing.seal(key, os.urandom(_NONCE), clear, bound(kind, str(token), mark_of(mark)))
            yield token, subject, kind, again

    def subjects(rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        for number, mark, key_id, wrapped in rows:
            clear, new = sealing.unwrap(key_id, wrapped, mark), mark_of(mark)
            yield number, new, sealing.key_id, sealing.wrap(clear, new)

    def bodies(rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        for row, name in zip(rows, renaming.names(row[0] for row in rows), strict=True):
            before, kept_at, key_id, wrapped, sealed = row
            owner, new = f"body|{before}".encode(), f"body|{name}".encode()
            key = sealing.unwrap(key_id, wrapped, owner)
            again = Sealing.seal(key, os.urandom(_NONCE), Sealing.open(key, sealed, owner), new)
            yield name, kept_at, sealing.key_id, sealing.wrap(key, new), again

    def change(connection: sqlite3.Connection) -> int:
        changed = rewrite_table(connection, "entry", entries, _ENTRIES)
        changed += rewrite_table(connection, "subject", subjects)
        return changed + rewrite_table(connection, "body", bodies, at_once=500)

    return rekey_file(file, rekeys, change)
