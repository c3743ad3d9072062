"""The vault's keys as they are now: a rotation reaches every process within a second, without a restart."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from shopkeeper.storage.keys import VAULT_FILE, VAULT_VARIABLE, read_keys
from shopkeeper.storage.sealing import Sealing

__all__ = ["FOLLOWS_WITHIN", "KeyRing"]

FOLLOWS_WITHIN = 0.5
"""So many seconds after a change whatever is sealed is sealed with the new key."""


class KeyRing:
    """Follows the key file of a shop; keys of the environment stay as they were when the process began.

    Args:
        folder: The folder `keys` of the shop.
        environment: Where keys may stand.
        seconds: Gives the seconds that have gone by.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._environment = environment
        self._seconds = seconds
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._next = seconds() + FOLLOWS_WITHIN
        self._sealing = Sealing(read_keys(folder, environment).vault)

    def sealing(self) -> Sealing:
        """What seals and opens now; hold on to it for one piece of work, so that a key and its id fit together.

        Raises:
            MissingError, ForbiddenError, UsageError: As `read_keys`, when the file has changed.
        """
        if self._seconds() < self._next:
            return self._sealing
        with self._lock:
            self._next = self._seconds() + FOLLOWS_WITHIN
            seen = self._stamp()
            if seen != self._seen:
                self._sealing = Sealing(read_keys(self._folder, self._environment).vault)
                self._seen = seen
            return self._sealing

    def _stamp(self) -> tuple[int, int] | None:
        if self._environment.get(VAULT_VARIABLE, "").strip():
            return None
        try:
            found = (self._folder / VAULT_FILE).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino
