"""From accepted events to rows of `order_line`, `interaction` and `consent`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from shopkeeper.base.clock import business_day
from shopkeeper.base.ids import derived_id
from shopkeeper.base.money import MOST_AMOUNT, money
from shopkeeper.collect.fields import amount
from shopkeeper.collect.times import instant
from shopkeeper.schema.event import Event

__all__ = ["CONSENT_WORD", "Days", "consents", "interactions", "order_fault", "order_lines", "whole_refund"]

CONSENT_WORD = b"Consent "
"""Stands in every event that is a change of consent, as it is written in the log."""
_CONSENT = MappingProxyType({"Consent Given": True, "Consent Withdrawn": False})
_MOST_LINES = 1_000
_REFUND = "Order Refunded"
_ONE_LINE = "Receipt Line"
_ZERO = Decimal("0.0000")
_VOICES = MappingProxyType(
    {
        "Product Reviewed": ("review", "review_id", ("review_body",), "rating"),
        "Review Posted": ("review", "review_id", ("review_body",), "rating"),
        "Ticket Opened": ("ticket", "ticket_id", ("subject", "text"), "rating"),
        "Survey Answered": ("survey", "", ("answer",), "score"),
    }
)

Fault = tuple[str, str, object]
"""A reason, a path and the value at fault."""


@dataclass(frozen=True, slots=True)
class Days:
    """What day a sale belongs to.

    Args:
        time_zone: The stores' time zone.
        cutover_hour: Hour at which the business day changes, unless a store says.
        of_store: The hour of the stores that say.
    """

    time_zone: str
    cutover_hour: int = 0
    of_store: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Line:
    product_id: str
    line_no: int | None
    quantity: Decimal
    gross: Decimal
    product_discount: Decimal
    coupon_discount: Decimal
    net: Decimal
    unit_cost: Decimal | None
    coupon: str | None
    has_net: bool


def order_fault(name: str, properties: Mapping[str, Any], currency: str | None = None) -> Fault | None:
    """Says why an order event cannot become order lines, None where it can; asked at the door.

    Args:
        name: The event's canonical name.
        properties: Its properties, as they came.
        currency: The shop's currency, the only one that amounts can be kept in.
    """
    head = _head_fault(properties, currency)
    if head is not None or (name == _REFUND and not properties.get("products")):
        return head
    if name != _ONE_LINE:
        lines = _lines(properties)
        return None if isinstance(lines, list) else lines
    line = _line(properties, "properties")
    if isinstance(line, _Line):
        return None if line.line_no is not None else ("missing_property", "properties.line_no", None)
    return line


def _head_fault(properties: Mapping[str, Any], currency: str | None) -> Fault | None:
    order_id, said, at = (properties.get(name) for name in ("order_id", "currency", "ordered_at"))
    if _code(order_id) is None:
        return "missing_property" if order_id in (None, "") else "wrong_type", "properties.order_id", order_id
    if currency is not None and isinstance(said, str) and said.strip().upper() not in ("", currency):
        return "other_currency", "properties.currency", said
    if at is not None and instant(at) is None:
        return "no_time", "properties.ordered_at", at
    return None


def order_lines(event: Event, days: Days, *, originals: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Gives the rows of `order_line` that an event is; the same event gives the same rows.

    Args:
        event: An accepted event; those that are no orders give none.
        days: What day a sale belongs to.
        originals: The rows of the order that a refund without products gives back whole; without them it gives none.
    """
    properties, name = event.properties, event.name or ""
    if event.type != "track" or name not in ("Order Completed", _REFUND, "Receipt Printed", _ONE_LINE):
        return []
    if order_fault(name, properties) is not None:
        return []
    order_id = str(_code(properties.get("order_id")))
    if name == _REFUND:
        return _refund(event, order_id, days, originals)
    if name == _ONE_LINE:
        found = _line(properties, "properties")
        lines = [found] if isinstance(found, _Line) else []
    else:
        lines = _spread(_lines(properties), properties)
    common = _common(event, order_id, days)
    return [_row(common, place, line) for place, line in enumerate(lines, start=1)]


def whole_refund(event: Event, days: Days) -> dict[str, Any] | None:
    """Gives what the lines of a refund that names no goods have in common, as a row of number 0; None of other events.

    Args:
        event: An accepted event.
        days: What day a sale belongs to.
    """
    properties = event.properties
    if event.type != "track" or event.name != _REFUND or properties.get("products"):
        return None
    if order_fault(event.name, properties) is not None:
        return None
    nothing = {"line_no": 0, "product_id": "", "quantity": _ZERO, "net_amount": _ZERO}
    return _refund_head(event, str(_code(properties.get("order_id"))), days) | nothing


