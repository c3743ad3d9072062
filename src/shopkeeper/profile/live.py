"""The live state of a record: what happened to it lately, each happening once, in buckets of a day.

A state is a set of touches, told apart by their ids, cut to what the longest window of an audience needs, and marks
of when it was last seen. Joining two states is associative, commutative and idempotent, so any order, any grouping,
late touches and repeated ones give the same; a person is the join of their records. What a page or a decision asks is
read from a state by `live_view`.

The window runs from the newest day of the state backwards. A touch from before it is left out whenever it comes, so
that a repeated id within the window is known and one from before it changes nothing.
"""

from collections.abc import Iterable, Mapping

import msgspec

__all__ = ["Keep", "Line", "LiveState", "Touch", "decode_live", "encode_live", "join"]

_DAY = 86_400_000_000
_MOST_MARKS = 64


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False, order=True):
    """One order line of `order_line`: days as ordinals, instants in microseconds, amounts in ten-thousandths."""

    source: str
    order_id: str
    line_no: int
    business_day: int
    ordered_at: int
    customer_id: str
    product_id: str
    store_id: str
    quantity: int
    net_amount: int
    channel: str | None = None
    product_discount: int | None = None
    coupon_discount: int | None = None
    payment_method: str | None = None


class Touch(msgspec.Struct, frozen=True, array_like=True):
    """One event of a record, as little of it as is asked for.

    Args:
        at: When it happened, in microseconds since 1970.
        id: 12 bytes that stand for its source and message id.
        offset: Where it stands in the log.
        type: The Segment type.
        name: Its canonical name.
        product_id: The product it is about.
        store_id: The store it happened in.
        channel: The channel it happened in.
        query: What was searched for.
        value: What it was worth, in ten-thousandths.
        session_id: Its session.
        category: The category it is about.
        items: Products and quantities (ten-thousandths) of a cart.
        coupon: The coupon it is about.
        until: When that coupon expires, in microseconds since 1970.
        lines: The order lines it is.
        returned: The order that it gives back whole, where it is a refund that names no goods.
        refund: What the lines of that refund have in common, with no goods in it.
    """

    at: int
    id: bytes
    offset: int
    type: str
    name: str | None = None
    product_id: str | None = None
    store_id: str | None = None
    channel: str | None = None
    query: str | None = None
    value: int | None = None
    session_id: str | None = None
    category: str | None = None
    items: tuple[tuple[str, int], ...] = ()
    coupon: str | None = None
    until: int | None = None
    lines: tuple[Line, ...] = ()
    returned: str | None = None
    refund: Line | None = None

    @property
    def lasts(self) -> bool:
        """Whether it is kept as long as order lines are: orders, coupons, favourites."""
        is_sale = bool(self.lines) or self.refund is not None
        return is_sale or self.coupon is not None or (self.name or "").endswith("Wishlist")


class Keep(msgspec.Struct, frozen=True):
    """How much of a record is kept.

    Args:
        days: Days of events, the newest day included: the longest window of any published audience over events.
        long_days: Days of orders, coupons and favourites.
        most: Touches of either sort at most, the newest; what one browser or reseller did beyond that is in the lake.
    """

    days: int = 90
    long_days: int = 400
    most: int = 2_000


class LiveState(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one record or, joined, of one person.

    Args:
        days: Touches by day since 1970 (UTC), each day's by time and id.
        channels: When it was last seen, by channel.
        stores: When it was last seen, by store; the latest 64.
        first_at: When it was first seen; 0 while it never was.
        last_at: When it was last seen.
    """

    days: tuple[tuple[int, tuple[Touch, ...]], ...] = ()
    channels: tuple[tuple[str, int], ...] = ()
    stores: tuple[tuple[str, int], ...] = ()
    first_at: int = 0
    last_at: int = 0

    def touches(self) -> list[Touch]:
        """Every touch, the oldest first."""
        return [touch for _, bucket in self.days for touch in bucket]


def join(states: Iterable[LiveState], touches: Iterable[Touch] = (), keep: Keep | None = None) -> LiveState:
    """Joins states and further touches into one state.

    Args:
        states: States of one record, or of the records of one person.
        touches: Touches to take in.
        keep: How much is kept.
    """
    kept = list(states)
    new = list(touches)
    found = {touch.id: touch for state in kept for _, bucket in state.days for touch in bucket}
    if len(kept) > 1:
        for touch in (each for state in kept for each in state.touches()):
            _take(found, touch)
    for touch in new:
        _take(found, touch)
    seen = [(state.first_at, state.last_at) for state in kept if state.last_at]
    seen += [(touch.at, touch.at) for touch in new]
    if not seen:
        return LiveState()
    channels = _marks((state.channels for state in kept), ((touch.channel, touch.at) for touch in new))
    stores = _marks((state.stores for state in kept), ((touch.store_id, touch.at) for touch in new))
    last_at = max(last for _, last in seen)
    days = _buckets(found.values(), last_at // _DAY, keep or Keep())
    return LiveState(days, channels, stores, min(first for first, _ in seen), last_at)


def encode_live(state: LiveState) -> bytes:
    """A state as MessagePack: the same state gives the same bytes."""
    return msgspec.msgpack.encode(state)


_DECODER = msgspec.msgpack.Decoder(LiveState)


def decode_live(blob: bytes) -> LiveState:
    """Reads a state."""
    return _DECODER.decode(blob)


def _take(found: dict[bytes, Touch], touch: Touch) -> None:
    # One id is one happening: the first in the log counts.
    other = found.get(touch.id)
    if other is None or (touch.offset, touch.at) < (other.offset, other.at):
        found[touch.id] = touch


def _buckets(touches: Iterable[Touch], newest: int, keep: Keep) -> tuple[tuple[int, tuple[Touch, ...]], ...]:
    short: list[Touch] = []
    long: list[Touch] = []
    first_short, first_long = (newest - keep.days + 1) * _DAY, (newest - keep.long_days + 1) * _DAY
    for touch in touches:
        if touch.lasts:
            if touch.at >= first_long:
                long.append(touch)
        elif touch.at >= first_short:
            short.append(touch)
    chosen = _newest(short, keep.most) + _newest(long, keep.most)
    chosen.sort(key=_place)
    days: dict[int, list[Touch]] = {}
    for touch in chosen:
        days.setdefault(touch.at // _DAY, []).append(touch)
    return tuple((day, tuple(bucket)) for day, bucket in days.items())


def _newest(touches: list[Touch], most: int) -> list[Touch]:
    return touches if len(touches) <= most else sorted(touches, key=_place)[-most:]


def _place(touch: Touch) -> tuple[int, bytes]:
    return touch.at, touch.id


def _marks(
    kept: Iterable[tuple[tuple[str, int], ...]], new: Iterable[tuple[str | None, int]]
) -> tuple[tuple[str, int], ...]:
    latest: dict[str, int] = {}
    for marks in kept:
        for name, at in marks:
            latest[name] = max(at, latest.get(name, at))
    for known, at in new:
        if known is not None:
            latest[known] = max(at, latest.get(known, at))
    return _latest(latest)


def _latest(latest: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    if len(latest) > _MOST_MARKS:
        latest = dict(sorted(latest.items(), key=lambda mark: (-mark[1], mark[0]))[:_MOST_MARKS])
    return tuple(sorted(latest.items()))
