from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from shopkeeper.base.errors import DataError
from shopkeeper.learn import response
from shopkeeper.learn.card import code_hash
from shopkeeper.learn.feature import FEATURES
from shopkeeper.learn.pairs import read_pairs
from shopkeeper.learn.walk import walk

AS_OF = date(2017, 12, 31)
PEOPLE = 200
COLUMNS = tuple(feature.name for feature in FEATURES)


def world(seed: int = 1, campaigns: int = 11) -> tuple[pa.Table, pa.Table]:
    """A campaign a month; who likes coupons redeems, and every feature but `redeemed_rate` is noise."""
    random = np.random.default_rng(seed)
    liking = random.normal(size=PEOPLE)
    features, outcomes = [], []
    for number in range(1, campaigns + 1):
        start = date(2017, number + 1, 1)
        redeems = random.random(PEOPLE) < 1 / (1 + np.exp(1.8 - 2 * liking))
        rows = {name: random.exponential(size=PEOPLE) for name in COLUMNS}
        rows["redeemed_rate"] = liking + 0.2 * random.normal(size=PEOPLE)
        ids = [f"p{person:03d}" for person in range(PEOPLE)]
        features.append(
            pa.table(
                {
                    "campaign_id": [f"c{number:02d}"] * PEOPLE,
                    "person_id": ids,
                    "starts_on": [start] * PEOPLE,
                    "ends_on": [start + timedelta(days=40)] * PEOPLE,
                    "history_days": [31 * number] * PEOPLE,
                    **rows,
                }
            )
        )
        outcomes += [
            {"campaign_id": f"c{number:02d}", "person_id": ids[person], "first_redeemed_on": start + timedelta(days=9)}
            for person in np.flatnonzero(redeems)
        ]
    return pa.concat_tables(features), pa.Table.from_pylist(outcomes)


@pytest.fixture(scope="module")
def tested() -> response.Backtest:
    return response.backtest(*world(), AS_OF, seeds=(1, 2))


def test_the_model_beats_its_baselines_and_finds_what_was_planted(tested: response.Backtest) -> None:
    metrics, baselines = tested.card.metrics, tested.card.baselines
    assert metrics.auc > 0.8
    assert metrics.auc > baselines["recency, frequency, monetary"].auc + 0.2
    assert metrics.ece < 0.06
    assert baselines["base rate"].auc == pytest.approx(0.5)
    low, high = tested.card.intervals["auc"]
    assert low < metrics.auc < high


def test_the_card_has_the_shape_acceptance_reads(tested: response.Backtest) -> None:
    card = tested.card.to_json()
    assert {"name", "version", "trained_until", "test", "metrics", "baselines", "code_hash"} <= card.keys()
    assert card["test"]["from"] == "2017-08-01"
    assert card["test"]["rows"] == 5 * PEOPLE
    assert card["test"]["campaigns"] == 5
    assert {"auc", "average_precision", "top_tenth_rate"} <= card["metrics"].keys()
    assert card["metrics"].keys() == card["baselines"]["past redemptions"].keys()
    assert card["trained_until"] == "2017-12-31"
    assert card["code_hash"] == code_hash()
    assert sum(each["people"] for each in card["calibration"]) == 5 * PEOPLE
    assert card["gain"][-1] == {"share": 1.0, "captured": 1.0}
    assert card["baseline_gain"].keys() == card["baselines"].keys()
    assert all(points[-1] == {"share": 1.0, "captured": 1.0} for points in card["baseline_gain"].values())
    assert "1 of the 5 test campaigns end later" in card["notes"]["en"][0]
    assert len(card["notes"]["en"]) == len(card["notes"]["zh"])


def test_the_gain_of_a_baseline_is_that_of_its_figures(tested: response.Backtest) -> None:
    card = tested.card
    assert [point.captured for point in card.baseline_gain["base rate"]] == pytest.approx(np.linspace(0, 1, 21))
    for name, points in card.baseline_gain.items():
        found_in_tenth = points[2].captured * card.test.responders / (card.test.rows / 10)
        assert found_in_tenth == pytest.approx(card.baselines[name].top_tenth_rate)


def test_the_same_seeds_give_the_same_card(tested: response.Backtest) -> None:
    assert response.backtest(*world(), AS_OF, seeds=(1, 2)).card == tested.card


def test_later_outcomes_change_no_earlier_score() -> None:
    features, outcomes = world()
    pairs = read_pairs(features, outcomes, COLUMNS)
    seen = []

    def fit(rows: np.ndarray, responded: np.ndarray, household: np.ndarray) -> list[response.Scaled]:
        seen.append((len(rows), int(responded.sum()), len(household)))
        return [response.fit_scaled(rows, responded)]

    walk(pairs, fit, 1, date(2017, 8, 1))
    over = [
        sum(date(2017, n + 1, 1) + timedelta(days=40) < date(2017, month, 1) for n in range(1, 12))
        for month in range(8, 13)
    ]
    assert [rows for rows, _, _ in seen] == [count * PEOPLE for count in over]
    assert all(0 < responded < rows for rows, responded, _ in seen)


def test_no_campaign_in_the_test_period_is_an_error() -> None:
    with pytest.raises(DataError, match="no campaign that starts on or after 2018-06-01"):
        response.backtest(*world(), AS_OF, test_from=date(2018, 6, 1), seeds=(1,))


def test_too_few_responders_are_an_error() -> None:
    features, outcomes = world()
    pairs = read_pairs(features, outcomes.slice(0, 5), COLUMNS)
    with pytest.raises(DataError, match="only 5 people redeemed"):
        response.fit(pairs, AS_OF, 1)


def test_scores_are_rows_of_the_dictionary(tested: response.Backtest) -> None:
    features, _ = world()
    found = response.score(tested.model, features, AS_OF, tested.card.version)
    assert set(found["subject"].to_pylist()) == {"c11"}  # the only one that still runs
    assert set(found["as_of"].to_pylist()) == {date(2017, 11, 30)}  # its eve
    assert found.num_rows == PEOPLE
    value, decile = found["value"].to_numpy(), found["decile"].to_numpy()
    assert np.bincount(decile).tolist() == [0, *[PEOPLE // 10] * 10]
    assert value[decile == 10].min() >= value[decile == 9].max()
    assert all(one for one in found["reasons"].to_pylist())
    assert all(one for one in found["reasons_zh"].to_pylist())


def test_nothing_runs_and_nothing_is_scored(tested: response.Backtest) -> None:
    features, _ = world(campaigns=9)
    assert response.score(tested.model, features, AS_OF, "v").num_rows == 0


def test_a_missing_feature_is_named() -> None:
    features, outcomes = world()
    with pytest.raises(DataError, match="the features lack redeemed_rate"):
        response.backtest(features.drop_columns(["redeemed_rate"]), outcomes, AS_OF, seeds=(1,))
