"""A way in, on one log, that a suite starts, sends to and kills; whatever acknowledges batches can stand behind it."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from shopkeeper.base.errors import ShopkeeperError, UnavailableError
from shopkeeper.storage.log import Batch, Erasure, Outcome
from shopkeeper.storage.log_client import LogClient

__all__ = ["ROOT", "Door", "ServiceDoor", "environment"]

ROOT = Path(__file__).parent.parent
_Given = TypeVar("_Given")


class Door(Protocol):
    """A way in; `send` may be called by several threads."""

    file: Path
    """The log's file."""

    def start(self) -> None:
        """Starts its processes and returns when they take batches."""

    def send(self, batch: Batch) -> bool:
        """Sends a batch, and says whether it was acknowledged."""

    def kill(self) -> None:
        """Kills its processes with -9."""

    def stop(self) -> None:
        """Stops its processes with SIGTERM and waits for their end."""


class ServiceDoor:
    """The process that writes the log, reached over its socket.

    Args:
        folder: Where the log and the socket are; a short path.
        kind: Which log, of `kinds.KINDS`.
        options: Further arguments of `reliability.writer`.
    """

    def __init__(self, folder: Path, kind: str = "plain", options: Sequence[str] = ()) -> None:
        self.file = folder / "log.db"
        self.place = folder / "s"
        self.refused = 0
        self._command = [sys.executable, "-m", "reliability.writer", str(self.file), str(self.place), kind, *options]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._process: subprocess.Popen[str] | None = None
        self._client: LogClient | None = None

    @property
    def pid(self) -> int:
        """The process that writes."""
        assert self._process
        return self._process.pid

    def start(self) -> None:
        """Starts the process and returns when it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, env=environment(), cwd=ROOT)
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"
        self._client = LogClient(self.place)

    def send(self, batch: Batch) -> bool:
        """Sends a batch, and says whether it was acknowledged."""
        try:
            self.outcome(batch)
        except UnavailableError:
            self.refused += 1
            return False
        except ShopkeeperError:
            return False
        return True

    def outcome(self, batch: Batch) -> Outcome:
        """Sends a batch, and gives what became of it."""
        return self._asked(lambda client: client.append(batch))

    def erase(self, erasures: Sequence[Erasure]) -> bool:
        """Has parts of batches go, and says whether it was answered that all of them did."""
        try:
            return not self._asked(lambda client: client.erase(erasures))
        except ShopkeeperError:
            return False

    def trim(self, through: int) -> bool:
        """Has batches go, and says whether it was answered."""
        try:
            self._asked(lambda client: client.trim(through))
        except ShopkeeperError:
            return False
        return True

    def kill(self) -> None:
        """Kills the process with -9."""
        assert self._process
        self._process.kill()
        self._ended()

    def stop(self) -> None:
        """Stops the process with SIGTERM and waits for its end."""
        assert self._process
        self._process.terminate()
        self._ended()

    def close(self) -> None:
        """Gives back what the sender holds."""
        if self._client is not None:
            asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _asked(self, what: Callable[[LogClient], Coroutine[Any, Any, _Given]]) -> _Given:
        assert self._client
        return asyncio.run_coroutine_threadsafe(what(self._client), self._loop).result()

    def _ended(self) -> None:
        assert self._process
        assert self._process.stdout
        self._process.wait(30)
        self._process.stdout.close()


def environment() -> dict[str, str]:
    """The environment of processes that are started: this checkout's code."""
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
