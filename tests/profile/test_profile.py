from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from shopkeeper.base.errors import FaultsError
from shopkeeper.profile.cuts import LifecycleCuts, RFMCuts
from shopkeeper.profile.profile import profile
from shopkeeper.schema.step import Step
from shopkeeper.schema.tables import TABLES
from shopkeeper.schema.traits import GROUPS, TRAITS
from tests.profile.toy import AS_OF, STEPS, ZONE, Row, ask, computed, line, people, shop


def _days_ago(days: int) -> date:
    return AS_OF - timedelta(days=days)


def _visits(customer: str, *days_ago: int, amount: float = 10, **more: object) -> list[Row]:
    return [line(customer, _days_ago(days), amount=amount, **more) for days in days_ago]


def test_every_trait_is_a_column_and_every_column_is_computed() -> None:
    query = profile(as_of=AS_OF, time_zone=ZONE)
    assert query.columns == TABLES["profile"].column_names
    assert {trait.group for trait in TRAITS.values()} == set(GROUPS)


@pytest.mark.parametrize(("step", "arguments"), STEPS, ids=lambda each: getattr(each, "name", ""))
def test_the_types_are_the_declared_ones(step: Step, arguments: Row) -> None:
    tables = computed(shop(_visits("a", 1, 4), [{"customer_id": "a"}]))
    found, declared = ask(step(**arguments), tables).schema, tables[step.writes].schema
    assert {field.name: field.type for field in found} == {field.name: field.type for field in declared}


def test_recency_frequency_and_monetary() -> None:
    (one,) = people(shop(_visits("a", 3, 29, 30, 89, 90, 364, 365))).values()
    assert (one["recency_days"], one["last_purchase_on"]) == (3, _days_ago(3))
    assert one["first_purchase_on"] == _days_ago(365)
    assert [one[f"orders_{window}"] for window in ("30d", "90d", "365d", "ever")] == [2, 4, 6, 7]
    assert [one[f"monetary_{window}"] for window in ("30d", "90d", "365d", "ever")] == [20, 40, 60, 70]
    assert one["tenure_days"] == 365


def test_what_comes_after_the_day_is_not_known_yet() -> None:
    lines = [*_visits("a", 10), *_visits("a", -1, amount=99), *_visits("late", -5)]
    found = people(shop(lines, [{"customer_id": "late", "registered_at": datetime(2024, 7, 3, tzinfo=UTC)}]))
    assert found["a"]["monetary_ever"] == 10
    assert "late" not in found


def test_registered_without_purchase_is_a_prospect() -> None:
    registered = datetime(2024, 6, 19, 17, tzinfo=UTC)
    one = people(shop([], [{"customer_id": "a", "registered_at": registered, "birth_year": 1990}]))["a"]
    assert (one["lifecycle"], one["lifecycle_fixed"]) == ("prospect", "prospect")
    assert (one["orders_ever"], one["monetary_ever"], one["recency_days"], one["rfm_cell"]) == (0, 0, None, None)
    assert one["tenure_days"] == 10, "17 h UTC is the next day in Shanghai"
    assert one["age_band"] == "25_34"


def test_left_out_kinds_are_visits_but_no_purchases() -> None:
    lines = [*_visits("a", 2, product="smoke", amount=50), *_visits("a", 20)]
    one = people(shop(lines))["a"]
    assert (one["orders_ever"], one["monetary_ever"], one["spend_all_ever"]) == (1, 10, 60)
    assert (one["recency_days"], one["last_visit_on"]) == (20, _days_ago(2))
    assert one["favourite_category"] == "dairy"


def test_basket_value_and_items() -> None:
    day = _days_ago(1)
    lines = [
        line("a", day, amount=10, order="1", quantity=Decimal(2)), line("a", day, "bread", 5, order="1", line_no=2),
        line("a", day, amount="0.01", order="2"), line("a", day, amount="0.01", order="3"),
    ]  # fmt: skip
    one = people(shop(lines))["a"]
    assert one["orders_ever"] == 3
    assert one["basket_value"] == Decimal("5.0067"), "15.02 / 3, half up at the fourth place"
    assert one["basket_value_90d"] == one["basket_value"]
    assert (one["basket_items"], one["basket_lines"]) == (5 / 3, 4 / 3)


