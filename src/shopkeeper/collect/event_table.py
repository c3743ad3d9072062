"""Events of the log as rows of the table `event`."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from shopkeeper.schema.event import Event
from shopkeeper.schema.tables import table
from shopkeeper.storage.iceberg import arrow_schema
from shopkeeper.storage.log import Stored

__all__ = ["Barred", "Logged", "event_rows", "logged_events", "without_erased"]

Barred = Callable[[Collection[str]], Collection[str]]
"""Gives those of some tokens that bear a tombstone."""

_EVENT = table("event")
_SCHEMA = arrow_schema(_EVENT)
_JSON = ("traits", "context", "properties")
_DECODER = msgspec.json.Decoder(Event)
_ENCODER = msgspec.json.Encoder(order="sorted")


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


def logged_events(batches: Iterable[Stored]) -> list[Logged]:
    """Reads the events of some batches, in the log's order."""
    return [
        Logged(_DECODER.decode(entry.body), offset, entry.payload_hash)
        for batch in batches
        for offset, entry in zip(batch.offsets, batch.entries, strict=True)
    ]


def without_erased(logged: Sequence[Logged], barred: Barred) -> list[Logged]:
    """Leaves out the events of who was erased, and the identifiers of who was erased from the events of others."""
    tokens = {token for one in logged for token in _tokens(one.event)}
    gone = frozenset(barred(tokens)) if tokens else frozenset()
    if not gone:
        return list(logged)
    return [_cleared(one, gone) for one in logged if not gone & {one.event.user_id, one.event.anonymous_id}]


def _tokens(event: Event) -> Iterable[str]:
    own = (event.user_id, event.anonymous_id, event.previous_id)
    return [token for token in (*own, *(each.token for each in event.identifiers)) if token is not None]


def _cleared(one: Logged, gone: Collection[str]) -> Logged:
    event = one.event
    kept = tuple(each for each in event.identifiers if each.token not in gone)
    previous = None if event.previous_id in gone else event.previous_id
    changed = msgspec.structs.replace(event, identifiers=kept, previous_id=previous)
    return Logged(changed, one.offset, one.payload_hash)


def event_rows(logged: Iterable[Logged]) -> pa.Table:
    """Gives events as rows of the table `event`; traits, context and properties as JSON, NULL where there are none."""
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


def _text(value: dict[str, object]) -> str | None:
    return _ENCODER.encode(value).decode() if value else None
