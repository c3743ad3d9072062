import numpy as np
import pytest
from scipy.stats import ttest_ind

from shopkeeper.experiment.balance import balance
from shopkeeper.experiment.estimate import Estimate, plain, randomised, weighted


def test_the_plain_difference_is_that_of_welch() -> None:
    random = np.random.default_rng(1)
    one, other = random.normal(3, 2, 4000), random.normal(1, 1, 2500)
    found, reference = plain(one, other), ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=1e-3)


def test_what_went_before_narrows_the_interval() -> None:
    random = np.random.default_rng(2)
    past = random.gamma(2, 50, 4000)
    money = past + random.normal(0, 20, 4000)
    money[:2000] += 5
    raw = plain(money[:2000], money[2000:])
    found = randomised(money[:2000], money[2000:], (past[:2000], past[2000:]))
    assert found.low < 5 < found.high
    assert found.high - found.low < 0.4 * (raw.high - raw.low)


def test_the_interval_of_the_weighted_difference_covers_as_often_as_it_says() -> None:
    covered = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        known = random.normal(size=(900, 2))
        targeted = random.random(900) < 1 / (1 + np.exp(1 - known[:, 0]))
        money = 10 + 8 * known[:, 0] + 3 * known[:, 1] ** 2 + random.normal(0, 5, 900) + 4 * targeted
        both = known[targeted], known[~targeted]
        found = weighted(money[targeted], money[~targeted], both, balance(*both))
        covered.append(found.low < 4 < found.high)
    assert 0.90 <= np.mean(covered) <= 0.99


def test_excluding_zero() -> None:
    assert Estimate(2, 1, 3).excludes_zero
    assert Estimate(-2, -3, -1).excludes_zero
    assert not Estimate(1, -1, 3).excludes_zero
    assert Estimate(1, 1 - 1.96, 1 + 1.96).error == pytest.approx(1, rel=1e-4)
