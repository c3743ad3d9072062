"""A batch as it stands in the log's file, and what a batch must keep to."""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from shopkeeper.base.errors import StorageError, UsageError
from shopkeeper.storage.log import MOST_ENTRIES, Batch, Entry, Refusal, Status, Stored, offset_of

__all__ = ["LAST_INSTANT", "check_batch", "packed", "unpacked"]

LAST_INSTANT: Final = 2.0**16 * 86_400
"""Batches are received before this instant, in the year 2149; ids are kept with a day of two bytes."""

_HASH = 16
_ACCEPTED: Final = int(Status.ACCEPTED)


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
