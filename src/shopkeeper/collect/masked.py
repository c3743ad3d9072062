"""The form of a message: its keys and what kind of value stands where, without what anybody wrote."""

import re
from typing import Any

from shopkeeper.collect.mask import mask
from shopkeeper.schema.events import canonical

__all__ = ["masked_message"]

_DEEPEST = 30
_MOST = 200
_KEY = re.compile(r"[A-Za-z_$][A-Za-z_$.\- ]{0,39}[0-9]{0,2}")
_TYPES = frozenset({"track", "page", "screen", "identify", "group", "alias"})


def masked_message(message: Any) -> Any:
    """Gives a message with every value masked; its type, a name of ours, true, false and null stay.

    A key that is no plain word is masked too: some sites put a phone number there. Of long lists and objects the first
    200 members are shown.
    """
    if not isinstance(message, dict):
        return _masked(message, 0)
    shown = _masked(message, 0)
    kind, name = message.get("type"), message.get("event")
    if isinstance(kind, str) and kind in _TYPES:
        shown["type"] = kind
    known = canonical(name) if isinstance(name, str) and len(name) <= _MOST else None
    if known is not None:
        shown["event"] = known.name
    return shown


def _masked(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, dict):
        first = list(value.items())[:_MOST]
        shown = {_key(str(key)): _masked(each, depth + 1) for key, each in first}
        return shown if len(first) == len(value) else shown | {"…": len(value) - len(first)}
    if isinstance(value, list):
        found = [_masked(each, depth + 1) for each in value[:_MOST]]
        return found if len(found) == len(value) else [*found, "…"]
    return mask(str(value))


def _key(key: str) -> str:
    return key if _KEY.fullmatch(key) else mask(key) or ""
