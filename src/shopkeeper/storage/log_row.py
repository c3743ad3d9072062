"""A batch as it stands in the log's file, and what a batch must keep to."""

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from shopkeeper.base.errors import StorageError, UsageError
from shopkeeper.storage.log import MOST_ENTRIES, Batch, Entry, Erasure, Refusal, Status, Stored, offset_of, place_of

__all__ = ["LAST_INSTANT", "check_batch", "mark_of", "packed", "renamed", "rewritten", "unpacked"]

LAST_INSTANT: Final = 2.0**16 * 86_400
"""Batches are received before this instant, in the year 2149; ids are kept with a day of two bytes."""

_HASH = 16
_ACCEPTED: Final = int(Status.ACCEPTED)
_FIELDS: Final = 0x96  # MessagePack's head of an array of six
_NIL: Final = b"\xc0"
_BYTES: Final = 0xC6  # the head of bytes whose length has four bytes itself
_BYTES_HEAD: Final = 5


class _Row(msgspec.Struct, frozen=True, array_like=True):
    source: str
    received_at: float
    statuses: bytes
    entries: tuple[Entry, ...]
    refusals: tuple[Refusal, ...]
    sealed: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Row)


def check_batch(batch: Batch) -> None:
    """Sees that a batch can be kept.

    Raises:
        UsageError: It cannot: the message says why.
    """
    if len(batch.entries) >= MOST_ENTRIES:
        raise UsageError(f"{len(batch.entries)} entries in a batch", next_step=f"send fewer than {MOST_ENTRIES}")
    if not (math.isfinite(batch.received_at) and 0 <= batch.received_at < LAST_INSTANT):
        raise UsageError(f"a batch received at {batch.received_at}", next_step="set the clock")
    for place, entry in enumerate(batch.entries):
        if len(entry.payload_hash) != _HASH:
            raise UsageError(f"a payload hash of {len(entry.payload_hash)} bytes", place=f"entries[{place}]")


def packed(batch: Batch, statuses: bytes) -> bytes:
    """Gives what is kept of a batch: the accepted entries, the refusals and what is sealed.

    Args:
        batch: The batch.
        statuses: The `Status` of each entry.
    """
    entries: Sequence[Entry] = batch.entries
    if any(statuses):
        entries = [entry for entry, status in zip(entries, statuses, strict=True) if status == _ACCEPTED]
    row = (batch.source, batch.received_at, statuses, entries, batch.refusals, batch.sealed)
    return _encoder.encode(row)


def unpacked(position: int, body: bytes, place: str) -> Stored:
    """Gives a batch back.

    Args:
        position: Its position.
        body: What was kept.
        place: The log's file, for the message.

    Raises:
        StorageError: It is damaged.
    """
    damage = StorageError(f"batch {position} of the log is damaged", place=place, next_step="shopkeeper doctor")
    try:
        row = _decoder.decode(body)
    except (msgspec.DecodeError, TypeError) as error:  # a damaged file may give no bytes at all
        raise damage from error
    accepted = [at for at, status in enumerate(row.statuses) if status == _ACCEPTED]
    if len(accepted) != len(row.entries):
        raise damage
    offsets = tuple(offset_of(position, at) for at in accepted)
    return Stored(position, row.source, row.received_at, offsets, row.entries, row.refusals, row.sealed)


def mark_of(stored: Stored) -> bytes:
    """A batch's content in 16 bytes: whoever asks for a change says by it what they had read."""
    return blake2b(_encoder.encode(stored), digest_size=16).digest()


def rewritten(stored: Stored, body: bytes, erasure: Erasure) -> bytes:
    """Gives what is kept of a batch after an erasure, as long as before.

    SQLite writes a row of the same length over the old one, byte for byte; of any other length it would move its
    neighbours, and leave copies of them behind that a later erasure could not find.

    Args:
        stored: The batch.
        body: What is kept of it.
        erasure: What goes.
    """
    row = _decoder.decode(body)
    statuses, entries = bytearray(row.statuses), list[Entry]()
    changed = dict(erasure.changed)
    for offset, entry in zip(stored.offsets, stored.entries, strict=True):
        _, place = place_of(offset)
        if place in erasure.gone:
            statuses[place] = Status.ERASED
        elif place in changed:
            entries.append(Entry(entry.source, entry.message_id, entry.payload_hash, changed[place]))
        else:
            entries.append(entry)
    refusals = [each for each in stored.refusals if each.refused_id not in erasure.refused]
    sealed = row.sealed if erasure.sealed is None else erasure.sealed
    made = _encoder.encode((row.source, row.received_at, bytes(statuses), entries, refusals, sealed))
    return _filled(made, len(body) - len(made))


def renamed(body: bytes, entries: Sequence[Entry], refused: Sequence[str]) -> bytes:
    """Gives what is kept of a batch with other names in it, and with nothing sealed.

    Args:
        body: What is kept of it.
        entries: Its accepted entries as they are from then on.
        refused: The ids of its refusals from then on.
    """
    row = _decoder.decode(body)
    refusals = [
        Refusal(refused_id, each.reason, each.path, each.masked, each.event)
        for each, refused_id in zip(row.refusals, refused, strict=True)
    ]
    return _encoder.encode((row.source, row.received_at, row.statuses, entries, refusals, b""))


def _filled(row: bytes, missing: int) -> bytes:
    """A row made longer by further fields, which reading passes over; one that is too long stays as it is."""
    if missing <= 0:
        return row
    if missing < _BYTES_HEAD:
        return bytes([_FIELDS + missing]) + row[1:] + _NIL * missing
    zeros = bytes(missing - _BYTES_HEAD)
    return bytes([_FIELDS + 1]) + row[1:] + bytes([_BYTES]) + len(zeros).to_bytes(4, "big") + zeros
