"""A refused message written down whole, whatever it holds, and read again."""

import json
from typing import Any

__all__ = ["read_whole", "whole"]


def whole(message: Any) -> bytes:
    """Writes any decoded message as ASCII JSON: lone surrogates as escapes, what is no number as JavaScript has it."""
    try:
        return json.dumps(message, default=repr, separators=(",", ":")).encode("ascii")
    except (RecursionError, TypeError, ValueError):
        return "".join(_flat(message)).encode("ascii")


def read_whole(body: bytes) -> Any:
    """Reads what `whole` wrote.

    Raises:
        ValueError: It is no JSON, or nested deeper than can be read.
    """
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("nested too deep") from None


class _Said(str):
    """A piece of JSON that is written already."""

    __slots__ = ()


def _flat(message: Any) -> list[str]:
    """Writes without calling itself, since values may be nested deeper than calls may be."""
    parts: list[str] = []
    stack: list[Any] = [message]
    while stack:
        one = stack.pop()
        if isinstance(one, _Said):
            parts.append(one)
        elif isinstance(one, dict):
            stack.append(_Said("}"))
            for place, (key, value) in reversed(list(enumerate(one.items()))):
                stack += [value, _Said(("," if place else "") + json.dumps(str(key)) + ":")]
            parts.append("{")
        elif isinstance(one, list | tuple):
            stack.append(_Said("]"))
            for place, value in reversed(list(enumerate(one))):
                stack += [value, _Said("," if place else "")]
            parts.append("[")
        else:
            parts.append(json.dumps(one, default=repr))
    return parts
