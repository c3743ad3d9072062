import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.insight.driver import Drivers, Trade, drivers


def test_when_only_the_price_moved_the_price_moved_it() -> None:
    found = drivers(Trade(100, 10, 20, 40), Trade(150, 10, 20, 40))
    assert found is not None
    assert found.price == pytest.approx(50)
    assert (found.people, found.visits, found.items) == pytest.approx((0, 0, 0))
    assert found.largest() == "price"


def test_what_fell_is_laid_to_what_pulled_it_down() -> None:
    assert Drivers(people=5, visits=-4, items=-3, price=0).largest() == "visits"
    assert Drivers(people=5, visits=-1, items=-1, price=0).largest() == "people"


def test_twice_the_people_who_buy_the_same_explain_twice_the_sales() -> None:
    found = drivers(Trade(100, 10, 20, 40), Trade(200, 20, 40, 80))
    assert found is not None
    assert found.people == pytest.approx(100)


_AMOUNT = st.floats(0.01, 1e9)


_TRADE = st.builds(Trade, sales=_AMOUNT, people=_AMOUNT, tickets=_AMOUNT, items=_AMOUNT)


@given(_TRADE, _TRADE)
def test_the_parts_add_up_to_the_difference(before: Trade, after: Trade) -> None:
    found = drivers(before, after)
    assert found is not None
    total = found.people + found.visits + found.items + found.price
    scale = max(abs(found.people), abs(found.visits), abs(found.items), abs(found.price), 1e-6)
    assert total == pytest.approx(after.sales - before.sales, rel=1e-6, abs=1e-9 * scale + 1e-6)


def test_nothing_is_said_where_nothing_was_sold() -> None:
    assert drivers(Trade(0, 0, 0, 0), Trade(10, 1, 1, 1)) is None
