"""What is asked of a live state at an instant: last seen, session, views, cart, favourites, coupons, counts, RFM."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from shopkeeper.profile.live import Line, LiveState, Touch

__all__ = ["CartItem", "Coupon", "LiveView", "Rfm", "Session", "lines_of", "live_view"]

_MOST_SHOWN = 20
_SESSION_GAP = 30 * 60 * 1_000_000
_WINDOWS = (30, 90, 365)
_ENDS_CART = ("Order Completed", "Cart Cleared")
_TAKEN_BACK = ("Coupon Redeemed", "Coupon Expired")


class CartItem(msgspec.Struct, frozen=True):
    """A product in the cart; the quantity in ten-thousandths."""

    product_id: str
    quantity: int


class Coupon(msgspec.Struct, frozen=True):
    """An open coupon; instants in microseconds since 1970."""

    coupon_id: str
    issued_at: int
    until: int | None


class Session(msgspec.Struct, frozen=True):
    """The last session: its touches' first and last instant and number."""

    session_id: str | None
    began_at: int
    last_at: int
    events: int
    is_open: bool


class Rfm(msgspec.Struct, frozen=True):
    """Recency, frequency and monetary value from live lines, the day asked for included.

    Args:
        last_order_on: Business day (ordinal) of the last order; None without one.
        recency_days: Days since then.
        orders: Orders with something bought, by days of the window.
        monetary: Net sales in ten-thousandths, returns taken off, by days of the window.
    """

    last_order_on: int | None
    recency_days: int | None
    orders: dict[int, int]
    monetary: dict[int, int]


class LiveView(msgspec.Struct, frozen=True):
    """One person as live state knows them at an instant; instants in microseconds since 1970.

    Args:
        now: The instant.
        last_seen_at: When they were last seen; None if never.
        last_seen_by_channel: By channel.
        last_seen_by_store: By store.
        session: The last session.
        views: Products viewed last, the latest first, each once.
        searches: What was searched for last, the latest first, each once.
        cart: What is in the cart.
        favourites: Products on the wish list.
        coupons: Coupons issued and neither redeemed nor expired.
        today: Events of the shop's day, by name or type.
        rfm: From lines behind the offset that the last run knew.
    """

    now: int
    last_seen_at: int | None
    last_seen_by_channel: dict[str, int]
    last_seen_by_store: dict[str, int]
    session: Session | None
    views: tuple[str, ...]
    searches: tuple[str, ...]
    cart: tuple[CartItem, ...]
    favourites: tuple[str, ...]
    coupons: tuple[Coupon, ...]
    today: dict[str, int]
    rfm: Rfm


def live_view(state: LiveState, now: int, day_starts: int, business_day: int, *, after: int = 0) -> LiveView:
    """Reads what is asked of a person.

    Args:
        state: The join of the person's records.
        now: The instant, in microseconds since 1970; what happened later is not seen.
        day_starts: When the shop's day began.
        business_day: The shop's business day, as an ordinal.
        after: The offset that the last run knew: lines up to it are in the profile and not counted here again.
    """
    touches = [touch for touch in state.touches() if touch.at <= now]
    return LiveView(
        now=now,
        last_seen_at=state.last_at or None,
        last_seen_by_channel=dict(state.channels),
        last_seen_by_store=dict(state.stores),
        session=_session(touches, now),
        views=_last(touches, lambda touch: touch.product_id if touch.name == "Product Viewed" else None),
        searches=_last(touches, lambda touch: touch.query),
        cart=_cart(touches),
        favourites=_favourites(touches),
        coupons=_coupons(touches, now),
        today=_counts(touch for touch in touches if touch.at >= day_starts),
        rfm=_rfm(lines_of(touches, after=after), business_day),
    )


