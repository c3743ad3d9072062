"""Live state: any order, any grouping, repeats, late touches and merges give the same; and what is read from it."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.base.clock import microseconds
from shopkeeper.profile.live import Keep, Line, LiveState, Touch, decode_live, encode_live, join
from shopkeeper.profile.live_touch import touch_of
from shopkeeper.profile.live_view import CartItem, Coupon, LiveView, lines_of, live_view
from shopkeeper.schema.event import Event

NOON = microseconds(datetime(2026, 3, 1, 12, tzinfo=UTC))
MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
TODAY = date(2026, 3, 1).toordinal()
FEW = Keep(days=3, long_days=6, most=4)


def touch(number: int, at: int, name: str = "Product Viewed", **more: object) -> Touch:
    return Touch(at=at, id=number.to_bytes(12, "big"), offset=number + 1, type="track", name=name, **more)  # type: ignore[arg-type]


def line(order: str, number: int = 1, *, day: int = TODAY, quantity: int = 10_000, net: int = 50_000) -> Line:
    return Line("till", order, number, day, NOON, "mb_1", "milk", "s1", quantity, net)


@st.composite
def some_touches(draw: st.DrawFn) -> list[Touch]:
    numbers = draw(st.lists(st.integers(0, 60), max_size=25, unique=True))
    found = []
    for number in numbers:
        at = NOON - draw(st.integers(0, 9 * 24)) * 60 * MINUTE
        name = draw(st.sampled_from(["Product Viewed", "Order Completed", "Product Added to Wishlist"]))
        lines = (line(f"o{number % 7}"),) if name == "Order Completed" else ()
        store, channel = draw(st.sampled_from(["s1", "s2", None])), draw(st.sampled_from(["web", "app", None]))
        found.append(touch(number, at, name, lines=lines, store_id=store, channel=channel, product_id=f"p{number % 3}"))
    return found


def together(states: list[LiveState]) -> LiveState:
    return join(states, (), FEW)


@given(some_touches(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_any_order_any_grouping_and_repeats_give_the_same_bytes(
    touches: list[Touch], chance: random.Random, groups: int
) -> None:
    expected = encode_live(join((), touches, FEW))
    shuffled = touches + chance.choices(touches, k=5) if touches else []
    chance.shuffle(shuffled)
    state = LiveState()
    for each in shuffled:
        state = join([state], [each], FEW)
    assert encode_live(state) == expected
    # As records of several identifiers that are merged in any order, with a touch known to more than one of them.
    records = [join((), shuffled[place::groups], FEW) for place in range(groups)]
    records.append(records[0])
    chance.shuffle(records)
    cut = chance.randint(0, len(records))
    assert encode_live(together([together(records[:cut]), together(records[cut:])])) == expected
    assert decode_live(expected) == state


def test_a_late_touch_counts_within_the_window_and_never_from_before_it() -> None:
    state = join((), [touch(1, NOON)], FEW)
    late, older = touch(2, NOON - DAY), touch(3, NOON - 3 * DAY)
    assert [each.offset for each in join([state], [late, older], FEW).touches()] == [3, 2]
    order = touch(4, NOON - 5 * DAY, "Order Completed", lines=(line("o1"),))
    assert order in join([state], [order], FEW).touches()


def test_an_outlier_keeps_its_newest_touches_and_a_bounded_size() -> None:
    many = [touch(number, NOON - number * 1_000_000) for number in range(100_000)]
    state = join((), many)
    assert len(state.touches()) == 2_000
    assert min(each.at for each in state.touches()) == NOON - 1_999 * 1_000_000
    assert len(encode_live(state)) < 200_000
    assert state.first_at == NOON - 99_999 * 1_000_000


def test_stores_are_bounded_too() -> None:
    state = join((), [touch(number, NOON + number, store_id=f"s{number}") for number in range(200)])
    assert len(state.stores) == 64
    assert ("s199", NOON + 199) in state.stores


def view(*touches: Touch, now: int = NOON, after: int = 0) -> LiveView:
    return live_view(join((), touches), now, NOON - 12 * 60 * MINUTE, TODAY, after=after)


def test_the_cart_follows_what_is_put_in_and_taken_out_and_an_order_empties_it() -> None:
    added = touch(1, NOON - 9 * MINUTE, "Product Added", items=(("milk", 20_000),))
    taken = touch(2, NOON - 8 * MINUTE, "Product Removed", items=(("milk", 10_000),))
    seen = touch(3, NOON - 7 * MINUTE, "Cart Viewed", items=(("milk", 10_000), ("tea", 30_000)))
    ordered = touch(4, NOON - 6 * MINUTE, "Order Completed", lines=(line("o1"),))
    assert view(taken, added).cart == (CartItem("milk", 10_000),)
    assert view(seen, added, taken).cart == (CartItem("milk", 10_000), CartItem("tea", 30_000))
    assert view(added, taken, seen, ordered).cart == ()


def test_coupons_are_open_until_redeemed_or_expired_whatever_came_first() -> None:
    issued = touch(1, NOON - 5 * MINUTE, "Coupon Issued", coupon="c1", until=NOON + MINUTE)
    redeemed = touch(2, NOON - 4 * MINUTE, "Coupon Redeemed", coupon="c1")
    assert view(issued).coupons == (Coupon("c1", NOON - 5 * MINUTE, NOON + MINUTE),)
    assert view(redeemed, issued).coupons == ()
    assert view(issued, now=NOON + 2 * MINUTE).coupons == ()


def test_views_searches_favourites_counts_and_last_seen() -> None:
    found = view(
        touch(1, NOON - 3 * MINUTE, product_id="tea", channel="web"),
        touch(2, NOON - 2 * MINUTE, product_id="milk", channel="app", store_id="s1"),
        touch(3, NOON - MINUTE, product_id="tea", channel="web"),
        touch(4, NOON - MINUTE, "Products Searched", query="oat"),
        touch(5, NOON - 2 * DAY, "Product Added to Wishlist", product_id="tea"),
    )
    assert found.views == ("tea", "milk")
    assert found.searches == ("oat",)
    assert found.favourites == ("tea",)
    assert found.today == {"Product Viewed": 3, "Products Searched": 1}
    assert found.last_seen_by_channel == {"web": NOON - MINUTE, "app": NOON - 2 * MINUTE}
    assert found.last_seen_by_store == {"s1": NOON - 2 * MINUTE}
    assert found.session is not None
    assert (found.session.events, found.session.began_at, found.session.is_open) == (4, NOON - 3 * MINUTE, True)


def test_rfm_counts_each_line_once_takes_returns_off_and_leaves_out_what_the_last_run_knew() -> None:
    first = touch(
        1, NOON - 40 * DAY, "Order Completed", lines=(line("o1", day=TODAY - 40), line("o1", 2, day=TODAY - 40))
    )
    again = touch(2, NOON - 40 * DAY, "Receipt Printed", lines=(line("o1", day=TODAY - 40),))
    second = touch(3, NOON - DAY, "Order Completed", lines=(line("o2", day=TODAY - 1),))
    back = touch(4, NOON, "Order Refunded", lines=(line("r2", quantity=-10_000, net=-50_000),))
    rfm = view(first, again, second, back).rfm
    assert (rfm.last_order_on, rfm.recency_days) == (TODAY - 1, 1)
    assert rfm.orders == {30: 1, 90: 2, 365: 2}
    assert rfm.monetary == {30: 0, 90: 100_000, 365: 100_000}
    assert [each.order_id for each in lines_of([first, again, second, back], after=2)] == ["o2", "r2"]
    assert view(first, again, second, back, after=2).rfm.orders == {30: 1, 90: 1, 365: 1}


def test_a_touch_is_what_the_event_said() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    event = Event(
        source="web",
        message_id="m1",
        type="track",
        name="Product Added",
        occurred_at=at + timedelta(days=400),
        received_at=at,
        value=Decimal("12.5"),
        properties={"product_id": "milk", "quantity": 2},
    )
    made = touch_of(event, 7)
    assert (made.at, made.offset, made.value, made.items) == (NOON, 7, 125_000, (("milk", 20_000),))
    assert made.id == touch_of(event, 8).id
    other = msgspec.structs.replace(event, source="app")
    assert made.id != touch_of(other, 7).id


def test_a_refund_that_names_no_goods_takes_its_order_back_whatever_came_first() -> None:
    order = touch(1, NOON - 2 * MINUTE, "Order Completed", lines=(line("o1"), line("o1", 2, net=7)))
    head = Line("till", "r1", 0, TODAY, NOON, "mb_1", "", "web", 0, 0)
    refund = touch(2, NOON - MINUTE, "Order Refunded", returned="o1", refund=head)
    early = touch(0, NOON - 3 * MINUTE, "Order Refunded", returned="o1", refund=head)
    taken = [
        Line("till", "r1", number, TODAY, NOON, "mb_1", "milk", "s1", -10_000, -net)
        for number, net in ((1, 50_000), (2, 7))
    ]
    for touches in ([order, refund], [early, order]):
        assert [each for each in lines_of(touches) if each.quantity < 0] == taken
        assert view(*touches).rfm.monetary[30] == 0
    assert lines_of([refund]) == []
    assert lines_of([refund], known=order.lines) == taken
    assert join([join((), [refund])], [order]).touches() == [order, refund]
