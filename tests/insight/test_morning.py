from datetime import date, timedelta
from typing import Any

import pytest

from shopkeeper.insight import morning
from shopkeeper.insight.morning import anomalies, comparable_growth, late_stores, measures, span

DAY = date(2026, 11, 18)
DAYS = span(DAY, "CN")


def _row(place: str, day: date, sales: float, **more: float) -> dict[str, Any]:
    usual = {
        "gross": sales,
        "tickets": sales / 10,
        "items": sales / 5,
        "people": sales / 10,
        "member_sales": sales / 2,
        "member_tickets": sales / 20,
        "costed_sales": sales,
        "cost": sales * 0.7,
    }
    return {"place": place, "business_day": day, "sales": sales, **usual, **more}


def test_the_day_is_held_against_last_week_and_last_year() -> None:
    rows = [_row("a", DAY, 120), _row("b", DAY, 80), _row("a", DAYS.last_week, 100), _row("a", DAYS.last_year.day, 50)]
    found = {m.name: m for m in measures(rows, DAYS, {"sales": 250.0}, {"redemptions": {DAY: 3.0}})}
    assert (found["sales"].value, found["sales"].target) == (200, 250)
    assert (found["sales"].last_week, found["sales"].last_year) == (100, 50)
    assert found["average_ticket"].value == pytest.approx(10)
    assert found["items_per_ticket"].value == pytest.approx(2)
    assert found["gross_margin"].value == pytest.approx(0.3)
    assert found["member_sales_share"].value == pytest.approx(0.5)
    assert (found["redemptions"].value, found["redemptions"].last_week) == (3, 0)


def test_what_is_not_known_is_not_shown_as_zero() -> None:
    found = {m.name: m for m in measures([_row("a", DAY, 100, costed_sales=0, cost=0)], DAYS, {}, {})}
    assert found["gross_margin"].value is None
    assert found["sales"].last_year is None
    assert found["redemptions"].value is None


def test_only_stores_that_count_and_sold_on_both_days_are_comparable() -> None:
    then = DAYS.last_year.day
    rows = [_row("old", DAY, 110), _row("old", then, 100), _row("new", DAY, 500), _row("new", then, 1)]
    rows += [_row("late", then, 100), _row("opened since", DAY, 100)]
    long_ago = DAY - timedelta(days=30)
    counted = {"old": long_ago, "late": long_ago, "opened since": long_ago, "new": DAY + timedelta(days=1)}
    found = comparable_growth(rows, DAYS, counted | {"unknown": None})
    assert found["stores"] == 1
    assert found["growth"] == pytest.approx(0.1)


def test_a_store_that_fell_stands_out_and_says_by_what() -> None:
    rows = [_row("steady", day, 100 + place) for place, day in enumerate((DAY, *DAYS.baseline))]
    rows += [_row("fell", day, 200) for day in DAYS.baseline] + [
        _row("fell", DAY, 100, people=10, tickets=10, items=20)
    ]
    (found,) = anomalies(rows, DAYS, "store")
    assert (found.place, found.sales, found.usual, found.difference) == ("fell", 100, 200, -100)
    assert found.moved is not None
    assert found.moved.largest() == "people"


def test_one_odd_week_before_makes_no_price_of_it() -> None:
    """The usual is the median; a mean pulled up by one week must not show as a cheaper or dearer item."""
    rows = [_row("a", day, 1000 if place == 3 else 100) for place, day in enumerate(DAYS.baseline)]
    (found,) = anomalies([*rows, _row("a", DAY, 200)], DAYS, "store")
    moved = found.moved
    assert moved is not None
    assert (found.usual, moved.people) == (100, pytest.approx(100))
    assert (moved.visits, moved.items, moved.price) == pytest.approx((0, 0, 0), abs=1e-9)


def test_at_most_five_stand_out_largest_first() -> None:
    rows = [_row(f"s{n}", day, 100) for n in range(9) for day in DAYS.baseline]
    rows += [_row(f"s{n}", DAY, 200 + 10 * n) for n in range(9)]
    assert [a.place for a in anomalies(rows, DAYS, "store")] == ["s8", "s7", "s6", "s5", "s4"]


def test_a_store_that_always_sells_and_has_nothing_is_late_unless_it_closed() -> None:
    rows = [_row(store, day, 100) for store in ("a", "b") for day in DAYS.baseline] + [
        _row("rare", DAYS.baseline[0], 5)
    ]
    assert late_stores(rows, DAYS, {}) == ["a", "b"]
    assert late_stores(rows, DAYS, {"b": DAY - timedelta(days=1)}) == ["a"]


def test_queries_read_only_the_days_of_the_report() -> None:
    query = morning.store_query(DAYS, ["a"])
    bounds = query.bounds()["store_day"]
    assert bounds.first == min(morning.days_read(DAYS))
    assert bounds.last == DAY
