"""Published segments run live: events, timers, segments of segments, turns done twice, and the run's word."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopkeeper.app.live_segments import (
    MOST_LIVE,
    LiveSet,
    Touched,
    evaluated,
    live_set,
    reconcile,
    retire,
    take_turn,
)
from shopkeeper.base.clock import microseconds
from shopkeeper.segment.document import to_document
from shopkeeper.segment.history import Happening, Line, Person, Stay
from shopkeeper.segment.line import parse
from shopkeeper.segment.live_check import EVERYTHING
from shopkeeper.segment.view import Ground, View
from shopkeeper.storage.state import State
from shopkeeper.storage.state.live_segments import Member
from shopkeeper.storage.state.password import Passwords

_NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
_RULES = {
    "buyers": "bought in last 30 days",
    "viewers": 'did event "view" in last 7 days',
    "waiting": 'did event "view" in last 7 days then not bought within 2 days',
    "both": 'in segment "buyers" and in segment "viewers"',
    "ever": "bought ever",
}


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(f"sqlite:///{tmp_path / 'state.db'}", passwords=Passwords()) as opened:
        opened.upgrade()
        yield opened


def _live(state: State, rules: dict[str, str] = _RULES) -> LiveSet:
    for name, rule in rules.items():
        tree = to_document(parse(rule))
        state.segments.save(name, tree, label_en=name, label_zh=name, by="t", now=_NOON, published=True)
    return live_set(state.segments.all(), Ground(), _NOON.date())


def _line(at: datetime) -> Line:
    return Line("till", f"o{at}", 1, at.date().toordinal(), microseconds(at), "1", "milk", "1", 10_000, 30_000)


def _view(at: datetime) -> Happening:
    return Happening(microseconds(at), "track", "view")


def _said(state: State) -> list[tuple[str, str, str, str]]:
    return [(each.segment, each.person_id, each.kind, each.cause) for each in state.live_segments.changes(None)]


_EVENT = frozenset({"event", "event:view"})


def test_what_cannot_run_live_says_why(state: State) -> None:
    live = _live(state)
    assert [found.name for found in live.segments if found.name != "ever"] == [found.name for found in live.segments]
    (fault,) = live.left_out["ever"]
    assert (fault.path, fault.message.split(";")[0]) == ("window", "looks at all time")
    assert fault.said("zh").startswith("没有时间范围")
    assert live.history_days == 30


def test_a_rule_that_no_longer_holds_stops_no_other(state: State) -> None:
    _live(state)
    wrong = {"trait": "gone", "op": "=", "value": 1}
    state.segments.save("wrong", wrong, label_en="w", label_zh="w", by="t", now=_NOON, published=True)
    live = live_set(state.segments.all(), Ground(), _NOON.date())
    assert {found.name for found in live.segments} == {"buyers", "viewers", "waiting", "both"}
    assert [fault.path for fault in live.left_out["wrong"]] == ["trait"]


def test_an_event_asks_only_those_that_hear_of_it(state: State) -> None:
    live = _live(state)
    assert live.hearing({"order_line"}) == {"buyers", "waiting"}
    assert live.hearing({"event", "event:view"}) == {"viewers", "waiting"}
    assert live.hearing({"event", "event:cart"}) == set()


def test_entering_leaving_and_timers(state: State) -> None:
    live = _live(state)
    person = Person(person_id="p", events=[_view(_NOON)])
    assert take_turn(state, live, [Touched(person, _EVENT)], _NOON, {}) == 1
    bought = Person(person_id="p", events=[_view(_NOON)], lines=[_line(_NOON + timedelta(days=3))])
    later = _NOON + timedelta(days=2)
    assert state.live_segments.next_due() == later - timedelta(microseconds=1)
    assert state.live_segments.due(later, 10) == [("waiting", "p")]
    take_turn(state, live, [Touched(person, timers=frozenset({"waiting"}))], later, {})
    take_turn(state, live, [Touched(bought, frozenset({"order_line"}))], later + timedelta(days=1), {})
    assert _said(state) == [
        ("viewers", "p", "entered", "event"),
        ("waiting", "p", "entered", "timer"),
        ("buyers", "p", "entered", "event"),
        ("both", "p", "entered", "event"),
    ]
    midnight = (_NOON + timedelta(days=7)).replace(hour=0)
    due = state.live_segments.due(midnight, 10)
    assert set(due) == {("viewers", "p"), ("waiting", "p")}
    timers = frozenset(name for name, _ in due)
    assert take_turn(state, live, [Touched(bought, timers=timers)], midnight, {}) == 3
    assert [each[:3] for each in _said(state)[4:]] == [
        ("viewers", "p", "left"),
        ("waiting", "p", "left"),
        ("both", "p", "left"),
    ]
    assert {member.segment for member in state.live_segments.members_of(["p"])} == {"buyers"}


def test_a_turn_done_twice_changes_nothing(state: State) -> None:
    live = _live(state)
    touched = [Touched(Person(person_id=f"p{n}", events=[_view(_NOON)]), _EVENT) for n in range(1000)]
    assert take_turn(state, live, touched, _NOON, {}) == 1000
    assert take_turn(state, live, touched, _NOON, {}) == 0
    found = state.live_segments.changes("viewers", most=2000)
    assert [each.seq for each in found] == list(range(1, 1001))
    assert len(state.live_segments.changes("viewers", after=990)) == 10


def test_the_word_of_the_run_holds_for_its_instant(state: State) -> None:
    live = _live(state)
    end = _NOON.replace(hour=0)
    before, after = end - timedelta(hours=5), end + timedelta(hours=3)
    for who, moment in (("a", before), ("b", before), ("c", after)):
        person = Person(person_id=who, lines=[_line(moment)])
        take_turn(state, live, [Touched(person, frozenset({"order_line"}))], moment, {})
    found = reconcile(state, live, "buyers", {"a", "d"}, end, after + timedelta(hours=1), {})
    assert (found.people, found.different, found.changes) == (2, 2, 2)
    assert set(state.live_segments.in_segment("buyers")) == {"a", "c", "d"}
    assert [each for each in _said(state) if each[3] == "run"] == [
        ("buyers", "b", "left", "run"),
        ("buyers", "d", "entered", "run"),
    ]
    assert reconcile(state, live, "buyers", {"a", "d"}, end, after + timedelta(hours=1), {}).changes == 0
    now = after + timedelta(hours=2)
    look = {"touched": {"e", "a"}, "turned": {"a"}, "unknown": {"f"}}
    found = reconcile(state, live, "buyers", {"a", "d", "e"}, end, now, {}, **look)
    assert (found.different, found.changes, found.looked_at) == (1, 0, 2)
    assert {pair for pair in state.live_segments.due(now, 10) if pair[0] == "buyers"} == {
        ("buyers", "a"),
        ("buyers", "e"),
    }


def test_who_became_part_of_another_leaves(state: State) -> None:
    live = _live(state)
    bought = frozenset({"order_line"})
    take_turn(state, live, [Touched(Person(person_id="p", lines=[_line(_NOON)]), bought)], _NOON, {})
    now = _NOON + timedelta(hours=1)
    whole = Touched(Person(person_id="q", lines=[_line(_NOON)]), frozenset({"*"}), formerly=frozenset({"p"}))
    assert take_turn(state, live, [whole], now, {}) == 2
    assert _said(state)[1:] == [("buyers", "p", "left", "merged"), ("buyers", "q", "entered", "event")]
    assert {who for _, who in state.live_segments.due(_NOON + timedelta(days=400), 10)} == {"q"}


def test_who_is_in_a_segment_that_is_put_away_leaves(state: State) -> None:
    live = _live(state)
    person = Person(person_id="p", lines=[_line(_NOON)])
    take_turn(state, live, [Touched(person, frozenset({"order_line"}))], _NOON, {})
    state.segments.archive("buyers", by="t", now=_NOON)
    rest = live_set(state.segments.all(), Ground(), _NOON.date())
    assert retire(state, rest, _NOON + timedelta(hours=1), {}) == 1
    assert _said(state)[-1] == ("buyers", "p", "left", "retired")
    assert "buyers" not in state.live_segments.names()


def test_no_more_run_live_than_are_bounded(state: State) -> None:
    live = _live(state, {f"s{n:02}": f"bought at least {n + 1} times in last 30 days" for n in range(MOST_LIVE + 2)})
    assert len(live.segments) == MOST_LIVE
    assert len(live.left_out) == 2


_MIXED = {
    **_RULES,
    "twice": 'did event "view" at least 2 times in last 2 days and bought in last 3 days',
    "either": 'did event "cart" at least 2 times in last 1 days or orders_30d >= 2',
    "ripe": 'recency_days >= 2 and did event "view" in last 5 days',
    "away": 'not bought in last 2 days and did event "cart" in last 5 days',
    "few": 'did event "cart" at most 1 times in last 2 days and did event "cart" in last 9 days',
    "again": "bought at least 2 times in last 3 days",
    "shy": 'not did event "view" at least 2 times in last 2 days',
    "of_others": 'in segment "twice" or in segment "either"',
}


class _Followed:
    """One person as the worker follows them: segments are asked when they hear of something, or when they ring."""

    def __init__(self, live: LiveSet) -> None:
        self.live = live
        self.events: list[Happening] = []
        self.lines: list[Line] = []
        self.inside: dict[str, Member] = {}
        self.timers: dict[str, datetime] = {}

    @property
    def person(self) -> Person:
        return Person(person_id="p", events=list(self.events), lines=list(self.lines))

    def until(self, at: datetime) -> None:
        while self.timers and (first := min(self.timers.values())) <= at:
            self.turn(frozenset(), first, frozenset(name for name, due in self.timers.items() if due <= first))

    def happens(self, what: str, at: datetime) -> None:
        if what in ("bought", "dated ahead"):
            self.lines.append(_line(at if what == "bought" else at + timedelta(days=1)))
            self.turn(frozenset({"order_line"}), at)
        elif what != "look":
            self.events.append(Happening(microseconds(at), "track", what))
            self.turn(frozenset({"event", f"event:{what}"}), at)

    def turn(self, words: frozenset[str], at: datetime, rung: frozenset[str] = frozenset()) -> None:
        found = evaluated(self.live, [Touched(self.person, words, rung)], list(self.inside.values()), at)
        for change in found.changes:
            if change.kind == "entered":
                self.inside[change.segment] = Member(change.segment, "p", change.version, change.occurred_at)
            else:
                del self.inside[change.segment]
        for (name, _), moment in found.timers.items():
            self.timers.pop(name, None)
            if moment is not None:
                self.timers[name] = moment


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    happened=st.lists(
        st.tuples(st.sampled_from(["view", "cart", "bought", "dated ahead", "look"]), st.integers(1, 80)),
        max_size=14,
    )
)
def test_who_is_asked_only_when_heard_of_or_rung_is_where_they_belong(
    mixed: LiveSet, happened: list[tuple[str, int]]
) -> None:
    """Held against asking every segment at every look: nothing is missed for not being asked."""
    followed, at = _Followed(mixed), _NOON
    followed.turn(frozenset({EVERYTHING}), at)
    for what, hours in happened:
        at += timedelta(hours=hours)
        followed.until(at)
        followed.happens(what, at)
        assert set(followed.inside) == _belonging(mixed, followed.person, at)


def _belonging(live: LiveSet, person: Person, at: datetime) -> set[str]:
    """The segments of one whom every segment is asked about anew."""
    stays: list[Stay] = []
    for found in live.segments:  # each behind those it refers to
        now = microseconds(at)
        if found.audience.holds(View(msgspec.structs.replace(person, stays=stays), now, live.ground)):
            stays.append(Stay(found.name, now))
    return {stay.segment for stay in stays}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSet]:
    file = tmp_path_factory.mktemp("mixed") / "state.db"
    with State.open(f"sqlite:///{file}", passwords=Passwords()) as opened:
        opened.upgrade()
        yield _live(opened, _MIXED)