def interactions(event: Event) -> list[dict[str, Any]]:
    """Gives the row of `interaction` that a review, a ticket or a survey answer is."""
    voice = _VOICES.get(event.name or "")
    if event.type != "track" or voice is None:
        return []
    kind, key, texts, rating = voice
    properties = event.properties
    named = _code(properties.get(key)) if key else None
    said = [properties[text] for text in texts if isinstance(properties.get(text), str) and properties[text]]
    tokens = [properties[f"{text}_token"] for text in texts if f"{text}_token" in properties]
    stars = amount(properties.get(rating))
    return [
        {
            "interaction_id": derived_id("in", event.source, kind, named or event.message_id),
            "kind": kind,
            "source": event.source,
            "customer_id": event.user_id or event.anonymous_id,
            "store_id": event.store_id,
            "product_id": event.product_id,
            "order_id": _code(properties.get("order_id")),
            "occurred_at": event.occurred_at,
            "rating": None if stars is None else float(stars),
            "text_token": tokens[-1] if tokens else None,
            "text_redacted": "\n".join(said) or None,
            "language": _code(properties.get("language")),
            "status": _code(properties.get("status")),
        }
    ]


def consents(event: Event) -> list[dict[str, Any]]:
    """Gives the row of `consent` that a change of consent is.

    Its `person_id` is the token of the record: who loads it puts the person there.
    """
    granted = _CONSENT.get(event.name or "")
    properties = event.properties
    purpose, channel = _code(properties.get("purpose")), _code(properties.get("channel"))
    if event.type != "track" or granted is None or purpose is None or channel is None:
        return []
    return [
        {
            "person_id": event.user_id or event.anonymous_id,
            "purpose": purpose,
            "channel": channel,
            "granted": granted,
            "text_version": _code(properties.get("text_version")),
            "source": event.source,
            "occurred_at": event.occurred_at,
        }
    ]


