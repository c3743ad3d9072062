import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from shopkeeper.base.errors import UsageError
from shopkeeper.experiment.assignment import MessageClass, draw, held_out, sample_ratio_p

PEOPLE = [f"p{number}" for number in range(20_000)]


def test_the_share_held_out_is_the_share_asked_for() -> None:
    assert sum(held_out(PEOPLE, "spring", 0.1, seed=1)) == pytest.approx(2000, abs=130)
    assert not any(held_out(PEOPLE, "spring", 0.0, seed=1))


def test_two_experiments_are_drawn_apart() -> None:
    one, other = held_out(PEOPLE, "spring", 0.3, 1), held_out(PEOPLE, "autumn", 0.3, 1)
    table = [[sum(a == x and b == y for a, b in zip(one, other, strict=True)) for x in (0, 1)] for y in (0, 1)]
    assert chi2_contingency(table).pvalue > 0.001


@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 2**40), st.floats(0, 0.49))
def test_the_same_person_always_falls_the_same_way_and_a_larger_holdout_holds_the_smaller(
    unit: str, experiment: str, seed: int, share: float
) -> None:
    assert 0 <= draw(unit, experiment, seed) < 1
    small, large = held_out([unit], experiment, share, seed), held_out([unit], experiment, share + 0.5, seed)
    assert small == held_out([unit], experiment, share, seed)
    assert large[0] or not small[0]


@pytest.mark.parametrize("message_class", [MessageClass.SERVICE, MessageClass.ENTITLEMENT])
def test_service_and_entitlement_are_never_held_out(message_class: MessageClass) -> None:
    assert not any(held_out(PEOPLE, "birthday", 0.9, 1, message_class))


def test_a_share_of_everything_is_refused() -> None:
    with pytest.raises(UsageError, match="not 1"):
        held_out(PEOPLE, "spring", 1, 1)


def test_a_broken_draw_is_seen() -> None:
    shares = {"offer": 0.9, "holdout": 0.1}
    assert sample_ratio_p({"offer": 9010, "holdout": 990}, shares) > 0.5
    assert sample_ratio_p({"offer": 9300, "holdout": 700}, shares) < 0.001
    with pytest.raises(UsageError, match="cannot be held against"):
        sample_ratio_p({"offer": 1}, shares)
