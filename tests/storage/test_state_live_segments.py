"""The stream of segment changes on either driver: no place is skipped or doubled, whoever writes at once."""

import threading
from datetime import UTC, datetime, timedelta

from shopkeeper.storage.state import State
from shopkeeper.storage.state.live_segments import Change, Member, NewChange, Turn
from shopkeeper.storage.state.web_hooks import Hook
from tests.storage.conftest import QUICK

_WRITERS, _TURNS, _EACH = 3, 12, 20


def _entered(who: str, at: datetime, kind: str = "entered") -> NewChange:
    return NewChange("buyers", 1, who, kind, at, "event")


def test_a_turn_is_kept_whole(state: State, now: datetime) -> None:
    due = now + timedelta(days=1)
    live = state.live_segments
    assert live.keep(Turn([_entered("a", now), _entered("b", now)], {("buyers", "a"): due}), {}) == 2
    assert live.members_of(["a", "b", "c"]) == [Member("buyers", "a", 1, now), Member("buyers", "b", 1, now)]
    assert (live.next_due(), live.due(due, 10), live.due(now, 10)) == (due, [("buyers", "a")], [])
    assert live.timers_of(["a", "b"]) == {("buyers", "a"): due}
    assert live.names() == ["buyers"]
    later = Turn([_entered("a", due, "left")], {("buyers", "a"): None})
    assert live.keep(later, {}) == 1
    assert (live.next_due(), set(live.in_segment("buyers"))) == (None, {"b"})
    assert live.changes("buyers", after=2) == [Change("buyers", 1, "a", "left", due, "event", 3)]
    assert live.changes("buyers", people=["b"]) == [Change("buyers", 1, "b", "entered", now, "event", 2)]
    assert live.moved_since("buyers", now, 1) == {"a": True}


def test_what_is_so_already_is_no_change(state: State, now: datetime) -> None:
    live = state.live_segments
    turn = Turn([_entered("a", now), _entered("a", now), _entered("b", now, "left")])
    assert live.keep(turn, {}) == 1
    assert live.keep(turn, {}) == 0
    back = Turn([_entered("a", now + timedelta(hours=1), "left")])
    assert live.keep(back, {}) == 1
    assert live.keep(turn, {}) == 0, "a turn done again after a kill enters nobody a second time"
    assert [change.kind for change in live.changes(None)] == ["entered", "left"]


def test_a_reader_behind_a_cursor_misses_nothing_that_writers_commit_later(
    state: State, state_url: str, now: datetime
) -> None:
    state.web_hooks.add(Hook("crm", "https://crm.example.com/", (), "key", "sealed", "t", now))

    def write(writer: int) -> None:
        with State.open(state_url, passwords=QUICK) as own:
            for turn in range(_TURNS):
                people = [f"{writer}-{turn}-{place}" for place in range(_EACH)]
                own.live_segments.keep(Turn([_entered(who, now) for who in people]), own.web_hooks.wanted())

    writers = [threading.Thread(target=write, args=(number,)) for number in range(_WRITERS)]
    for each in writers:
        each.start()
    seen: list[Change] = []
    while any(each.is_alive() for each in writers):
        seen += state.live_segments.changes(None, seen[-1].seq if seen else 0, most=7)
    while more := state.live_segments.changes(None, seen[-1].seq if seen else 0):
        seen += more
    total = _WRITERS * _TURNS * _EACH
    assert [each.seq for each in seen] == list(range(1, total + 1))
    assert len({each.person_id for each in seen}) == total
    assert state.web_hooks.counts() == {("crm", "waiting"): total}


def test_the_outbox_gives_what_is_due_in_order(state: State, now: datetime) -> None:
    hooks = state.web_hooks
    hooks.add(Hook("crm", "https://crm.example.com/", ("buyers",), "key", "sealed", "t", now))
    turn = Turn([_entered(who, now) for who in "abc"] + [NewChange("other", 1, "a", "entered", now, "run")])
    state.live_segments.keep(turn, hooks.wanted())
    first, second, third = hooks.due(now, 10)
    assert [each.change.person_id for each in (first, second, third)] == ["a", "b", "c"]
    later = now + timedelta(minutes=1)
    hooks.sent(first)
    hooks.again(second, "status 500", later)
    hooks.give_up(third, "status 410")
    assert hooks.due(now, 10) == []
    (again,) = hooks.due(later, 10)
    assert (again.change.person_id, again.attempts, again.webhook) == ("b", 1, "crm")
    assert hooks.counts() == {("crm", "sent"): 1, ("crm", "waiting"): 1, ("crm", "given up"): 1}
    hooks.remove("crm")
    assert hooks.counts() == {}


def test_nothing_is_left_of_who_is_erased_and_no_place_is_given_twice(state: State, now: datetime) -> None:
    live = state.live_segments
    state.web_hooks.add(Hook("crm", "https://crm.example.com/", (), "key", "sealed", "t", now))
    due = now + timedelta(days=1)
    live.keep(Turn([_entered(who, now) for who in "abc"], {("buyers", "c"): due}), state.web_hooks.wanted())
    assert live.erase(["a", "c"]) == 5
    assert set(live.in_segment("buyers")) == {"b"}
    assert live.next_due() is None
    assert [change.person_id for change in live.changes(None)] == ["b"]
    assert [message.change.person_id for message in state.web_hooks.due(due, 10)] == ["b"]
    live.keep(Turn([_entered("d", due)]), {})
    assert [change.seq for change in live.changes(None)] == [2, 4]
    with state.database.read() as connection:
        for table in ("live_members", "segment_timers", "segment_changes", "webhook_outbox"):
            found = str(connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall())
            assert "'a'" not in found
            assert "'c'" not in found


def test_old_changes_are_forgotten_and_places_go_on(state: State, now: datetime) -> None:
    live = state.live_segments
    live.keep(Turn([_entered(who, now) for who in "ab"]), {})
    assert live.trim(now + timedelta(days=1)) == 2
    assert live.changes(None) == []
    live.keep(Turn([_entered("c", now)]), {})
    assert [change.seq for change in live.changes(None)] == [3]


def test_instants_come_back_in_utc(state: State) -> None:
    at = datetime(2026, 3, 1, 9, 30, 0, 7, tzinfo=UTC)
    state.live_segments.keep(Turn([_entered("a", at)]), {})
    assert state.live_segments.changes(None)[0].occurred_at == at
