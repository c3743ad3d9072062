"""The columns of an event that are pulled out of its properties and context."""

import math
from decimal import Decimal, InvalidOperation
from typing import Any

from shopkeeper.base.money import MOST_AMOUNT, money
from shopkeeper.schema.places import CHANNELS

__all__ = ["amount", "category_of", "channel_of", "product_of", "query_of", "session_of", "store_of", "value_of"]

_CHANNELS = {name: name for name in CHANNELS} | {
    "browser": "web",
    "website": "web",
    "h5": "web",
    "mobile": "app",
    "ios": "app",
    "android": "app",
    "miniprogram": "mini_program",
    "mini program": "mini_program",
    "weapp": "mini_program",
    "wechat": "mini_program",
    "wxapp": "mini_program",
    "pos": "store",
    "till": "store",
    "offline": "store",
}
_MOST = Decimal(MOST_AMOUNT)
_LONGEST = 256


def channel_of(properties: dict[str, Any], context: dict[str, Any], message_channel: object) -> str | None:
    """The channel of the dictionary that an event says it happened in."""
    for said in (properties.get("channel"), context.get("channel"), message_channel):
        if isinstance(said, str):
            found = _CHANNELS.get(said) or _CHANNELS.get(said.lower())
            if found is not None:
                return found
    return "app" if isinstance(context.get("app"), dict) else None


def store_of(properties: dict[str, Any], context: dict[str, Any]) -> str | None:
    """The store."""
    found = _text(properties, "store_id") or _text(properties, "storeId") or _text(context, "store_id")
    if found is None and isinstance(store := context.get("store"), dict):
        return _text(store, "id")
    return found


def product_of(properties: dict[str, Any]) -> str | None:
    """The product; where an event is about several, none."""
    found = _text(properties, "product_id") or _text(properties, "productId") or _text(properties, "sku")
    if found is None:
        products = properties.get("products")
        if isinstance(products, list) and len(products) == 1 and isinstance(products[0], dict):
            return _text(products[0], "product_id") or _text(products[0], "sku")
    return found


def category_of(properties: dict[str, Any]) -> str | None:
    """The category."""
    return _text(properties, "category")


def query_of(properties: dict[str, Any]) -> str | None:
    """What was searched for."""
    return _text(properties, "query") or _text(properties, "search_term") or _text(properties, "keyword")


def session_of(properties: dict[str, Any], context: dict[str, Any]) -> str | None:
    """The session."""
    found = _text(context, "sessionId") or _text(context, "session_id") or _text(properties, "session_id")
    if found is None and isinstance(session := context.get("session"), dict):
        return _text(session, "id")
    return found


def value_of(properties: dict[str, Any], currency: str) -> Decimal | None:
    """What an event was worth; none where that is in another currency."""
    said = properties.get("currency")
    if isinstance(said, str) and said.strip() and said.strip().upper() != currency:
        return None
    for name in ("total", "revenue", "value"):
        if name in properties:
            found = amount(properties[name])
            if found is not None:
                return found
    return None


def amount(value: object) -> Decimal | None:
    """Reads an amount or quantity, from a number or a text; None where it is none or beyond what the lake takes."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        exact = Decimal(value.strip()) if isinstance(value, str) else Decimal(repr(value))
        return money(exact) if exact.is_finite() and abs(exact) < _MOST else None
    except (InvalidOperation, ValueError):
        return None


def _text(node: dict[str, Any], key: str) -> str | None:
    value = node.get(key)
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip()[:_LONGEST] or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None
