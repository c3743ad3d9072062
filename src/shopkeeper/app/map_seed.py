"""The map of identifiers learns what files said: the lake's `identifier`, in slices, only what came since last time."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from time import sleep
from typing import Any

from shopkeeper.app.known_map import known_to, remember
from shopkeeper.app.shop import Shop, now
from shopkeeper.app.traces import barred_person
from shopkeeper.base.clock import instant, microseconds
from shopkeeper.collect.people import subject
from shopkeeper.identity.book import Book
from shopkeeper.identity.link import Loaded, link_loaded, record_id
from shopkeeper.storage.changes import came_rows
from shopkeeper.storage.erase import state_after

__all__ = ["Seeder", "seed"]

_TABLE = "identifier"
_KEYS = ("kind", "token", "source", "customer_id", "is_loaded")
_RECORDS_AT_ONCE = 2_000
_NEVER_SEEN = 1 << 62  # what is known to have been seen is earlier
_BREATH = 0.005
_LOOKS_EVERY = timedelta(seconds=1)
# A record named by a token was read from a file only where that is noted; others never come from events.
_CAME = """
    SELECT
        source, customer_id, list(DISTINCT token ORDER BY token) AS tokens,
        epoch_us(min(first_seen_at)) AS first_at, epoch_us(max(last_seen_at)) AS last_at
    FROM came
    WHERE coalesce(is_loaded, NOT regexp_full_match(customer_id, '[a-z]{2}_[A-Za-z0-9_-]{24}'))
    GROUP BY source, customer_id
"""


class Seeder:
    """Brings what files said of identifiers into the map; one of all processes does it at a time.

    Args:
        shop: The shop.
        waits: Whether it waits for another that is at it, to go on from there.
    """

    def __init__(self, shop: Shop, *, waits: bool = False) -> None:
        self._shop = shop
        self._map = shop.state.identifiers
        self._waits = waits
        self._held = ExitStack()
        self._slices: Iterator[list[Loaded]] | None = None
        self._through = 0
        self._looked: datetime | None = None

    def step(self) -> bool:
        """Brings in one slice; says whether there is more to do at once."""
        try:
            if self._slices is None and not self._begins():
                return False
            records = next(self._slices, None) if self._slices else None
            if records is not None:
                with self._map.alone():
                    self._take(records)
                return True
            self._map.note_seeded(self._through)
        except BaseException:
            self._end()
            raise
        self._end()
        return False

    def look(self) -> bool:
        """Does a step, but looks for what is new once a second at most."""
        at = now(self._shop)
        if self._slices is None and self._looked is not None and abs(at - self._looked) < _LOOKS_EVERY:
            return False
        self._looked = at
        more = self.step()
        if more:
            sleep(_BREATH)
        return more

    def close(self) -> None:
        """Lets go in the middle; the next begins again."""
        self._end()

    def _begins(self) -> bool:
        found = self._shop.lake.snapshot(_TABLE)
        if found is None or found.id == self._map.seeded():
            return False
        if not self._held.enter_context(self._map.alone_seeding(waits=self._waits)):
            self._end()
            return False
        before = self._map.seeded()
        if before == found.id:
            self._end()
            return False
        self._through = found.id
        self._slices = self._read(state_after(self._shop.lake, _TABLE, before), found.id)
        return True

    def _end(self) -> None:
        self._slices = None
        self._held.close()

    def _read(self, before: int | None, after: int) -> Iterator[list[Loaded]]:
        shop = self._shop
        unknown = microseconds(now(shop))
        for batch in came_rows(shop.lake, shop.duckdb, _TABLE, _KEYS, _CAME, before, after, at_once=_RECORDS_AT_ONCE):
            yield [_loaded(row, unknown) for row in batch.to_pylist()]

    def _take(self, records: list[Loaded]) -> None:
        kept = self._without_erased(records)
        own = [record_id(each.source, each.customer_id) for each in kept]
        homes = self._map.persons(own)
        linked = [link_loaded(each) for each in kept]
        book = Book(known_to(self._map, {token for one in linked for token in one.seen}))
        for one, each, record in zip(linked, kept, own, strict=True):
            book.add_record(one, each, homes.get(record, record))
        remember(self._map, book, now(self._shop))

    def _without_erased(self, records: list[Loaded]) -> list[Loaded]:
        """Whoever bears a tombstone stays out; asked while nobody else changes the map, an erasure neither."""
        named = {subject(each.source, each.customer_id): each for each in records}
        persons = {barred_person(record_id(each.source, each.customer_id)) for each in records}
        tokens = {token for each in records for token in (each.customer_id, *each.tokens)}
        gone = self._shop.vault.tombstoned(subjects=persons | named.keys(), tokens=tokens)
        if not gone:
            return records
        return [
            Loaded(
                each.source,
                each.customer_id,
                tuple(token for token in each.tokens if token not in gone),
                each.first_day,
                each.last_day,
                each.at,
            )
            for name, each in named.items()
            if not gone & {name, each.customer_id, barred_person(record_id(each.source, each.customer_id))}
        ]


def seed(shop: Shop) -> None:
    """Brings in all that came; waits for another that is at it, and lets live events in between the slices."""
    seeder = Seeder(shop, waits=True)
    while seeder.step():
        sleep(_BREATH)


def _loaded(row: dict[str, Any], unknown: int) -> Loaded:
    first, last = row["first_at"], row["last_at"]
    return Loaded(
        row["source"],
        row["customer_id"],
        tuple(row["tokens"]),
        instant(unknown if first is None else first).toordinal(),
        instant(unknown if last is None else last).toordinal(),
        _NEVER_SEEN if first is None else first,
    )
