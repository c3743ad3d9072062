"""The map of identifiers on SQLite: a whole set in one step, as JSON.

SQLite lets go of Python with every row that it steps to, and beside busy threads each row then waits to have it back;
so the rows of a set go in and come out as one text.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from shopkeeper.storage.state.database import Database

__all__ = ["around", "current", "known", "moved", "put", "seen"]

Row = tuple[str, str, str, str, date, date, bool, str | None, int | None]
"""A row of `identifiers`, its columns in order."""

_NAMES = "token, person_id, kind, source, first_seen_on, last_seen_on, verified, claimed_by, claimed_at"
_GIVEN = "SELECT value FROM json_each(?)"
_KNOWN = f"SELECT json_group_array(json_array({_NAMES})) FROM identifiers WHERE token IN ({_GIVEN})"
_PAIRS = "SELECT json_group_array(json_array(record_id, into_id)) FROM person_merges WHERE until IS NULL"
_CURRENT = f"{_PAIRS} AND record_id IN ({_GIVEN})"
_AROUND = f"{_PAIRS} AND (record_id IN ({_GIVEN}) OR into_id IN ({_GIVEN}))"


def _part(place: int) -> str:
    return f"json_extract(given.value, '$[{place}]')"


_PUT = (
    f"INSERT INTO identifiers ({_NAMES}) SELECT {', '.join(map(_part, range(9)))} FROM json_each(?) AS given "
    "WHERE true ON CONFLICT (token) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _NAMES.split(", ")[1:])
)
_SEEN = (
    f"UPDATE identifiers SET source = {_part(1)}, first_seen_on = {_part(2)}, last_seen_on = {_part(3)}, "
    f"verified = {_part(4)} FROM json_each(?) AS given WHERE identifiers.token = {_part(0)}"
)
_MOVED = (
    "INSERT INTO person_merges (record_id, since, until, token, into_id) "
    f"SELECT {_part(0)}, ?, NULL, {_part(1)}, {_part(2)} FROM json_each(?) AS given WHERE true "
    "ON CONFLICT (record_id, since) DO UPDATE SET token = excluded.token, into_id = excluded.into_id, until = NULL"
)
_ROWS = msgspec.json.Decoder(list[tuple[str, str, str, str, date, date, int, str | None, int | None]])
_BOTH = msgspec.json.Decoder(list[tuple[str, str]])


def known(database: Database, tokens: Collection[str]) -> list[Row]:
    """Gives the rows of some identifiers."""
    found = _ROWS.decode(database.ask_text(_KNOWN, _text(list(tokens))))
    return [(*row[:6], bool(row[6]), *row[7:]) for row in found]


def current(database: Database, records: Collection[str]) -> list[tuple[str, str]]:
    """Gives record and person of those of some records that belong to another than their own."""
    return _BOTH.decode(database.ask_text(_CURRENT, _text(list(records))))


def around(database: Database, persons: Collection[str]) -> list[tuple[str, str]]:
    """Gives record and person where either is one of some persons, as of one instant."""
    given = _text(list(persons))
    return _BOTH.decode(database.ask_text(_AROUND, given, given))


def put(connection: Connection, rows: Iterable[Row]) -> None:
    """Keeps identifiers, new and changed."""
    connection.exec_driver_sql(_PUT, (_text(list(rows)),))


def seen(connection: Connection, rows: Iterable[tuple[str, str, date, date, bool]]) -> None:
    """Keeps token, source, first and last day of identifiers, and whether they are verified."""
    connection.exec_driver_sql(_SEEN, (_text(list(rows)),))


def moved(connection: Connection, records: Mapping[str, tuple[str, str]], since: datetime) -> None:
    """Keeps which records belong to whom; token and person by record."""
    written = since.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    rows = [(record, token, into) for record, (token, into) in records.items()]
    connection.exec_driver_sql(_MOVED, (written, _text(rows)))


def _text(rows: Sequence[Any]) -> str:
    return msgspec.json.encode(rows).decode()
