"""The body of a request on the event paths: read and unpacked within limits, whoever sends it."""

import asyncio
import zlib
from collections.abc import Callable, Mapping

from starlette.types import Message, Receive

__all__ = ["MOST_BYTES", "BodyError", "read_body"]

MOST_BYTES = 500 * 1024
"""The largest body, unpacked (the limit of the Segment API)."""

_GZIP = 16 + zlib.MAX_WBITS
_SECONDS = 30.0
"""A client that has not sent its body by then is let go: what it sent is held in memory meanwhile."""


class BodyError(Exception):
    """A request of which nothing is kept.

    Args:
        status: The HTTP status to answer.
        reason: What is wrong, as a word.
        retry_after: After how many seconds it may be sent again, where that would help.
    """

    def __init__(self, status: int, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


async def read_body(
    headers: Mapping[bytes, bytes],
    receive: Receive,
    most: int = MOST_BYTES,
    *,
    held: Callable[[int], None] = lambda _: None,
    seconds: float = _SECONDS,
) -> bytes:
    """Reads a body, packed with gzip or not; a body that unpacks to more than it may is not unpacked further.

    Args:
        headers: The request's headers.
        receive: Gives its pieces.
        most: The largest body, packed and unpacked.
        held: Told how many bytes are held as each piece comes, and after unpacking; it may raise.
        seconds: So long the client has.

    Raises:
        BodyError: It is too large, badly packed, packed in a way that is not known, the client went away or took too
            long.
    """
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > most:
        raise BodyError(413, "too_large")
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding not in (b"", b"identity", b"gzip"):
        raise BodyError(415, "unknown_encoding")
    message = await receive()
    if message.get("more_body", False):
        try:
            async with asyncio.timeout(seconds):
                raw = await _rest(message, receive, most, held)
        except TimeoutError:
            raise BodyError(408, "too_slow") from None
    else:
        # Most bodies come whole, and a clock for each would cost a thirtieth of taking one event.
        raw = _piece(message)
        held(len(raw))
        if len(raw) > most:
            raise BodyError(413, "too_large")
    if encoding != b"gzip" and raw[:2] != b"\x1f\x8b":
        return raw
    clear = _unpacked(raw, most)
    held(len(clear))
    return clear


async def _rest(message: Message, receive: Receive, most: int, held: Callable[[int], None]) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        piece = _piece(message)
        held(len(piece))
        size += len(piece)
        if size > most:
            raise BodyError(413, "too_large")
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)
        message = await receive()


def _piece(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise BodyError(400, "client_went_away")
    piece: bytes = message.get("body", b"")
    return piece


def _unpacked(raw: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        clear = unpacker.decompress(raw, most + 1)
    except zlib.error:
        raise BodyError(400, "bad_gzip") from None
    if len(clear) > most:
        raise BodyError(413, "too_large")
    if not unpacker.eof:
        raise BodyError(400, "bad_gzip")
    return clear
