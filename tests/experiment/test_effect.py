from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopkeeper.base.errors import DataError
from shopkeeper.experiment.effect import BELIEVE, DO_NOT_BELIEVE, effect, effect_rows, effects
from shopkeeper.schema.tables import table
from tests.experiment.planted import CAMPAIGN, planted
from tests.toy import Toy

AS_OF = date(2017, 12, 31)
EFFECT = 20.0


def rows(seed: int, *, hidden: bool = False, drawn: bool = False, people: int = 2500) -> pa.Table:
    """People of different spend, targeted by it (or at random with a holdout), with an effect of 20 in the window."""
    random = np.random.default_rng(seed)
    habit = random.gamma(2, 60, people)
    rising = (random.random(people) < 0.2) & hidden
    near, far, early = (random.gamma(4, habit / 4) * lift for lift in (1 + 0.6 * rising, 1.0, 1.0))
    score = np.log(near + far) - np.log(near + far).mean() + 2.5 * rising
    targeted = random.random(people) < (0.5 if drawn else 1 / (1 + np.exp(0.8 - 1.2 * score)))
    held = targeted & (random.random(people) < 0.3) & drawn
    targeted &= ~held
    outcome = random.gamma(4, habit / 4) * (1 + 0.6 * rising) + EFFECT * targeted
    noise = {
        name: random.gamma(2, 1, people)
        for name in ("tenure_days", "discount_share", "coupon_share", "other_campaigns", "redemptions")
    }
    return pa.table(
        {
            "campaign_id": ["c"] * people,
            "person_id": [f"p{number}" for number in range(people)],
            "days": [28] * people,
            "is_targeted": targeted.astype(int),
            "is_holdout": held.astype(int),
            "outcome": outcome,
            "near_spend": near,
            "near_visits": near // 20 + 1,
            "last_visits": near // 60,
            "far_spend": far,
            "far_visits": far // 20 + 1,
            "early_spend": early,
            "early_visits": early // 20,
            "recency_days": random.integers(1, 30, people),
            **noise,
        }
    )


def test_the_naive_difference_misses_and_the_balanced_one_covers() -> None:
    found = [effect(rows(seed), "c") for seed in range(10)]
    assert sum(one.value.low < EFFECT < one.value.high for one in found) >= 8
    assert not any(one.naive.low < EFFECT < one.naive.high for one in found)
    assert sum(one.verdict == BELIEVE for one in found) >= 8
    assert all(one.is_observational and "no holdout was drawn" in one.reason for one in found if one.verdict == BELIEVE)


def test_a_hidden_confounder_fails_the_placebo() -> None:
    found = [effect(rows(seed, hidden=True), "c") for seed in range(10)]
    assert sum(one.verdict == DO_NOT_BELIEVE for one in found) >= 9
    assert "already differed" in found[0].reason
    assert "已相差" in found[0].reason_zh


def test_a_drawn_holdout_is_used() -> None:
    found = effect(rows(1, drawn=True), "c")
    assert found.method == "randomised holdout"
    assert not found.is_observational
    assert found.compared < found.targeted
    assert found.value.low < EFFECT < found.value.high


def test_a_drawn_holdout_is_believed_although_draws_differ() -> None:
    """One placebo in twenty excludes zero by chance, and of small holdouts many differ by a tenth of a deviation."""
    found = [effect(rows(seed, drawn=True, people=600), "c") for seed in range(40)]
    assert any(one.placebo.excludes_zero for one in found)
    assert any(one.imbalance > 0.1 for one in found)
    assert all(one.verdict == BELIEVE for one in found)
    assert sum(one.value.low < EFFECT < one.value.high for one in found) >= 34


def test_a_holdout_that_was_chosen_and_not_drawn_is_not_believed() -> None:
    given = rows(1, drawn=True)
    spent = given["near_spend"].to_numpy()
    chosen = given["is_holdout"].to_numpy() * (spent < np.median(spent))
    place = given.column_names.index("is_holdout")
    found = effect(given.set_column(place, "is_holdout", pa.array(chosen)), "c")
    assert found.verdict == DO_NOT_BELIEVE
    assert "not drawn at random" in found.reason
    assert "并非随机" in found.reason_zh


def test_too_few_comparable_people_are_not_believed() -> None:
    given = rows(2)
    few = pa.concat_tables(
        [
            given.filter(pa.compute.equal(given["is_targeted"], 1)),
            given.filter(pa.compute.equal(given["is_targeted"], 0)).slice(0, 30),
        ]
    )
    assert effect(few, "c").verdict == DO_NOT_BELIEVE


def test_a_campaign_that_cannot_be_estimated_is_named() -> None:
    with pytest.raises(DataError, match="campaign 'x' cannot be estimated"):
        effect(rows(1), "x")


def test_the_table_has_the_columns_of_the_dictionary() -> None:
    found = effects(rows(1), AS_OF)
    assert set(found.column_names) == set(table("effect").column_names)
    row = found.to_pylist()[0]
    assert row["total"] == pytest.approx(row["value"] * row["targeted"])
    assert effects(rows(1), AS_OF).equals(found)


def test_the_rows_of_a_toy_are_seen_by_eye() -> None:
    toy = Toy()
    start = date(2017, 6, 1)
    toy.fill("person", [{"source": "s", "customer_id": one, "person_id": f"p{one}"} for one in "abc"])
    toy.fill("campaign", [{"campaign_id": "c", "starts_on": start, "ends_on": date(2017, 6, 30)}])
    toy.fill("campaign_target", [{"campaign_id": "c", "source": "s", "customer_id": one} for one in "ab"])
    toy.fill("touch", [{"touch_id": "t", "campaign_id": "c", "customer_id": "b", "is_holdout": True}])
    days = {"a": (-100, -45, -5, 0, 29, 30), "b": (-20,), "c": (-70,)}
    toy.fill(
        "order_line",
        [
            {
                "order_id": f"{one}{day}",
                "line_no": 1,
                "source": "s",
                "customer_id": one,
                "business_day": start + timedelta(days=day),
                "net_amount": 10,
                "gross_amount": 12,
                "product_discount": 2,
                "coupon_discount": 0,
            }
            for one, of in days.items()
            for day in of
        ],
    )
    found = toy.run(effect_rows(AS_OF)).to_pylist()
    assert [row["person_id"] for row in found] == ["pa", "pb"]  # c had not bought in the 60 days before
    first, second = found
    assert (first["is_targeted"], first["is_holdout"]) == (1, 0)
    assert (second["is_targeted"], second["is_holdout"]) == (0, 1)
    assert first["outcome"] == 20  # the first and the last day, not the day after
    assert (first["near_spend"], first["far_spend"], first["last_visits"]) == (10, 10, 1)
    assert first["recency_days"] == 5
    assert first["days"] == 30
    assert first["discount_share"] == pytest.approx(1 / 6)


def test_the_chain_with_a_confounded_campaign(tmp_path: Path) -> None:
    """The small form of `make bench ONLY=effect`, which takes ten seeds."""
    covered = 0
    for seed in (1, 2, 3):
        given, truth = planted(tmp_path / str(seed), seed, targeting="confounded")
        found = effect(given, CAMPAIGN)
        covered += found.value.low < truth < found.value.high
        assert found.naive.low > truth
    assert covered >= 2


def test_the_chain_with_a_hidden_confounder(tmp_path: Path) -> None:
    given, _ = planted(tmp_path, 4, targeting="confounded", hidden=True)
    assert effect(given, CAMPAIGN).verdict == DO_NOT_BELIEVE
