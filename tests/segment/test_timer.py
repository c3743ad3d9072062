"""Before a timer rings nothing changes: held against looking at every hour and at every edge."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shopkeeper.base.clock import instant, microseconds
from shopkeeper.segment.history import Happening, Line, Person
from shopkeeper.segment.line import parse
from shopkeeper.segment.live import LiveAudience, live_audience
from shopkeeper.segment.timer import next_change
from shopkeeper.segment.tree import Node
from shopkeeper.segment.view import Ground, View
from tests.segment.live_world import Lived, ground_of, live_trees, lived, person_of
from tests.segment.strategies import AS_OF, PEOPLE

_HOUR = 3_600_000_000
_HOURS = 45 * 24
_SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)


def _moments(view: View, until: int) -> Iterator[int]:
    """Every hour, and every beginning of a day, row and 24 hours after a row with the microseconds beside them."""
    yield from range(view.now + _HOUR, until, _HOUR)
    person = view.person
    points = [view.start(view.day + days) for days in range(1, 40)]
    points += [row.ordered_at + days * 24 * _HOUR for row in person.lines for days in range(6)]
    points += [row.occurred_at + days * 24 * _HOUR for row in person.events for days in range(6)]
    points += [row.occurred_at for row in person.permissions]
    points += [at for stay in person.stays for at in (stay.entered_at, stay.left_at) if at is not None]
    yield from (at for point in points for at in (point - 2, point - 1, point, point + 1) if view.now < at < until)


def _hold_still(audience: LiveAudience, view: View, due: int | None) -> None:
    present = audience.holds(view)
    until = view.now + _HOURS * _HOUR
    until = until if due is None else min(until, due)
    for at in _moments(view, until):
        assert audience.holds(view.at(at)) is present, (view.person.person_id, audience.tree, instant(at))


@_SETTINGS
@given(
    found=lived(),
    trees=st.lists(live_trees, min_size=2, max_size=4),
    back=st.integers(0, 9 * 24),
    steps=st.sampled_from([0, 1, 8]),
)
def test_nothing_changes_before_the_timer_rings(found: Lived, trees: list[Node], back: int, steps: int) -> None:
    world, ground = found.world, ground_of(found.world)
    known = {row["person_id"]: row for row in world.of("profile")}
    now = microseconds(datetime(AS_OF.year, AS_OF.month, AS_OF.day, 20, tzinfo=UTC)) - back * _HOUR
    for who in PEOPLE[:3]:
        view = View(person_of(world, who, known[who]), now, ground)
        for tree in trees:
            audience = live_audience(tree, ground)
            due = next_change(audience, view, steps)
            assert due is None or due > now
            _hold_still(audience, view, due)


def _line(day: datetime, *, quantity: int = 1) -> Line:
    at = microseconds(day)
    return Line("till", f"o{at}", 1, day.date().toordinal(), at, "1", "milk", "1", quantity * 10_000, 30_000)


def _due(line: str, person: Person, now: datetime) -> datetime | None:
    ground = Ground()
    found = next_change(live_audience(parse(line), ground), View(person, microseconds(now), ground))
    return None if found is None else instant(found)


_NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "days", "due"),
    [
        ("bought in last 30 days", [0], _NOON.replace(hour=0) + timedelta(days=30)),
        ("bought at least 2 times in last 30 days", [0, 10], _NOON.replace(hour=0) + timedelta(days=20)),
        ("bought at least 2 times in last 30 days", [0], None),
        ("not bought in last 30 days", [3], _NOON.replace(hour=0) + timedelta(days=27)),
        ("recency_days > 30", [3], _NOON.replace(hour=0) + timedelta(days=28)),
        ("recency_days >= 30", [3], _NOON.replace(hour=0) + timedelta(days=27)),
        ("orders_90d >= 1", [3], _NOON.replace(hour=0) + timedelta(days=87)),
        ("bought in last 10 days then not bought within 5 days", [0], _NOON + timedelta(days=5, microseconds=-1)),
        ('city = "Bern"', [0], None),
    ],
)
def test_timers_ring_when_the_answer_turns(rule: str, days: list[int], due: datetime | None) -> None:
    person = Person(person_id="p", lines=[_line(_NOON - timedelta(days=back)) for back in days])
    assert _due(rule, person, _NOON) == due


def test_an_absence_ripens_but_not_for_who_came() -> None:
    viewed = Happening(microseconds(_NOON), "track", "view")
    rule = 'did event "view" in last 30 days then not bought within 7 days'
    waiting = Person(person_id="p", events=[viewed])
    assert _due(rule, waiting, _NOON) == _NOON + timedelta(days=7, microseconds=-1)
    bought = Person(person_id="p", events=[viewed], lines=[_line(_NOON + timedelta(hours=1))])
    assert _due(rule, bought, _NOON + timedelta(hours=2)) is None


@pytest.mark.parametrize(
    ("rule", "due"),
    [
        ('did event "view" at least 2 times in last 7 days', None),
        ('did event "view" in last 7 days', _NOON.replace(hour=0) + timedelta(days=7)),
        ('did event "view" in last 7 days and bought at least 2 times in last 30 days', None),
        ('did event "view" at least 2 times in last 7 days or bought in last 30 days', 30),
        ('did event "view" for at least 5 in last 7 days', 7),
        ("bought for at least 500 in last 30 days", 30),
    ],
)
def test_only_what_time_can_turn_has_a_timer_however_short_the_look(rule: str, due: datetime | int | None) -> None:
    """A count that is too low waits for something new; a sum may be raised by what leaves, as a return does."""
    person = Person(person_id="p", lines=[_line(_NOON)], events=[Happening(microseconds(_NOON), "track", "view")])
    ground = Ground()
    found = next_change(live_audience(parse(rule), ground), View(person, microseconds(_NOON), ground), steps=0)
    expected = _NOON.replace(hour=0) + timedelta(days=due) if isinstance(due, int) else due
    assert (None if found is None else instant(found)) == expected


def test_a_late_timer_is_found() -> None:
    """The control: a bound that is two microseconds too late does not pass."""
    ground = Ground()
    audience = live_audience(parse("bought in last 30 days"), ground)
    view = View(Person(person_id="p", lines=[_line(_NOON)]), microseconds(_NOON), ground)
    due = next_change(audience, view)
    assert due is not None
    _hold_still(audience, view, due)
    with pytest.raises(AssertionError):
        _hold_still(audience, view, due + 2)
