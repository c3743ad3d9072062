"""The reader that keeps live state: log → whose each event is → map of identifiers → `live.db`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from shopkeeper.app.known_map import known_to, remember
from shopkeeper.app.shop import Shop
from shopkeeper.base.clock import microseconds
from shopkeeper.base.errors import StorageError
from shopkeeper.collect.event_table import Barred, Logged, logged_events, without_erased
from shopkeeper.collect.load import store_cutovers
from shopkeeper.collect.orders import Days, order_lines
from shopkeeper.identity.book import Book
from shopkeeper.identity.link import Linked, link, record_id
from shopkeeper.profile.live import Keep, Touch, decode_live, encode_live, join
from shopkeeper.profile.live_touch import touch_of
from shopkeeper.schema.event import Event
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.log import Log, Stored
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.state.identifiers import Identifiers

__all__ = ["LIVE_FILE", "Lines", "LiveReader", "Older", "lines_for", "rebuild"]

LIVE_FILE = "live.db"
Lines = Callable[[Event], Sequence[Mapping[str, Any]]]
"""Gives the rows of `order_line` that an event is."""
Older = Callable[[int], Iterable[Sequence[Logged]]]
"""Gives the events of the log from before a position, in their order and in pieces that are not empty."""

_EVENTS_AT_ONCE = 4_000
_BATCHES_AT_ONCE = 200
_BESIDE = ("-wal", "-shm")


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
        begins = batches[0].position if batches else self._log.begin()
        if begins > after + 1:
            raise StorageError(
                f"the log begins at {begins}, live state ends at {after}",
                place=str(self._store.file),
                next_step="stop shopkeeper serve, then shopkeeper live rebuild",
            )
        if not batches:
            return False
        at = datetime.fromtimestamp(batches[-1].received_at, UTC)
        self.take(logged_events(batches), at=at, after=after, through=batches[-1].position)
        return sum(len(batch.entries) for batch in batches) >= _EVENTS_AT_ONCE

    def take(self, logged: Sequence[Logged], *, at: datetime, after: int, through: int) -> None:
        """Takes in some events, whether of the log or of the lake, and moves the position on.

        Args:
            logged: The events.
            at: Since when what is new in the map holds.
            after: The position live state is at.
            through: The position it is at afterwards.
        """
        with self._map.alone():
            touches = self._link(without_erased(logged, self._barred), at)
        tokens = {record: token for record, (token, _) in touches.items()}
        new = {record: found for record, (_, found) in touches.items()}

        def changed(old: Mapping[str, bytes]) -> dict[str, bytes]:
            return {record: _joined(old.get(record), found, self._keep) for record, found in new.items()}

        self._store.apply(tokens, changed, after=after, through=through)

    def _link(self, logged: Sequence[Logged], at: datetime) -> dict[str, tuple[str, list[Touch]]]:
        named = [(one, link(one.event, {})) for one in logged]
        book = Book(known_to(self._map, {token for _, linked in named for token in linked.seen}))
        touches: dict[str, tuple[str, list[Touch]]] = {}
        for one, _ in named:
            linked = link(one.event, book.known)
            _note(book, one.event, linked)
            if linked.record is not None:
                own = record_id(one.event.source, linked.record)
                touch = touch_of(one.event, one.offset, self._lines(one.event))
                touches.setdefault(own, (linked.record, []))[1].append(touch)
        remember(self._map, book, at)
        return touches


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
    older: Older = lambda _: (),
) -> int:
    """Makes live state anew, beside the old, and swaps it in; the worker must not run meanwhile.

    Args:
        log: The log.
        identifiers: The map; what it knows already stays.
        file: Where live state is.
        lines: Gives the order lines of an event.
        keep: How much of a record is kept.
        barred: Says whose tokens bear a tombstone; nobody's by default.
        older: Gives the events that the log no longer has.

    Returns:
        The position that it holds.
    """
    beside = file.with_name(f"{file.name}.new")
    _remove(beside)
    store = LiveStore(beside)
    try:
        reader = LiveReader(log, identifiers, store, lines, keep, barred)
        begins = log.begin()
        for some in older(begins) if begins > 1 else ():
            reader.take(some, at=some[-1].event.received_at, after=0, through=0)
        store.apply({}, lambda _: {}, after=0, through=begins - 1)
        while store.position() < log.end():
            reader.step()
        position = store.position()
        store.settle()
    finally:
        store.close()
    for ending in _BESIDE:  # of the old: the new one must not find them
        file.with_name(file.name + ending).unlink(missing_ok=True)
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


def _remove(file: Path) -> None:
    for ending in ("", *_BESIDE):
        file.with_name(file.name + ending).unlink(missing_ok=True)
