"""Sources: what each brought by the hour, how fresh the readers of the log are, and with which keys it comes."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shopkeeper.app.api_key import COLLECT, ApiKey, list_keys
from shopkeeper.app.event_log import is_written, reader_of
from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.safe_keep import READER as VAULT
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import MissingError
from shopkeeper.storage.consumed import consumed
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log import Traffic
from shopkeeper.storage.log_reader import LogReader

__all__ = ["HourRow", "SourceRow", "Sources", "Tally", "Waits", "sources", "waits"]

_HOUR = 3_600
_LOOKED_AT = 20
_EVENT = "event"


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of events; received is the sum of accepted, duplicate and refused.

    Args:
        accepted: Kept as new.
        duplicate: Known before.
        different: Of the duplicates those with other content.
        refused: Refused with a reason.
    """

    accepted: int = 0
    duplicate: int = 0
    different: int = 0
    refused: int = 0

    @property
    def received(self) -> int:
        """How many came."""
        return self.accepted + self.duplicate + self.refused

    @classmethod
    def of(cls, traffic: Iterable[Traffic]) -> "Tally":
        """Adds up hours."""
        rows = list(traffic)
        return cls(
            sum(row.accepted for row in rows),
            sum(row.duplicate for row in rows),
            sum(row.different for row in rows),
            sum(row.refused for row in rows),
        )


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source.

    Args:
        name: Its name.
        keys: Its write keys that hold, the newest first.
        last_at: When one of its keys was last used, to the minute; None where it never was.
        tally: What it brought in the time shown.
    """

    name: str
    keys: tuple[ApiKey, ...]
    last_at: datetime | None
    tally: Tally

    @property
    def kinds(self) -> tuple[str, ...]:
        """`server` and `browser`, as far as it has keys of either."""
        found = {"browser" if key.is_browser else "server" for key in self.keys}
        return tuple(sorted(found, reverse=True))


@dataclass(frozen=True, slots=True)
class HourRow:
    """One hour of the sources shown."""

    begins_at: datetime
    tally: Tally
    is_over: bool


@dataclass(frozen=True, slots=True)
class Waits:
    """What of the log one of its readers has not taken in yet.

    Args:
        reader: `live`, `vault` or `lake`.
        requests: Requests that wait.
        oldest_at: When the first of them came; None where nothing waits.
    """

    reader: str
    requests: int
    oldest_at: datetime | None

    def seconds(self, at: datetime) -> float | None:
        """For how long the first has waited."""
        return None if self.oldest_at is None else max(0.0, (at - self.oldest_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Sources:
    """The page of sources.

    Args:
        as_of: When it was read.
        rows: The sources, those that bring most first.
        hours: The hours shown, the oldest first, of all sources or the one chosen.
        tally: What they add up to.
        chosen: The source that is shown alone.
        takes: Whether a process takes events now.
    """

    as_of: datetime
    rows: tuple[SourceRow, ...]
    hours: tuple[HourRow, ...]
    tally: Tally
    chosen: str | None
    takes: bool


def sources(shop: Shop, *, hours: int = 24, chosen: str | None = None) -> Sources:
    """Gives what sources brought in the last hours, the present one included.

    Args:
        shop: The shop.
        hours: How many.
        chosen: Only of this source by the hour.

    Raises:
        MissingError: There is no such source.
    """
    at = now(shop)
    first = int(at.timestamp()) // _HOUR * _HOUR - (hours - 1) * _HOUR
    traffic = _traffic(shop, first)
    rows = _rows([key for key in list_keys(shop) if COLLECT in key.scopes], traffic, at)
    if chosen is not None and chosen not in {row.name for row in rows}:
        raise MissingError("there is no such source", next_step="look for it in the list of sources")
    shown = [row for row in traffic if chosen in (None, row.source)]
    by_hour: dict[int, list[Traffic]] = {}
    for row in shown:
        by_hour.setdefault(row.hour, []).append(row)
    begins = range(first, first + hours * _HOUR, _HOUR)
    return Sources(
        at,
        rows,
        tuple(
            HourRow(
                datetime.fromtimestamp(hour, UTC),
                Tally.of(by_hour.get(hour, ())),
                is_over=datetime.fromtimestamp(hour, UTC) + timedelta(hours=1) <= at,
            )
            for hour in begins
        ),
        Tally.of(shown),
        chosen,
        takes=is_written(shop),
    )


def waits(shop: Shop) -> tuple[Waits, ...]:
    """Gives what each reader of the log has still to take in; nothing where there is no log yet."""
    try:
        log = reader_of(shop)
    except MissingError:
        return ()
    with log:
        end = log.end()
        positions = {
            "live": _live_position(shop),
            "vault": shop.state.positions.of(VAULT),
            # The lake's position moves with rows only: what held nothing new for it does not wait.
            "lake": consumed(shop.lake, _EVENT),
        }
        return tuple(_waits(log, reader, position, end) for reader, position in positions.items())


def _waits(log: LogReader, reader: str, position: int, end: int) -> Waits:
    after = position
    while after < end:
        batches = log.read(after, _LOOKED_AT)
        if not batches:
            break
        for batch in batches:
            if batch.entries or reader != "lake":
                oldest = datetime.fromtimestamp(batch.received_at, UTC)
                return Waits(reader, end - batch.position + 1, oldest)
        after = batches[-1].position
    return Waits(reader, 0, None)


def _live_position(shop: Shop) -> int:
    try:
        with closing(LiveStore(shop.folder / LIVE_FILE, reads_only=True)) as store:
            return store.position()
    except MissingError:
        return 0


def _traffic(shop: Shop, since: int) -> Sequence[Traffic]:
    try:
        with reader_of(shop) as log:
            # The log gives the hours that end behind an instant.
            return [row for row in log.traffic(since) if row.hour >= since]
    except MissingError:
        return ()


def _rows(keys: Sequence[ApiKey], traffic: Sequence[Traffic], at: datetime) -> tuple[SourceRow, ...]:
    names = dict.fromkeys([*(str(key.source) for key in keys), *(row.source for row in traffic)])
    found = []
    for name in names:
        own = [key for key in keys if key.source == name]
        used = [key.last_used_at for key in own if key.last_used_at is not None]
        hours = [datetime.fromtimestamp(row.hour, UTC) for row in traffic if row.source == name]
        found.append(
            SourceRow(
                name,
                tuple(key for key in own if key.holds(at)),
                max(used or hours, default=None),
                Tally.of(row for row in traffic if row.source == name),
            )
        )
    return tuple(sorted(found, key=lambda row: (-row.tally.received, row.name)))
