"""Counts for who may not see persons: small ones untold, others rounded, one answer for near-equal audiences."""

import hashlib
import threading
from collections import deque
from collections.abc import Iterable

import numpy as np

__all__ = ["AskedCounts", "rounded"]

_KEPT = 256
_HASH_BYTES = 8


def rounded(count: int | None, smallest: int) -> int | None:
    """Gives a count to the nearest multiple of `smallest`; None where it is below it, nobody included."""
    if count is None or count < smallest:
        return None
    return (count + smallest // 2) // smallest * smallest


class AskedCounts:
    """Remembers the audiences that were counted, so that two of them cannot be subtracted.

    An audience that differs from an earlier one by fewer than `smallest` people gets the earlier one's answer. Kept in
    memory, by process; of each audience only hashes of its people.

    Args:
        smallest: The smallest count that is told.
        kept: How many audiences are remembered.
    """

    def __init__(self, smallest: int, *, kept: int = _KEPT) -> None:
        self._smallest = smallest
        self._asked: deque[tuple[np.ndarray[tuple[int], np.dtype[np.uint64]], int | None]] = deque(maxlen=kept)
        self._lock = threading.Lock()

    def answer(self, people: Iterable[str]) -> int | None:
        """Gives what may be told of the size of an audience; None where it is too small.

        Args:
            people: The ids of its people, each once.
        """
        marks = np.sort(np.fromiter((_mark(person) for person in people), dtype=np.uint64))
        with self._lock:
            for earlier, told in self._asked:
                # Sizes first: sets that differ less than this have sizes that do.
                if abs(len(earlier) - len(marks)) < self._smallest and self._near(earlier, marks):
                    return told
            told = rounded(len(marks), self._smallest)
            self._asked.append((marks, told))
            return told

    def _near(
        self,
        earlier: np.ndarray[tuple[int], np.dtype[np.uint64]],
        marks: np.ndarray[tuple[int], np.dtype[np.uint64]],
    ) -> bool:
        return len(np.setxor1d(earlier, marks, assume_unique=True)) < self._smallest


def _mark(person: str) -> int:
    return int.from_bytes(hashlib.blake2b(person.encode(), digest_size=_HASH_BYTES).digest())
