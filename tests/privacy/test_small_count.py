"""Small counts are untold, others rounded, and two audiences that differ by one person cannot be subtracted."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from shopkeeper.base.errors import ForbiddenError
from shopkeeper.privacy.small_count import AskedCounts, Blur
from shopkeeper.storage.state import State

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
K = 10
PLANTED = "till:planted"
Told = Callable[[list[str]], int | None]


def _people(first: int, last: int) -> list[str]:
    return [f"till:{number}" for number in range(first, last)]


def _blur(number: int = 1) -> Blur:
    return Blur(K, number.to_bytes(8, "big"))


def _told(blur: Blur) -> Told:
    def told(people: list[str]) -> int | None:
        return blur.told(len(people), blur.sketch(blur.marks(people)))

    return told


def _edge(people: list[str]) -> int | None:
    """What a guard with fixed edges tells: nothing below k, else the nearest multiple of it."""
    return None if len(people) < K else (len(people) + K // 2) // K * K


def _exact(people: list[str]) -> int:
    return len(people)


@pytest.fixture
def asked(state: State) -> AskedCounts:
    return AskedCounts(_blur(), state.counts, most=200)


def _answer(asked: AskedCounts, people: list[str], who: str | None = "key") -> int | None:
    """A count by a rule that nobody asked before."""
    return asked.answer(asked.blur.marks(people), now=NOW, who=who, rule=f"{sorted(people)}")


def test_small_counts_are_untold_and_others_are_multiples_close_to_the_truth() -> None:
    for number in range(40):
        told = _told(_blur(number))
        for size in range(K):
            assert told(_people(0, size)) is None
        for size in (*range(K, 2 * K), *range(2 * K, 400, 7)):
            found = told(_people(0, size))
            if size >= 2 * K:
                assert found is not None
            if found is not None:
                assert found >= K
                assert found % K == 0
                assert abs(found - size) < K


def test_the_same_set_gets_the_same_answer_whatever_its_order_and_whoever_keeps_it(
    asked: AskedCounts, state: State
) -> None:
    first = _answer(asked, _people(0, 54))
    assert first in (50, 60)
    assert _answer(asked, list(reversed(_people(0, 54)))) == first
    another = AskedCounts(_blur(), state.counts, most=200)
    assert _answer(another, _people(0, 54)) == first
    # What one process answered binds another: 55 by itself may be told as 60.
    assert _answer(another, _people(0, 55)) == first
    assert _answer(asked, _people(100, 109)) is None


def test_one_form_of_a_set_differs_in_no_more_places_than_the_sets_do() -> None:
    blur, dice = _blur(), random.Random(3)  # noqa: S311 - sets to try
    for _ in range(200):
        everybody = _people(0, dice.randrange(30, 300))
        left_out = dice.randrange(0, 25)
        one, other = (blur.sketch(blur.marks(each)) for each in (everybody, everybody[left_out:]))
        differs = sum(one[place : place + 8] != other[place : place + 8] for place in range(0, len(one), 8))
        assert differs <= left_out
        assert (differs == 0) == (left_out == 0)


def _found_by_subtracting(told: Told, sizes: list[int]) -> int:
    """The first attack: counts an audience, then the same without the planted person, and subtracts."""
    return sum(told([*_people(0, size), PLANTED]) != told(_people(0, size)) for size in sizes)


def test_subtracting_two_audiences_does_not_find_a_planted_person(state: State) -> None:
    sizes = list(range(24, 264, 10))  # where whole tens are rounded up for one more
    assert _found_by_subtracting(_exact, sizes) == len(sizes)  # the control: without a guard, always
    assert _found_by_subtracting(_edge, sizes) == len(sizes)  # and with fixed edges, for who knows them
    found = 0
    for number, size in enumerate(sizes):
        asked = AskedCounts(_blur(number), state.counts, most=200)
        found += _found_by_subtracting(lambda people, asked=asked: _answer(asked, people), [size])  # type: ignore[misc]
        with state.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM asked_counts")
    assert found == 0


def test_walking_to_an_edge_of_known_people_is_stopped(asked: AskedCounts) -> None:
    """The attack that adapts: one known person more at a time, until an answer changes, then the planted one there."""

    def walk() -> None:
        for size in range(60, 60 + 4 * K):
            _answer(asked, _people(0, size))

    with pytest.raises(ForbiddenError, match="hardly differ"):
        walk()
    assert _answer(asked, _people(200, 300)) is not None  # what differs goes on
    assert _answer(asked, _people(0, 60)) is not None  # and what was counted


def _advantage(told_of: Callable[[int], Told], others: Callable[[random.Random], list[str]], tries: int) -> float:
    """How much better than a coin somebody guesses whether the planted person is in, who knows all the others.

    They guess "in" as soon as an answer comes that does not come without the person.
    """
    rounds = 300
    right = [0, 0]
    for is_in in (False, True):
        for number in range(rounds):
            told, dice = told_of(number), random.Random(number)  # noqa: S311 - sets to try
            sets = [others(dice) for _ in range(tries)]
            right[is_in] += any(told([*each, *([PLANTED] * is_in)]) is not None for each in sets)
    return (right[True] - right[False]) / rounds


def _nine(dice: random.Random) -> list[str]:
    return dice.sample(_people(0, 500), K - 1)


def test_who_knows_nine_other_members_cannot_place_the_edge() -> None:
    assert _advantage(lambda _: _edge, _nine, 1) == 1.0  # the control: a fixed edge tells it at once
    by_one_try = _advantage(lambda number: _told(_blur(number)), _nine, 1)
    assert 0.0 < by_one_try < 0.17  # a tenth, and never a wrong "in"
    assert _advantage(lambda number: _told(_blur(number)), _nine, 5) < 0.55


def test_sets_that_differ_by_a_person_or_two_are_one_to_the_guard_so_no_average_forms(asked: AskedCounts) -> None:
    people = [*_people(0, 60), PLANTED]
    answers = {_answer(asked, random.Random(number).sample(people, 61)) for number in range(20)}  # noqa: S311
    answers |= {_answer(asked, [each for each in people if each != f"till:{number}"]) for number in range(9)}
    assert len(answers) == 1


def test_the_same_rule_is_counted_every_day_though_whom_it_fits_changes(asked: AskedCounts) -> None:
    for day in range(60):
        marks = asked.blur.marks(_people(day, day + 60))
        assert asked.answer(marks, now=NOW + timedelta(days=day), who="key", rule="recency_days < 30") is not None


def test_an_asker_counts_so_many_different_audiences_a_day(state: State) -> None:
    asked = AskedCounts(_blur(), state.counts, most=3)
    for first in (0, 100, 200):
        _answer(asked, _people(first, first + 50))
    with pytest.raises(ForbiddenError, match="3 different audiences"):
        _answer(asked, _people(300, 350))
    assert _answer(asked, _people(0, 50)) is not None  # an earlier one
    assert _answer(asked, _people(300, 350), who="another key") is not None
    assert (
        asked.answer(asked.blur.marks(_people(400, 450)), now=NOW + timedelta(days=2), who="key", rule="x") is not None
    )


def test_what_overlapped_is_noted_with_what_it_overlapped(asked: AskedCounts, state: State) -> None:
    _answer(asked, _people(0, 60))
    _answer(asked, _people(1, 60))
    with state.counts.turn() as turn:
        first, second = turn.newer(0, 10)
        assert [turn.asked("key", since=NOW - timedelta(days=1), overlaps=each) for each in (False, True)] == [1, 1]
    assert (first.size, first.root) == (60, None)
    assert (second.size, second.root, second.told) == (59, first.seq, first.told)
