from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.base.errors import DataError, MissingError
from shopkeeper.engage.plan import Holdouts, next_campaign, offer_plan, plan_rows
from shopkeeper.experiment.assignment import MessageClass
from shopkeeper.schema.tables import table
from tests.toy import Toy

AS_OF = date(2017, 12, 31)
NOBODY = Holdouts(everywhere=0, campaign=0)
PRODUCTS = ("milk", "other milk", "soap", "cream", "comb")


def campaigns(*rows: tuple[str, date, date | None]) -> pa.Table:
    names = ("campaign_id", "starts_on", "ends_on")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])


def history(rows: list[tuple[str, str, float, float, float, float, float]]) -> pa.Table:
    names = ("person_id", "offer_id", "times", "net", "category_times", "common_times", "common_net")
    common = {row[1]: row[5:] for row in rows}
    whole = {
        "all_times": sum(times for times, _ in common.values()),
        "all_net": sum(net for _, net in common.values()),
        "coupons": float(len(common)),
    }
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) | whole for row in rows])


def scores(**values: float) -> pa.Table:
    return pa.table({"person_id": list(values), "value": list(values.values())})


TOY = history(
    [
        ("ann", "milk", 8, 16, 8, 8, 16),
        ("ann", "soap", 0, 0, 0, 1, 4),
        ("bob", "milk", 0, 0, 0, 8, 16),
        ("bob", "soap", 0, 0, 3, 1, 4),
    ]
)


def test_the_next_campaign_begins_last_of_those_that_run() -> None:
    given = campaigns(
        ("over", date(2017, 12, 20), date(2017, 12, 31)),
        ("runs", date(2017, 12, 1), None),
        ("tomorrow", date(2018, 1, 1), date(2018, 1, 20)),
        ("later", date(2018, 2, 1), None),
    )
    assert next_campaign(given, AS_OF) == "tomorrow"
    with pytest.raises(MissingError, match="no campaign runs on 2017-12-01"):
        next_campaign(given.slice(3), date(2017, 11, 30))


def test_each_gets_the_coupon_that_fits_with_its_reason() -> None:
    plan = offer_plan("c", TOY, scores(ann=0.5, bob=0.1), AS_OF, seed=1, holdouts=NOBODY).to_pylist()
    assert [(row["person_id"], row["offer_id"]) for row in plan] == [("ann", "milk"), ("bob", "soap")]
    assert plan[0]["reason"] == "bought this coupon's products 8 times"
    assert plan[0]["reason_zh"] == "购买过该券商品8次"
    assert plan[1]["reason"] == "bought the same sort of products 3 times"
    once = offer_plan("c", history([("ann", "milk", 1, 2, 1, 8, 16)]), scores(ann=0.5), AS_OF, seed=1, holdouts=NOBODY)
    assert once["reason"].to_pylist() == ["bought this coupon's products once"]
    # ann's fit with milk: 8 times and 8/9 of half a popular one; spend: (16 + an average of 2) / (8 + 1)
    match = (8 + 0.5 * 8 / 9) / (8 + 0.5)
    assert plan[0]["match"] == pytest.approx(match)
    assert plan[0]["expected_spend"] == pytest.approx(2)
    assert plan[0]["expected_value"] == pytest.approx(0.5 * match * 2)


def test_without_history_the_common_one_is_taken() -> None:
    given = history([("cid", "milk", 0, 0, 0, 8, 16), ("cid", "soap", 0, 0, 0, 1, 2)])
    row = offer_plan("c", given, scores(cid=0.2), AS_OF, seed=1, holdouts=NOBODY).to_pylist()[0]
    assert row["offer_id"] == "milk"
    assert row["reason"].startswith("no history under any coupon")


def test_a_holdout_is_drawn_and_gets_nothing() -> None:
    people = [f"p{number}" for number in range(3000)]
    given = history([(one, "milk", 1, 2, 1, 8, 16) for one in people])
    plan = offer_plan("c", given, scores(**dict.fromkeys(people, 0.1)), AS_OF, seed=7).to_pylist()
    drawn = [row["holdout"] for row in plan]
    assert drawn.count("global") == pytest.approx(150, abs=40)
    assert drawn.count("campaign") == pytest.approx(285, abs=50)
    assert all((row["offer_id"] is None) == row["is_holdout"] == (row["holdout"] is not None) for row in plan)
    other = offer_plan("d", given, scores(**dict.fromkeys(people, 0.1)), AS_OF, seed=7).to_pylist()
    everywhere = {row["person_id"] for row in plan if row["holdout"] == "global"}
    assert everywhere == {row["person_id"] for row in other if row["holdout"] == "global"}


@pytest.mark.parametrize("message_class", [MessageClass.SERVICE, MessageClass.ENTITLEMENT])
def test_service_and_entitlement_hold_nobody_out(message_class: MessageClass) -> None:
    everybody = Holdouts(everywhere=0.5, campaign=0.9)
    plan = offer_plan(
        "c", TOY, scores(ann=0.5, bob=0.1), AS_OF, seed=1, holdouts=everybody, message_class=message_class
    )
    assert not any(plan["is_holdout"].to_pylist())


