"""The log lets go of what is old and in every place that is made of it."""

from contextlib import closing
from datetime import datetime, timedelta

from shopkeeper.app.event_log import LOG_FILE, change_log, noted_positions, reader_of
from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.shop import Shop
from shopkeeper.storage.consumed import consumed
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log_reader import LogReader

__all__ = ["held_by_all", "trim_log"]

_READ_BATCHES = 500
_TRIMMED_AT_ONCE = 5_000


def trim_log(shop: Shop, at: datetime) -> int:
    """Trims the log by `collect.log_days`, or by `privacy.keep_event_days` where that is shorter.

    Args:
        shop: The shop.
        at: The present instant.

    Returns:
        How many batches went.

    Raises:
        UnavailableError: The log cannot be written now; it is trimmed the next time.
        ConflictError: A process has the log and does not answer.
    """
    if not (shop.folder / LOG_FILE).exists():
        return 0
    days = min(shop.settings.collect.log_days, shop.settings.privacy.keep_event_days or shop.settings.collect.log_days)
    with reader_of(shop) as log:
        begins = log.begin()
        through = _older(log, begins - 1, held_by_all(shop), at - timedelta(days=days))
    if through < begins:
        return 0
    trimmed = 0
    with change_log(shop) as change:
        # In pieces, as whoever asks the log waits only so long for an answer.
        for position in [*range(begins + _TRIMMED_AT_ONCE, through, _TRIMMED_AT_ONCE), through]:
            trimmed += change.trim(position)
    return trimmed


def held_by_all(shop: Shop) -> int:
    """The position up to which the lake, live state, the vault and the ledger of consents each hold the log."""
    file = shop.folder / LIVE_FILE
    if not file.exists():
        return 0
    with closing(LiveStore(file, reads_only=True)) as live:
        return min(live.position(), consumed(shop.lake, "event"), *noted_positions(shop))


def _older(log: LogReader, position: int, through: int, border: datetime) -> int:
    """The last position before the first batch that is not old, at most `through`."""
    while position < through and (batches := log.read(position, _READ_BATCHES)):
        for batch in batches:
            if batch.position > through or batch.received_at >= border.timestamp():
                return position
            position = batch.position
    return position
