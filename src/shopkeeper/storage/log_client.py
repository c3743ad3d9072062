"""Sending batches to the process that writes the log: many at a time over one connection, from one event loop."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

import msgspec

from shopkeeper.base.errors import StorageError, UnavailableError, UsageError
from shopkeeper.storage.log import Batch, Erasure, Outcome
from shopkeeper.storage.log_frame import (
    HEADER,
    MOST_BYTES,
    Frames,
    TooLongError,
    Word,
    asked,
    number_of,
    outcome_of,
    positions_of,
    text_of,
)

__all__ = ["LogClient", "batches_waiting"]

_UNSENT_BYTES = 32 * 2**20


def batches_waiting(place: Path, *, seconds: float = 1.0) -> int:
    """Asks the process that writes the log, outside every event loop, how many batches await their commit.

    Raises:
        UnavailableError: It is away, or does not answer in time.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect(str(place))
            connection.sendall(asked(1, Word.LOOK, 0))
            frames = Frames()
            while data := connection.recv(4096):
                for _, word, content in frames.fed(data):
                    if word == Word.WAITING:
                        return number_of(content)
    except (OSError, TooLongError, msgspec.DecodeError) as error:
        raise UnavailableError("the log does not answer", place=str(place), foreign=error) from error
    raise UnavailableError("the log ended the connection", place=str(place))


class LogClient:
    """A sender to one log; it connects at the first batch, and anew after the connection was lost.

    Whatever raises `UnavailableError` may be sent again: what was kept after all is then a duplicate.

    Args:
        place: The socket's path.
        seconds: An answer is awaited so long.
    """

    def __init__(self, place: Path, *, seconds: float = 10.0) -> None:
        self._place = place
        self._seconds = seconds
        self._connecting = asyncio.Lock()
        self._connection: _Connection | None = None

    async def append(self, batch: Batch) -> Outcome:
        """Has a batch kept, and returns once it is durable.

        Raises:
            UsageError: Nobody can keep it.
            UnavailableError: The log is busy, full or away, or did not answer in time: send it again later.
            StorageError: The log failed and takes nothing more until its process is started again.
        """
        content = await self._answer(Word.APPEND, batch, Word.KEPT)
        return outcome_of(content)

    async def trim(self, through: int) -> int:
        """Has the log forget batches up to a position; see `SqliteLog.trim`.

        Raises:
            UnavailableError: The log is busy or away, or did not answer in time.
            StorageError: The log failed.
        """
        return number_of(await self._answer(Word.TRIM, through, Word.TRIMMED))

    async def erase(self, erasures: Sequence[Erasure]) -> list[int]:
        """Has the log take out of batches what is to go; see `SqliteLog.erase`.

        Raises:
            UsageError: They are more than one frame may hold.
            UnavailableError: The log is busy or away, or did not answer in time: do the same again.
            StorageError: The log failed.
        """
        return positions_of(await self._answer(Word.ERASE, erasures, Word.ERASED))

    async def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            self._connection.end()
            await self._connection.ended.wait()

    async def _answer(self, word: Word, content: Batch | int | Sequence[Erasure], wanted: Word) -> bytes:
        try:
            async with asyncio.timeout(self._seconds):
                connection = await self._connected()
                answer = connection.ask(word, content)
                said, body = await answer
        except TimeoutError as error:
            raise UnavailableError(
                f"the log did not answer within {self._seconds:g} s", place=str(self._place), next_step="send it again"
            ) from error
        if said == wanted:
            return body
        kinds = {Word.FAILED: StorageError, Word.REFUSED: UsageError}
        raise kinds.get(Word(said), UnavailableError)(text_of(body), place=str(self._place))

    async def _connected(self) -> "_Connection":
        if self._connection is not None and not self._connection.ended.is_set():
            return self._connection
        async with self._connecting:
            if self._connection is None or self._connection.ended.is_set():
                loop = asyncio.get_running_loop()
                try:
                    _, self._connection = await loop.create_unix_connection(
                        lambda: _Connection(self._place), str(self._place)
                    )
                except OSError as error:
                    raise UnavailableError(
                        "the log cannot be reached", place=str(self._place), next_step="shopkeeper serve", foreign=error
                    ) from error
            return self._connection


class _Connection(asyncio.Protocol):
    """One connection, and the requests that await their answers on it."""

    def __init__(self, place: Path) -> None:
        self.ended = asyncio.Event()
        self._place = place
        self._frames = Frames()
        self._awaited: dict[int, asyncio.Future[tuple[int, bytes]]] = {}
        self._number = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream socket it is one
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for number, word, content in self._frames.fed(data):
                awaited = self._awaited.pop(number, None)
                if awaited is not None and not awaited.done():
                    awaited.set_result((word, content))
        except TooLongError:
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        self.ended.set()
        awaited, self._awaited = self._awaited, {}
        for each in awaited.values():
            if not each.done():
                each.set_exception(self._lost())

    def ask(self, word: Word, content: Batch | int | Sequence[Erasure]) -> "asyncio.Future[tuple[int, bytes]]":
        """Sends a request; its answer comes with the future."""
        if self._transport is None or self._transport.is_closing():
            raise self._lost()
        if self._transport.get_write_buffer_size() > _UNSENT_BYTES:
            raise UnavailableError("the log does not take what is sent", place=str(self._place))
        self._number += 1
        try:
            frame = asked(self._number, word, content)
        except (UnicodeEncodeError, msgspec.EncodeError) as error:
            raise UsageError("a text in a batch is no Unicode", next_step="send valid UTF-8") from error
        if len(frame) - HEADER.size > MOST_BYTES:
            raise UsageError(f"a batch of {len(frame)} bytes", next_step=f"send at most {MOST_BYTES} at once")
        answer = asyncio.get_running_loop().create_future()
        number = self._number
        self._awaited[number] = answer
        answer.add_done_callback(lambda _: self._awaited.pop(number, None))
        self._transport.write(frame)
        return answer

    def end(self) -> None:
        """Ends the connection; whoever waits for an answer learns that it is lost."""
        if self._transport is not None:
            self._transport.abort()

    def _lost(self) -> UnavailableError:
        return UnavailableError("the connection to the log was lost", place=str(self._place), next_step="send it again")
