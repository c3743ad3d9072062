"""Processes that make one service: begun in order, watched, begun again when they fall, ended in the other order."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shopkeeper.app.counts import PART
from shopkeeper.app.log import logger

__all__ = ["DRAIN_SECONDS", "PARENT", "Part", "Service", "end_with_parent"]

PARENT = "SHOPKEEPER_PARENT_FD"
"""Environment variable: the number of a pipe that ends when the parent does."""

_ARENAS = "MALLOC_ARENA_MAX"
"""Of glibc: with an arena for each of many threads, what one gave back is of no use to the others."""

DRAIN_SECONDS = 20
"""How long requests that are under way when the service is stopped may take."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_STEADY_SECONDS = 60.0
_LOOKS_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the service.

    Args:
        name: What it is called in the log.
        words: The words of the command `shopkeeper` that it runs.
        ready: Says whether it has begun to work; the next part is started only then.
        grace: Seconds it has to end by itself when it is told to.
        passes: File descriptors it inherits.
    """

    name: str
    words: tuple[str, ...]
    ready: Callable[[], bool] = field(default=lambda: True)
    grace: float = 30.0
    passes: tuple[int, ...] = ()


@dataclass(slots=True)
class _Running:
    part: Part
    process: subprocess.Popen[bytes]
    began: float
    pause: float = _FIRST_PAUSE


class Service:
    """Runs parts until it is told to stop.

    Args:
        parts: What runs, in the order it is started; it is stopped in the opposite order.
        starts_within: Seconds a part has until it is ready.
    """

    def __init__(self, parts: Sequence[Part], *, starts_within: float = 60.0) -> None:
        self._parts = parts
        self._starts_within = starts_within
        self._stop = threading.Event()
        self._running: list[_Running] = []
        self._alive, self._told = os.pipe()

    def run(self) -> int:
        """Runs until `stop` and gives the exit code: 0, or that of a part that never began to work."""
        try:
            for part in self._parts:
                if self._stop.is_set():
                    break
                started = _Running(part, self._start(part), time.monotonic())
                self._running.append(started)
                code = self._wait_until_ready(started)
                if code is not None:
                    return code
            while not self._stop.wait(_LOOKS_EVERY):
                self._look()
        finally:
            self._end()
        return 0

    def stop(self) -> None:
        """Has `run` stop every part and return."""
        self._stop.set()

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the parts by name."""
        return {each.part.name: each.process.pid for each in self._running}

    def _start(self, part: Part) -> subprocess.Popen[bytes]:
        environment = {_ARENAS: "2"} | os.environ | {PARENT: str(self._alive), PART: part.name}
        command = [sys.executable, "-m", "shopkeeper", *part.words]
        return subprocess.Popen(command, env=environment, pass_fds=(self._alive, *part.passes), start_new_session=True)  # noqa: S603 - our own command

    def _wait_until_ready(self, started: _Running) -> int | None:
        until = time.monotonic() + self._starts_within
        while not self._stop.is_set():
            code = started.process.poll()
            if code is not None:
                return code or 1
            if started.part.ready():
                return None
            if time.monotonic() > until:
                logger("serve").error("a part did not begin to work", part=started.part.name)
                return 1
            self._stop.wait(_LOOKS_EVERY / 4)
        return None

    def _look(self) -> None:
        for each in self._running:
            code = each.process.poll()
            if code is None:
                continue
            if time.monotonic() - each.began > _STEADY_SECONDS:
                each.pause = _FIRST_PAUSE
            logger("serve").warning("a part fell and is begun again", part=each.part.name, code=code, pause=each.pause)
            if self._stop.wait(each.pause):
                return
            each.pause = min(each.pause * 2, _LONGEST_PAUSE)
            each.process, each.began = self._start(each.part), time.monotonic()

    def _end(self) -> None:
        for each in reversed(self._running):
            if each.process.poll() is None:
                each.process.send_signal(signal.SIGTERM)
            try:
                each.process.wait(each.part.grace)
            except subprocess.TimeoutExpired:
                logger("serve").warning("a part did not end in time and was killed", part=each.part.name)
                each.process.kill()
                each.process.wait()
        for end in (self._alive, self._told):
            os.close(end)


def end_with_parent() -> None:
    """Has this process told to end (SIGTERM) when the one that started it is gone, however it went."""
    told = os.environ.get(PARENT)
    if told is None:
        return

    def wait() -> None:
        # The writing end is open in the parent only: it closes with it, killed or not.
        os.read(int(told), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
