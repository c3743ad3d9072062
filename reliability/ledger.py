"""What was sent and acknowledged, held against what the log has."""

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shopkeeper.storage.log import Batch, Entry
from shopkeeper.storage.log_reader import LogReader

__all__ = ["Ledger", "Verdict", "batch_of", "stored_ids"]

_AT = 1_772_366_400.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a suite found.

    Args:
        acknowledged: Events acknowledged.
        stored: Events in the log.
        lost: Acknowledged and not in the log.
        doubled: In the log more than once.
        invented: In the log and never sent.
    """

    acknowledged: int
    stored: int
    lost: int
    doubled: int
    invented: int

    @property
    def holds(self) -> bool:
        """Whether it is as promised."""
        return not (self.lost or self.doubled or self.invented)


class Ledger:
    """The sender's own book; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.unanswered: dict[str, Batch] = {}

    def sends(self, batch: Batch) -> None:
        """Takes note of a batch before it is sent."""
        with self._lock:
            self.sent.update(entry.message_id for entry in batch.entries)
            self.unanswered[batch.entries[0].message_id] = batch

    def answered(self, batch: Batch) -> None:
        """Takes note that a batch was acknowledged."""
        with self._lock:
            self.acknowledged.update(entry.message_id for entry in batch.entries)
            self.unanswered.pop(batch.entries[0].message_id, None)

    def verdict(self, file: Path, name: str = "") -> Verdict:
        """Holds the book against a log's file, or against those of its ids that begin with a name."""
        stored = [each for each in stored_ids(file) if each.startswith(name)]
        return judged(self.sent, self.acknowledged, stored)


def judged(sent: set[str], acknowledged: set[str], stored: Iterable[str]) -> Verdict:
    """Compares ids sent and acknowledged with those stored, each as often as it is there."""
    counts = Counter(stored)
    return Verdict(
        acknowledged=len(acknowledged),
        stored=counts.total(),
        lost=len(acknowledged - counts.keys()),
        doubled=sum(count - 1 for count in counts.values()),
        invented=len(counts.keys() - sent),
    )


def stored_ids(file: Path) -> list[str]:
    """The ids of all events in a log."""
    found: list[str] = []
    position = 0
    with LogReader(file) as log:
        while stored := log.read(position):
            found += [entry.message_id for each in stored for entry in each.entries]
            position = stored[-1].position
    return found


def batch_of(name: str, size: int, *, width: int = 120) -> Batch:
    """A batch of so many events whose ids begin with a name."""
    entries = []
    for number in range(size):
        message_id = f"{name}.{number}"
        content = hashlib.sha256(message_id.encode())
        entries.append(
            Entry("till", message_id, content.digest()[:16], content.hexdigest().encode().ljust(width, b" "))
        )
    return Batch("till", _AT, tuple(entries))
