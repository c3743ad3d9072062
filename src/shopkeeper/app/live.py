"""The reader that keeps live state: log → whose each event is → map of identifiers → `live.db`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from shopkeeper.app.known_map import known_to, remember
from shopkeeper.app.log import logger, noted
from shopkeeper.app.shop import Shop
from shopkeeper.base.clock import microseconds
from shopkeeper.base.errors import StorageError
from shopkeeper.collect.event_table import Barred, Logged, logged_events, without_erased
from shopkeeper.collect.load import store_cutovers
from shopkeeper.collect.orders import Days, order_lines, whole_refund
from shopkeeper.identity.book import Book, Changes
from shopkeeper.identity.link import Linked, identifiers_of, link, record_id
from shopkeeper.profile.live import Keep, Touch, decode_live, encode_live, join
from shopkeeper.profile.live_touch import touch_of
from shopkeeper.schema.event import Event
from shopkeeper.segment.live_check import EVERYTHING
from shopkeeper.storage.live import Along, LiveStore
from shopkeeper.storage.live_queue import Aside
from shopkeeper.storage.log import Log, Stored
from shopkeeper.storage.log_reader import LogReader
from shopkeeper.storage.state.identifiers import Identifiers

__all__ = ["LIVE_FILE", "Lines", "LiveReader", "Older", "lines_for", "live_lines", "rebuild"]

LIVE_FILE = "live.db"
Lines = Callable[[Event], Sequence[Mapping[str, Any]]]
"""Gives the rows of `order_line` that an event is."""
Older = Callable[[int], Iterable[Sequence[Logged]]]
"""Gives the events of the log from before a position, in their order and in pieces that are not empty."""

_EVENTS_AT_ONCE = 4_000
_BATCHES_AT_ONCE = 20
"""Few, since what is read beyond the events of one step is read again by the next."""
_BESIDE = ("-wal", "-shm")
_SECOND = 1_000_000
_ENCODE = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class _Taken:
    """What some events come to: tokens and touches by record, words by record to look at, what could not be read."""

    tokens: dict[str, str] = field(default_factory=dict)
    touches: dict[str, list[Touch]] = field(default_factory=dict)
    words: dict[str, set[str]] = field(default_factory=dict)
    aside: list[Aside] = field(default_factory=list)

    def add(self, event: Event, token: str, touch: Touch) -> None:
        record = record_id(event.source, token)
        self.tokens[record] = token
        self.touches.setdefault(record, []).append(touch)
        if event.is_live:
            self.words.setdefault(record, set()).update(_words(event, touch))

    def fail(self, one: Logged, error: Exception) -> None:
        self._set_aside(one.offset, int(one.event.received_at.timestamp()), error)

    def joined(self, old: bytes | None, record: str, keep: Keep) -> bytes:
        """Gives the state of a record with its touches; one that cannot be kept is set aside."""
        touches = self.touches[record]
        try:
            return _joined(old, touches, keep)
        except Exception:  # noqa: BLE001 - told apart one by one
            return _joined(old, [touch for touch in touches if self._fits(touch)], keep)

    def _fits(self, touch: Touch) -> bool:
        try:
            _ENCODE(touch)
        except Exception as error:  # noqa: BLE001 - one event that cannot be kept must not stop the others
            self._set_aside(touch.offset, touch.at // _SECOND, error)
            return False
        return True

    def _set_aside(self, offset: int, at: int, error: Exception) -> None:
        reason = noted(error)
        logger("reader").warning("an event was set aside", reader="live", offset=offset, error=reason)
        self.aside.append(Aside("event", str(offset), reason, at))


class LiveReader:
    """Reads the log into the map of identifiers and live state.

    A batch changes the map first, which may be done twice, then live state together with its position and with who is
    to be looked at again. An event that cannot be read is set aside, and the others go on.

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
        self.take(logged_events(batches), received=batches[-1].received_at, after=after, through=batches[-1].position)
        return sum(len(batch.entries) for batch in batches) >= _EVENTS_AT_ONCE

    def take(self, logged: Sequence[Logged], *, received: float, after: int, through: int) -> None:
        """Takes in some events, whether of the log or of the lake, and moves the position on.

        Args:
            logged: The events.
            received: When the last of them came, in seconds since 1970: since then what is new in the map holds.
            after: The position live state is at.
            through: The position it is at afterwards.
        """
        with self._map.alone():
            taken = self._link(without_erased(logged, self._barred), received, through)

        def changed(old: Mapping[str, bytes]) -> dict[str, bytes]:
            return {record: taken.joined(old.get(record), record, self._keep) for record in taken.touches}

        along = Along(received, taken.words, taken.aside)
        self._store.apply(taken.tokens, changed, after=after, through=through, along=along)

    def keep_days(self, days: int) -> None:
        """Keeps events of so many days from now on, where that is more than before."""
        self._keep = msgspec.structs.replace(self._keep, days=max(days, self._keep.days))

    def _link(self, logged: Sequence[Logged], received: float, through: int) -> _Taken:
        taken = _Taken()
        read = self._read(logged, taken)
        known = known_to(self._map, {token for _, seen, _ in read for token in seen})
        book = Book(known)
        for one, seen, touch in read:
            try:
                linked = link(one.event, book.known, seen)
                _note(book, one.event, linked)
            except Exception as error:  # noqa: BLE001 - one event that cannot be linked must not stop the others
                taken.fail(one, error)
                continue
            if linked.record is not None and touch is not None:
                taken.add(one.event, linked.record, touch)
        changes = book.changes()
        moved = _moved({each.token: each.person_id for each in known}, changes, book)
        if moved:
            # Said before the map changes: after a kill the map would not say again who was moved.
            self._store.announce(moved, (EVERYTHING,), position=through, at=received)
        remember(self._map, book, datetime.fromtimestamp(received, UTC))
        return taken

    def _read(self, logged: Sequence[Logged], taken: _Taken) -> list[tuple[Logged, tuple[str, ...], Touch | None]]:
        """What each event says by itself; what cannot be read is set aside."""
        found: list[tuple[Logged, tuple[str, ...], Touch | None]] = []
        for one in logged:
            try:
                seen = identifiers_of(one.event)
                has_record = bool(seen or one.event.user_id or one.event.anonymous_id)
                touch = touch_of(one.event, one.offset, self._lines(one.event)) if has_record else None
            except Exception as error:  # noqa: BLE001 - one event that cannot be read must not stop the others
                taken.fail(one, error)
            else:
                found.append((one, seen, touch))
        return found


