"""What reads the log: loops that go on as long as there is something, rest when there is not, and outlive a failure."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shopkeeper.app.log import logger, noted

__all__ = ["Pulse", "Reader", "Readers"]

_LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class Reader:
    """One loop.

    Args:
        name: What it is called in the log.
        step: Does some work and says whether there is more to do at once.
        rest: Seconds it waits when there was nothing more.
    """

    name: str
    step: Callable[[], bool]
    rest: float


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a loop does.

    Args:
        failures: Failures in a row; 0 after a step that ended well.
        at: When its last step ended well, or when it began (`time.monotonic`).
    """

    failures: int
    at: float


class Readers:
    """Runs loops side by side, each in a thread of its own, until they are stopped.

    Args:
        readers: The loops.
    """

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._stop = threading.Event()
        self._pulses = {reader.name: Pulse(0, time.monotonic()) for reader in readers}
        self._threads = [
            threading.Thread(target=self._run, args=(reader,), name=reader.name, daemon=True) for reader in readers
        ]

    def start(self) -> None:
        """Starts them."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends each after the step at hand and returns when all have ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def pulses(self) -> Mapping[str, Pulse]:
        """How each loop does, by its name."""
        return dict(self._pulses)

    def _run(self, reader: Reader) -> None:
        pause = reader.rest
        while not self._stop.is_set():
            try:
                more = reader.step()
                pause = reader.rest
                self._pulses[reader.name] = Pulse(0, time.monotonic())
            except Exception as error:  # noqa: BLE001 - one failure must not end the reading; it is noted and tried again
                logger("reader").warning("a reader failed and tries again", reader=reader.name, error=noted(error))
                pause, more = min(max(pause, 0.5) * 2, _LONGEST_PAUSE), False
                before = self._pulses[reader.name]
                self._pulses[reader.name] = Pulse(before.failures + 1, before.at)
            if not more:
                self._stop.wait(pause)
