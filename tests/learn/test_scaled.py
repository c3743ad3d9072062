import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import QuantileTransformer

from shopkeeper.learn.scaled import Scaled, fit_scaled, fit_scaler


def test_scaling_inside_is_that_of_scikit_learn() -> None:
    rows = np.random.default_rng(1).exponential(size=(400, 3)).round(1)
    reference = QuantileTransformer(n_quantiles=101, output_distribution="normal").fit_transform(rows)
    inside = (rows > rows.min(axis=0)) & (rows < rows.max(axis=0))
    assert fit_scaler(rows)(rows)[inside] == pytest.approx(np.clip(reference, -3, 3)[inside], abs=1e-6)


def test_equal_values_at_the_edge_share_their_middle_rank() -> None:
    rows = np.array([[0.0]] * 50 + [[1.0]] * 50)
    scaled = fit_scaler(rows)(np.array([[0.0], [1.0]]))[:, 0]
    assert scaled == pytest.approx([-0.674, 0.674], abs=0.03)  # the quarter and three quarters of the normal curve


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60))
def test_scaling_keeps_the_order(values: list[float]) -> None:
    rows = np.sort(np.array(values))[:, None]
    assert (np.diff(fit_scaler(rows)(rows)[:, 0]) >= -1e-9).all()


def test_an_empty_cell_is_the_median_and_an_empty_column_says_nothing() -> None:
    rows = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, np.nan]])
    scaled = fit_scaler(rows)(np.array([[np.nan, np.nan]]))
    assert scaled == pytest.approx(np.zeros((1, 2)), abs=1e-9)


def test_it_finds_the_column_that_matters_and_comes_back_from_json() -> None:
    random = np.random.default_rng(2)
    rows = random.exponential(size=(2000, 2))
    responded = (random.random(2000) < np.where(rows[:, 0] > 1, 0.6, 0.1)).astype(np.int64)
    fitted = fit_scaled(rows, responded, penalty=1.0)
    assert fitted.weights[0] > 5 * abs(fitted.weights[1])
    assert fitted.probability(rows).mean() == pytest.approx(responded.mean(), abs=0.01)
    again = Scaled.from_json(fitted.to_json())
    assert (again.log_odds(rows) == fitted.log_odds(rows)).all()
    assert fitted.contributions(rows).sum(axis=1) + fitted.intercept == pytest.approx(fitted.log_odds(rows))
