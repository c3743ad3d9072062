"""Counts for who may not see persons: small ones untold, others rounded, one answer for near-equal audiences.

What is told of a set of people follows from the set and the shop's key alone, so that asking again, in other words or
of another process, teaches nothing. Where a count begins to be told, which way it is rounded and what counts as
near-equal is drawn by a keyed hash of a set: who knows all members but one cannot place the edge.
"""

import hashlib
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from shopkeeper.base.errors import ForbiddenError
from shopkeeper.storage.state.counts import Asked, Counts, Turn

__all__ = ["AskedCounts", "Blur", "Marks"]

Marks = NDArray[np.uint64]
"""A keyed hash of each of some people."""

_BUCKETS = 256
_HASH_BYTES = 8
_KEPT = 4096
_OVERLAP_DAYS = 30


class Blur:
    """Draws for a set of people what of its size is told.

    Args:
        smallest: No count below it is told; counts are rounded to its multiples. 1 tells every count as it is.
        key: The secret that the draws hang on, up to 64 bytes.
    """

    def __init__(self, smallest: int, key: bytes) -> None:
        self.smallest = smallest
        self._key = key

    def marks(self, people: Iterable[str]) -> Marks:
        """Gives the marks of people by their ids."""
        return np.fromiter((self._mark(person) for person in people), dtype=np.uint64)

    def sketch(self, marks: Marks) -> bytes:
        """Gives a short form of a set, in any order: two differ in no more places than the sets differ in people."""
        return _folded(marks).tobytes()

    def told(self, size: int, sketch: bytes) -> int | None:
        """Gives what is told of the size of a set: a multiple of `smallest` just below or above it, or None."""
        if size < self.limit(sketch):
            return None
        return (size + self._draw(b"round", sketch)) // self.smallest * self.smallest

    def limit(self, sketch: bytes) -> int:
        """Gives how many people a set must have to count: from `smallest` to nearly twice as many."""
        return self.smallest + self._draw(b"limit", sketch)

    def may_be_light(self, size: int) -> bool:
        """Whether a set of so many people may weigh too little; above, none does."""
        return size < 2 * self.smallest

    def is_light(self, marks: Marks) -> bool:
        """Whether some people are too few to be told apart."""
        return self.may_be_light(len(marks)) and len(marks) < self.limit(self.sketch(marks))

    def distance(self, one: bytes, other: bytes) -> int:
        """Gives by how many people two sets differ at least, from their sketches; exactly where they are few."""
        return int(np.count_nonzero(np.frombuffer(one, dtype=np.uint64) ^ np.frombuffer(other, dtype=np.uint64)))

    def _mark(self, person: str) -> int:
        return int.from_bytes(
            hashlib.blake2b(person.encode(), digest_size=_HASH_BYTES, key=self._key).digest(), "little"
        )

    def _draw(self, what: bytes, sketch: bytes) -> int:
        drawn = hashlib.blake2b(sketch, digest_size=_HASH_BYTES, key=self._key, person=what).digest()
        return int.from_bytes(drawn, "little") % self.smallest


class AskedCounts:
    """Remembers the audiences that were counted, so that two of them cannot be subtracted.

    An audience that differs from an earlier one by too few people gets the earlier one's answer, whichever process gave
    it, as long as its size is near that of the first audience which got this answer. Of an audience only its sketch is
    kept. Whoever asks for many that hardly differ is looking for an edge, and is stopped.

    Args:
        blur: What is told of one audience.
        counts: The earlier ones.
        most: How many different audiences one asker may count in a day.
    """

    def __init__(self, blur: Blur, counts: Counts, *, most: int) -> None:
        self.blur = blur
        self._counts, self._most = counts, most
        self._known: dict[int, Asked] = {}
        self._last = 0
        self._lock = threading.Lock()

    def answer(self, marks: Marks, *, now: datetime, who: str | None = None, rule: str = "") -> int | None:
        """Gives what may be told of the size of an audience; None where it is too small.

        Args:
            marks: The marks of its people, each once.
            now: The present instant.
            who: Who asks; None for an audience that the asker did not choose, such as a saved segment.
            rule: By which rule; the same rule on another day, whom it fits by then, is no new question.

        Raises:
            ForbiddenError: The asker has counted by too many new rules today, or by too many that hardly differ.
        """
        size = len(marks)
        if size < self.blur.smallest:
            return None
        sketch = self.blur.sketch(marks)
        with self._lock:
            known = self._nearest(size, sketch)
            if known is not None and known.sketch == sketch:
                return known.told
            with self._counts.turn() as turn:
                self._catch_up(turn)
                known = self._nearest(size, sketch)
                if known is not None and known.sketch == sketch:
                    return known.told
                new = None
                if who is not None and not turn.has_asked(who, rule):
                    new = rule
                    self._check(turn, who, now, overlaps=known is not None)
                told = self.blur.told(size, sketch) if known is None else known.told
                root = None if known is None else known.root or known.seq
                turn.add(size, sketch, told, who=who, rule=new, root=root, now=now)
                self._catch_up(turn)
            return told

    def _catch_up(self, turn: Turn) -> None:
        for each in turn.newer(self._last, _KEPT):
            self._known[each.seq] = each
            self._last = each.seq
        if self._last > _KEPT:
            turn.trim(self._last - _KEPT)
            self._known = {seq: each for seq, each in self._known.items() if seq > self._last - _KEPT}

    def _check(self, turn: Turn, who: str, now: datetime, *, overlaps: bool) -> None:
        most, days = (self.blur.smallest, _OVERLAP_DAYS) if overlaps else (self._most, 1)
        if turn.asked(who, since=now - timedelta(days=days), overlaps=overlaps) >= most:
            what = "audiences that hardly differ from others" if overlaps else "different audiences"
            raise ForbiddenError(
                f"{most} {what} were counted within {days} day(s)",
                next_step="wait, or ask for a key that may see persons",
            )

    def _nearest(self, size: int, sketch: bytes) -> Asked | None:
        """The audience nearest to a set of all that are near, the earliest of several."""
        found, least = None, 0
        for one in self._known.values():
            if not self.blur.may_be_light(abs(one.size - size)):
                continue
            differs = max(self.blur.distance(one.sketch, sketch), abs(one.size - size))
            if (found is None or differs < least) and differs < self.blur.limit(one.sketch):
                root = self._known.get(one.root or one.seq, one)
                if abs(root.size - size) < self.blur.limit(root.sketch):
                    found, least = one, differs
        return found


def _folded(marks: Marks) -> Marks:
    sketch = np.zeros(_BUCKETS, dtype=np.uint64)
    np.bitwise_xor.at(sketch, (marks % np.uint64(_BUCKETS)).astype(np.intp), marks)
    return sketch
