"""Small counts are untold, others rounded, and two audiences that differ by one person cannot be subtracted."""

import random

import pytest

from shopkeeper.privacy.small_count import AskedCounts, rounded


@pytest.mark.parametrize(
    ("count", "told"), [(None, None), (0, None), (9, None), (10, 10), (14, 10), (15, 20), (1004, 1000), (1005, 1010)]
)
def test_small_counts_are_untold_and_others_rounded(count: int | None, told: int | None) -> None:
    assert rounded(count, 10) == told


def _people(first: int, last: int) -> list[str]:
    return [f"till:{number}" for number in range(first, last)]


def test_the_same_audience_gets_the_same_answer_and_another_its_own() -> None:
    asked = AskedCounts(10)
    assert asked.answer(_people(0, 54)) == asked.answer(reversed(_people(0, 54))) == 50
    assert asked.answer(_people(100, 156)) == 60
    assert asked.answer(_people(0, 9)) is None


def _differs(tell: AskedCounts | None, planted: str, *, is_in: bool, size: int) -> bool:
    """The attack: count an audience, then the same without the planted person, and subtract."""
    audience = [*_people(0, size), *([planted] if is_in else [])]
    without = [person for person in audience if person != planted]
    if tell is None:
        return rounded(len(audience), 10) != rounded(len(without), 10)
    return tell.answer(audience) != tell.answer(without)


def test_subtracting_two_audiences_does_not_find_a_planted_person() -> None:
    dice = random.Random(7)  # noqa: S311 - sizes to try
    sizes = [dice.randrange(20, 400) for _ in range(300)]
    assert not any(_differs(AskedCounts(10), "till:planted", is_in=True, size=size) for size in sizes)
    # The positive control: rounding alone gives the person away whenever the size lies at an edge.
    found = [size for size in sizes if _differs(None, "till:planted", is_in=True, size=size)]
    assert found
    assert not any(_differs(None, "till:planted", is_in=False, size=size) for size in sizes)


def test_everybody_but_one_is_told_as_everybody() -> None:
    asked = AskedCounts(10)
    everybody = _people(0, 1005)
    assert asked.answer(everybody) == asked.answer(everybody[1:]) == 1010
