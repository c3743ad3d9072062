"""What the vault is to keep of one request, sealed for the time until the worker puts it there."""

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import pyarrow as pa

from shopkeeper.base.errors import StorageError
from shopkeeper.collect.door import Personal
from shopkeeper.collect.refused import REFUSED_SCHEMA, add_refused
from shopkeeper.storage.consumed import BY_LOADER
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.log import Stored
from shopkeeper.storage.sealing import Sealing
from shopkeeper.storage.vault import Vault

__all__ = ["TABLE", "Contents", "Kept", "keep_sealed", "open_sealed", "seal", "sealed_under"]

TABLE = "event"
"""What refused events are listed under in the table `refused`."""

Body = tuple[str, bytes]
"""A refused message, whole, behind its id."""

_NONCE = 12
_VERSION = 1
_OWNER = b"door|"


class Contents(msgspec.Struct, frozen=True, array_like=True):
    """What lies in one sealed blob.

    Args:
        personal: (subject, kind, token, raw) of each raw value.
        bodies: (refused_id, body) of each refused message.
    """

    personal: tuple[tuple[str, str, str, str], ...] = ()
    bodies: tuple[tuple[str, bytes], ...] = ()


class _Blob(msgspec.Struct, frozen=True, array_like=True):
    version: int
    key_id: str
    mark: bytes
    wrapped: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What the worker put away; doing it again adds nothing.

    Args:
        values: Raw values that are new in the vault.
        erased: Values left out since somebody was erased.
        bodies: Refused messages that are new in the vault.
        refused: Rows that are new in the table `refused`.
    """

    values: int
    erased: int
    bodies: int
    refused: int


def seal(personal: Sequence[Personal], bodies: Sequence[tuple[str, bytes]], sealing: Sealing) -> bytes:
    """Packs and seals what the vault is to keep of one request, under a data key of its own.

    Returns:
        The blob; empty where there is nothing to keep.
    """
    if not personal and not bodies:
        return b""
    contents = Contents(tuple((each.subject, each.kind, each.token, each.raw) for each in personal), tuple(bodies))
    mark = os.urandom(16)
    ((clear, wrapped),) = sealing.new_keys([_OWNER + mark])
    sealed = Sealing.seal(clear, os.urandom(_NONCE), msgspec.msgpack.encode(contents), _OWNER + mark)
    return msgspec.msgpack.encode(_Blob(_VERSION, sealing.key_id, mark, wrapped, sealed))


def open_sealed(blob: bytes, sealing: Sealing) -> Contents:
    """Opens what `seal` made.

    Raises:
        StorageError: It was altered.
        MissingError: The shop key that wraps it is gone.
    """
    if not blob:
        return Contents()
    try:
        outer = msgspec.msgpack.decode(blob, type=_Blob)
        if outer.version != _VERSION:
            raise _altered()
        clear = sealing.unwrap(outer.key_id, outer.wrapped, _OWNER + outer.mark)
        inner = Sealing.open(clear, outer.sealed, _OWNER + outer.mark)
        return msgspec.msgpack.decode(inner, type=Contents)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _altered() from None


def sealed_under(blob: bytes) -> str | None:
    """The shop key that what `seal` made is wrapped with; None where nothing is sealed.

    Raises:
        StorageError: It was altered.
    """
    if not blob:
        return None
    try:
        return msgspec.msgpack.decode(blob, type=_Blob).key_id
    except msgspec.DecodeError:
        raise _altered() from None


def _altered() -> StorageError:
    return StorageError(
        "a sealed request does not open: it was altered", place="the log", next_step="shopkeeper doctor"
    )


def keep_sealed(
    vault: Vault,
    lake: Lake,
    engine: DuckDBEngine,
    sealing: Sealing,
    batches: Sequence[Stored],
    named: Callable[[bytes], set[str]] = lambda _: set(),
) -> Kept:
    """Puts what batches of the log hold sealed into the vault, and their refusals into the table `refused`.

    Args:
        vault: Takes raw values and refused messages.
        lake: Has the table `refused`.
        engine: Says which rows are there already.
        sealing: The shop's vault keys.
        batches: Batches of the log; the same may come again.
        named: Gives the tokens of whom a refused message names, and is asked once somebody was erased: of a message
            that names one of them only that it came is noted.

    Raises:
        StorageError: One was altered.
        MissingError: The shop key that wraps one is gone.
    """
    by_kind: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    bodies, gone = 0, set[str]()
    for batch in batches:
        contents = open_sealed(batch.sealed, sealing)
        for subject, kind, token, raw in contents.personal:
            by_kind[kind][subject, token] = raw
        gone |= _of_erased(vault, contents.bodies, named)
        bodies += vault.keep_bodies((each for each in contents.bodies if each[0] not in gone), now=_received(batch))
    values = erased = 0
    for kind, rows in by_kind.items():
        put = vault.put_many(kind, [row[0] for row in rows], [row[1] for row in rows], list(rows.values()))
        values, erased = values + put.stored, erased + put.erased
    listed = [row for batch in batches for row in _rows(batch, gone)]
    added = 0
    if listed:
        added = add_refused(lake, engine, pa.Table.from_pylist(listed, schema=REFUSED_SCHEMA), dict(BY_LOADER))
    return Kept(values, erased, bodies, added)


def _of_erased(vault: Vault, bodies: Sequence[Body], named: Callable[[bytes], set[str]]) -> set[str]:
    """The ids of the refused messages of who was erased and sent again."""
    if not bodies or not vault.tombstones:
        return set()
    found = {refused_id: named(body) for refused_id, body in bodies}
    gone = vault.tombstoned(tokens=set().union(*found.values()))
    return {refused_id for refused_id, tokens in found.items() if not tokens.isdisjoint(gone)}


def _rows(batch: Stored, gone: Collection[str]) -> list[dict[str, object]]:
    return [
        {
            "refused_id": each.refused_id,
            "table_name": TABLE,
            "source": batch.source,
            "row_no": place,
            "column_name": each.path or None,
            "reason": each.reason,
            "masked_value": None if each.refused_id in gone else each.masked or None,
            "others": [],
            "body_key": None if each.refused_id in gone else each.refused_id,
            "state": "erased" if each.refused_id in gone else "open",
            "refused_at": _received(batch),
            "event_name": each.event or None,
        }
        for place, each in enumerate(batch.refusals, start=1)
    ]


def _received(batch: Stored) -> datetime:
    return datetime.fromtimestamp(batch.received_at, UTC)
