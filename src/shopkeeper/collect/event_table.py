"""Events of the log as rows of the table `event`."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from shopkeeper.schema.event import Event, Identifier
from shopkeeper.schema.tables import table
from shopkeeper.storage.iceberg import arrow_schema
from shopkeeper.storage.log import Stored

__all__ = [
    "ERASED",
    "Barred",
    "Logged",
    "cleared_body",
    "event_rows",
    "logged_events",
    "logged_rows",
    "without_erased",
    "without_mentions",
]

ERASED = "erased"
"""What stands in an event where it named somebody who was erased."""

Barred = Callable[[Collection[str]], Collection[str]]
"""Gives those of some tokens that bear a tombstone."""

_EVENT = table("event")
_SCHEMA = arrow_schema(_EVENT)
_TOKENS = re.compile(rb"(?=([a-z]{2}_[A-Za-z0-9_-]{24}))")  # one may begin within what looks like another
_JSON = ("traits", "context", "properties", "identifiers")
_IDENTIFIERS = msgspec.json.Decoder(tuple[Identifier, ...])
_DECODER = msgspec.json.Decoder(Event)
_ENCODER = msgspec.json.Encoder(order="sorted")
_PLAIN = [name for name in _EVENT.column_names if name not in (*_JSON, "payload_hash", "log_offset")]


class Logged(msgspec.Struct, frozen=True):
    """An event with what the log says of it.

    Args:
        event: The event.
        offset: Where it stands in the log.
        payload_hash: The hash of its content.
    """

    event: Event
    offset: int
    payload_hash: bytes


def logged_events(batches: Iterable[Stored], word: bytes = b"") -> list[Logged]:
    """Reads the events of some batches, in the log's order.

    Args:
        batches: The batches.
        word: Only events that are written with this somewhere: reading the others is most of the work.
    """
    return [
        Logged(_DECODER.decode(entry.body), offset, entry.payload_hash)
        for batch in batches
        for offset, entry in zip(batch.offsets, batch.entries, strict=True)
        if word in entry.body
    ]


def without_erased(logged: Sequence[Logged], barred: Barred) -> list[Logged]:
    """Leaves out the events of who was erased, and the identifiers of who was erased from the events of others."""
    tokens = {token for one in logged for token in _tokens(one.event)}
    gone = frozenset(barred(tokens)) if tokens else frozenset()
    if not gone:
        return list(logged)
    return [
        Logged(_cleared(one.event, gone), one.offset, one.payload_hash) for one in logged if not _is_of(one.event, gone)
    ]


def without_mentions(logged: Sequence[Logged], barred: Barred) -> list[Logged]:
    """Takes the tokens of who was erased out of what others' events say, such as a trait or what was searched for."""
    bodies = [_ENCODER.encode(one.event) for one in logged]
    named = {token.decode() for body in bodies for token in _TOKENS.findall(body)}
    gone = [token.encode() for token in barred(named)]
    if not gone:
        return list(logged)
    return [_without(one, body, gone) for one, body in zip(logged, bodies, strict=True)]


def _without(one: Logged, body: bytes, gone: Sequence[bytes]) -> Logged:
    changed = body
    for token in gone:
        changed = changed.replace(token, ERASED.encode())
    return one if changed is body else Logged(_DECODER.decode(changed), one.offset, one.payload_hash)


def cleared_body(body: bytes, tokens: Collection[str]) -> bytes | None:
    """Takes some persons out of an event of the log: None where it is their own, else what stays of it.

    Args:
        body: The event as the log has it.
        tokens: The tokens of the persons.
    """
    event = _DECODER.decode(body)
    if _is_of(event, tokens):
        return None
    changed = _ENCODER.encode(_cleared(event, tokens))
    for token in tokens:  # another's event may mention them in what it says
        changed = changed.replace(token.encode(), ERASED.encode())
    return changed


def _tokens(event: Event) -> Iterable[str]:
    own = (event.user_id, event.anonymous_id, event.previous_id)
    return [token for token in (*own, *(each.token for each in event.identifiers)) if token is not None]


def _is_of(event: Event, gone: Collection[str]) -> bool:
    return event.user_id in gone or event.anonymous_id in gone


def _cleared(event: Event, gone: Collection[str]) -> Event:
    kept = tuple(each for each in event.identifiers if each.token not in gone)
    previous = None if event.previous_id in gone else event.previous_id
    return msgspec.structs.replace(event, identifiers=kept, previous_id=previous)


def event_rows(logged: Iterable[Logged]) -> pa.Table:
    """Gives events as rows of the table `event`; what has parts as JSON, NULL where there are none."""
    found = list(logged)
    columns = {}
    for field in _SCHEMA:
        values: list[Any]
        if field.name in _JSON:
            values = [_text(getattr(one.event, field.name)) for one in found]
        elif field.name == "payload_hash":
            values = [one.payload_hash.hex() for one in found]
        elif field.name == "log_offset":
            values = [one.offset for one in found]
        else:
            values = [getattr(one.event, field.name) for one in found]
        columns[field.name] = pa.array(values, field.type)
    return pa.table(columns, schema=_SCHEMA)


def logged_rows(rows: Iterable[Mapping[str, Any]]) -> list[Logged]:
    """Gives events back from rows of the table `event`, as far as live state is made of them.

    Rows from before `identifiers` and `is_verified` were columns say nothing of them.
    """
    return [Logged(_event(row), row["log_offset"], bytes.fromhex(row["payload_hash"] or "")) for row in rows]


def _event(row: Mapping[str, Any]) -> Event:
    values = {name: row[name] for name in _PLAIN if row[name] is not None}
    values |= {name: msgspec.json.decode(row[name]) for name in _JSON[:-1] if row[name] is not None}
    found = () if row["identifiers"] is None else _IDENTIFIERS.decode(row["identifiers"])
    values["identifiers"] = tuple(each for each in found if each.token != ERASED)
    return Event(**values)


def _text(value: dict[str, object] | tuple[Identifier, ...]) -> str | None:
    return _ENCODER.encode(value).decode() if value else None
