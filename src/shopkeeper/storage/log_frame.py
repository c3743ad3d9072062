"""What the one process that writes the log and those that send to it say to each other over its socket.

A frame is its length, the number of the request, a word, and the rest in MessagePack; an answer bears the request's
number.
"""

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final

import msgspec

from shopkeeper.storage.log import Batch, Erasure, Outcome

__all__ = [
    "HEADER",
    "MOST_BYTES",
    "Frames",
    "TooLongError",
    "Word",
    "answered",
    "asked",
    "batch_of",
    "erasures_of",
    "number_of",
    "outcome_of",
    "positions_of",
    "text_of",
]

MOST_BYTES: Final = 8 * 2**20
"""A frame's content is at most so long: a request of phones alone becomes nine times as long as it came."""

HEADER: Final = struct.Struct("!IQB")
"""Length of the content, number of the request, word."""


class Word(IntEnum):
    """What a frame is about."""

    APPEND = 1  # asked: a batch
    TRIM = 2  # asked: a position
    ERASE = 3  # asked: erasures
    LOOK = 4  # asked: 0; whether it answers
    KEPT = 10  # answered: an outcome
    TRIMMED = 11  # answered: how many batches
    BUSY = 12  # answered: a text; the queue is full, nothing was kept
    UNAVAILABLE = 13  # answered: a text; nothing was kept
    FAILED = 14  # answered: a text; the log takes nothing more
    REFUSED = 15  # answered: a text; what was asked makes no sense
    ERASED = 16  # answered: the positions of batches that were left as they are
    WAITING = 17  # answered: how many batches await their commit


class TooLongError(Exception):
    """A frame says that it is longer than any may be, so what follows cannot be understood."""


_encoder = msgspec.msgpack.Encoder()
_batch = msgspec.msgpack.Decoder(Batch)
_outcome = msgspec.msgpack.Decoder(Outcome)
_number = msgspec.msgpack.Decoder(int)
_erasures = msgspec.msgpack.Decoder(tuple[Erasure, ...])
_positions = msgspec.msgpack.Decoder(list[int])
_text = msgspec.msgpack.Decoder(str)
batch_of, outcome_of, number_of, text_of = _batch.decode, _outcome.decode, _number.decode, _text.decode
erasures_of, positions_of = _erasures.decode, _positions.decode


def asked(number: int, word: Word, content: Batch | int | Sequence[Erasure]) -> bytes:
    """Gives the frame of a request.

    Raises:
        UnicodeEncodeError: A text in it is no Unicode.
    """
    return _frame(number, word, content)


def answered(number: int, word: Word, content: Outcome | int | list[int] | str) -> bytes:
    """Gives the frame of an answer."""
    return _frame(number, word, content)


def _frame(number: int, word: Word, content: object) -> bytes:
    frame = bytearray(HEADER.size)
    _encoder.encode_into(content, frame, HEADER.size)
    HEADER.pack_into(frame, 0, len(frame) - HEADER.size, number, word)
    return bytes(frame)


class Frames:
    """Frames out of the pieces in which a connection brings them; it holds at most one that is not whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def fed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Takes a piece and gives the frames that are whole now: number, word and content of each.

        Raises:
            TooLongError: One is too long, and the connection of no use any more; those before it were given.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= HEADER.size:
                length, number, word = HEADER.unpack_from(buffer, start)
                if length > MOST_BYTES:
                    raise TooLongError
                end = start + HEADER.size + length
                if len(buffer) < end:
                    break
                content = bytes(memoryview(buffer)[start + HEADER.size : end])
                start = end
                yield number, word, content
        finally:
            del buffer[:start]
