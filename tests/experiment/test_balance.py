import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.base.errors import DataError
from shopkeeper.experiment.balance import balance


def test_two_groups_are_balanced_by_eye() -> None:
    found = balance(np.array([[1.0]] * 3 + [[0.0]]), np.array([[1.0], [0.0]]))
    assert found.weights == pytest.approx([0.75, 0.25], abs=0.001)
    assert found.imbalance < 0.01
    assert found.effective == pytest.approx(1 / (0.75**2 + 0.25**2), rel=0.01)


@given(st.integers(0, 1000))
def test_means_agree_where_groups_overlap(seed: int) -> None:
    random = np.random.default_rng(seed)
    targeted, compared = random.normal(0.4, 1, (150, 4)), random.normal(0, 1, (400, 4))
    found = balance(targeted, compared)
    assert found.weights.sum() == pytest.approx(1)
    assert (found.weights >= 0).all()
    assert found.weights @ compared == pytest.approx(targeted.mean(axis=0), abs=0.01)
    assert 1 <= found.effective <= 400


def test_what_cannot_be_balanced_is_told() -> None:
    found = balance(np.full((5, 1), 10.0) + np.arange(5)[:, None], np.arange(5.0)[:, None])
    assert found.imbalance > 1
    assert found.effective < 2


def test_an_empty_group_is_an_error() -> None:
    with pytest.raises(DataError, match="0 targeted and 3 others"):
        balance(np.empty((0, 1)), np.ones((3, 1)))
