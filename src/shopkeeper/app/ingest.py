"""The loader: what the log holds goes into the lake, each event once, whoever loads, compacts or dies meanwhile."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import uuid4

import pyarrow as pa

from shopkeeper.app.erased import erased_meanwhile
from shopkeeper.app.loader_upkeep import tidy
from shopkeeper.app.log import logger, noted
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.traces import barred_by
from shopkeeper.base.errors import ConflictError
from shopkeeper.collect.event_table import Logged, event_rows, logged_events, without_erased, without_mentions
from shopkeeper.collect.landing import Landing
from shopkeeper.collect.load import store_cutovers
from shopkeeper.collect.orders import Days
from shopkeeper.schema.event import Event
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Table
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.consumed import append_through, consumed
from shopkeeper.storage.known_ids import KnownIds
from shopkeeper.storage.log import Log, Stored
from shopkeeper.storage.log_reader import LogReader

__all__ = ["Ingested", "Loader", "Pace"]

_EVENT = declared_table("event")
_LEASE = "loader"
_LEASE_LASTS = timedelta(minutes=2)
_BATCHES_AT_ONCE = 500
_TIDIED_EVERY = 10
_KEY = Table("came", "one event that came", _EVENT.columns[:2], ())
_KNOWN = """
SELECT e.source, e.message_id FROM event AS e
JOIN came AS c ON c.source = e.source AND c.message_id = e.message_id
WHERE e.occurred_at >= $since AND e.occurred_at < $until
"""
_KNOWN_IDS = "known_ids"
"""Folder beside the lake's tables."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When the loader loads.

    Args:
        events: At once when so many wait.
        seconds: Else so long after the last time.
    """

    events: int = 50_000
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Ingested:
    """What one load did.

    Args:
        events: Events added.
        known: Events whose id the lake knew and the log did not any more; they were left out.
        through: The position of the log the lake holds now.
    """

    events: int
    known: int
    through: int


class Loader:
    """Loads the log of one shop into its lake.

    Args:
        shop: The shop.
        log: Its log.
        pace: When to load.
    """

    def __init__(self, shop: Shop, log: Log | LogReader, pace: Pace | None = None) -> None:
        self._shop = shop
        self._log = log
        self._pace = pace or Pace()
        self._holder = f"{socket.gethostname()}-{uuid4().hex[:8]}"
        self._known_ids = KnownIds(shop.lake.location / _KNOWN_IDS / _EVENT.name, _EVENT.key)
        self._last: datetime | None = None
        self._commits = 0
        self._passed = 0
        self._counted = (0, 0, 0)

    def step(self) -> bool:
        """Loads when it is time; says whether more waits already."""
        at = now(self._shop)
        if not self._holds(at):
            return False
        rested = self._last is None or (at - self._last).total_seconds() >= self._pace.seconds
        if not rested and self._count() < self._pace.events:
            return False
        self._last = at
        batches, events = self._waiting()
        try:
            self._load(batches, at)
        except ConflictError:
            # Somebody committed in between; the position says from where to begin again, and nothing was added.
            return True
        return events >= self._pace.events

    def load(self) -> Ingested:
        """Loads what waits, at most the pace's number of events, whatever the time.

        Raises:
            ConflictError: Another loader or a compaction committed in between; nothing was added.
        """
        batches, _ = self._waiting()
        return self._load(batches, now(self._shop))

    def close(self) -> None:
        """Lets another loader begin at once; without it that one waits for the lease to run out."""
        self._shop.state.leases.release(_LEASE, self._holder)

    @property
    def passed(self) -> int:
        """The position up to which batches held nothing for the lake; it stands in no table."""
        return self._passed

    def _holds(self, at: datetime) -> bool:
        try:
            self._shop.state.leases.acquire(_LEASE, self._holder, now=at, lasts=_LEASE_LASTS)
        except ConflictError:
            return False
        return True

    def _begins(self) -> int:
        """The position to begin behind: the lake's, or where batches end that held nothing new for it."""
        return max(consumed(self._shop.lake, _EVENT.name), self._passed)

    def _count(self) -> int:
        """How many events wait; each batch is read for that once, until it is loaded."""
        begins = self._begins()
        began, read, events = self._counted if self._counted[0] == begins else (begins, begins, 0)
        while events < self._pace.events and (batches := self._log.read(read, _BATCHES_AT_ONCE)):
            read, events = batches[-1].position, events + sum(len(batch.entries) for batch in batches)
        self._counted = (began, read, events)
        return events

    def _waiting(self) -> tuple[list[Stored], int]:
        found: list[Stored] = []
        after, events = self._begins(), 0
        while events < self._pace.events:
            batches = self._log.read(found[-1].position if found else after, _BATCHES_AT_ONCE)
            if not batches:
                break
            found += batches
            events += sum(len(batch.entries) for batch in batches)
        return found, events

    def _load(self, batches: Sequence[Stored], at: datetime) -> Ingested:
        with erased_meanwhile(self._shop):
            return self._loaded(batches, at)

    def _loaded(self, batches: Sequence[Stored], at: datetime) -> Ingested:
        after = consumed(self._shop.lake, _EVENT.name)
        fresh = [batch for batch in batches if batch.position > after]
        logged = self._without_erased(logged_events(fresh))
        known = self._known(logged)
        new = [one for one in logged if (one.event.source, one.event.message_id) not in known]
        if not new:
            # The position moves only with rows: what lies behind it until then is passed over in memory.
            self._passed = max([after, *(batch.position for batch in fresh)])
            return Ingested(0, len(logged), self._passed)
        self._land([one.event for one in new], at)
        through = fresh[-1].position
        files = self._write(event_rows(new))
        properties = {"shopkeeper.loader": self._holder}
        append_through(self._shop.lake, _EVENT.name, files, after=after, through=through, properties=properties)
        if self._commits % _TIDIED_EVERY == 0:
            tidy(self._shop, at)
        self._commits += 1
        return Ingested(len(new), len(logged) - len(new), through)

    def _without_erased(self, logged: Sequence[Logged]) -> list[Logged]:
        if not self._shop.vault.tombstones:
            return list(logged)
        barred = barred_by(self._shop)
        return without_mentions(without_erased(logged, barred), barred)

    def _land(self, events: Sequence[Event], at: datetime) -> None:
        """Puts sales and the like into their tables first: doing that again is harmless, adding the events is not."""
        shop, chain = self._shop, self._shop.settings.chain
        scratch = shop.spill / "events"
        scratch.mkdir(parents=True, exist_ok=True)
        days = Days(chain.time_zone, chain.cutover_hour, store_cutovers(shop.duckdb))
        Landing(shop.lake, shop.duckdb, shop.vault, shop.tokens, scratch, days, _failed).land(events, now=at)

    def _write(self, rows: pa.Table) -> list[str]:
        given = Table("given", "events of the log", _EVENT.columns, _EVENT.key)
        columns = ", ".join(_EVENT.column_names)
        query = Query.from_sql(f"SELECT {columns} FROM given", name="events of the log", inputs=(given,))
        return self._shop.duckdb.write(query, _EVENT, {"given": rows})

    def _known(self, logged: Sequence[Logged]) -> set[tuple[str, str]]:
        """Ids that the lake holds: the log forgets them after 90 days, or when it is lost, and the lake never."""
        ids = [(one.event.source, one.event.message_id) for one in logged]
        perhaps, files = self._known_ids.perhaps(self._shop.lake.data_files(_EVENT.name), ids)
        if not perhaps:
            return set()
        came = pa.table({name: [ids[at][place] for at in perhaps] for place, name in enumerate(_EVENT.key)})
        # Two ids may have one hash, so the lake itself is asked, of the days that may have them.
        days = [file.partition[0] for file in files]
        query = Query.from_sql(
            _KNOWN,
            name="events known before",
            inputs=(_KEY,),
            since=datetime.combine(_EVENT.partition.first_day(min(days)), time(), UTC),
            until=datetime.combine(_EVENT.partition.first_day(max(days) + 1), time(), UTC),
        )
        found = self._shop.duckdb.arrow(query, {"came": came})
        return set(zip(found["source"].to_pylist(), found["message_id"].to_pylist(), strict=True))


def _failed(event: Event, error: Exception) -> None:
    """The event itself is loaded; the live reader notes it among what was set aside."""
    logger("reader").warning("no rows of an event", reader="loader", source=event.source, error=noted(error))
