"""Published segments, live: people are asked again when something happened; changes go into the stream."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import msgspec

from shopkeeper.base.clock import instant, microseconds
from shopkeeper.base.errors import Fault, FaultsError
from shopkeeper.segment.check import audience
from shopkeeper.segment.definition import Definition, in_order
from shopkeeper.segment.history import Person, Stay
from shopkeeper.segment.live import LiveAudience, live_audience
from shopkeeper.segment.live_check import EVERYTHING, cannot_run_live, history_days, reads
from shopkeeper.segment.need import Need, need_of
from shopkeeper.segment.said import Said, fault
from shopkeeper.segment.timer import next_change
from shopkeeper.segment.tree import Node
from shopkeeper.segment.view import Ground, View
from shopkeeper.storage.state.live_segments import Change, Member, NewChange, Turn
from shopkeeper.storage.state.segments import SegmentVersion
from shopkeeper.storage.state.store import State

__all__ = [
    "MOST_LIVE",
    "LiveSet",
    "Published",
    "Reconciled",
    "Touched",
    "changes_after",
    "evaluated",
    "live_set",
    "reconcile",
    "retire",
    "ring",
    "take_turn",
]

MOST_LIVE = 50
"""Segments that run live at most; those published after them are left to the run, and said so."""
_PEOPLE_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Published:
    """One segment that runs live."""

    name: str
    version: int
    audience: LiveAudience


@dataclass(frozen=True)
class LiveSet:
    """The segments that run live, made once a day and whenever one is published or what they rest on is new.

    Args:
        ground: What they were made with.
        segments: Each behind those it refers to.
        by_word: The segments that hear of a word (`live_check.reads`).
        left_out: Published segments that cannot run live, with the reasons.
        history_days: Days of history that they need of a person.
        need: What they need of a person.
    """

    ground: Ground
    segments: tuple[Published, ...]
    by_word: Mapping[str, frozenset[str]]
    left_out: Mapping[str, tuple[Fault, ...]] = field(default_factory=dict)
    history_days: int = 1
    need: Need = field(default_factory=Need)

    def hearing(self, words: Iterable[str]) -> set[str]:
        """The segments that something changed for, by the words of what happened."""
        return set().union(*(self.by_word.get(word, frozenset()) for word in words))


@dataclass(frozen=True, slots=True)
class Touched:
    """One person to look at again.

    Args:
        person: The person as they are now.
        words: What happened, in the words of `live_check.reads`; an event is both `event` and `event:NAME`.
        timers: Segments whose timer ran out.
        formerly: Persons that became part of this one.
    """

    person: Person
    words: frozenset[str] = frozenset()
    timers: frozenset[str] = frozenset()
    formerly: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How live membership stood against that of a run.

    Args:
        segment: The segment.
        people: People in it by the run.
        different: People of whom live membership said something else at the run's instant.
        changes: Changes written so that the run's word holds.
        looked_at: People who are looked at again instead, since more may be known of them.
    """

    segment: str
    people: int
    different: int
    changes: int
    looked_at: int = 0


def live_set(published: Sequence[SegmentVersion], ground: Ground, day: date) -> LiveSet:
    """Makes the published segments ready.

    Args:
        published: The newest versions of the segments that are published.
        ground: What is the same for everybody.
        day: The present shop-local day.
    """
    trees: dict[str, Node] = {}
    faults: dict[str, tuple[Fault, ...]] = {}
    for saved in published:
        try:
            trees[saved.name] = audience(saved.tree, ground.catalogue, saved.name)
        except FaultsError as error:
            faults[saved.name] = error.faults
        else:
            faults[saved.name] = cannot_run_live(trees[saved.name], day, ground.catalogue)
    fit = sorted((saved for saved in published if not faults[saved.name]), key=lambda saved: saved.created_at)
    for saved in fit[MOST_LIVE:]:
        faults[saved.name] = (fault("audience", _too_many()),)
    known = {saved.name: saved for saved in fit[:MOST_LIVE]}
    ordered = in_order(Definition(name, trees[name], "", "", version=known[name].version) for name in known)
    by_word: dict[str, set[str]] = {}
    for found in ordered:
        for word in reads(found.tree, ground.catalogue):
            by_word.setdefault(word, set()).add(found.name)
    by_word[EVERYTHING] = {found.name for found in ordered}
    segments = tuple(Published(found.name, found.version, live_audience(found.tree, ground)) for found in ordered)
    return LiveSet(
        ground,
        segments,
        {word: frozenset(names) for word, names in by_word.items()},
        {name: found for name, found in faults.items() if found},
        _longest([found.tree for found in ordered], day, ground),
        need_of([found.audience.tree for found in segments], day, ground.catalogue),
    )


