"""Totals as of now: the run's baskets and live orders, each once, whichever of the two has more of an order."""

from collections.abc import Sequence
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.profile.live import Line
from shopkeeper.profile.now import Bought, Ever, basket_key, live_baskets, totals_now

TODAY = date(2026, 11, 28).toordinal()
AS_OF = TODAY - 1
ONE = 10_000


def line(order: str, number: int, day: int, *, net: int = 5, quantity: int = 1, product: str = "p", store: str = "s"):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return Line("till", order, number, day, 0, "c1", product, store, quantity * ONE, net * ONE)


def ever(baskets: Sequence[Bought]) -> Ever:
    """What a run at the end of `AS_OF` says of all time."""
    past = [basket for basket in baskets if basket.day <= AS_OF]
    days = [basket.day for basket in past if basket.lines > 0]
    return Ever(
        sum(basket.lines > 0 for basket in past),
        sum(basket.net for basket in past),
        min(days, default=None),
        max(days, default=None),
    )


def test_an_order_of_the_run_and_one_of_today_are_added_and_the_same_order_is_counted_once() -> None:
    known = live_baskets([line("a", 1, AS_OF - 40), line("b", 1, AS_OF)], ())
    live = live_baskets([line("b", 1, AS_OF), line("c", 1, TODAY, net=7), line("c", 2, TODAY, product="bag")], {"bag"})
    found = totals_now(known, live, ever(known), AS_OF, TODAY)
    assert found.orders == {0: 3, 30: 2, 90: 3, 365: 3}
    assert found.monetary == {0: 17 * ONE, 30: 12 * ONE, 90: 17 * ONE, 365: 17 * ONE}
    assert (found.first_purchase_on, found.last_purchase_on, found.recency_days) == (AS_OF - 40, TODAY, 0)


def test_windows_slide_on_after_the_run_and_what_is_older_than_was_handed_on_stays_as_the_run_says() -> None:
    known = live_baskets([line("a", 1, TODAY - 29), line("b", 1, TODAY - 30)], ())
    long_ago = Ever(9, 90 * ONE, TODAY - 900, TODAY - 29)
    found = totals_now(known, live_baskets([line("old", 1, AS_OF - 400)], ()), long_ago, AS_OF, TODAY)
    assert (found.orders[0], found.orders[30], found.orders[90]) == (9, 1, 2)
    assert (found.monetary[0], found.first_purchase_on, found.recency_days) == (90 * ONE, TODAY - 900, 29)


def test_one_whom_no_run_has_seen_has_what_is_live() -> None:
    found = totals_now([], live_baskets([line("a", 1, TODAY - 3, quantity=-1, net=-5)], ()), Ever(), None, TODAY)
    assert (found.orders[0], found.monetary[0], found.last_purchase_on, found.recency_days) == (0, -5 * ONE, None, None)


def test_the_key_is_as_the_set_has_it() -> None:
    # md5 of 'till', 'c1' and 'a' with the unit separator between, its first eight digits.
    assert basket_key("till", "c1", "a") == "aef8215f"


LINES = st.lists(
    st.builds(
        line,
        st.sampled_from("abcdef"),
        st.integers(1, 4),
        st.integers(TODAY - 95, TODAY),
        net=st.integers(0, 9),
        quantity=st.integers(1, 2),
        product=st.sampled_from(["p", "bag"]),
        store=st.sampled_from(["s", "t"]),
    ),
    unique_by=lambda one: (one.order_id, one.line_no),
    max_size=14,
)


@given(lines=LINES, seen=st.integers(0, 14), after=st.integers(0, 14))
def test_wherever_the_run_cut_the_stream_the_totals_are_those_of_all_lines(
    lines: list[Line], seen: int, after: int
) -> None:
    # The run has the first lines; live state has all from some place on, orders never in halves.
    whole = {one.order_id for one in lines[: min(seen, after)]} - {one.order_id for one in lines[min(seen, after) :]}
    known = live_baskets(lines[:seen], {"bag"})
    live = live_baskets([one for one in lines if one.order_id not in whole], {"bag"})
    everything = live_baskets(lines, {"bag"})
    found = totals_now(known, live, ever(known), AS_OF, TODAY)
    assert found == totals_now(everything, [], ever(everything), AS_OF, TODAY)
    assert found.orders[30] == sum(each.lines > 0 for each in everything if each.day > TODAY - 30)
