"""The reader that keeps live state: log → whose each event is → map of identifiers → `live.db`."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from shopkeeper.app.shop import Shop
from shopkeeper.base.clock import microseconds
from shopkeeper.base.errors import StorageError
from shopkeeper.collect.event_table import Barred, Logged, logged_events, without_erased
from shopkeeper.collect.load import store_cutovers
from shopkeeper.collect.orders import Days, order_lines
from shopkeeper.identity.book import Book, Changes
from shopkeeper.identity.link import Known, Linked, identifiers_of, kind_of, link, record_id
from shopkeeper.profile.live import Keep, Touch, decode_live, encode_live, join
from shopkeeper.profile.live_touch import touch_of
from shopkeeper.schema.event import Event
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log import Log, Stored
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.state.identifiers import Identified, Identifiers

__all__ = ["LIVE_FILE", "Lines", "LiveReader", "lines_for", "rebuild"]

LIVE_FILE = "live.db"
Lines = Callable[[Event], Sequence[Mapping[str, Any]]]
"""Gives the rows of `order_line` that an event is."""

_EVENTS_AT_ONCE = 4_000
_BATCHES_AT_ONCE = 200


class LiveReader:
    """Reads the log into the map of identifiers and live state.

    A batch changes the map first, which may be done twice, then live state together with its position.

    Args:
        log: The log.
        identifiers: The map.
        store: Live state, opened for writing.
        lines: Gives the order lines of an event.
        keep: How much of a record is kept.
        barred: Says whose tokens bear a tombstone; nobody's by default.
    """

    def __init__(
        self,
        log: Log | LogReader,
        identifiers: Identifiers,
        store: LiveStore,
        lines: Lines,
        keep: Keep | None = None,
        barred: Barred = lambda _: (),
    ) -> None:
        self._log = log
        self._map = identifiers
        self._store = store
        self._lines = lines
        self._keep = keep or Keep()
        self._barred = barred

    def step(self) -> bool:
        """Takes in what waits, at most some thousand events; says whether more waits already.

        Raises:
            StorageError: The log has been trimmed beyond what live state holds.
        """
        after = self._store.position()
        batches = _waiting(self._log, after)
        if not batches:
            return False
        if batches[0].position != after + 1:
            raise StorageError(
                f"the log begins at {batches[0].position}, live state ends at {after}",
                place=str(self._store.file),
                next_step="put back the live.db of before; it cannot be made from a part of the log",
            )
        logged = without_erased(logged_events(batches), self._barred)
        touches = self._link(logged, datetime.fromtimestamp(batches[-1].received_at, UTC))
        tokens = {record: token for record, (token, _) in touches.items()}
        new = {record: found for record, (_, found) in touches.items()}

        def changed(old: Mapping[str, bytes]) -> dict[str, bytes]:
            return {record: _joined(old.get(record), found, self._keep) for record, found in new.items()}

        self._store.apply(tokens, changed, after=after, through=batches[-1].position)
        return sum(len(batch.entries) for batch in batches) >= _EVENTS_AT_ONCE

    def _link(self, logged: Sequence[Logged], at: datetime) -> dict[str, tuple[str, list[Touch]]]:
        named = [(one, identifiers_of(one.event)) for one in logged]
        book = Book(self._known({token for _, seen in named for token in seen}))
        touches: dict[str, tuple[str, list[Touch]]] = {}
        for one, seen in named:
            linked = link(one.event, book.known, seen)
            _note(book, one.event, linked)
            if linked.record is not None:
                own = record_id(one.event.source, linked.record)
                touch = touch_of(one.event, one.offset, self._lines(one.event))
                touches.setdefault(own, (linked.record, []))[1].append(touch)
        self._remember(book, book.changes(), at)
        return touches

    def _known(self, tokens: Collection[str]) -> list[Known]:
        found = self._map.known(sorted(tokens))
        claimants = {one.claimed_by for one in found if one.claimed_by is not None} - {one.token for one in found}
        if claimants:
            found += self._map.known(sorted(claimants))
        return [_known(one) for one in found]

    def _remember(self, book: Book, changes: Changes, at: datetime) -> None:
        if changes.merges:
            self._map.merge([(each.person_id, each.into_id) for each in changes.merges], now=at)
        if changes.followed:
            moved = {
                token: (_identified(book.known[token], book.person(token)), record_id(book.known[token].source, token))
                for token in changes.followed
            }
            self._map.follow(moved, now=at)
        self._map.keep(_identified(one, one.person_id) for one in changes.known)
        self._map.belong({one.record_id: (one.token, one.person_id) for one in changes.moved}, now=at)


def lines_for(shop: Shop) -> Lines:
    """What makes order lines of a shop's events, with the cut-over hours its stores have now.

    A refund that names no goods gives none here: its order is in the lake, and the next run takes it off.
    """
    chain = shop.settings.chain
    return partial(order_lines, days=Days(chain.time_zone, chain.cutover_hour, store_cutovers(shop.duckdb)))


def rebuild(
    log: Log | LogReader,
    identifiers: Identifiers,
    file: Path,
    lines: Lines,
    keep: Keep | None = None,
    barred: Barred = lambda _: (),
) -> int:
    """Makes live state anew from the log, beside the old, and swaps it in; the worker must not run meanwhile.

    Args:
        log: The log, untrimmed.
        identifiers: The map; what it knows already stays.
        file: Where live state is.
        lines: Gives the order lines of an event.
        keep: How much of a record is kept.
        barred: Says whose tokens bear a tombstone; nobody's by default.

    Returns:
        The position that it holds.
    """
    beside = file.with_name(f"{file.name}.new")
    _remove(beside)
    store = LiveStore(beside)
    try:
        reader = LiveReader(log, identifiers, store, lines, keep, barred)
        while store.position() < log.end():
            reader.step()
        position = store.position()
        store.settle()
    finally:
        store.close()
    _remove(file)
    beside.replace(file)
    return position


def _waiting(log: Log | LogReader, after: int) -> list[Stored]:
    found: list[Stored] = []
    events = 0
    while events < _EVENTS_AT_ONCE:
        batches = log.read(found[-1].position if found else after, _BATCHES_AT_ONCE)
        if not batches:
            break
        for batch in batches:
            found.append(batch)
            events += len(batch.entries)
            if events >= _EVENTS_AT_ONCE:
                break
    return found


def _note(book: Book, event: Event, linked: Linked) -> None:
    at = min(event.occurred_at, event.received_at)
    book.add(linked, event.source, microseconds(at), at.toordinal(), verified=event.is_verified)


def _joined(old: bytes | None, touches: Iterable[Touch], keep: Keep) -> bytes:
    return encode_live(join([] if old is None else [decode_live(old)], touches, keep))


def _known(one: Identified) -> Known:
    return Known(
        one.token,
        one.person_id,
        one.source,
        one.first_seen_on.toordinal(),
        one.last_seen_on.toordinal(),
        one.verified,
        one.claimed_by,
        one.claimed_at,
    )


def _identified(one: Known, person_id: str) -> Identified:
    return Identified(
        one.token,
        person_id,
        kind_of(one.token),
        one.source,
        date.fromordinal(one.first_day),
        date.fromordinal(one.last_day),
        one.verified,
        one.claimed_by,
        one.claimed_at,
    )


def _remove(file: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