def _longest(trees: Sequence[Node], day: date, ground: Ground) -> int:
    return max((history_days(tree, day, ground.catalogue) for tree in trees), default=1)


def _too_many() -> Said:
    return Said(f"{MOST_LIVE} segments run live already", f"已有 {MOST_LIVE} 个人群实时运行")


Failed = Callable[[str, Exception], None]
"""Told of each person who could not be looked at."""


def _raised(_: str, error: Exception) -> None:
    raise error


def evaluated(
    live: LiveSet, touched: Iterable[Touched], present: Iterable[Member], now: datetime, failed: Failed = _raised
) -> Turn:
    """Asks the segments that may have changed about each person; nothing is written.

    Args:
        live: The segments.
        touched: The people.
        present: The segments they are in.
        now: The present instant.
        failed: Told of each person whom it could not ask about; raises by default.
    """
    inside: dict[str, dict[str, Member]] = {}
    for member in present:
        inside.setdefault(member.person_id, {})[member.segment] = member
    turn, at = Turn(), microseconds(now)
    names = {found.name for found in live.segments}
    for each in touched:
        own = Turn()
        for former in each.formerly & inside.keys():
            own.changes += [
                NewChange(member.segment, member.version, former, "left", instant(at), "merged")
                for member in inside[former].values()
            ]
        try:
            _ask(live, each, inside.get(each.person.person_id, {}), at, own, names)
        except Exception as error:  # noqa: BLE001 - one person who cannot be judged must not stop the others
            failed(each.person.person_id, error)
        turn.changes += own.changes
        turn.timers |= own.timers
    return turn


def _ask(
    live: LiveSet, touched: Touched, inside: dict[str, Member], at: int, turn: Turn, names: Collection[str]
) -> None:
    asked = live.hearing(touched.words) | touched.timers
    # A segment that runs live is known better here than by the last run.
    elsewhere = [stay for stay in touched.person.stays if stay.segment not in names]
    view = _view(touched.person, elsewhere, inside, at, live.ground)
    who = touched.person.person_id
    for found in live.segments:
        if found.name not in asked:
            continue
        was, holds = found.name in inside, found.audience.holds(view)
        if holds is not was:
            is_due = found.name in touched.timers and not touched.words
            kind, cause = "entered" if holds else "left", "timer" if is_due else "event"
            turn.changes.append(NewChange(found.name, found.version, who, kind, instant(at), cause))
            if holds:
                inside[found.name] = Member(found.name, who, found.version, instant(at))
            else:
                del inside[found.name]
            hearing = live.by_word.get(f"segment:{found.name}")
            if hearing:
                asked |= hearing
                memo, view = view.memo, _view(touched.person, elsewhere, inside, at, live.ground)
                view.memo = memo
        # Whoever is touched often needs no far-sighted timer: it looks ahead when it rings.
        due = next_change(found.audience, view, steps=8 if found.name in touched.timers else 0)
        turn.timers[found.name, who] = None if due is None else instant(due)


def _view(person: Person, elsewhere: list[Stay], inside: Mapping[str, Member], at: int, ground: Ground) -> View:
    stays = [*elsewhere, *(Stay(name, microseconds(member.entered_at)) for name, member in inside.items())]
    return View(msgspec.structs.replace(person, stays=stays), at, ground)


