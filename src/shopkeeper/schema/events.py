"""The kinds of events: Segment's e-commerce names and our retail extension, with JSON Schemas made from them."""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from shopkeeper.schema.commerce_events import COMMERCE_EVENTS
from shopkeeper.schema.event_properties import PRODUCT_PROPERTIES, PROPERTIES
from shopkeeper.schema.happening import Happening, PropertyType
from shopkeeper.schema.retail_events import RETAIL_EVENTS

__all__ = ["EVENTS", "GROUPS", "TEXTS", "canonical", "json_schema", "slug"]

GROUPS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "browsing": ("Browsing", "浏览"),
        "promotion": ("Promotions", "促销"),
        "cart": ("Cart", "购物车"),
        "order": ("Orders and receipts", "订单与小票"),
        "coupon": ("Coupons in a cart", "购物车优惠券"),
        "wishlist": ("Lists of wishes", "心愿单"),
        "sharing": ("Sharing", "分享"),
        "store": ("In the store", "门店内"),
        "wallet": ("Coupons and points", "券与积分"),
        "voice": ("Voice of the customer", "顾客之声"),
        "consent": ("Consent", "授权"),
    }
)
"""The groups of events in the order they are shown, each with its heading in English and Chinese."""

EVENTS: Mapping[str, Happening] = MappingProxyType({each.name: each for each in (*COMMERCE_EVENTS, *RETAIL_EVENTS)})
"""Every kind of event by its canonical name."""

TEXTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: texts
        for name, each in EVENTS.items()
        if (texts := tuple(key for key in each.properties if PROPERTIES[key].type is PropertyType.TEXT))
    }
)
"""The properties of each kind of event that people wrote, where it has any."""

_JSON = {
    PropertyType.STRING: {"type": "string"},
    PropertyType.TEXT: {"type": "string"},
    PropertyType.NUMBER: {"type": "number"},
    PropertyType.INTEGER: {"type": "integer"},
    PropertyType.BOOLEAN: {"type": "boolean"},
    PropertyType.INSTANT: {"type": "string", "format": "date-time"},
    PropertyType.LIST: {"type": "array"},
    PropertyType.OBJECT: {"type": "object"},
}


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", name).strip().lower()


_BY_PLAIN = {_plain(name): each for each in EVENTS.values() for name in (each.name, *each.aliases)}


@lru_cache(maxsize=4096)
def canonical(name: str) -> Happening | None:
    """Gives the kind of event that a name means, in whatever case, with blanks, `_` or `-` between its words."""
    return EVENTS.get(name) or _BY_PLAIN.get(_plain(name))


def slug(name: str) -> str:
    """The name of an event in file names."""
    return _plain(name).replace(" ", "-")


def json_schema(each: Happening) -> dict[str, Any]:
    """Gives the JSON Schema (2020-12) of the properties of a kind of event."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": each.name,
        "description": each.english,
        "type": "object",
        "properties": {name: _property(name) for name in each.properties},
        "required": list(each.required),
        "additionalProperties": True,
    }


def _property(name: str) -> dict[str, Any]:
    declared = PROPERTIES[name]
    if declared.type is not PropertyType.PRODUCTS:
        return _JSON[declared.type] | {"description": declared.english}
    one = {"type": "object", "properties": {key: _property(key) for key in PRODUCT_PROPERTIES}}
    return {"type": "array", "items": one, "description": declared.english}
