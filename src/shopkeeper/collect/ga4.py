"""GA4's Measurement Protocol as Segment messages.

`user_data` is left out: hashes of phones and e-mails without a key are as good as the values themselves.

Reference:
    Google, Measurement Protocol (Google Analytics 4): reference of events and of items.
"""

from types import MappingProxyType
from typing import Any

from shopkeeper.collect.fields import amount

__all__ = ["ga4_messages"]

_EVENTS = MappingProxyType(
    {
        "search": "Products Searched",
        "view_search_results": "Products Searched",
        "view_item_list": "Product List Viewed",
        "select_item": "Product Clicked",
        "view_item": "Product Viewed",
        "add_to_cart": "Product Added",
        "remove_from_cart": "Product Removed",
        "view_cart": "Cart Viewed",
        "begin_checkout": "Checkout Started",
        "add_shipping_info": "Checkout Step Completed",
        "add_payment_info": "Payment Info Entered",
        "purchase": "Order Completed",
        "refund": "Order Refunded",
        "add_to_wishlist": "Product Added to Wishlist",
        "view_promotion": "Promotion Viewed",
        "select_promotion": "Promotion Clicked",
    }
)
_PARAMS = MappingProxyType(
    {
        "transaction_id": "order_id",
        "search_term": "query",
        "item_list_id": "list_id",
        "shipping_tier": "shipping_method",
        "payment_type": "payment_method",
        "creative_name": "creative",
    }
)
_ITEM = MappingProxyType(
    {
        "item_id": "product_id",
        "item_name": "name",
        "item_brand": "brand",
        "item_category": "category",
        "item_variant": "variant",
        "index": "position",
    }
)
_LEFT_OUT = "user_data"
_PAGE = MappingProxyType({"page_location": "url", "page_title": "title", "page_referrer": "referrer"})
_LONGEST_MICROS = 20
_OF_ONE = frozenset(
    {"Product Viewed", "Product Clicked", "Product Added", "Product Removed", "Product Added to Wishlist"}
)


def ga4_messages(payload: Any) -> list[Any]:
    """Gives a Segment message for each event of a request.

    What is no request, or has no list of events, is given back as one message, to be refused with its reason.
    """
    events = payload.get("events") if isinstance(payload, dict) else None
    if not isinstance(events, list):
        return [payload]
    return [_message(payload, event, place) for place, event in enumerate(events)]


def _message(payload: dict[str, Any], event: Any, place: int) -> Any:
    if not isinstance(event, dict):
        return event
    params = event.get("params")
    if params is not None and not isinstance(params, dict):
        return {"type": "track", "event": event.get("name"), "properties": params}
    params = {key: value for key, value in params.items() if key != _LEFT_OUT} if params else {}
    micros = event.get("timestamp_micros", payload.get("timestamp_micros"))
    message: dict[str, Any] = {
        "userId": payload.get("user_id"),
        "anonymousId": payload.get("client_id") or payload.get("app_instance_id"),
        "timestamp": _seconds(micros),
        "context": _context(payload, params),
        "place": place,  # tells two equal events of one request apart where no time does
    }
    name = event.get("name")
    if name in ("page_view", "screen_view"):
        kind = name.partition("_")[0]
        return message | {
            "type": kind,
            "name": params.get("page_title") if kind == "page" else params.get("screen_name"),
            "properties": params,
        }
    known = _EVENTS.get(name) if isinstance(name, str) else None
    return message | {"type": "track", "event": known or name, "properties": _properties(params, known)}


def _properties(params: dict[str, Any], known: str | None) -> dict[str, Any]:
    own = {_PARAMS.get(key, key): value for key, value in params.items() if key not in ("items", *_PAGE)}
    items = params.get("items")
    if not isinstance(items, list):
        return own if items is None else own | {"products": items}
    products = [_product(item) for item in items]
    if known in _OF_ONE and len(products) == 1 and isinstance(products[0], dict):
        return products[0] | own
    return own | {"products": products}


def _product(item: Any) -> Any:
    """A price of GA4 is what was paid for a unit, its discount is what came off a unit."""
    if not isinstance(item, dict):
        return item
    product = {_ITEM.get(key, key): value for key, value in item.items()}
    price, discount = amount(item.get("price")), amount(item.get("discount"))
    quantity = amount(item.get("quantity", 1))
    if price is not None and discount is not None and quantity is not None:
        del product["discount"]
        product |= {"net_amount": float(price * quantity), "product_discount": float(discount * quantity)}
        product["gross_amount"] = float((price + discount) * quantity)
    return product


def _context(payload: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    context: dict[str, Any] = {"library": {"name": "measurement_protocol"}}
    page = {name: params[key] for key, name in _PAGE.items() if key in params}
    if page:
        context["page"] = page
    if "session_id" in params or "ga_session_id" in params:
        context["sessionId"] = params.get("session_id", params.get("ga_session_id"))
    traits = payload.get("user_properties")
    if isinstance(traits, dict):
        context["traits"] = {
            key: value.get("value") if isinstance(value, dict) else value for key, value in traits.items()
        }
    if "app_instance_id" in payload:
        context["channel"] = "app"
    consent = payload.get("consent")
    return context | ({"consent": consent} if consent is not None else {})


def _seconds(micros: Any) -> Any:
    if isinstance(micros, str) and micros.isascii() and micros.isdigit() and len(micros) <= _LONGEST_MICROS:
        micros = int(micros)
    is_number = isinstance(micros, int | float) and not isinstance(micros, bool)
    return micros / 1_000_000 if is_number and abs(micros) < 10**_LONGEST_MICROS else micros
