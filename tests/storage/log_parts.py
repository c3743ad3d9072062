"""Batches for the tests of the log, and the log as it is used: appends through the service, reads from the file."""

import asyncio
import hashlib
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from shopkeeper.storage.log import Batch, Entry, Erasure, Outcome, Refusal, Stored, Traffic
from shopkeeper.storage.log_client import LogClient
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.log_service import Limits, LogService
from shopkeeper.storage.log_sqlite import SqliteLog

NOON = 1_772_366_400.0  # 2026-03-01 12:00 UTC
DAY = 86_400.0

_Given = TypeVar("_Given")


def in_own_loop(asked: Coroutine[Any, Any, _Given]) -> _Given:
    """Runs a coroutine in a thread of its own: in some workers Playwright keeps a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, asked).result()


def entry(message_id: str, content: str = "", source: str = "till") -> Entry:
    return Entry(source, message_id, hashlib.sha256(content.encode()).digest()[:16], f'{{"c":"{content}"}}'.encode())


def batch(*message_ids: str, at: float = NOON, source: str = "till", refused: Sequence[str] = ()) -> Batch:
    entries = tuple(entry(each, source=source) for each in message_ids)
    return Batch(source, at, entries, tuple(Refusal(each, "no_name", "name", "x") for each in refused), b"sealed")


class ServedLog:
    """A log whose writer is behind a socket: what `storage.log.Log` promises, over the service.

    Its loop has a thread of its own, as the process that writes has.
    """

    def __init__(self, file: Path, place: Path, limits: Limits | None = None, seconds: float = 10.0) -> None:
        self.log = SqliteLog(file, events_a_part=5)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.service = self.run(self._started(place, limits))
        self.client = LogClient(place, seconds=seconds)
        self._reader = LogReader(file)

    def run(self, what: Coroutine[Any, Any, _Given]) -> _Given:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    def append(self, batches: Sequence[Batch]) -> list[Outcome]:
        return self.run(self._append(batches))

    def read(self, after: int, most: int = 500) -> list[Stored]:
        return self._reader.read(after, most)

    def end(self) -> int:
        return self._reader.end()

    def trim(self, through: int) -> int:
        return self.run(self.client.trim(through))

    def begin(self) -> int:
        return self._reader.begin()

    def erase(self, erasures: Sequence[Erasure]) -> list[int]:
        return self.run(self.client.erase(erasures))

    def traffic(self, since: int) -> list[Traffic]:
        return self._reader.traffic(since)

    def close(self) -> None:
        self.run(self.client.close())
        self.run(self.service.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._reader.close()
        self.log.close()

    async def _append(self, batches: Sequence[Batch]) -> list[Outcome]:
        return list(await asyncio.gather(*(self.client.append(each) for each in batches)))

    async def _started(self, place: Path, limits: Limits | None) -> LogService:
        service = LogService(self.log, place, limits=limits)
        await service.start()
        return service
