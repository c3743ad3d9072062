"""The response model: who of the people targeted by a campaign will redeem one of its coupons."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopkeeper.base.errors import DataError
from shopkeeper.learn.blend import Blend, fit_blends
from shopkeeper.learn.card import Card, Period, code_hash
from shopkeeper.learn.feature import FEATURES, Matrix, matrix
from shopkeeper.learn.measure import Metrics, calibration, gain, intervals, measure
from shopkeeper.learn.pairs import Flags, Pairs, read_pairs
from shopkeeper.learn.reasons import reasons
from shopkeeper.learn.scaled import Scaled, fit_scaled
from shopkeeper.learn.walk import MIN_RESPONDERS, walk
from shopkeeper.schema.query import Query

__all__ = ["BASELINES", "MODEL", "SEEDS", "TEST_FROM", "Backtest", "backtest", "features", "fit", "outcomes", "score"]

MODEL = "response"
SEEDS = (1, 2, 3, 4, 5)
TEST_FROM = date(2017, 8, 1)
"""Complete Journey: everything about the model was chosen on campaigns that started before this day."""

BASELINES = {
    "recency, frequency, monetary": ("recency_days", "visits", "spend"),
    "past redemptions": ("redemptions",),
}
_COLUMNS = tuple(feature.name for feature in FEATURES)
_DRAWS = 500


def features(as_of: date) -> Query:
    """Gives one row a targeted (campaign, person) pair with what was known on the eve of the campaign.

    Args:
        as_of: The last day that is known; campaigns that begin by the day after it are there.
    """
    return Query.from_file(__file__, "response_features.sql", day_after=as_of + timedelta(days=1))


def outcomes(as_of: date) -> Query:
    """Gives one row a (campaign, person) pair that redeemed by the end of a day."""
    return Query.from_file(__file__, "response_outcomes.sql", as_of=as_of)


@dataclass(frozen=True)
class Backtest:
    """A back-test, and the model that it lets one trust.

    Args:
        card: How well it did.
        model: The model of the first seed, fitted on all that was known as of the day.
        predictions: One row a test pair: campaign_id, person_id, responded, probability (mean of the seeds).
    """

    card: Card
    model: Blend
    predictions: pa.Table


def backtest(
    feature_rows: pa.Table,
    outcome_rows: pa.Table,
    as_of: date,
    *,
    test_from: date = TEST_FROM,
    seeds: tuple[int, ...] = SEEDS,
) -> Backtest:
    """Walks through the campaigns, measures those of the test period, and fits the model of today.

    Args:
        feature_rows: Result of `features(as_of)`.
        outcome_rows: Result of `outcomes(as_of)`.
        as_of: The last day that is known; a response counts until then.
        test_from: Campaigns that start on or after this day are measured.
        seeds: The metrics are means over them; the fitted model has the first.

    Raises:
        DataError: No campaign of the test period could be scored, or too few people responded.
    """
    pairs = read_pairs(feature_rows, outcome_rows, _COLUMNS)
    walked = walk(pairs, partial(fit_blends, columns=_COLUMNS, seeds=seeds), len(seeds), test_from)
    tested = _tested(walked, test_from)
    responded = pairs.responded_by(as_of)[tested]
    said = list(walked[:, tested])
    mean = np.mean(said, axis=0)
    without = dict(_baselines(pairs, tested, responded))
    hashed = code_hash()
    card = Card(
        name=MODEL,
        version=f"{as_of.isoformat()}-{hashed[:8]}",
        trained_until=as_of,
        train=_period(pairs, pairs.learnable(as_of), as_of),
        test=_period(pairs, tested, as_of),
        features=_COLUMNS,
        metrics=Metrics.mean([measure(responded, one) for one in said]),
        intervals=intervals(responded, said, pairs.household()[tested], draws=_DRAWS, seed=seeds[0]),
        baselines={name: measure(responded, one) for name, one in without.items()},
        calibration=calibration(responded, mean),
        gain=gain(responded, mean),
        baseline_gain={name: gain(responded, one) for name, one in without.items()},
        seeds=seeds,
        code_hash=hashed,
        notes=_notes(pairs, tested, as_of),
    )
    predictions = pa.table(
        {
            "campaign_id": pairs.campaign[tested].tolist(),
            "person_id": pairs.person[tested].tolist(),
            "responded": responded,
            "probability": mean,
        }
    )
    return Backtest(card, fit(pairs, as_of, seeds[0]), predictions)


def fit(pairs: Pairs, as_of: date, seed: int) -> Blend:
    """Fits the model of a day.

    Args:
        pairs: Pairs of all campaigns.
        as_of: Only campaigns that were over by the end of this day are learned from.
        seed: Of the trees and the folds.

    Raises:
        DataError: Too few people responded.
    """
    known, responded = pairs.learnable(as_of), pairs.responded_by(as_of)
    if responded[known].sum() < MIN_RESPONDERS:
        raise DataError(
            f"only {int(responded[known].sum())} people redeemed in campaigns that were over by {as_of}; "
            f"a response model needs {MIN_RESPONDERS}"
        )
    return fit_blends(pairs.rows[known], responded[known], pairs.household()[known], pairs.columns, (seed,))[0]


def score(model: Blend, feature_rows: pa.Table, as_of: date, version: str) -> pa.Table:
    """Scores the people of the campaigns that run on a day, as on the eve of each campaign.

    Args:
        model: The fitted model.
        feature_rows: Result of `features(as_of)`.
        as_of: The day.
        version: The card's version.

    Returns:
        Rows of the table `score`; empty when no campaign runs.
    """
    campaigns = np.array(feature_rows["campaign_id"].to_pylist(), dtype=np.str_)
    starts, ends = (
        np.array(feature_rows[name].to_pylist(), dtype="datetime64[D]") for name in ("starts_on", "ends_on")
    )
    running = np.isnat(ends) | (ends >= np.datetime64(as_of))
    parts = [_no_scores()]
    for campaign in np.unique(campaigns[running]):
        here = running & (campaigns == campaign)
        eve = starts[here][0].astype(date) - timedelta(days=1)
        parts.append(
            _score_campaign(model, feature_rows.filter(pa.array(here)), str(campaign), min(eve, as_of), version)
        )
    return pa.concat_tables(parts)


def _score_campaign(model: Blend, rows: pa.Table, campaign: str, as_of: date, version: str) -> pa.Table:
    features_of = matrix(rows, model.columns)
    probability = model.probability(features_of)
    english, chinese = reasons(model, features_of)
    ranks = np.argsort(np.argsort(probability, kind="stable"), kind="stable")
    count = rows.num_rows
    return pa.table(
        {
            "person_id": rows["person_id"],
            "model": [MODEL] * count,
            "version": [version] * count,
            "subject": [campaign] * count,
            "as_of": pa.array([as_of] * count, pa.date32()),
            "value": probability,
            "decile": ranks * 10 // count + 1,
            "reasons": pa.array(english, pa.list_(pa.string())),
            "reasons_zh": pa.array(chinese, pa.list_(pa.string())),
        },
        schema=_SCORE,
    )


_SCORE = pa.schema(
    {
        "person_id": pa.string(),
        "model": pa.string(),
        "version": pa.string(),
        "subject": pa.string(),
        "as_of": pa.date32(),
        "value": pa.float64(),
        "decile": pa.int64(),
        "reasons": pa.list_(pa.string()),
        "reasons_zh": pa.list_(pa.string()),
    }
)


def _no_scores() -> pa.Table:
    return _SCORE.empty_table()


def _tested(walked: npt.NDArray[np.float64], test_from: date) -> Flags:
    tested: Flags = np.asarray(~np.isnan(walked).any(axis=0))
    if not tested.any():
        raise DataError(
            f"no campaign that starts on or after {test_from} could be scored: before each of them fewer than "
            f"{MIN_RESPONDERS} people had redeemed in campaigns that were over",
            next_step="choose a later test_from, or load older campaigns",
        )
    return tested


def _baselines(
    pairs: Pairs, tested: Flags, responded: npt.NDArray[np.int64]
) -> Iterator[tuple[str, npt.NDArray[np.float64]]]:
    """The base rate of the test itself, and quantile-scaled regressions on few features, walked the same way."""

    def fit_simple(rows: Matrix, y: npt.NDArray[np.int64], household: npt.NDArray[np.int64]) -> list[Scaled]:
        del household  # so few columns need no calibration
        return [fit_scaled(rows, y, penalty=1.0)]

    yield "base rate", np.full(len(responded), responded.mean())
    for name, columns in BASELINES.items():
        probability = walk(pairs.select(columns), fit_simple, 1, pairs.starts[tested].min().astype(date))
        yield name, probability[0][tested]


def _period(pairs: Pairs, which: Flags, as_of: date) -> Period:
    return Period(
        first=pairs.starts[which].min().astype(date),
        last=as_of,
        campaigns=len(np.unique(pairs.campaign[which])),
        rows=int(which.sum()),
        people=len(np.unique(pairs.person[which])),
        responders=int(pairs.responded_by(as_of)[which].sum()),
    )


def _notes(pairs: Pairs, tested: Flags, as_of: date) -> dict[str, tuple[str, ...]]:
    total = len(np.unique(pairs.campaign[tested]))
    longer = len(np.unique(pairs.campaign[tested & (pairs.ends > np.datetime64(as_of))]))
    return {
        "en": (
            f"A response is a redemption by {as_of}; {longer} of the {total} test campaigns end later.",
            "Each test campaign was scored by a model of its eve, fitted and calibrated on campaigns then over.",
            "A campaign that began with less than 28 days of history is not learned from.",
            "The metrics are means over the seeds; calibration and gain are of the mean probability.",
        ),
        "zh": (
            f"响应指在{as_of}前核销；{total}个测试活动中有{longer}个在此之后才结束，其后的核销未计入。",
            "每个测试活动均由开始前一日、仅用已结束活动重新训练并校准的模型打分。",
            "历史不足28天即开始的活动不参与训练。",
            "指标为多个随机种子的平均；校准表与增益图取平均概率。",
        ),
    }
