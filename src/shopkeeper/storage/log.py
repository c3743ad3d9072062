"""The durable log: what was taken in at the door, in the order it was taken, until every reader has it.

A batch is what one request brought. It has a position (1, 2, 3 …); an event's offset is its batch's position and its
place in it. A batch is acknowledged only after it is durable.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

import msgspec

__all__ = [
    "MOST_ENTRIES",
    "Batch",
    "Entry",
    "Erasure",
    "Log",
    "Outcome",
    "Refusal",
    "Status",
    "Stored",
    "Traffic",
    "offset_of",
    "place_of",
]

MOST_ENTRIES = 4096
"""Entries of one batch are fewer than this."""


def offset_of(position: int, place: int) -> int:
    """The offset of an event: unique and rising over the whole log."""
    return position * MOST_ENTRIES + place


def place_of(offset: int) -> tuple[int, int]:
    """The position of an event's batch, and its place in it."""
    return divmod(offset, MOST_ENTRIES)


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One event to be kept.

    Args:
        source: The key's source.
        message_id: Its id in the source.
        payload_hash: 16 bytes of keyed SHA-256 over its content (what came, without times of sending and receiving);
            without a key a phone in it could be found by trying.
        body: The `schema.event.Event` as JSON: tokens only.
    """

    source: str
    message_id: str
    payload_hash: bytes
    body: bytes


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """One event that was refused; the whole of it lies in the batch's `sealed`.

    Args:
        refused_id: Its id: the same content of the same source has the same.
        reason: What is wrong, as a word such as `no_name`.
        path: Where, such as `properties.products[0].price`; empty for the event as a whole.
        masked: The value's form, never the value.
        event: Its name where it is one of ours or of the plan, else the name's form; its type where it has none.
    """

    refused_id: str
    reason: str
    path: str = ""
    masked: str = ""
    event: str = ""


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """What one request brought.

    Args:
        source: The key's source.
        received_at: Seconds since 1970 (UTC).
        entries: The good events, in the request's order.
        refusals: The refused ones.
        sealed: Raw identifiers and refused bodies, packed and sealed by `collect` for the vault; may be empty.
    """

    source: str
    received_at: float
    entries: tuple[Entry, ...]
    refusals: tuple[Refusal, ...] = ()
    sealed: bytes = b""


class Status(IntEnum):
    """What became of an entry."""

    ACCEPTED = 0
    DUPLICATE = 1  # the same id with the same content was there: dropped
    DIFFERENT = 2  # the same id with other content was there: dropped and counted apart
    ERASED = 3  # accepted once, and erased since; no outcome of an append


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What became of a batch, once it is durable.

    Args:
        position: Its position; 0 when nothing of it was new.
        statuses: The `Status` of each entry, a byte each, in the batch's order.
    """

    position: int
    statuses: bytes


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """A batch as it is read back: the accepted entries only, each with its offset.

    Args:
        position: Its position.
        source: The key's source.
        received_at: Seconds since 1970 (UTC).
        offsets: The offset of each entry.
        entries: The accepted entries.
        refusals: What was refused.
        sealed: As it came.
    """

    position: int
    source: str
    received_at: float
    offsets: tuple[int, ...]
    entries: tuple[Entry, ...]
    refusals: tuple[Refusal, ...]
    sealed: bytes


class Erasure(msgspec.Struct, frozen=True, array_like=True):
    """What is to go from one batch.

    Args:
        position: Its position.
        mark: `log_row.mark_of` the batch as it was read: one that was changed since is left as it is.
        gone: The places of entries that go; their ids stay known.
        changed: The places of entries that stay, with what their bodies say from then on.
        refused: The ids of refusals that go.
        sealed: What the batch holds sealed from then on; None leaves it as it is.
    """

    position: int
    mark: bytes
    gone: tuple[int, ...] = ()
    changed: tuple[tuple[int, bytes], ...] = ()
    refused: tuple[str, ...] = ()
    sealed: bytes | None = None


class Traffic(msgspec.Struct, frozen=True):
    """What one source brought in one hour; received = accepted + duplicate + refused.

    Args:
        source: The source.
        hour: Seconds since 1970 of the hour's beginning (UTC).
        received: Events received.
        accepted: Kept as new.
        duplicate: Known before, other content included.
        different: Of the duplicates those with other content.
        refused: Refused with a reason.
    """

    source: str
    hour: int
    received: int
    accepted: int
    duplicate: int
    different: int
    refused: int


class Log(Protocol):
    """A durable log; one contract suite runs on every implementation."""

    def append(self, batches: Sequence[Batch]) -> list[Outcome]:
        """Keeps batches in one commit and returns once they are durable.

        An id is known when an entry of the same (source, message_id) was accepted within the last 90 days, in this call
        too.

        Raises:
            UnavailableError: The disk is full or the log is busy: nothing was kept, the same may be sent again later.
            StorageError: A write or sync failed; the log takes nothing more until it is opened anew.
        """
        ...

    def read(self, after: int, most: int = 500) -> list[Stored]:
        """Gives the batches behind a position, in order, at most so many."""
        ...

    def end(self) -> int:
        """The position of the last durable batch, 0 for an empty log."""
        ...

    def begin(self) -> int:
        """The position of the first batch that is still there, or the next one's where none is."""
        ...

    def trim(self, through: int) -> int:
        """Forgets batches up to a position that every reader has passed, and ids older than 90 days."""
        ...

    def erase(self, erasures: Sequence[Erasure]) -> list[int]:
        """Takes out of batches what is to go, each whole or not at all, and leaves no byte of it in the files.

        Returns:
            The positions of batches that were left as they are, since they changed after they were read.

        Raises:
            UnavailableError: The disk is full, or readers held the files: do the same again.
        """
        ...

    def traffic(self, since: int) -> list[Traffic]:
        """What came in since an instant (seconds since 1970), by source and hour."""
        ...

    def close(self) -> None:
        """Gives the log back."""
        ...