def test_a_person_without_a_score_and_a_campaign_without_coupons_are_errors() -> None:
    with pytest.raises(DataError, match="1 of 2 people targeted by campaign 'c' have no score"):
        offer_plan("c", TOY, scores(ann=0.5), AS_OF, seed=1)
    with pytest.raises(DataError, match="no targeted person or no coupon"):
        offer_plan("c", TOY.slice(0, 0), scores(ann=0.5), AS_OF, seed=1)


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 9)),
        min_size=1,
        max_size=30,
        unique_by=lambda r: r[:2],
    ),
    st.floats(0.01, 0.99),
)
def test_one_row_a_person_in_falling_value(rows: list[tuple[int, int, int]], chance: float) -> None:
    given = history([(f"p{a}", f"o{b}", float(n), 2.0 * n, float(n), 5.0, 10.0) for a, b, n in rows])
    people = {f"p{a}" for a, _, _ in rows}
    plan = offer_plan("c", given, scores(**dict.fromkeys(people, chance)), AS_OF, seed=1, holdouts=NOBODY)
    assert sorted(plan["person_id"].to_pylist()) == sorted(people)
    values = plan["expected_value"].to_pylist()
    assert values == sorted(values, reverse=True)
    assert all(0 <= one <= 1 for one in plan["match"].to_pylist())
    assert set(plan.column_names) == set(table("offer_plan").column_names)


def bought(person: str, product: str, day: date = AS_OF, net: float = 3) -> dict[str, object]:
    return {
        "order_id": f"{person}{product}{day}",
        "line_no": 1,
        "source": "s",
        "customer_id": person,
        "product_id": product,
        "business_day": day,
        "quantity": 1,
        "net_amount": net,
    }


def targeted(people: str, offers: dict[str, str], lines: list[dict[str, object]]) -> Toy:
    """People targeted by a campaign whose offers are each good for one product, with what they bought."""
    toy = Toy()
    toy.fill("person", [{"source": "s", "customer_id": one, "person_id": f"p{one}"} for one in people])
    toy.fill("campaign_target", [{"campaign_id": "c", "source": "s", "customer_id": one} for one in people])
    toy.fill(
        "product",
        [{"product_id": one, "category": "dairy", "subcategory": "milk"} for one in ("milk", "other milk")]
        + [{"product_id": one, "category": "care", "subcategory": one} for one in ("soap", "cream", "comb")],
    )
    toy.fill("offer", [{"offer_id": one, "campaign_id": "c"} for one in offers])
    toy.fill("offer_product", [{"offer_id": one, "product_id": product} for one, product in offers.items()])
    toy.fill("order_line", lines)
    return toy


def test_the_rows_of_a_toy_are_seen_by_eye() -> None:
    lines = [
        bought("a", "milk"),
        bought("a", "other milk"),
        bought("b", "soap", date(2017, 5, 1)),
        bought("b", "milk", date(2018, 1, 1)),
    ]
    toy = targeted("ab", {"m": "milk", "s": "soap"}, lines)
    found = {(row["person_id"], row["offer_id"]): row for row in toy.run(plan_rows("c", AS_OF)).to_pylist()}
    assert len(found) == 4
    first = found["pa", "m"]
    assert (first["times"], first["net"], first["category_times"], first["common_times"]) == (1, 3, 2, 1)
    assert (first["all_times"], first["all_net"], first["coupons"]) == (2, 6, 2)
    assert found["pb", "m"]["times"] == 0  # bought the day after
    assert found["pb", "s"]["common_net"] == 3


def test_rows_grow_with_history_and_not_with_targets_times_coupons() -> None:
    offers = {"m": "milk", "s": "soap", "k": "cream", "b": "comb"}
    lines = [bought("a", "milk", net=9), bought("a", "soap", net=5), bought("b", "cream", net=2)]
    found = targeted("abcdef", offers, lines).run(plan_rows("c", AS_OF)).to_pylist()
    listed = {(row["person_id"], row["offer_id"]) for row in found}
    # what they bought, and of the rest the coupon that most money was spent under: milk, then soap, then cream
    assert listed == {
        *(("pa", "m"), ("pa", "s"), ("pa", "k")),
        *(("pb", "k"), ("pb", "m")),
        *((f"p{one}", "m") for one in "cdef"),
    }


@pytest.mark.parametrize("seed", range(6))
def test_leaving_out_what_cannot_be_best_changes_no_plan(seed: int) -> None:
    random = np.random.default_rng(seed)
    offers = {"b": "comb", "k": "cream", "m": "milk", "s": "soap"}
    lines = [
        (str(random.choice(list("abc"))), str(random.choice(PRODUCTS)), int(random.integers(1, 9)))
        for _ in range(4 * seed)
    ]
    made = [
        bought(one, product, date(2017, 1, 1) + timedelta(days=n), net) for n, (one, product, net) in enumerate(lines)
    ]
    toy = targeted("abc", offers, made) if made else targeted("abc", offers, [bought("z", "comb")])
    few = toy.run(plan_rows("c", AS_OF))
    every = crossed(offers, lines)
    chance = scores(pa=0.5, pb=0.2, pc=0.1)
    plans = [
        offer_plan("c", each, chance, AS_OF, seed=1, holdouts=NOBODY).sort_by("person_id").to_pylist()
        for each in (few, every)
    ]
    for one, other in zip(*plans, strict=True):
        assert one["offer_id"] == other["offer_id"]
        assert one["expected_value"] == pytest.approx(other["expected_value"])
        assert one["match"] == pytest.approx(other["match"])


def crossed(offers: dict[str, str], lines: list[tuple[str, str, int]]) -> pa.Table:
    """All targeted people times all coupons, counted in Python."""
    group = {"milk": "milk", "other milk": "milk"}
    common = {one: [net for _, product, net in lines if product == of] for one, of in offers.items()}
    return history(
        [
            (
                f"p{person}",
                one,
                float(len(own := [net for who, product, net in lines if who == person and product == of])),
                float(sum(own)),
                float(
                    sum(who == person and group.get(product, product) == group.get(of, of) for who, product, _ in lines)
                ),
                float(len(common[one])),
                float(sum(common[one])),
            )
            for person in "abc"
            for one, of in offers.items()
        ]
    )
