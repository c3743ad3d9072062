"""From an accepted event to the touch that live state keeps of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any

from shopkeeper.base.clock import microseconds
from shopkeeper.base.money import MONEY_PLACES, money
from shopkeeper.profile.live import Line, Touch
from shopkeeper.schema.event import Event

__all__ = ["touch_of"]

_CARTS = ("Product Added", "Product Removed", "Cart Viewed", "Cart Updated")
_ONE = 10_000
_MOST = 10**14
_MOST_ITEMS = 200
_COUPONS = ("Coupon Issued", "Coupon Redeemed", "Coupon Expired")


def touch_of(event: Event, offset: int, rows: Sequence[Mapping[str, Any]] = ()) -> Touch:
    """Gives what live state keeps of an event.

    An event that is dated after it was received counts from when it was received, so that a wrong clock hides nothing.

    Args:
        event: The event.
        offset: Where it stands in the log.
        rows: The rows of `order_line` that it is; one with the number 0 stands for those of the order it returns.
    """
    properties, name = event.properties, event.name
    coupon = _text(properties.get("coupon_id")) if name in _COUPONS else None
    return Touch(
        at=microseconds(min(event.occurred_at, event.received_at)),
        id=blake2b(f"{len(event.source)}:{event.source}{event.message_id}".encode(), digest_size=12).digest(),
        offset=offset,
        type=event.type,
        name=name,
        product_id=event.product_id,
        store_id=event.store_id,
        channel=event.channel,
        query=event.query,
        value=None if event.value is None else _whole(event.value),
        session_id=event.session_id,
        category=event.category,
        items=_items(event) if name in _CARTS else (),
        coupon=coupon,
        until=None if coupon is None else _until(properties),
        lines=tuple(_line(row) for row in rows if row["line_no"]),
        returned=next((row["return_of"] for row in rows if not row["line_no"]), None),
        refund=next((_line(row) for row in rows if not row["line_no"]), None),
    )


def _line(row: Mapping[str, Any]) -> Line:
    return Line(
        source=row["source"],
        order_id=row["order_id"],
        line_no=row["line_no"],
        business_day=row["business_day"].toordinal(),
        ordered_at=microseconds(row["ordered_at"]),
        customer_id=row["customer_id"] or "",
        product_id=row["product_id"],
        store_id=row["store_id"],
        quantity=_whole(row["quantity"]),
        net_amount=_whole(row["net_amount"]),
        channel=row.get("channel"),
        product_discount=_whole_or_none(row.get("product_discount")),
        coupon_discount=_whole_or_none(row.get("coupon_discount")),
        payment_method=row.get("payment_method"),
    )


def _items(event: Event) -> tuple[tuple[str, int], ...]:
    if event.name in ("Product Added", "Product Removed"):
        found = [event.properties]
    else:
        products = event.properties.get("products")
        found = [each for each in products if isinstance(each, dict)] if isinstance(products, list) else []
    items = []
    for each in found[:_MOST_ITEMS]:
        product_id = _text(each.get("product_id")) or _text(each.get("sku"))
        if product_id is not None:
            items.append((product_id, _quantity(each.get("quantity"))))
    return tuple(items)


def _quantity(value: object) -> int:
    """How many; one where nothing is said, or what no cart holds and no state could keep."""
    try:
        said = Decimal(str(value)) if value is not None and not isinstance(value, bool) else Decimal(1)
        return _whole(said) if abs(said) < _MOST else _ONE
    except (InvalidOperation, ValueError, OverflowError):
        return _ONE


def _until(properties: Mapping[str, Any]) -> int | None:
    for name in ("expires_at", "ends_at", "valid_until"):
        value = properties.get(name)
        if not isinstance(value, str):
            continue
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            continue
        if found.tzinfo is not None:
            return microseconds(found)
    return None


def _whole(amount: Decimal) -> int:
    return int(money(amount).scaleb(MONEY_PLACES))


def _whole_or_none(amount: Decimal | None) -> int | None:
    return None if amount is None else _whole(amount)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
