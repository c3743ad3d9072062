"""The log of events under a new token key; no process writes it, and what it had sealed is in the vault."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from shopkeeper.storage.log import Entry, Stored
from shopkeeper.storage.log_row import renamed, unpacked
from shopkeeper.storage.log_seen import id_of
from shopkeeper.storage.rekeyed_file import rekey_file, rewrite_table
from shopkeeper.storage.renaming import Renaming
from shopkeeper.storage.state.failure import translated

__all__ = ["check_log", "rekey_log"]

_CONTENT: Final = 8
_BATCHES_AT_ONCE: Final = 200


class _Named(msgspec.Struct, frozen=True):
    """What of an event is a token by its place."""

    anonymous_id: str | None = None
    user_id: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    identifiers: tuple[tuple[str, str], ...] = ()


_NAMED = msgspec.json.Decoder(_Named)


def check_log(file: Path) -> None:
    """Sees that every batch of a log can be read.

    Raises:
        StorageError: One is damaged.
    """
    asked = f"{file.resolve().as_uri()}?mode=ro"
    with translated(str(file)), closing(sqlite3.connect(asked, uri=True)) as connection:
        for position, body in connection.execute("SELECT * FROM batch"):
            stored = unpacked(position, body, str(file)) if body else None
            for entry in stored.entries if stored else ():
                _NAMED.decode(entry.body)


def rekey_log(file: Path, rekeys: int, renaming: Renaming, older: Iterable[tuple[str, str]]) -> int:
    """Renames what the batches of a log hold, and the ids and contents that it knows of.

    Args:
        file: The log.
        rekeys: How many rekeys its tokens are of afterwards.
        renaming: Gives the new names.
        older: Source and id of messages that the log may know and has no more: those of the lake.

    Returns:
        How many batches were changed.

    Raises:
        StorageError: A batch is damaged.
    """

    def change(connection: sqlite3.Connection) -> int:
        moved: dict[bytes, bytes] = {}
        _note_moved(moved, older, renaming)

        def batches(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
            stored = [unpacked(position, body, str(file)) if body else None for position, body in rows]
            made = _entries([each for each in stored if each is not None], renaming, moved)
            new: list[tuple[Any, ...]] = []
            for (position, body), each in zip(rows, stored, strict=True):
                if each is None:
                    new.append((position, body))
                    continue
                refused = renaming.names(refusal.refused_id for refusal in each.refusals)
                new.append((position, renamed(body, made[: len(each.entries)], [str(name) for name in refused])))
                del made[: len(each.entries)]
            return new

        def seen(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
            content = renaming.chain.content
            return [
                (moved.get(found, found), content(kept[:_CONTENT])[:_CONTENT] + kept[_CONTENT:]) for found, kept in rows
            ]

        changed = rewrite_table(connection, "batch", batches, at_once=_BATCHES_AT_ONCE)
        rewrite_table(connection, "seen", seen)
        return changed

    return rekey_file(file, rekeys, change)


def _entries(stored: list[Stored], renaming: Renaming, moved: dict[bytes, bytes]) -> list[Entry]:
    entries = [entry for each in stored for entry in each.entries]
    _note_moved(moved, ((entry.source, entry.message_id) for entry in entries), renaming)
    sure = {token for entry in entries for token in _tokens(_NAMED.decode(entry.body))}
    bodies = renaming.texts([entry.body.decode() for entry in entries], sure)
    ids = renaming.messages(entry.message_id for entry in entries)
    made = []
    for entry, message_id, body in zip(entries, ids, bodies, strict=True):
        if message_id is None or body is None:
            raise AssertionError("a text was lost")
        if message_id != entry.message_id:
            # Such an id has nothing in it that JSON writes otherwise.
            body = body.replace(f'"message_id":"{entry.message_id}"', f'"message_id":"{message_id}"')  # noqa: PLW2901
        content = renaming.chain.content(entry.payload_hash)
        made.append(Entry(entry.source, message_id, content, body.encode()))
    return made


def _tokens(named: _Named) -> Iterable[str]:
    own = (named.anonymous_id, named.user_id, named.previous_id, named.group_id)
    return (token for token in (*own, *(token for _, token in named.identifiers)) if token is not None)


def _note_moved(moved: dict[bytes, bytes], messages: Iterable[tuple[str, str]], renaming: Renaming) -> None:
    """Notes under which hash the id of a message is to be known."""
    given = list(messages)
    for (source, before), after in zip(given, renaming.messages(each for _, each in given), strict=True):
        if after is not None and after != before:
            moved[id_of(source, before)] = id_of(source, after)
