import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from shopkeeper.base.errors import DataError
from shopkeeper.learn.measure import calibration, gain, intervals, measure


def test_a_perfect_ranking_of_ten() -> None:
    responded = np.array([1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    found = measure(responded, np.linspace(1, 0, 10))
    assert (found.auc, found.average_precision, found.top_tenth_rate) == (1, 1, 1)


def test_one_probability_for_all_ranks_nobody() -> None:
    responded = np.array([1, 0, 0, 0] * 5)
    found = measure(responded, np.full(20, 0.25))
    assert found.auc == pytest.approx(0.5)
    assert found.top_tenth_rate == pytest.approx(0.25)
    assert found.average_precision == pytest.approx(0.25)
    assert found.brier == pytest.approx(0.1875)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=4, max_size=80))
def test_the_figures_are_those_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    responded = np.array([int(one) for one, _ in rows])
    said = np.array([score / 8 for _, score in rows])
    if responded.min() == responded.max():
        with pytest.raises(DataError, match="nothing can be ranked"):
            measure(responded, said)
        return
    found = measure(responded, said)
    assert found.auc == pytest.approx(roc_auc_score(responded, said))
    assert found.average_precision == pytest.approx(average_precision_score(responded, said))


def test_calibration_says_what_came() -> None:
    responded = np.array([0] * 9 + [1] + [1] * 10)
    bins = calibration(responded, np.array([0.1] * 10 + [0.9] * 10), groups=2)
    assert [(each.people, each.observed) for each in bins] == [(10, 0.1), (10, 1.0)]
    assert [round(each.predicted, 6) for each in bins] == [0.1, 0.9]


def test_gain_of_a_perfect_ranking_is_full_at_the_share_of_responders() -> None:
    points = gain(np.array([1] * 5 + [0] * 15), np.linspace(1, 0, 20), points=4)
    assert [(point.share, point.captured) for point in points] == [(0, 0), (0.25, 1), (0.5, 1), (0.75, 1), (1, 1)]


def test_people_of_one_probability_are_found_evenly_whatever_their_order() -> None:
    responded, said = np.array([1, 1, 0, 0, 0, 0, 0, 0]), np.array([0.9, 0.1, 0.9, 0.1, 0.1, 0.9, 0.1, 0.9])
    points = [(0.0, 0.0), (0.25, 0.25), (0.5, 0.5), (0.75, 0.75), (1.0, 1.0)]
    for order in (np.arange(8), np.arange(8)[::-1]):
        found = gain(responded[order], said[order], points=4)
        assert [(point.share, point.captured) for point in found] == points


def test_the_tenth_of_the_gain_chart_is_the_rate_of_the_best_tenth() -> None:
    random = np.random.default_rng(5)
    responded, said = random.integers(0, 2, 430), random.integers(0, 6, 430) / 6
    (tenth,) = (point for point in gain(responded, said) if round(point.share, 9) == 0.1)
    assert tenth.captured * responded.sum() / 43 == pytest.approx(measure(responded, said).top_tenth_rate)


def test_households_that_repeat_widen_the_interval() -> None:
    random = np.random.default_rng(3)
    responded = random.integers(0, 2, 200)
    said = responded * 0.3 + random.random(200)
    alone = intervals(responded, [said], np.arange(200), draws=300, seed=1)
    four = np.tile(responded, 4), [np.tile(said, 4)]
    apart = intervals(*four, np.arange(800), draws=300, seed=1)
    together = intervals(*four, np.tile(np.arange(200), 4), draws=300, seed=1)
    width = {name: high - low for name, (low, high) in together.items()}
    assert width["auc"] > 1.5 * (apart["auc"][1] - apart["auc"][0])
    assert width["auc"] == pytest.approx(alone["auc"][1] - alone["auc"][0], rel=0.01)
    assert intervals(responded, [said], np.arange(200), draws=300, seed=1) == alone
