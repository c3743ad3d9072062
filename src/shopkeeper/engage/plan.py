"""The offer plan: which coupon of the next campaign each targeted person is to get, why, and who is held out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopkeeper.base.errors import DataError, MissingError
from shopkeeper.experiment.assignment import MessageClass, held_out
from shopkeeper.schema.query import Query

__all__ = ["Holdouts", "next_campaign", "offer_plan", "plan_rows"]

Numbers = npt.NDArray[np.float64]

_CATEGORY_WEIGHT = 0.2
_COMMON_WEIGHT = 0.5
_LEAST_FIT = 1e-9
_COUNTS = ("times", "net", "category_times", "common_times", "common_net", "all_times", "all_net", "coupons")


@dataclass(frozen=True, slots=True)
class Holdouts:
    """Shares held out of marketing.

    Args:
        everywhere: Of every campaign, the same people each time.
        campaign: Of this campaign, drawn anew for each.
    """

    everywhere: float = 0.05
    campaign: float = 0.10


def next_campaign(campaigns: pa.Table, as_of: date) -> str:
    """Chooses the campaign to plan: of those that begin tomorrow or run, the one that begins last.

    Args:
        campaigns: Columns campaign_id, starts_on, ends_on.
        as_of: The last day that is known.

    Raises:
        MissingError: No campaign runs or begins tomorrow.
    """
    tomorrow = as_of + timedelta(days=1)
    open_ones = [
        (row["starts_on"], row["campaign_id"])
        for row in campaigns.select(["campaign_id", "starts_on", "ends_on"]).to_pylist()
        if row["starts_on"] <= tomorrow and (row["ends_on"] is None or row["ends_on"] >= tomorrow)
    ]
    if not open_ones:
        raise MissingError(f"no campaign runs on {tomorrow}", next_step="shopkeeper load campaign FILE")
    return str(max(open_ones)[1])


def plan_rows(campaign_id: str, as_of: date) -> Query:
    """Gives the coupons of the campaign that each targeted person has history under, and the best of the others."""
    return Query.from_file(__file__, "plan_rows.sql", campaign_id=campaign_id, as_of=as_of)


def offer_plan(
    campaign_id: str,
    rows: pa.Table,
    scores: pa.Table,
    as_of: date,
    *,
    seed: int,
    holdouts: Holdouts = Holdouts(),
    message_class: MessageClass = MessageClass.MARKETING,
) -> pa.Table:
    """Plans one coupon a person.

    With n times that the person bought the coupon's products, c times their subcategories, and q the coupon's share
    of what all targeted people bought under any coupon of the campaign:

        fit = n + 0.2 (c − n)₊ + 0.5 q          match = fit ÷ Σ fit over the campaign's coupons
        spend = (money on the coupon's products + the average of all) ÷ (n + 1)
        expected value = P(redeems in the campaign) × match × spend

    and the coupon of the highest expected value is taken. It is expected turnover on the coupon's products with those
    who redeem, not what the coupon causes: that is what the holdout is drawn for.

    Args:
        campaign_id: The campaign.
        rows: Result of `plan_rows`.
        scores: Rows of the table `score` of the model `response` for this campaign: person_id, value.
        as_of: The last day that is known.
        seed: Of the holdouts.
        holdouts: The shares held out.
        message_class: Service messages and entitlements are never held out.

    Returns:
        Rows of the table `offer_plan`, one a person, highest expected value first; persons held out have no coupon.

    Raises:
        DataError: A targeted person has no score, or the campaign has no coupon.
    """
    if not rows.num_rows:
        raise DataError(f"campaign '{campaign_id}' has no targeted person or no coupon")
    persons, person = np.unique(np.array(rows["person_id"].to_pylist(), dtype=np.str_), return_inverse=True)
    probability = _probabilities(persons, scores, campaign_id)
    of = {name: rows[name].to_numpy() for name in _COUNTS}
    times, net, category = of["times"], of["net"], of["category_times"]
    match, spend = _match(of, person), (net + _average(of)) / (times + 1)
    value = probability[person] * match * spend
    best = _best(person, value, match)
    drawn = _drawn(persons.tolist(), campaign_id, holdouts, seed, message_class)
    planned = [
        _planned(str(persons[who]), str(rows["offer_id"][row].as_py()), drawn[who], times[row], category[row])
        | {
            "campaign_id": campaign_id,
            "as_of": as_of,
            "probability": float(probability[who]),
            "match": float(match[row]),
            "expected_spend": float(spend[row]),
            "expected_value": float(value[row]),
        }
        for who, row in enumerate(best)
    ]
    table = pa.Table.from_pylist(planned, schema=_SCHEMA)
    return table.sort_by([("expected_value", "descending"), ("person_id", "ascending")])


def _probabilities(persons: npt.NDArray[np.str_], scores: pa.Table, campaign_id: str) -> Numbers:
    given = dict(zip(scores["person_id"].to_pylist(), scores["value"].to_pylist(), strict=True))
    missing = [str(person) for person in persons if str(person) not in given]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(persons)} people targeted by campaign '{campaign_id}' have no score",
            next_step="shopkeeper run response",
        )
    return np.array([given[str(person)] for person in persons])


def _match(of: Mapping[str, Numbers], person: npt.NDArray[np.intp]) -> Numbers:
    """Each coupon's share of the person's fit; coupons without a row have only their part of what all bought."""
    times, category = of["times"], of["category_times"]
    own = times + _CATEGORY_WEIGHT * np.maximum(category - times, 0)
    popularity = of["common_times"] / np.maximum(of["all_times"], 1)
    of_all = _COMMON_WEIGHT * (of["all_times"] > 0) + _LEAST_FIT * of["coupons"]
    fit = own + _COMMON_WEIGHT * popularity + _LEAST_FIT
    return np.asarray(fit / (np.bincount(person, own)[person] + of_all))


def _average(of: Mapping[str, Numbers]) -> Numbers:
    """What one purchase under each coupon costs; where nobody bought any, the average of all coupons."""
    times = of["common_times"]
    whole = of["all_net"] / np.maximum(of["all_times"], 1)
    return np.where(times > 0, of["common_net"] / np.maximum(times, 1), whole)


def _best(person: npt.NDArray[np.intp], value: Numbers, match: Numbers) -> list[int]:
    """The row of the highest value of each person; among equals of the best match, then the first."""
    order = np.lexsort((np.arange(len(value)), -match, -value, person))
    return [int(row) for row in order[np.unique(person[order], return_index=True)[1]]]


def _drawn(
    persons: list[str], campaign_id: str, holdouts: Holdouts, seed: int, message_class: MessageClass
) -> list[str | None]:
    everywhere = held_out(persons, "global", holdouts.everywhere, seed, message_class)
    here = held_out(persons, f"campaign {campaign_id}", holdouts.campaign, seed, message_class)
    return ["global" if one else "campaign" if other else None for one, other in zip(everywhere, here, strict=True)]


def _planned(person_id: str, offer_id: str, holdout: str | None, times: float, category: float) -> dict[str, object]:
    english, chinese = _reason(times, category)
    return {
        "person_id": person_id,
        "offer_id": None if holdout else offer_id,
        "is_holdout": holdout is not None,
        "holdout": holdout,
        "reason": "held out, to measure what the campaign brings" if holdout else english,
        "reason_zh": "对照组：用于衡量活动增量" if holdout else chinese,
    }


def _reason(times: float, category: float) -> tuple[str, str]:
    if times > 0:
        return f"bought this coupon's products {_often(times)}", f"购买过该券商品{times:.0f}次"
    if category > 0:
        return f"bought the same sort of products {_often(category)}", f"购买过同类商品{category:.0f}次"
    return "no history under any coupon: the one most bought by the others", "无相关购买：推荐其他目标会员最常购的券"


def _often(times: float) -> str:
    return "once" if times == 1 else f"{times:.0f} times"


_SCHEMA = pa.schema(
    [
        ("campaign_id", pa.string()),
        ("person_id", pa.string()),
        ("offer_id", pa.string()),
        ("as_of", pa.date32()),
        ("is_holdout", pa.bool_()),
        ("holdout", pa.string()),
        *((name, pa.float64()) for name in ("probability", "match", "expected_spend", "expected_value")),
        ("reason", pa.string()),
        ("reason_zh", pa.string()),
    ]
)
