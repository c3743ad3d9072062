"""One known value against the value of a condition, by the operators of the language; the unknown never holds."""

from collections.abc import Callable
from datetime import date
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from shopkeeper.base.money import money
from shopkeeper.schema.table import Type
from shopkeeper.segment.tree import Scalar, TreeValue

__all__ = ["compared", "constant"]

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


def compared(kind: Type, op: str, value: TreeValue) -> Callable[[Any], bool]:
    """Gives the check of a value of a type; what is unknown passes `unknown` only."""
    if op == "known":
        return lambda known: known is not None
    if op == "unknown":
        return lambda known: known is None
    if isinstance(value, tuple):
        return _among(op, tuple(constant(item, kind) for item in value))
    if value is None:
        raise ValueError(f"'{op}' needs a value")
    limit = constant(value, kind)
    if op == "contains":
        return lambda known: known is not None and limit in known
    passes = _OPERATORS[op]
    return lambda known: known is not None and passes(known, limit)


def constant(value: Scalar, kind: Type) -> Any:
    """A checked value as what it is held against: days for dates, exact amounts for money."""
    if kind in (Type.DATE, Type.INSTANT) and isinstance(value, str):
        return date.fromisoformat(value)
    if kind is Type.MONEY and not isinstance(value, str):
        return money(value)
    if kind is Type.NUMBER and not isinstance(value, str):
        return float(value)
    return value


def _among(op: str, values: tuple[Any, ...]) -> Callable[[Any], bool]:
    if op == "between":
        low, high = values
        return lambda known: known is not None and low <= known <= high
    inside = frozenset(values)
    if op == "in":
        return lambda known: known is not None and known in inside
    return lambda known: known is not None and known not in inside
