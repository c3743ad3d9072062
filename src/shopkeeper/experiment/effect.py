"""What past campaigns brought, in money a targeted person, and whether the figure is to be believed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopkeeper.base.errors import DataError
from shopkeeper.experiment.balance import balance
from shopkeeper.experiment.estimate import Estimate, plain, randomised, weighted
from shopkeeper.schema.foreseen import EFFECT_VERDICTS
from shopkeeper.schema.query import Query

__all__ = ["Effect", "effect", "effect_rows", "effects"]

Numbers = npt.NDArray[np.float64]

BELIEVE, DO_NOT_BELIEVE = EFFECT_VERDICTS
_LEAST_DAYS = 14
_LEAST_PEOPLE = 10
_LEAST_EFFECTIVE = 40.0
_MOST_IMBALANCE = 0.1
_BY_CHANCE = 3.29  # standard errors: a draw differs by more than this one time in a thousand
_BEFORE = ("near_spend", "near_visits", "far_spend", "far_visits")
_ALWAYS = (
    "early_spend",
    "early_visits",
    "tenure_days",
    "discount_share",
    "coupon_share",
    "other_campaigns",
    "redemptions",
)


def effect_rows(as_of: date) -> Query:
    """Gives one row a (campaign, person) with the money in the campaign's days and what was known before.

    Campaigns are there that have 60 days of history before them and 14 known days; persons who bought in those 60 days.

    Args:
        as_of: The last day that is known; a campaign still running counts until then.
    """
    latest = as_of - timedelta(days=_LEAST_DAYS - 1)
    return Query.from_file(__file__, "effect_rows.sql", as_of=as_of, latest_start=latest)


@dataclass(frozen=True, slots=True)
class Effect:
    """What one campaign brought, in money a targeted person over its known days.

    Args:
        campaign_id: The campaign.
        method: `randomised holdout` or `entropy balancing`.
        is_observational: Whether no holdout was drawn.
        days: Known days of the campaign.
        targeted: Targeted persons that were compared.
        compared: Persons they were compared with.
        effective: So many equally weighted persons the comparison is worth.
        imbalance: Largest standardised difference of means left.
        naive: The plain difference to everybody who was not targeted.
        value: The effect.
        placebo: The same estimator on the 30 days before the campaign, among people who spent alike in the 60 before.
        verdict: `believe` or `do not believe this`.
        reason: Why, in English.
        reason_zh: Why, in Chinese.
    """

    campaign_id: str
    method: str
    is_observational: bool
    days: int
    targeted: int
    compared: int
    effective: float
    imbalance: float
    naive: Estimate
    value: Estimate
    placebo: Estimate
    verdict: str
    reason: str
    reason_zh: str


def effects(rows: pa.Table, as_of: date) -> pa.Table:
    """Estimates every campaign that can be estimated.

    Args:
        rows: Result of `effect_rows(as_of)`.
        as_of: The day.

    Returns:
        Rows of the table `effect`, one a campaign with at least 10 persons on either side.
    """
    return _table([found for _, found in _estimates(rows)], as_of)


def effect(rows: pa.Table, campaign_id: str) -> Effect:
    """Estimates one campaign.

    Args:
        rows: Result of `effect_rows`.
        campaign_id: The campaign.

    Raises:
        DataError: The campaign is not there or has too few persons on one side.
    """
    for name, found in _estimates(rows):
        if name == campaign_id:
            return found
    raise DataError(
        f"campaign '{campaign_id}' cannot be estimated: it needs 60 days of history before it, {_LEAST_DAYS} known "
        f"days, and {_LEAST_PEOPLE} active persons targeted and not"
    )


def _estimates(rows: pa.Table) -> Iterator[tuple[str, Effect]]:
    names = np.array(rows["campaign_id"].to_pylist(), dtype=np.str_)
    columns = {
        name: rows[name].to_numpy().astype(np.float64)
        for name in rows.column_names
        if name not in ("campaign_id", "person_id")
    }
    for name in np.unique(names):
        here = names == name
        found = _estimate(str(name), {column: values[here] for column, values in columns.items()})
        if found is not None:
            yield str(name), found


def _estimate(campaign_id: str, of: Mapping[str, Numbers]) -> Effect | None:
    targeted, held = of["is_targeted"] == 1, of["is_holdout"] == 1
    drawn = int(held.sum()) >= _LEAST_PEOPLE
    others = held if drawn else ~targeted & ~held
    if min(targeted.sum(), others.sum()) < _LEAST_PEOPLE:
        return None
    naive = plain(of["outcome"][targeted], of["outcome"][~targeted])
    if drawn:
        past = of["near_spend"] + of["far_spend"]
        value = randomised(of["outcome"][targeted], of["outcome"][others], (past[targeted], past[others]))
        early = of["early_spend"]
        placebo = randomised(of["near_spend"][targeted], of["near_spend"][others], (early[targeted], early[others]))
        imbalance, effective = _difference(past[targeted], past[others]), float(others.sum())
    else:
        value, imbalance, effective = _observed(of, "outcome", _covariates(of), targeted, others)
        placebo, _, _ = _observed(of, "near_spend", _placebo_covariates(of), targeted, others)
    verdict, reason, reason_zh = (
        _judge_drawn(placebo, effective) if drawn else _judge_observed(placebo, imbalance, effective)
    )
    return Effect(
        campaign_id=campaign_id,
        method="randomised holdout" if drawn else "entropy balancing",
        is_observational=not drawn,
        days=int(of["days"].max()),
        targeted=int(targeted.sum()),
        compared=int(others.sum()),
        effective=effective,
        imbalance=imbalance,
        naive=naive,
        value=value,
        placebo=placebo,
        verdict=verdict,
        reason=reason,
        reason_zh=reason_zh,
    )


def _observed(
    of: Mapping[str, Numbers],
    outcome: str,
    covariates: Numbers,
    targeted: npt.NDArray[np.bool_],
    others: npt.NDArray[np.bool_],
) -> tuple[Estimate, float, float]:
    both = covariates[targeted], covariates[others]
    balanced = balance(*both)
    found = weighted(of[outcome][targeted], of[outcome][others], both, balanced)
    return found, balanced.imbalance, balanced.effective


def _covariates(of: Mapping[str, Numbers]) -> Numbers:
    """Money and visits of both months before as they are and as logarithms, and what never changes with the window."""
    total = np.log1p(np.maximum(of["near_spend"] + of["far_spend"], 0))
    columns = [of[name] for name in (*_BEFORE, *_ALWAYS)]
    columns += [np.log1p(np.maximum(of[name], 0)) for name in ("near_spend", "far_spend", "early_spend")]
    absence = np.log(of["recency_days"])
    missed = of["recency_days"] * (of["near_visits"] + of["far_visits"]) / 60
    columns += [
        of["last_visits"],
        np.minimum(of["last_visits"], 1),
        absence,
        absence**2,
        np.log1p(missed),
        np.minimum(missed, 10),
    ]
    return np.column_stack([*columns, total, total**2])


def _placebo_covariates(of: Mapping[str, Numbers]) -> Numbers:
    """Money and visits of both months together: whether it came in the last one is the placebo's question.

    A campaign aimed at people who spent much lately is fair game, for what they spent is known and balanced; aimed at
    people about to spend more, it has them rising already before it began, which no balance on the sum can hide.
    """
    spend, visits = of["near_spend"] + of["far_spend"], of["near_visits"] + of["far_visits"]
    total = np.log1p(np.maximum(spend, 0))
    early = np.log1p(np.maximum(of["early_spend"], 0))
    return np.column_stack([spend, visits, *(of[name] for name in _ALWAYS), early, total, total**2])


def _difference(one: Numbers, other: Numbers) -> float:
    spread = float(one.std())
    return abs(float(one.mean() - other.mean())) / spread if spread > 0 else 0.0


def _judge_drawn(placebo: Estimate, effective: float) -> tuple[str, str, str]:
    """A draw makes groups that differ by chance alone, and the estimate takes out what they differed before.

    So one placebo in twenty that excludes zero is no reason to doubt; one in a thousand is: then it was not a draw.
    """
    error = placebo.error
    if error > 0 and abs(placebo.value) > _BY_CHANCE * error:
        span = f"{placebo.low:,.2f} – {placebo.high:,.2f}"
        return (
            DO_NOT_BELIEVE,
            f"not drawn at random: in the 30 days before the groups differed by {placebo.value:,.2f} a person ({span})",
            f"对照组并非随机抽取：活动开始前30天，两组已相差人均{placebo.value:,.2f}（{span}）",
        )
    if effective < _LEAST_EFFECTIVE:
        return _too_few(effective)
    return (
        BELIEVE,
        "a holdout was drawn; what the groups differed before, as draws do, is taken out",
        "设有随机对照组；两组此前的随机差异已扣除",
    )


def _judge_observed(placebo: Estimate, imbalance: float, effective: float) -> tuple[str, str, str]:
    if placebo.excludes_zero:
        span = f"{placebo.low:,.2f} – {placebo.high:,.2f}"
        before = f"in the 30 days before it the targeted already differed by {placebo.value:,.2f} a person ({span})"
        before_zh = f"活动开始前30天，目标会员与消费相近者已相差人均{placebo.value:,.2f}（{span}）"
        return DO_NOT_BELIEVE, f"{before} from people who had spent alike", before_zh
    if imbalance > _MOST_IMBALANCE:
        return (
            DO_NOT_BELIEVE,
            f"nobody comparable: a difference of {imbalance:.2f} standard deviations is left",
            f"没有可比的人群：仍相差{imbalance:.2f}个标准差",
        )
    if effective < _LEAST_EFFECTIVE:
        return _too_few(effective)
    return (
        BELIEVE,
        "observational, no holdout was drawn: the groups were alike before, and the placebo found nothing",
        "观察性结果，未设对照组：两组此前相近，安慰剂检验未见差异",
    )


def _too_few(effective: float) -> tuple[str, str, str]:
    return (
        DO_NOT_BELIEVE,
        f"too few comparable people: the comparison is worth {effective:.0f}",
        f"可比人数过少：仅相当于{effective:.0f}人",
    )


def _table(found: Sequence[Effect], as_of: date) -> pa.Table:
    rows = [
        {
            **{name: getattr(one, name) for name in ("campaign_id", "method", "is_observational", "days")},
            **{name: getattr(one, name) for name in ("targeted", "compared", "effective", "imbalance")},
            **_flat("naive", one.naive),
            **_flat("value", one.value),
            **_flat("placebo", one.placebo),
            "as_of": as_of,
            "total": one.value.value * one.targeted,
            **{name: getattr(one, name) for name in ("verdict", "reason", "reason_zh")},
        }
        for one in found
    ]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _flat(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


_SCHEMA = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("as_of", pa.date32()),
        ("method", pa.string()),
        ("is_observational", pa.bool_()),
        *((name, pa.int64()) for name in ("days", "targeted", "compared")),
        *((name, pa.float64()) for name in ("effective", "imbalance", "naive", "naive_low", "naive_high")),
        *((name, pa.float64()) for name in ("value", "value_low", "value_high", "total")),
        *((name, pa.float64()) for name in ("placebo", "placebo_low", "placebo_high")),
        *((name, pa.string()) for name in ("verdict", "reason", "reason_zh")),
    ]
)
