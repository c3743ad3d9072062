"""The worker's step that runs segments live: who was touched is looked at again, then whose timer ran out."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from shopkeeper.app.live import LIVE_FILE
from shopkeeper.app.live_follow import last_run_day, reconcile_with_run, turn_days
from shopkeeper.app.live_ground import live_set_of
from shopkeeper.app.live_history import make_history
from shopkeeper.app.live_people import People
from shopkeeper.app.live_segments import LiveSet, Touched, retire, take_turn
from shopkeeper.app.log import logger, noted
from shopkeeper.app.shop import Shop, now
from shopkeeper.base.clock import business_day, end_of_day, microseconds
from shopkeeper.segment.live_check import EVERYTHING
from shopkeeper.storage.live import LiveStore
from shopkeeper.storage.live_history import HISTORY_FILE, LiveHistory
from shopkeeper.storage.live_queue import Aside, LiveQueue, Touching
from shopkeeper.storage.state.live_segments import Turn

__all__ = ["LiveTurns"]

_AT_ONCE = 1_000
_SAYS_EVERY = timedelta(seconds=2)
_AGAIN_AFTER = timedelta(seconds=30)
_MEANWHILE = timedelta(seconds=5)
_LEDGER_LATE = timedelta(seconds=5)
_LEDGER = "live_consents"
_MOST_REMEMBERED = 10_000
_MOST_WAITING = 100_000


class _Basis(NamedTuple):
    """What the segments that run live rest on: the end of the last run, and the published versions."""

    run: int
    segments: tuple[tuple[str, int], ...]

    def note(self) -> list[Any]:
        """As JSON gives it back."""
        return [self.run, [list(each) for each in self.segments]]


@dataclass(frozen=True, slots=True)
class _Made:
    """Segments made ready, and the history that was made for them; None where the one in use serves."""

    basis: _Basis
    live: LiveSet
    day: date
    beside: Path | None
    since: datetime


@dataclass(slots=True)
class _Round:
    """What is to be looked at: words and timers by person, those who could not be, and timers of nobody any more."""

    words: dict[str, set[str]] = field(default_factory=dict)
    timers: dict[str, set[str]] = field(default_factory=dict)
    asides: dict[str, str] = field(default_factory=dict)
    stale: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, who: str, error: Exception) -> None:
        """Notes a person who could not be looked at."""
        reason = noted(error)
        logger("reader").warning("a person was set aside", reader="segments", error=reason)
        self.asides[who] = reason


class LiveTurns:
    """Runs the published segments of one shop live. There is one to a shop, beside the live reader.

    What is asked of the lake is made ready in a thread of its own whenever a run has ended or another version is
    published; until then the segments run as before.

    Args:
        shop: The shop; its live state is there.
        keep_days: Told how many days of events the segments look back.
    """

    def __init__(self, shop: Shop, keep_days: Callable[[int], None] = lambda _: None) -> None:
        self._shop = shop
        self._keep_days = keep_days
        self._store = LiveStore(shop.folder / LIVE_FILE, reads_only=True)
        self._queue = LiveQueue(shop.folder / LIVE_FILE)
        self._history = LiveHistory.opened(shop.folder / HISTORY_FILE)
        self._making: Future[_Made] | None = None
        self._basis: _Basis | None = None
        self._live: LiveSet | None = None
        self._people: People | None = None
        self._begin: Callable[[], Iterator[object]] | None = None
        self._pending: Iterator[object] = iter(())
        self._again_at: datetime | None = None
        self._day: date | None = None
        self._hears: dict[str, bool] = {}
        self._said_at: datetime | None = None
        self._heard_of: set[tuple[str, datetime]] = set()

    def step(self) -> bool:
        """Does a part of what there is to do; says whether more waits already."""
        at = now(self._shop)
        settling = self._keep_up(at)
        if self._live is None:
            self._queue.thin((EVERYTHING,), most=_MOST_WAITING)
            return False
        if self._live.need.consents:
            self._hear_ledger(at)
        waiting = self._queue.waiting(_AT_ONCE)
        due = self._shop.state.live_segments.due(at, _AT_ONCE)
        if waiting or due:
            self._look(waiting, due)
        more = settling or len(waiting) == _AT_ONCE or len(due) == _AT_ONCE
        if not more and (self._said_at is None or at - self._said_at >= _SAYS_EVERY):
            self._queue.reached(at.timestamp())
            self._said_at = at
        return more

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being made ready, and live membership follows the last run and the day."""
        return self._making is None and self._begin is None

    def wait(self) -> None:
        """Waits until the segments that are being made ready are."""
        if self._making is not None:
            self._making.exception()

    def close(self) -> None:
        """Closes what was opened."""
        self._store.close()
        self._queue.close()
        if self._history is not None:
            self._history.close()

    def _keep_up(self, at: datetime) -> bool:
        """Follows runs, days and publications; a failure there must not stop those who were touched."""
        if self._again_at is not None and at < self._again_at:
            return False
        self._again_at = None
        try:
            self._follow(at)
            return self._settle_some()
        except Exception as error:
            if self._live is None:
                raise
            logger("reader").warning("segments could not follow a run", reader="segments", error=noted(error))
            self._again_at = at + _AGAIN_AFTER
            self._pending = self._begin() if self._begin is not None else iter(())
            return False

    def _follow(self, at: datetime) -> None:
        """Takes in what was made ready, and has made ready what is new."""
        if self._making is not None and self._making.done():
            made, self._making = self._making, None
            self._take(made.result())
        run = self._shop.state.runs.recent(limit=1, state="done")
        ended = run[0].ended_at if run else None
        basis = _Basis(microseconds(ended) if ended else 0, self._shop.state.segments.published())
        day = business_day(at, self._shop.settings.chain.time_zone)
        if basis != self._basis:
            if self._making is None:
                self._making = _begun(lambda: self._make(basis, day, at))
        elif self._begin is None and self._day is not None and day > self._day:
            self._turn(self._day, day)

    def _make(self, basis: _Basis, day: date, at: datetime) -> _Made:
        live = live_set_of(self._shop)
        notes = {"basis": basis.note(), "need": repr(live.need)}
        known = LiveHistory.opened(self._shop.folder / HISTORY_FILE)
        if known is not None:
            try:
                if {name: known.note(name) for name in notes} == notes:
                    return _Made(basis, live, day, None, at)
            finally:
                known.close()
        file = self._shop.folder / HISTORY_FILE
        return _Made(basis, live, day, make_history(self._shop, live.need, day, file, notes), at)

    def _take(self, made: _Made) -> None:
        if self._live is not None:
            # Who was touched meanwhile was looked at for the segments of before.
            since = (made.since - _MEANWHILE).timestamp()
            self._queue.touch(self._queue.touched_since(since), (EVERYTHING,), at=since)
        if made.beside is not None:
            if self._history is not None:
                self._history.close()
            self._history = LiveHistory.put_in(made.beside, self._shop.folder / HISTORY_FILE)
        self._basis = made.basis
        self._rest_on(made.live)
        self._keep_days(made.live.need.days_of("event") + 1)
        settled = self._history.note("day") if self._history is not None else None
        if settled is None:
            self._plan(lambda: self._settle(made.live, made.day))
        else:
            self._begin, self._day = None, date.fromordinal(settled)

    def _rest_on(self, live: LiveSet) -> None:
        self._live, self._hears = live, {}
        self._people = People(self._store, self._history, self._shop.state.consents, live.need)

    def _turn(self, after: date, day: date) -> None:
        live = live_set_of(self._shop, self._live.ground if self._live is not None else None)
        self._rest_on(live)
        self._plan(lambda: self._turned(live, after, day))

    def _plan(self, begin: Callable[[], Iterator[object]]) -> None:
        self._begin, self._pending = begin, begin()

    def _settle_some(self) -> bool:
        if self._begin is not None and next(self._pending, None) is None:
            self._begin = None
        return self._begin is not None

    def _settle(self, live: LiveSet, day: date) -> Iterator[object]:
        """Has live membership follow the last run, some of it at a time."""
        yield retire(self._shop.state, live, now(self._shop), self._shop.state.web_hooks.wanted())
        as_of = last_run_day(self._shop)
        if as_of is not None:
            end = end_of_day(as_of, self._shop.settings.chain.time_zone)
            records = self._queue.touched_since(end.timestamp())
            persons = self._shop.state.identifiers.persons(records)
            yield from reconcile_with_run(self._shop, live, day, {persons.get(each, each) for each in records})
            self._queue.settle(end.timestamp())
        self._settled(day)

    def _turned(self, live: LiveSet, after: date, day: date) -> Iterator[object]:
        yield from turn_days(self._shop, live, after, day)
        self._settled(day)

    def _settled(self, day: date) -> None:
        self._day = day
        if self._history is not None:
            self._history.put_note("day", day.toordinal())

    def _hear_ledger(self, at: datetime) -> None:
        """Puts people into the queue whose consents changed; a change that was committed late is heard too."""
        positions = self._shop.state.positions
        since = positions.of(_LEDGER)
        if not since:
            since = microseconds(at)
            positions.move(_LEDGER, since)
        begins = datetime.fromtimestamp(since / 1e6, at.tzinfo) - _LEDGER_LATE
        found = set(self._shop.state.consents.recorded_since(begins)) - self._heard_of
        if found:
            self._queue.touch({who for who, _ in found}, ("consent",), at=at.timestamp())
            positions.move(_LEDGER, max(since, *(microseconds(recorded) for _, recorded in found)))
            last = datetime.fromtimestamp(positions.of(_LEDGER) / 1e6, at.tzinfo) - _LEDGER_LATE
            self._heard_of = {each for each in self._heard_of | found if each[1] >= last}

    def _look(self, waiting: Sequence[Touching], due: Sequence[tuple[str, str]]) -> None:
        live, people, state = self._live, self._people, self._shop.state
        if live is None or people is None:
            return
        this = self._gathered([each for each in waiting if self._is_heard(each.words, each)], due)
        folds = state.identifiers.folds(this.words.keys() | this.timers.keys())
        found = people.of(folds, this.fail)
        touched = [
            Touched(
                person,
                frozenset(this.words.get(who, ())),
                frozenset(this.timers.get(who, ())),
                frozenset(folds[who]) - {who},
            )
            for who, person in found.items()
        ]
        # Read after the people were: what happened to them meanwhile is not of the future.
        at = now(self._shop)
        if touched:
            take_turn(state, live, touched, at, state.web_hooks.wanted(), this.fail)
        self._put_off(this, at)
        self._queue.done(
            waiting, [Aside("person", who, reason, int(at.timestamp())) for who, reason in this.asides.items()]
        )

    def _gathered(self, waiting: Sequence[Touching], due: Sequence[tuple[str, str]]) -> _Round:
        this, names = _Round(), {found.name for found in self._live.segments} if self._live is not None else set()
        records = {each.record_id for each in waiting} | {who for _, who in due}
        persons = self._shop.state.identifiers.persons(records)
        for each in waiting:
            this.words.setdefault(persons.get(each.record_id, each.record_id), set()).update(each.happened)
        for segment, who in due:
            if segment in names:
                this.timers.setdefault(persons.get(who, who), set()).add(segment)
            if who in persons or segment not in names:
                this.stale.append((segment, who))
        return this

    def _put_off(self, this: _Round, at: datetime) -> None:
        """Sees to it that no timer rings for ever: of somebody who cannot be looked at, or is somebody else now."""
        zone = self._shop.settings.chain.time_zone
        timers: dict[tuple[str, str], datetime | None] = dict.fromkeys(this.stale)
        tomorrow = end_of_day(business_day(at, zone), zone)
        timers |= {(name, who): tomorrow for who in this.asides for name in this.timers.get(who, ())}
        if timers:
            self._shop.state.live_segments.keep(Turn(timers=timers), {})

    def _is_heard(self, words: str, touching: Touching) -> bool:
        if words not in self._hears:
            if len(self._hears) >= _MOST_REMEMBERED:
                self._hears.clear()
            self._hears[words] = self._live is not None and bool(self._live.hearing(touching.happened))
        return self._hears[words]


def _begun(make: Callable[[], _Made]) -> Future[_Made]:
    """Begins something in a thread that ends with the process."""
    future: Future[_Made] = Future()

    def do() -> None:
        try:
            future.set_result(make())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result hears of it
            future.set_exception(error)

    threading.Thread(target=do, name="segments made ready", daemon=True).start()
    return future