def test_rhythm_and_the_next_visit() -> None:
    one = people(shop(_visits("a", 5, 12, 19, 26, 46)))["a"]
    assert (one["gap_median_days"], one["visit_days_ever"]) == (7, 5)
    assert one["gap_variation"] == pytest.approx(6.5 / 10.25)
    assert (one["next_purchase_on"], one["overdue_days"]) == (_days_ago(-2), 0)


def test_an_even_number_of_gaps_has_its_median_between() -> None:
    one = people(shop(_visits("a", 20, 21, 24)))["a"]
    assert (one["gap_median_days"], one["gap_variation"]) == (2, None)
    assert (one["next_purchase_on"], one["overdue_days"]) == (_days_ago(18), 18)


def test_favourites_and_their_shares() -> None:
    lines = [
        line("a", date(2024, 6, 24), "milk", 30, hour=9), line("a", date(2024, 6, 17), "soap", 10, hour=9),
        line("a", date(2024, 6, 18), "bread", 20, hour=23, store_id="s2", channel="app"),
    ]  # fmt: skip
    one = people(shop(lines))["a"]
    assert (one["favourite_department"], one["favourite_department_share"]) == ("food", 50 / 60)
    assert (one["favourite_category"], one["favourite_category_share"]) == ("dairy", 0.5)
    assert (one["favourite_brand"], one["favourite_brand_share"]) == ("own", 0.5)
    assert (one["favourite_store"], one["favourite_store_share"], one["favourite_channel"]) == ("s1", 2 / 3, "store")
    assert (one["favourite_weekday"], one["favourite_weekday_share"]) == (1, 2 / 3)
    assert (one["favourite_hour"], one["favourite_hour_share"]) == (9, 2 / 3)
    assert [one[f"{what}_ever"] for what in ("products", "categories", "departments", "brands", "stores")] == [
        3,
        3,
        2,
        3,
        2,
    ]


def test_ties_go_to_the_first_by_name() -> None:
    lines = [
        line("a", date(2024, 6, 23), "soap", store_id="s2", channel="web", hour=20),
        line("a", date(2024, 6, 24), "bread", store_id="s1", channel="app", hour=8),
    ]
    one = people(shop(lines))["a"]
    assert [one[f"favourite_{what}"] for what in ("department", "category", "brand")] == ["food", "bakery", "mill"]
    assert [one[f"favourite_{what}"] for what in ("store", "channel", "weekday", "hour")] == ["s1", "app", 1, 8]


def test_a_product_nobody_declared_counts_but_has_no_category() -> None:
    one = people(shop([line("a", AS_OF, "unknown", 30), line("a", AS_OF, "bread", 10, order="2")]))["a"]
    assert (one["products_ever"], one["categories_ever"], one["monetary_ever"]) == (2, 1, 40)
    assert (one["favourite_category"], one["favourite_category_share"]) == ("bakery", 0.25)


def test_private_label_offers_and_returns() -> None:
    lines = [
        line("a", _days_ago(2), "milk", 8, gross_amount=Decimal(10), product_discount=Decimal(2)),
        line("a", _days_ago(1), "bread", 24, gross_amount=Decimal(30), coupon_discount=Decimal(6)),
        line("a", AS_OF, "bread", -8, quantity=Decimal(-1)),
    ]
    one = people(shop(lines))["a"]
    assert (one["private_label_share"], one["return_rate"]) == (0.25, 0.25)
    assert (one["discount_share"], one["discount_line_share"]) == (0.05, 0.5)
    assert (one["coupon_share"], one["coupon_order_share"]) == (0.15, 0.5)
    assert (one["orders_ever"], one["monetary_ever"], one["last_visit_on"]) == (2, 24, _days_ago(1))


@pytest.mark.parametrize(
    ("product", "index", "tier"),
    [("milk", 0, "low"), ("cream", 0.5, "middle"), ("cheese", 1, "high"), ("soap", None, None)],
)
def test_price_tier_against_the_subcategory(product: str, index: float | None, tier: str | None) -> None:
    one = people(shop([line("a", AS_OF, product)]))["a"]
    assert (one["price_index"], one["price_tier"]) == (index, tier)


