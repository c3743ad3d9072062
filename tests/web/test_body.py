"""The body of a request, as it comes: what is held of it is told, and a slow client is let go."""

import asyncio
import gzip
from typing import Any

import pytest

from shopkeeper.web.body import BodyError, read_body
from tests.web.conftest import in_own_loop


def _receive(*pieces: bytes, stays: bool = False) -> Any:
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if not stays:
        waiting[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.sleep(60)
        return waiting.pop(0)

    return receive


def test_a_body_comes_in_pieces_and_each_is_told() -> None:
    told: list[int] = []
    assert in_own_loop(read_body({}, _receive(b"abc", b"", b"de"), held=told.append)) == b"abcde"
    assert told == [3, 0, 2]
    packed, told = gzip.compress(b"x" * 5_000), []
    read = read_body({b"content-encoding": b"gzip"}, _receive(packed), held=told.append)
    assert in_own_loop(read) == b"x" * 5_000
    assert told == [len(packed), 5_000]


def test_what_may_not_be_held_is_not_read_further() -> None:
    def held(size: int) -> None:
        if size > 2:
            raise BodyError(429, "too_much_at_once", retry_after=1)

    with pytest.raises(BodyError, match="too_much_at_once"):
        in_own_loop(read_body({}, _receive(b"ab", b"abc", stays=True), held=held))


def test_a_client_that_stays_behind_is_let_go() -> None:
    with pytest.raises(BodyError, match="too_slow") as caught:
        in_own_loop(read_body({}, _receive(b"ab", stays=True), seconds=0.05))
    assert caught.value.status == 408
