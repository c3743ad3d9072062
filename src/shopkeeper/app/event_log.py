"""The log of events of a shop: its file, the process that writes it, and whether that answers."""

import asyncio
import socket
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any, Protocol, TypeVar

from shopkeeper.app.consent_log import READER as CONSENT
from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.safe_keep import READER as VAULT
from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import MissingError
from shopkeeper.storage.consumed import consumed
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log import Erasure
from shopkeeper.storage.log_client import LogClient, batches_waiting
from shopkeeper.storage.log_file import noted_writer
from shopkeeper.storage.log_place import socket_of
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.log_service import run_log
from shopkeeper.storage.log_sqlite import SqliteLog

__all__ = [
    "LOG_FILE",
    "LogChange",
    "begins_behind",
    "change_log",
    "client_of",
    "is_written",
    "made_through",
    "noted_positions",
    "reader_of",
    "waiting",
    "write_log",
    "writer_pid",
]

LOG_FILE = "log.db"
_CHANGE_SECONDS = 120.0

_Given = TypeVar("_Given")


class LogChange(Protocol):
    """What lets go of parts of a log; see `storage.log.Log`."""

    def trim(self, through: int) -> int:
        """Forgets batches up to a position that every reader has passed."""

    def erase(self, erasures: Sequence[Erasure]) -> list[int]:
        """Takes out of batches what is to go, and gives the positions of those that were left."""


def write_log(shop: Shop) -> None:
    """Writes the log of a shop until SIGTERM: there is one such process to a shop.

    Raises:
        ConflictError: Another process writes it.
        StorageError: The disk failed; what was acknowledged is durable.
    """
    file = shop.folder / LOG_FILE
    behind = begins_behind(shop)
    shop.close()
    run_log(file, socket_of(file), opened=partial(SqliteLog, behind=behind))


def begins_behind(shop: Shop) -> int:
    """The position that a log must begin behind which is not there, or whose making was cut short; 0 for any other."""
    try:
        with reader_of(shop) as log:
            return 0 if log.end() else made_through(shop)
    except MissingError:
        return made_through(shop)


def noted_positions(shop: Shop) -> list[int]:
    """How far the readers have come whose positions are noted in the state store."""
    return [shop.state.positions.of(reader) for reader in (VAULT, CONSENT)]


def made_through(shop: Shop) -> int:
    """The furthest position that anything was made of; a restore brings that, and no log."""
    file = shop.folder / LIVE_FILE
    lived = 0
    with suppress(MissingError), closing(LiveStore(file, reads_only=True)) as live:
        lived = live.position()
    return max(lived, consumed(shop.lake, "event"), *noted_positions(shop))


def is_written(shop: Shop) -> bool:
    """Whether a process writes the log and takes events."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
        return tried.connect_ex(str(socket_of(shop.folder / LOG_FILE))) == 0


def waiting(shop: Shop) -> int:
    """How many batches await their commit.

    Raises:
        UnavailableError: The process that writes the log is away, or does not answer.
    """
    return batches_waiting(socket_of(shop.folder / LOG_FILE))


def writer_pid(shop: Shop) -> int | None:
    """The process that writes the log, as it noted it; it may be gone."""
    return noted_writer(shop.folder / LOG_FILE)


def client_of(shop: Shop) -> LogClient:
    """What sends to the process that writes the log, from one event loop."""
    return LogClient(socket_of(shop.folder / LOG_FILE))


def reader_of(shop: Shop) -> LogReader:
    """What reads the log.

    Raises:
        MissingError: There is no log yet.
    """
    return LogReader(shop.folder / LOG_FILE)


@contextmanager
def change_log(shop: Shop) -> Iterator[LogChange]:
    """Gives what changes the log: the process that writes it, or, where none does, this one for as long as it lasts.

    Raises:
        ConflictError: A process has the log and does not answer at its socket.
    """
    if is_written(shop):
        with closing(_Asked(LogClient(socket_of(shop.folder / LOG_FILE), seconds=_CHANGE_SECONDS))) as asked:
            yield asked
    else:
        with SqliteLog(shop.folder / LOG_FILE) as log:
            yield log


class _Asked:
    """Asks the process that writes the log; its event loop has a thread of its own, since a caller may have one too."""

    def __init__(self, client: LogClient) -> None:
        self._client = client
        self._loop = asyncio.new_event_loop()
        self._thread = ThreadPoolExecutor(1)

    def trim(self, through: int) -> int:
        return self._run(self._client.trim(through))

    def erase(self, erasures: Sequence[Erasure]) -> list[int]:
        return self._run(self._client.erase(erasures))

    def close(self) -> None:
        self._run(self._client.close())
        self._thread.shutdown()
        self._loop.close()

    def _run(self, asked: Coroutine[Any, Any, _Given]) -> _Given:
        return self._thread.submit(self._loop.run_until_complete, asked).result()