@pytest.mark.parametrize(
    ("days_ago", "own", "fixed"),
    [
        ((0,), "new", "new"),
        ((29,), "new", "new"),
        ((30,), "active", "active"),
        ((91,), "sleeping", "sleeping"),
        ((181,), "lapsed", "lapsed"),
        ((21, 28, 35, 42), "active", "active"),
        ((22, 29, 36, 43), "sleeping", "active"),
        ((43, 50, 57, 64), "lapsed", "active"),
        ((100, 150, 200, 250), "active", "sleeping"),
    ],
)
def test_lifecycle_by_rhythm_and_by_fixed_days(days_ago: tuple[int, ...], own: str, fixed: str) -> None:
    one = people(shop(_visits("a", *days_ago)))["a"]
    assert (one["lifecycle"], one["lifecycle_fixed"]) == (own, fixed)


@pytest.mark.parametrize(
    ("before", "after", "trend"),
    [(100, 126, "rising"), (100, 125, "steady"), (125, 100, "steady"), (126, 100, "falling")],
)
def test_trend(before: float, after: float, trend: str) -> None:
    lines = [*_visits("a", 200), *_visits("a", 100, amount=before), *_visits("a", 5, amount=after)]
    assert people(shop(lines))["a"]["trend"] == trend


def test_no_trend_without_two_full_windows() -> None:
    assert people(shop(_visits("a", 179, 5)))["a"]["trend"] is None
    assert people(shop(_visits("a", 300)))["a"]["trend"] is None


def test_quintiles_never_split_equal_values() -> None:
    lines = [each for person in range(10) for each in _visits(f"p{person}", person, amount=person + 1)]
    found = people(shop(lines))
    assert [found[f"p{person}"]["rfm_recency"] for person in range(10)] == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    assert [found[f"p{person}"]["rfm_monetary"] for person in range(10)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert {row["rfm_frequency"] for row in found.values()} == {1}
    assert found["p9"]["rfm_cell"] == "115"


def test_points_and_class_by_cut_points() -> None:
    lines = [
        *_visits("best", *range(0, 240, 7), amount=100),
        *_visits("once", 300, amount=5),
        *_visits("fresh", 1, amount=5),
    ]
    found = people(shop(lines))
    assert [found["best"][f"rfm_{what}_points"] for what in ("recency", "frequency", "monetary")] == [5, 5, 5]
    assert [found[who]["rfm_class"] for who in ("best", "once", "fresh")] == ["champions", "lost", "newcomers"]


def test_edited_cut_points_and_their_version_are_in_the_rows() -> None:
    tables = computed(shop(_visits("a", 40)))
    cuts = LifecycleCuts(version="board 2024", sleeping_days=20, lapsed_days=39)
    points = RFMCuts("b", recency=(40, 50, 60, 70))
    (one,) = ask(profile(as_of=AS_OF, time_zone=ZONE, lifecycle=cuts, rfm=points), tables).to_pylist()
    assert (one["lifecycle_fixed"], one["lifecycle_version"]) == ("lapsed", "board 2024")
    assert (one["rfm_recency_points"], one["rfm_version"]) == (5, "b")


def test_cut_points_out_of_order_are_refused() -> None:
    with pytest.raises(FaultsError) as caught:
        LifecycleCuts(sleeping_days=90, lapsed_days=90, shortest=9, longest=8, trend_factor=Decimal("0.5"))
    assert [fault.path for fault in caught.value.faults] == [
        "lifecycle.lapsed_days", "lifecycle.longest", "lifecycle.trend_factor",
    ]  # fmt: skip
    assert "是 90，应为大于 90" in caught.value.said("zh")
    with pytest.raises(FaultsError) as caught:
        RFMCuts(recency=(7, 7, 8, 9), frequency=(1, 2, 3, 4))
    assert [fault.path for fault in caught.value.faults] == ["rfm.recency_cuts", "rfm.frequency_cuts"]


def test_what_the_source_knows_passes_through() -> None:
    customer = {"customer_id": "a", "gender": "female", "city": "杭州", "attributes": [("household_size", "3")]}
    one = people(shop([], [customer]))["a"]
    assert (one["gender"], one["city"], dict(one["attributes"])) == ("female", "杭州", {"household_size": "3"})


def test_two_records_of_one_person_are_one_row() -> None:
    tables = computed(shop([*_visits("a", 3), *_visits("b", 10)], [{"customer_id": "b", "city": "杭州"}]), STEPS[:3])
    merged = tables["person"].set_column(2, "person_id", [["till:a"] * 2])
    (one,) = computed({**tables, "person": merged}, STEPS[3:])["profile"].to_pylist()
    assert (one["person_id"], one["orders_ever"], one["recency_days"], one["gap_median_days"]) == ("till:a", 2, 3, 7)
