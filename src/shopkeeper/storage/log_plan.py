"""What an append will do: which entries are new, what is kept of each batch, what is counted; nothing is written."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from shopkeeper.base.errors import UsageError
from shopkeeper.storage.log import Batch, Outcome, Status
from shopkeeper.storage.log_row import packed
from shopkeeper.storage.log_seen import KNOWN_DAYS, day_of, id_of, kept_day, kept_of, same_content

__all__ = ["Plan"]

_ACCEPTED: Final = int(Status.ACCEPTED)
_DUPLICATE: Final = int(Status.DUPLICATE)
_DIFFERENT: Final = int(Status.DIFFERENT)
_REFUSED: Final = 3


class Plan:
    """What an append will do.

    Args:
        batches: What is to be kept, each checked.
        known: Gives what is kept of ids that were seen.
        end: The position of the last durable batch.
        day: The newest day of the log.

    Raises:
        UsageError: A text cannot be written.
    """

    def __init__(
        self, batches: Sequence[Batch], *, known: Callable[[Sequence[bytes]], dict[bytes, bytes]], end: int, day: int
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.rows: list[tuple[int, bytes]] = []
        self.fresh: dict[bytes, bytes] = {}
        self.end = end
        self.day = max([day, *(day_of(batch.received_at) for batch in batches)])
        self._counts: Counter[tuple[int, str, int]] = Counter()
        try:
            ids = [[id_of(entry.source, entry.message_id) for entry in batch.entries] for batch in batches]
            seen = known([each for batch in ids for each in batch])
            for batch, its_ids in zip(batches, ids, strict=True):
                self._take(batch, self._statuses(batch, its_ids, seen))
        except UnicodeEncodeError as error:
            raise UsageError("a text in a batch is no Unicode", next_step="send valid UTF-8") from error

    def traffic(self) -> list[tuple[int, str, int, int, int, int]]:
        """What is to be added to `traffic`, in its columns; those of other content count among the duplicates too."""
        rows = []
        for hour, source in sorted({(hour, source) for hour, source, _ in self._counts}):
            accepted, duplicate, different, refused = (self._counts[hour, source, what] for what in range(4))
            rows.append((hour, source, accepted, duplicate + different, different, refused))
        return rows

    def _statuses(self, batch: Batch, ids: Sequence[bytes], seen: dict[bytes, bytes]) -> bytes:
        day, fresh = day_of(batch.received_at), self.fresh
        statuses = bytearray(len(ids))
        for place, (each, entry) in enumerate(zip(ids, batch.entries, strict=True)):
            kept = fresh.get(each) or seen.get(each)
            if kept is None or kept_day(kept) < day - KNOWN_DAYS:
                fresh[each] = kept_of(entry.payload_hash, day)
            else:
                statuses[place] = _DUPLICATE if same_content(kept, entry.payload_hash) else _DIFFERENT
        return bytes(statuses)

    def _take(self, batch: Batch, statuses: bytes) -> None:
        self._count(batch, statuses)
        position = 0
        if _ACCEPTED in statuses or batch.refusals:
            self.end += 1
            position = self.end
            self.rows.append((position, packed(batch, statuses)))
        self.outcomes.append(Outcome(position, statuses))

    def _count(self, batch: Batch, statuses: bytes) -> None:
        hour = int(batch.received_at // 3600) * 3600
        if batch.refusals:
            self._counts[hour, batch.source, _REFUSED] += len(batch.refusals)
        if {entry.source for entry in batch.entries} <= {batch.source}:
            for status in (_ACCEPTED, _DUPLICATE, _DIFFERENT):
                if number := statuses.count(status):
                    self._counts[hour, batch.source, status] += number
            return
        for entry, status in zip(batch.entries, statuses, strict=True):
            self._counts[hour, entry.source, status] += 1