def _refund(event: Event, order_id: str, days: Days, originals: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A return is an order of its own with negative lines; what was taken off is in the gross amount already."""
    common = _refund_head(event, order_id, days)
    if event.properties.get("products"):
        lines = _spread(_lines(event.properties), event.properties)
        return [_negative(_row(common, place, line)) for place, line in enumerate(lines, start=1)]
    return [
        _negative({**common, **{key: row.get(key) for key in _OF_LINE}, "store_id": row.get("store_id")})
        for row in sorted(originals, key=lambda row: row["line_no"])
    ]


def _refund_head(event: Event, order_id: str, days: Days) -> dict[str, Any]:
    named = _code(event.properties.get("refund_id"))
    refund_id = named or derived_id("rf", event.source, event.message_id)
    return _common(event, refund_id, days) | {"return_of": order_id}


_OF_LINE = ("line_no", "product_id", "quantity", "net_amount", "unit_cost")


def _negative(row: dict[str, Any]) -> dict[str, Any]:
    net = -abs(row["net_amount"])
    return row | {
        "quantity": -abs(row["quantity"]),
        "gross_amount": net,
        "product_discount": _ZERO,
        "coupon_discount": _ZERO,
        "net_amount": net,
    }


def _common(event: Event, order_id: str, days: Days) -> dict[str, Any]:
    properties = event.properties
    ordered_at: datetime = instant(properties.get("ordered_at")) or event.occurred_at
    # A shop that names no store is itself the place of sale.
    store_id = event.store_id or event.source
    cutover = days.of_store.get(store_id, days.cutover_hour)
    return {
        "order_id": order_id,
        "source": event.source,
        "customer_id": event.user_id or event.anonymous_id,
        "store_id": store_id,
        "channel": event.channel,
        "ordered_at": ordered_at,
        "business_day": business_day(ordered_at, days.time_zone, cutover),
        "payment_method": _code(properties.get("payment_method")) or _code(properties.get("tender")),
        "register_id": _code(properties.get("register_id")),
        "cashier_id": _code(properties.get("cashier_id")),
        "return_of": _code(properties.get("return_of")),
        "coupon_code": _code(properties.get("coupon")),
    }


def _row(common: Mapping[str, Any], place: int, line: _Line) -> dict[str, Any]:
    return {
        **common,
        "line_no": line.line_no or place,
        "product_id": line.product_id,
        "quantity": line.quantity,
        "gross_amount": line.gross,
        "product_discount": line.product_discount,
        "coupon_discount": line.coupon_discount,
        "net_amount": line.net,
        "unit_cost": line.unit_cost,
        "coupon_code": line.coupon or common["coupon_code"],
    }


def _lines(properties: Mapping[str, Any]) -> list[_Line] | Fault:
    products = properties.get("products")
    if not isinstance(products, list):
        return "missing_property" if products is None else "wrong_type", "properties.products", products
    if not products or len(products) > _MOST_LINES:
        return "number_of_lines", "properties.products", len(products)
    lines = []
    for place, product in enumerate(products):
        found = _line(product, f"properties.products[{place}]")
        if not isinstance(found, _Line):
            return found
        lines.append(found)
    numbers = [line.line_no for line in lines if line.line_no is not None]
    if numbers and (len(numbers) < len(lines) or len(set(numbers)) < len(numbers)):
        return "line_numbers", "properties.products", None
    return lines


def _line(product: Any, path: str) -> _Line | Fault:
    if not isinstance(product, dict):
        return "wrong_type", path, product
    product_id = _code(product.get("product_id")) or _code(product.get("sku"))
    if product_id is None:
        return "missing_property", f"{path}.product_id", product.get("product_id")
    number = product.get("line_no")
    if number is not None and (type(number) is not int or not 0 < number < _MOST_NUMBER):
        return "wrong_type", f"{path}.line_no", number
    read = {name: amount(product.get(name)) for name in _NUMBERS}
    for name, value in read.items():
        if product.get(name) is not None and (reason := _number_fault(name, value, product[name])):
            return reason, f"{path}.{name}", product[name]
    return _reckoned(product, product_id, number, read["quantity"] or Decimal(1), read, path)


def _number_fault(name: str, value: Decimal | None, said: object) -> str | None:
    if value is None:
        is_number = isinstance(said, int | float) and not isinstance(said, bool)
        return "number_too_large" if is_number else "wrong_type"
    if name in _DISCOUNTS and value < 0:
        return "negative"
    return "no_quantity" if name == "quantity" and not value else None


_DISCOUNTS = ("discount", "product_discount", "coupon_discount")
_NUMBERS = ("quantity", "price", *_DISCOUNTS, "gross_amount", "net_amount", "unit_cost")
_MOST_NUMBER = 10**9


def _reckoned(
    product: Mapping[str, Any],
    product_id: str,
    number: int | None,
    quantity: Decimal,
    read: Mapping[str, Decimal | None],
    path: str,
) -> _Line | Fault:
    """Gross - product discount - coupon discount = net; what is not said of these follows from the others."""
    own, coupon = read["product_discount"], read["coupon_discount"] or _ZERO
    product_discount = own if own is not None else read["discount"]
    gross, net, price = read["gross_amount"], read["net_amount"], read["price"]
    if gross is None and price is not None:
        gross = money(price * quantity)
    if gross is None:
        if net is None:
            return "missing_property", f"{path}.price", None
        gross = net + (product_discount or _ZERO) + coupon
    if product_discount is None:
        product_discount = _ZERO
        if net is not None and gross - coupon > net:
            product_discount = gross - coupon - net
    has_net = net is not None
    if net is None:
        net = gross - product_discount - coupon
    if max(abs(gross), abs(net)) >= MOST_AMOUNT:
        return "number_too_large", f"{path}.price", product.get("price")
    return _Line(
        product_id,
        number,
        quantity,
        gross,
        product_discount,
        coupon,
        net,
        read["unit_cost"],
        _code(product.get("coupon")),
        has_net,
    )


def _spread(lines: list[_Line] | Fault, properties: Mapping[str, Any]) -> list[_Line]:
    """Spreads a discount on the whole order over its lines by their amounts, to the last hundredth of a cent.

    Where lines say what was paid, or have discounts of their own, it is in them already.
    """
    if not isinstance(lines, list):
        return []
    whole = amount(properties.get("discount")) or _ZERO
    total = sum((max(line.net, _ZERO) for line in lines), _ZERO)
    has_own = any(line.has_net or line.product_discount or line.coupon_discount for line in lines)
    if whole <= 0 or total <= 0 or has_own:
        return lines
    return list(_shared(lines, min(whole, total), total, by_coupon=_code(properties.get("coupon")) is not None))


def _shared(lines: Sequence[_Line], whole: Decimal, total: Decimal, *, by_coupon: bool) -> Iterator[_Line]:
    reached = given = _ZERO
    for line in lines:
        reached += max(line.net, _ZERO)
        part = money(whole * reached / total) - given
        given += part
        product, coupon = (_ZERO, part) if by_coupon else (part, _ZERO)
        yield _Line(
            line.product_id,
            line.line_no,
            line.quantity,
            line.gross,
            product,
            coupon,
            line.net - part,
            line.unit_cost,
            line.coupon,
            line.has_net,
        )


def _code(value: object) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None