def lines_for(shop: Shop) -> Lines:
    """What makes order lines of a shop's events, with the cut-over hours its stores have now."""
    chain = shop.settings.chain
    return partial(live_lines, days=Days(chain.time_zone, chain.cutover_hour, store_cutovers(shop.duckdb)))


def live_lines(event: Event, days: Days) -> list[dict[str, Any]]:
    """The rows of `order_line` that an event is; of a refund that names no goods one row of number 0."""
    found = order_lines(event, days)
    if found:
        return found
    refund = whole_refund(event, days)
    return [] if refund is None else [refund]


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
            reader.take(some, received=some[-1].event.received_at.timestamp(), after=0, through=0)
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


def _words(event: Event, touch: Touch) -> set[str]:
    """What an event is to segments, as `segment/live_check.reads` says it."""
    words = {"event"}
    if event.name is not None:
        words.add(f"event:{event.name}")
    if touch.lines or touch.refund is not None:
        words.add("order_line")
    return words


def _moved(before: Mapping[str, str], changes: Changes, book: Book) -> set[str]:
    """The persons that became more or less by a batch."""
    found = {each.into_id for each in changes.merges}
    for token in changes.followed:
        now, then = book.person(token), before.get(token)
        if then is not None and then != now:
            found |= {then, now}
    return found


def _note(book: Book, event: Event, linked: Linked) -> None:
    at = min(event.occurred_at, event.received_at)
    book.add(linked, event.source, microseconds(at), at.toordinal(), verified=event.is_verified)


def _joined(old: bytes | None, touches: Iterable[Touch], keep: Keep) -> bytes:
    return encode_live(join([] if old is None else [decode_live(old)], touches, keep))


def _remove(file: Path) -> None:
    for ending in ("", *_BESIDE):
        file.with_name(file.name + ending).unlink(missing_ok=True)
