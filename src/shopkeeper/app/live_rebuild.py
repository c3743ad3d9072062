"""Live state made anew: of the lake's events where the log no longer has them, then of the log."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from shopkeeper.app.event_log import reader_of
from shopkeeper.app.live import LIVE_FILE, lines_for, rebuild
from shopkeeper.app.shop import Shop
from shopkeeper.app.traces import barred_by
from shopkeeper.collect.event_table import Logged, logged_rows
from shopkeeper.schema.query import Query
from shopkeeper.storage.consumed import consumed
from shopkeeper.storage.live import LiveStore, is_of_before
from shopkeeper.storage.live_lock import live_lock
from shopkeeper.storage.log import offset_of

__all__ = ["Rebuilt", "is_lost", "rebuild_live"]

_EVENTS_AT_ONCE = 4_000
_OLDER = "SELECT * FROM event WHERE log_offset < $before ORDER BY log_offset"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What live state was made of.

    Args:
        records: Records it holds.
        of_lake: Events of the lake it was made of.
        of_log: Batches of the log.
        position: The position of the log it holds.
        missing: Batches that neither has, as after a restore: the log of before is not in a backup.
    """

    records: int
    of_lake: int
    of_log: int
    position: int
    missing: int


def is_lost(shop: Shop) -> bool:
    """Whether there is no live state, and the log alone does not give it; or only that of an earlier form."""
    if (shop.folder / LIVE_FILE).exists():
        return is_of_before(shop.folder / LIVE_FILE)
    with reader_of(shop) as log:
        return log.begin() > 1


def rebuild_live(shop: Shop) -> Rebuilt:
    """Makes live state anew, beside the old, and puts it in its place; the map of identifiers keeps what it knows.

    What `privacy.keep_event_days` took out of the lake does not come back.

    Raises:
        ConflictError: The worker runs.
        MissingError: There is no log.
    """
    of_lake = missing = 0

    def older(begins: int) -> Iterator[Sequence[Logged]]:
        nonlocal of_lake, missing
        missing = max(0, begins - 1 - consumed(shop.lake, "event"))
        query = Query.from_sql(_OLDER, name="events of before the log", before=offset_of(begins, 0))
        for batch in shop.duckdb.batches(query, rows=_EVENTS_AT_ONCE):
            if batch.num_rows:
                of_lake += batch.num_rows
                yield logged_rows(batch.to_pylist())

    file = shop.folder / LIVE_FILE
    with live_lock(file, alone=True), reader_of(shop) as log:
        position = rebuild(
            log,
            shop.state.identifiers,
            file,
            lines_for(shop),
            barred=barred_by(shop),
            older=older,
        )
        begins = log.begin()
    with closing(LiveStore(file, reads_only=True)) as live:
        return Rebuilt(live.count(), of_lake, position - begins + 1, position, missing)
