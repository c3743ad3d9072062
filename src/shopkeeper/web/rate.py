"""How often something may be tried or brought: buckets that refill, by address, name or key."""

import threading
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Bucket", "RateLimit"]

_MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many tries a key has left, as of an instant."""

    left: float
    as_of: datetime


@dataclass
class RateLimit:
    """A token bucket a key.

    Args:
        tries: How many tries a rested key has.
        seconds: How long an empty bucket takes to fill.
    """

    tries: int
    seconds: float
    _buckets: dict[str, Bucket] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def wait(self, key: str, now: datetime, tries: int = 1) -> float:
        """Takes a try of a key, or several.

        Args:
            key: The key.
            now: The present instant.
            tries: How many; more than a full bucket holds are let through when it is full, and leave a debt.

        Returns:
            0 when it had them, else the seconds until it will have.
        """
        wanted = min(tries, self.tries)
        per_second = self.tries / self.seconds
        with self._lock:
            bucket = self._buckets.pop(key, None) or Bucket(self.tries, now)
            left = min(self.tries, bucket.left + max(0.0, (now - bucket.as_of).total_seconds()) * per_second)
            allowed = left >= wanted
            self._buckets[key] = Bucket(left - tries if allowed else left, now)
            if len(self._buckets) > _MOST_KEYS:
                self._buckets.pop(next(iter(self._buckets)))
        return 0.0 if allowed else (wanted - left) / per_second

    def give_back(self, key: str) -> None:
        """Gives back the try that turned out right: only wrong ones count."""
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is not None:
                self._buckets[key] = Bucket(min(self.tries, bucket.left + 1), bucket.as_of)