def take_turn(
    state: State,
    live: LiveSet,
    touched: Sequence[Touched],
    now: datetime,
    webhooks: Mapping[str, Collection[str]],
    failed: Failed = _raised,
) -> int:
    """Looks at people again and keeps what came of it, some thousands of people in a transaction.

    Args:
        state: The state store.
        live: The segments.
        touched: The people, each once.
        now: The present instant.
        webhooks: The segments that each web hook asks for.
        failed: Told of each person whom it could not ask about; raises by default.

    Returns:
        How many changes there were.
    """
    changes = 0
    for start in range(0, len(touched), _PEOPLE_AT_ONCE):
        some = touched[start : start + _PEOPLE_AT_ONCE]
        former = {person for each in some for person in each.formerly}
        people = {each.person.person_id for each in some} | former
        turn = evaluated(live, some, state.live_segments.members_of(people), now, failed)
        set_before = state.live_segments.timers_of(people)
        turn.timers |= {pair: None for pair in set_before if pair[1] in former}
        turn.timers = {pair: due for pair, due in turn.timers.items() if set_before.get(pair) != due}
        changes += state.live_segments.keep(turn, webhooks)
    return changes


def reconcile(
    state: State,
    live: LiveSet,
    name: str,
    people: Collection[str],
    as_of_end: datetime,
    now: datetime,
    webhooks: Mapping[str, Collection[str]],
    *,
    touched: Collection[str] = (),
    turned: Collection[str] = (),
    unknown: Collection[str] = (),
) -> Reconciled:
    """Holds live membership against that of a run: the run's word holds for its instant.

    Whoever entered or left after that instant stays as they are: more is known of them now. So it is of whoever was
    touched since or may have turned by time alone: they get a timer that runs out now.

    Args:
        state: The state store.
        live: The segments that run live.
        name: One of them.
        people: Who is in it by the run.
        as_of_end: The instant that the run speaks of.
        now: The present instant.
        webhooks: The segments that each web hook asks for.
        touched: Who was touched after that instant.
        turned: Whose answer may have turned since by time alone.
        unknown: Whom the run does not know: they stay as they are.
    """
    found = next(one for one in live.segments if one.name == name)
    inside = state.live_segments.in_segment(found.name)
    moved = state.live_segments.moved_since(found.name, as_of_end, found.version)
    wanted = set(people)
    then = (set(inside) - set(moved)) | {who for who, was_in in moved.items() if was_in}
    different = (wanted ^ then) - set(unknown)
    look = (different & set(touched)) | set(turned)
    changes = 0
    for some in _pieces(sorted(different - set(moved) - look)):
        turn = Turn(
            [
                NewChange(
                    found.name, found.version, who, "entered" if who in wanted else "left", now.astimezone(UTC), "run"
                )
                for who in some
            ]
        )
        changes += state.live_segments.keep(turn, webhooks)
    ring(state, found.name, look, now)
    return Reconciled(found.name, len(wanted), len(different), changes, len(look))


def ring(state: State, name: str, people: Collection[str], now: datetime) -> None:
    """Has people be looked at for a segment at the next turn."""
    for some in _pieces(sorted(people)):
        state.live_segments.keep(Turn(timers=dict.fromkeys(((name, who) for who in some), now)), {})


def _pieces(people: Sequence[str]) -> Iterable[Sequence[str]]:
    return (people[start : start + _PEOPLE_AT_ONCE] for start in range(0, len(people), _PEOPLE_AT_ONCE))


def retire(state: State, live: LiveSet, now: datetime, webhooks: Mapping[str, Collection[str]]) -> int:
    """Has everybody leave the segments that run live no more; gives how many left."""
    running = {found.name for found in live.segments}
    changes = 0
    for name in state.live_segments.names():
        if name in running:
            continue
        state.live_segments.drop(name)
        members = list(state.live_segments.in_segment(name).values())
        for start in range(0, len(members), _PEOPLE_AT_ONCE):
            some = members[start : start + _PEOPLE_AT_ONCE]
            left = [
                NewChange(name, each.version, each.person_id, "left", now.astimezone(UTC), "retired") for each in some
            ]
            changes += state.live_segments.keep(Turn(left), webhooks)
    return changes


def changes_after(state: State, name: str, after: int, most: int) -> list[Change]:
    """Gives who entered and left a segment behind a place in the stream.

    Raises:
        MissingError: There is no such segment, nor was there a change of one.
    """
    found = state.live_segments.changes(name, after, most)
    if not found:
        state.segments.get(name)
    return found
