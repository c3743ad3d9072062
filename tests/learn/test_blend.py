import io
import zipfile

import numpy as np
import pytest

from shopkeeper.base.errors import DataError
from shopkeeper.learn.blend import Blend, fit_blends, from_bytes, platt
from shopkeeper.learn.reasons import reasons

COLUMNS = ("redemptions", "recency_days", "age")


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    rows = np.column_stack([random.poisson(1, 1500), random.exponential(10, 1500), random.integers(20, 70, 1500)])
    rows = rows.astype(np.float64)
    rows[::7, 1] = np.nan
    chance = 1 / (1 + np.exp(2.5 - 1.2 * rows[:, 0]))
    return rows, (random.random(1500) < chance).astype(np.int64)


@pytest.fixture(scope="module")
def models(planted: tuple[np.ndarray, np.ndarray]) -> list[Blend]:
    rows, responded = planted
    return fit_blends(rows, responded, np.arange(1500) // 2, COLUMNS, (1, 2))


def test_a_model_comes_back_from_its_file_the_same(models: list[Blend], planted: tuple[np.ndarray, np.ndarray]) -> None:
    content = models[0].to_bytes()
    again = from_bytes(content)
    assert (again.probability(planted[0]) == models[0].probability(planted[0])).all()
    assert again.to_bytes() == content
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.namelist() == ["model.json", "trees.txt"]


def test_what_is_no_model_file_is_refused() -> None:
    with pytest.raises(DataError, match="no model file"):
        from_bytes(b"not a model")
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("model.json", '{"format": "another"}')
        file.writestr("trees.txt", "")
    with pytest.raises(DataError, match="of the format 'another'"):
        from_bytes(other.getvalue())


def test_probabilities_are_those_planted(models: list[Blend], planted: tuple[np.ndarray, np.ndarray]) -> None:
    rows, responded = planted
    said = models[0].probability(rows)
    for count in (0, 1, 2):
        of = rows[:, 0] == count
        assert said[of].mean() == pytest.approx(responded[of].mean(), abs=0.04)


def test_contributions_add_up_to_the_log_odds(models: list[Blend], planted: tuple[np.ndarray, np.ndarray]) -> None:
    rows = planted[0][:200]
    rest = models[0].slope * models[0].log_odds(rows) - models[0].contributions(rows).sum(axis=1)
    assert rest == pytest.approx(np.full(200, rest[0]), abs=1e-9)


def test_another_seed_is_another_model_and_the_same_seed_the_same(
    models: list[Blend], planted: tuple[np.ndarray, np.ndarray]
) -> None:
    rows, responded = planted
    again = fit_blends(rows, responded, np.arange(1500) // 2, COLUMNS, (1,))[0]
    assert (again.probability(rows) == models[0].probability(rows)).all()
    assert (models[1].probability(rows) != models[0].probability(rows)).any()


def test_platt_makes_shy_log_odds_honest() -> None:
    truth = np.random.default_rng(5).normal(-1, 2, 20_000)
    responded = (np.random.default_rng(6).random(20_000) < 1 / (1 + np.exp(-truth))).astype(np.int64)
    slope, intercept = platt(truth / 2 + 1, responded)
    assert (slope, intercept) == pytest.approx((2, -2), abs=0.1)


def test_reasons_name_what_was_planted_in_both_languages(
    models: list[Blend], planted: tuple[np.ndarray, np.ndarray]
) -> None:
    rows = planted[0]
    english, chinese = reasons(models[0], rows)
    best = int(np.argmax(rows[:, 0]))
    assert english[best][0].startswith(f"campaign coupons redeemed so far: {rows[best, 0]:.0f}, more than")
    assert chinese[best][0].startswith(f"历史活动核销数：{rows[best, 0]:.0f}，高于")
    none = int(np.flatnonzero(rows[:, 0] == 0)[0])
    assert any(one.startswith("campaign coupons redeemed so far: 0, less than") for one in english[none])
    assert all(len(each) <= 3 for each in english)
