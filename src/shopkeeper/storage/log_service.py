"""The process that writes the log, for those that send to it: what waits is kept in one commit, then acknowledged."""

import asyncio
import contextlib
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from shopkeeper.base.errors import ShopkeeperError, StorageError, UnavailableError, UsageError
from shopkeeper.storage.log import Batch, Outcome
from shopkeeper.storage.log_frame import Frames, TooLongError, Word, answered, batch_of, erasures_of, number_of
from shopkeeper.storage.log_row import check_batch
from shopkeeper.storage.log_sqlite import SqliteLog

__all__ = ["Limits", "LogService", "run_log"]

_DRAIN_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a service takes on.

    Args:
        waiting_bytes: So much may wait for a commit; what comes beyond is answered "busy" at once.
        waiting_batches: So many batches may wait.
        commit_bytes: One commit takes at most so much, and at least one batch.
        connections: So many senders at a time; a further one is turned away.
    """

    waiting_bytes: int = 64 * 2**20
    waiting_batches: int = 10_000
    commit_bytes: int = 8 * 2**20
    connections: int = 64


class _Waiting(msgspec.Struct, frozen=True):
    """A batch that waits for its commit, and whom to tell."""

    sender: "_Sender"
    number: int
    batch: Batch
    size: int


class LogService:
    """Serves one log over a Unix socket; it is started and stopped inside one event loop.

    Args:
        log: The log, opened for writing; whoever opened it closes it.
        place: The socket's path (`log_place.socket_of`).
        limits: How much it takes on.
    """

    def __init__(self, log: SqliteLog, place: Path, *, limits: Limits | None = None) -> None:
        self._log = log
        self._place = place
        self._limits = limits or Limits()
        self._senders: set[_Sender] = set()
        self._alone = asyncio.Event()
        self._alone.set()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._is_stopping = False
        self._committer = threading.Thread(target=self._commit_all, name="log commit")
        self._aside: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Future[StorageError] = asyncio.get_running_loop().create_future()
        """Done when the log failed: it takes nothing more, and the process had better end."""

    async def start(self) -> None:
        """Begins to listen.

        Raises:
            UnavailableError: The socket cannot be made.
        """
        self._loop = asyncio.get_running_loop()
        # The log has one writer, so a socket that is there was left behind.
        self._place.unlink(missing_ok=True)
        try:
            self._server = await self._loop.create_unix_server(lambda: _Sender(self), str(self._place))
        except OSError as error:
            raise UnavailableError("the log's socket cannot be made", place=str(self._place), foreign=error) from error
        self._place.chmod(0o600)
        self._committer.start()

    async def stop(self) -> None:
        """Drains: takes nothing new, keeps and acknowledges what waits, then lets the senders go."""
        self._server.close()
        self._place.unlink(missing_ok=True)
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        await asyncio.to_thread(self._committer.join)
        await asyncio.gather(*self._aside, return_exceptions=True)
        await asyncio.sleep(0)  # the last answers were handed to the loop before the thread ended
        for sender in tuple(self._senders):
            sender.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._alone.wait()
        for sender in tuple(self._senders):
            sender.cut()

    def joined(self, sender: "_Sender") -> bool:
        """Takes note of a sender; False if there are too many, or no more are taken."""
        if self._is_stopping or len(self._senders) >= self._limits.connections:
            return False
        self._senders.add(sender)
        self._alone.clear()
        return True

    def left(self, sender: "_Sender") -> None:
        """Takes note that a sender is gone; what it sent is kept all the same."""
        self._senders.discard(sender)
        if not self._senders:
            self._alone.set()

    def taken(self, sender: "_Sender", number: int, word: int, content: bytes) -> None:
        """Takes a request: puts a batch into the queue, or answers at once why not."""
        try:
            if word == Word.APPEND:
                batch = batch_of(content)
                check_batch(batch)
                self._queue(_Waiting(sender, number, batch, len(content)))
            elif word == Word.TRIM:
                self._set_aside(sender, number, partial(self._log.trim, number_of(content)), Word.TRIMMED)
            elif word == Word.ERASE:
                self._set_aside(sender, number, partial(self._log.erase, erasures_of(content)), Word.ERASED)
            elif word == Word.LOOK:
                sender.answer(answered(number, Word.WAITING, len(self._waiting)))
            else:
                sender.answer(answered(number, Word.REFUSED, f"{word} is no request"))
        except (msgspec.DecodeError, UsageError, UnicodeError, RecursionError) as error:
            sender.answer(answered(number, Word.REFUSED, f"no batch: {error}"))

    def _queue(self, waiting: _Waiting) -> None:
        limits = self._limits
        with self._changed:
            if self._is_stopping:
                word, text = Word.UNAVAILABLE, "the log is stopping"
            elif self.failed.done():
                word, text = Word.FAILED, self.failed.result().own
            elif (
                self._waiting_bytes + waiting.size > limits.waiting_bytes
                or len(self._waiting) >= limits.waiting_batches
            ):
                word, text = Word.BUSY, "the log has more waiting than it can take"
            else:
                waiting.sender.owed += 1
                self._waiting.append(waiting)
                self._waiting_bytes += waiting.size
                self._changed.notify()
                return
        waiting.sender.answer(answered(waiting.number, word, text))

    def _set_aside(self, sender: "_Sender", number: int, work: Callable[[], int | list[int]], done: Word) -> None:
        task = self._loop.create_task(self._do_aside(sender, number, work, done))
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _do_aside(self, sender: "_Sender", number: int, work: Callable[[], int | list[int]], done: Word) -> None:
        try:
            answer = await asyncio.to_thread(work)
        except ShopkeeperError as error:
            sender.answer(answered(number, _word_of(error), error.own))
            self._note(error)
        else:
            sender.answer(answered(number, done, answer))

    def _commit_all(self) -> None:
        """What the committing thread does: as long as there is something, keep it and tell."""
        while some := self._next():
            answers = self._kept(some)
            self._loop.call_soon_threadsafe(_tell, some, answers)

    def _next(self) -> list[_Waiting]:
        """Waits for batches and takes as many as one commit may have; none when all is done."""
        with self._changed:
            while not self._waiting and not self._is_stopping:
                self._changed.wait()
            some: list[_Waiting] = []
            size = 0
            while self._waiting and (not some or size + self._waiting[0].size <= self._limits.commit_bytes):
                some.append(self._waiting.popleft())
                size += some[-1].size
            self._waiting_bytes -= size
            return some

    def _kept(self, some: Sequence[_Waiting]) -> list[tuple[Word, Outcome | str]]:
        try:
            return [(Word.KEPT, outcome) for outcome in self._log.append([each.batch for each in some])]
        except UsageError as error:
            if len(some) == 1:
                return [(Word.REFUSED, error.own)]
            # One of them cannot be kept by anybody: the others are not to suffer for it.
            return [self._kept([each])[0] for each in some]
        except ShopkeeperError as error:
            self._loop.call_soon_threadsafe(self._note, error)
            return [(_word_of(error), error.own)] * len(some)
        except Exception as error:  # noqa: BLE001 - a fault of ours: it ends the service, and nobody waits for ever
            failure = StorageError(f"the log failed by {type(error).__name__}")
            failure.__cause__ = error
            self._loop.call_soon_threadsafe(self._note, failure)
            return [(Word.FAILED, failure.own)] * len(some)

    def _note(self, error: ShopkeeperError) -> None:
        if isinstance(error, StorageError) and not self.failed.done():
            self.failed.set_result(error)


def _word_of(error: ShopkeeperError) -> Word:
    if isinstance(error, UnavailableError):
        return Word.UNAVAILABLE
    return Word.REFUSED if isinstance(error, UsageError) else Word.FAILED


def _tell(some: Sequence[_Waiting], answers: Sequence[tuple[Word, Outcome | str]]) -> None:
    """Tells each sender in one piece what became of what it sent."""
    told: dict[_Sender, list[bytes]] = {}
    for each, (word, content) in zip(some, answers, strict=True):
        told.setdefault(each.sender, []).append(answered(each.number, word, content))
    for sender, frames in told.items():
        sender.owed -= len(frames)
        sender.answer(b"".join(frames))


class _Sender(asyncio.Protocol):
    """One connection of a process that sends."""

    def __init__(self, service: LogService) -> None:
        self.owed = 0
        """So many of its batches await their commit."""
        self._service = service
        self._is_leaving = False
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream socket it is one
        if self._service.joined(self):
            self._transport = transport
        else:
            transport.close()

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._is_leaving:
            return
        try:
            for number, word, content in self._frames.fed(data):
                self._service.taken(self, number, word, content)
        except TooLongError:
            self.answer(answered(0, Word.REFUSED, "a frame is too long"))
            self.leave()

    def eof_received(self) -> bool:
        self.leave()
        return True  # it is closed by `leave`

    def pause_writing(self) -> None:
        # It does not take its answers: let it send nothing more until it does.
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        self._transport = None
        self._service.left(self)

    def answer(self, frames: bytes) -> None:
        """Sends answers, if it is still there."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frames)
            if self._is_leaving and not self.owed:
                self._transport.close()

    def leave(self) -> None:
        """Takes nothing more from it, and ends the connection once it has its answers."""
        self._is_leaving = True
        if self._transport is not None and not self.owed:
            self._transport.close()

    def cut(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()


async def _serve_until_told(log: SqliteLog, place: Path, limits: Limits, ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, told.set)
    service = LogService(log, place, limits=limits)
    await service.start()
    ready()
    service.failed.add_done_callback(lambda _: told.set())
    await told.wait()
    await service.stop()
    if service.failed.done():
        raise service.failed.result()


def run_log(
    file: Path,
    place: Path,
    *,
    limits: Limits | None = None,
    ready: Callable[[], None] = lambda: None,
    opened: Callable[[Path], SqliteLog] = SqliteLog,
) -> None:
    """Is a process that writes a log and does nothing else, until SIGTERM or SIGINT, or until the log fails.

    Args:
        file: The log's file.
        place: The socket's path.
        limits: How much it takes on.
        ready: Called when it listens.
        opened: Opens the log.

    Raises:
        ConflictError: Another process writes the log.
        StorageError: The log failed; what was acknowledged is durable.
    """
    with opened(file) as log:
        asyncio.run(_serve_until_told(log, place, limits or Limits(), ready))