def lines_of(touches: Iterable[Touch], *, after: int = 0, known: Iterable[Line] = ()) -> list[Line]:
    """The order lines of touches, each line once: of two with the same key the first in the log counts.

    A refund that names no goods takes back the lines of its order, whichever came first.

    Args:
        touches: The touches.
        after: Only lines of touches behind this offset; one whose key an earlier touch had is left out all the same.
        known: Lines that are known otherwise, whose orders may be returned.
    """
    sales = [touch for touch in touches if touch.lines or touch.refund is not None]
    if not sales:
        return []
    ordered = sorted(sales, key=lambda touch: touch.offset)
    found: dict[tuple[str, str, int], tuple[int, Line]] = {}
    for touch in ordered:
        for line in touch.lines:
            found.setdefault((line.source, line.order_id, line.line_no), (touch.offset, line))
    refunds = [touch for touch in ordered if touch.refund is not None]
    if refunds:
        bought = {(line.source, line.order_id, line.line_no): line for line in known}
        bought |= {key: line for key, (_, line) in found.items()}
        for touch in refunds:
            for line in _returned(touch, bought.values()):
                found.setdefault((line.source, line.order_id, line.line_no), (touch.offset, line))
    return sorted(line for offset, line in found.values() if offset > after)


def _returned(touch: Touch, bought: Iterable[Line]) -> list[Line]:
    refund = touch.refund
    if refund is None:
        return []
    return [
        msgspec.structs.replace(
            refund,
            line_no=line.line_no,
            product_id=line.product_id,
            store_id=line.store_id,
            quantity=-line.quantity,
            net_amount=-abs(line.net_amount),
        )
        for line in bought
        if (line.source, line.order_id) == (refund.source, touch.returned) and line.quantity > 0
    ]


def _last(touches: Sequence[Touch], of: Callable[[Touch], str | None]) -> tuple[str, ...]:
    found = (of(touch) for touch in reversed(touches))
    return tuple(dict.fromkeys(each for each in found if each))[:_MOST_SHOWN]


def _session(touches: Sequence[Touch], now: int) -> Session | None:
    if not touches:
        return None
    last = touches[-1]
    began, events, at = last.at, 0, last.at
    for touch in reversed(touches):
        if touch.session_id != last.session_id or at - touch.at > _SESSION_GAP:
            break
        began, events, at = touch.at, events + 1, touch.at
    return Session(last.session_id, began, last.at, events, now - last.at <= _SESSION_GAP)


def _cart(touches: Sequence[Touch]) -> tuple[CartItem, ...]:
    cart: Counter[str] = Counter()
    for touch in touches:
        if touch.name in _ENDS_CART:
            cart.clear()
        elif touch.name == "Product Added":
            cart.update(dict(touch.items))
        elif touch.name == "Product Removed":
            for product, quantity in touch.items:
                cart[product] -= quantity
                if cart[product] <= 0:
                    del cart[product]
        elif touch.name in ("Cart Viewed", "Cart Updated") and touch.items:
            cart = Counter(dict(touch.items))
    return tuple(CartItem(product, quantity) for product, quantity in sorted(cart.items()) if quantity > 0)


def _favourites(touches: Sequence[Touch]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for touch in touches:
        if touch.product_id is None:
            continue
        if touch.name == "Product Added to Wishlist":
            found[touch.product_id] = None
        elif touch.name in ("Product Removed from Wishlist", "Wishlist Product Added to Cart"):
            found.pop(touch.product_id, None)
    return tuple(found)


def _coupons(touches: Sequence[Touch], now: int) -> tuple[Coupon, ...]:
    gone = {touch.coupon for touch in touches if touch.name in _TAKEN_BACK}
    issued: dict[str, Coupon] = {}
    for touch in touches:
        if touch.name == "Coupon Issued" and touch.coupon is not None and touch.coupon not in gone:
            issued[touch.coupon] = Coupon(touch.coupon, touch.at, touch.until)
    return tuple(issued[name] for name in sorted(issued) if (issued[name].until or now + 1) > now)


def _counts(touches: Iterable[Touch]) -> dict[str, int]:
    return dict(sorted(Counter(touch.name or touch.type for touch in touches).items()))


def _rfm(lines: Sequence[Line], today: int) -> Rfm:
    past = [line for line in lines if line.business_day <= today]
    bought = [line for line in past if line.quantity > 0]
    last = max((line.business_day for line in bought), default=None)
    orders: dict[int, int] = {}
    monetary: dict[int, int] = {}
    for days in _WINDOWS:
        within = today - days
        orders[days] = len({(line.source, line.order_id) for line in bought if line.business_day > within})
        monetary[days] = sum(line.net_amount for line in past if line.business_day > within)
    return Rfm(last, None if last is None else today - last, orders, monetary)
