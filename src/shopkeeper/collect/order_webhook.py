"""Order webhooks as Segment messages: Shopify's form, and any other by a mapping of paths."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from shopkeeper.base.errors import Fault, FaultsError
from shopkeeper.collect.fields import amount
from shopkeeper.schema.event_properties import PRODUCT_PROPERTIES
from shopkeeper.schema.events import canonical

__all__ = ["WebhookMapping", "mapped_message", "shopify_message"]

_ZERO = Decimal("0.0000")
_TOPICS = MappingProxyType(
    {
        "orders/create": "Order Completed",
        "orders/paid": "Order Completed",
        "orders/updated": "Order Updated",
        "orders/cancelled": "Order Cancelled",
        "refunds/create": "Order Refunded",
    }
)
_OF_MESSAGE = ("user_id", "anonymous_id", "message_id", "timestamp")


def shopify_message(topic: str, payload: Any) -> Any:
    """Gives the message of a webhook of Shopify, or of a shop that sends the same.

    Args:
        topic: The header `x-shopify-topic`, such as `orders/paid`.
        payload: The decoded body; what is none stays as it is, to be refused with its reason.
    """
    event = _TOPICS.get(topic)
    if event is None or not isinstance(payload, dict):
        return payload if not isinstance(payload, dict) else {"type": "track", "event": topic, "properties": payload}
    order_id = payload.get("order_id") if event == "Order Refunded" else payload.get("id")
    customer = payload.get("customer")
    customer = customer if isinstance(customer, dict) else {}
    user = customer.get("id") or payload.get("email") or payload.get("phone")
    properties = {
        "order_id": order_id,
        "currency": payload.get("currency"),
        "total": payload.get("total_price"),
        "store_id": payload.get("location_id"),
        "channel": {"pos": "store", "web": "web"}.get(str(payload.get("source_name"))),
        "email": payload.get("email") or customer.get("email"),
        "phone": payload.get("phone") or customer.get("phone"),
        "coupon": _first(payload.get("discount_codes"), "code"),
        **_sold(event, payload),
    }
    return {
        "type": "track",
        "event": event,
        "userId": user,
        "anonymousId": None if user else f"order-{order_id}",
        # One order is placed once, by whichever of the two topics comes first.
        "messageId": f"{event}:{payload.get('id')}:{payload.get('updated_at') if event == 'Order Updated' else ''}",
        "timestamp": payload.get("processed_at") or payload.get("created_at"),
        "properties": {name: value for name, value in properties.items() if value is not None},
    }


def _sold(event: str, payload: dict[str, Any]) -> dict[str, Any]:
    if event == "Order Refunded":
        lines = payload.get("refund_line_items")
        products = [_returned(line) for line in lines] if isinstance(lines, list) else lines
        return {"refund_id": payload.get("id"), "products": products or None}
    lines = payload.get("line_items")
    return {"products": [_line(line) for line in lines] if isinstance(lines, list) else lines}


def _line(line: Any) -> Any:
    if not isinstance(line, dict):
        return line
    product = {
        "product_id": line.get("product_id") or line.get("sku"),
        "sku": line.get("sku"),
        "name": line.get("title"),
        "brand": line.get("vendor"),
        "quantity": line.get("quantity"),
        "price": line.get("price"),
    }
    parts = line.get("discount_allocations")
    if isinstance(parts, list) and parts:
        given = [amount(part.get("amount")) for part in parts if isinstance(part, dict)]
        product["product_discount"] = float(sum((part for part in given if part is not None), _ZERO))
    elif amount(line.get("total_discount")):
        product["product_discount"] = line["total_discount"]
    return {name: value for name, value in product.items() if value is not None}


def _returned(line: Any) -> Any:
    if not isinstance(line, dict) or not isinstance(line.get("line_item"), dict):
        return line
    product = _line(line["line_item"])
    product.pop("product_discount", None)
    return product | {"quantity": line.get("quantity"), "net_amount": line.get("subtotal")}


def _first(entries: object, key: str) -> Any:
    if isinstance(entries, list) and entries and isinstance(entries[0], dict):
        return entries[0].get(key)
    return None


@dataclass(frozen=True, slots=True)
class WebhookMapping:
    """Where in any other payload things stand; a path is names with dots, list places as numbers.

    Args:
        event: The event that the webhook tells of.
        fields: Path by property, and by `user_id`, `anonymous_id`, `message_id`, `timestamp`.
        lines: Path of the list of lines, where it has one.
        line: Path in a line by property of a product.
    """

    event: str
    fields: Mapping[str, str]
    lines: str | None = None
    line: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_toml(cls, text: str, place: str) -> "WebhookMapping":
        """Reads a mapping.

        Raises:
            FaultsError: It is wrong; every fault is named with its path.
        """
        try:
            given = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _wrong([Fault("toml", str(error))], place) from error
        faults = [
            Fault(key, "is none of event, fields, lines, line")
            for key in given
            if key not in ("event", "fields", "lines", "line")
        ]
        event, lines = given.get("event"), given.get("lines")
        if not isinstance(event, str) or not event.strip():
            faults.append(Fault("event", 'must name the event, such as "Order Completed"'))
        if lines is not None and not isinstance(lines, str):
            faults.append(Fault("lines", 'must be a path such as "order.items"'))
        fields, line = (_paths(given, name, faults) for name in ("fields", "line"))
        known = canonical(event) if isinstance(event, str) else None
        named = {*known.properties, "phone", "email", "member_no", "openid", "unionid", *_OF_MESSAGE} if known else None
        faults += [Fault(f"fields.{name}", "is no property of it") for name in fields if named and name not in named]
        faults += [
            Fault(f"line.{name}", "is no property of a product") for name in line if name not in PRODUCT_PROPERTIES
        ]
        if faults:
            raise _wrong(faults, place)
        return cls(str(event), fields, lines, line)


def mapped_message(payload: Any, mapping: WebhookMapping) -> dict[str, Any]:
    """Gives the message of a payload by a mapping; what is not there is left out."""
    found = {name: _at(payload, path) for name, path in mapping.fields.items()}
    properties = {name: value for name, value in found.items() if value is not None and name not in _OF_MESSAGE}
    if mapping.lines is not None:
        lines = _at(payload, mapping.lines)
        properties["products"] = [_mapped_line(line, mapping) for line in lines] if isinstance(lines, list) else lines
    message = {
        "type": "track",
        "event": mapping.event,
        "userId": found.get("user_id"),
        "anonymousId": found.get("anonymous_id"),
        "messageId": found.get("message_id"),
        "timestamp": found.get("timestamp"),
    }
    return {name: value for name, value in message.items() if value is not None} | {"properties": properties}


def _mapped_line(line: Any, mapping: WebhookMapping) -> dict[str, Any]:
    found = {name: _at(line, path) for name, path in mapping.line.items()}
    return {name: value for name, value in found.items() if value is not None}


def _at(node: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(node, dict):
            node = node.get(part)
        elif isinstance(node, list) and part.isascii() and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            return None
    return node


def _paths(given: dict[str, Any], name: str, faults: list[Fault]) -> Mapping[str, str]:
    section = given.get(name, {})
    if not isinstance(section, dict):
        faults.append(Fault(name, 'must be a section of name = "path"'))
        return {}
    faults += [Fault(f"{name}.{key}", "must be a path") for key, path in section.items() if not isinstance(path, str)]
    return section


def _wrong(faults: list[Fault], place: str) -> FaultsError:
    return FaultsError("the mapping", faults, chinese="映射", place=place, next_step="mend it and try again")
