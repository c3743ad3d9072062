"""What is wrong with a value of a type, if anything."""

from shopkeeper.schema.table import Type
from shopkeeper.segment.lexer import is_day
from shopkeeper.segment.said import Said

__all__ = ["text_said", "value_said"]

_MAX_CHARACTERS = 500
_MAX_MONEY = 10**13
_MAX_WHOLE = 2**63 - 1
_PLACES = 4


def value_said(value: object, kind: Type) -> Said | None:
    """Says what is wrong with a value of a type; None when nothing is."""
    shown = f"{str(value)[:40]!r}" if isinstance(value, str) else f"{value}"
    if kind is Type.STRING:
        if isinstance(value, str):
            return text_said(value)
        return Said(f"{shown} is not text; put it in quotes", f"{shown} 不是文本；请加引号")
    if kind in (Type.DATE, Type.INSTANT):
        if isinstance(value, str) and is_day(value):
            return None
        return Said(f"{shown} is not a day such as 2017-12-31", f"{shown} 不是日期，应如 2017-12-31")
    if kind is Type.BOOLEAN:
        return None if isinstance(value, bool) else Said(f"{shown} is not true or false", f"{shown} 不是 true 或 false")
    return _number_said(value, kind, shown)


def text_said(text: str) -> Said | None:
    """Says what is wrong with a text; None when nothing is."""
    if len(text) > _MAX_CHARACTERS:
        return Said(
            f"has {len(text)} characters, more than {_MAX_CHARACTERS}",
            f"有 {len(text)} 个字符，超过 {_MAX_CHARACTERS} 个",
        )
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        return Said("holds a character that no text has", "含有文本中不允许的字符")
    return None


def _number_said(value: object, kind: Type, shown: str) -> Said | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Said(f"{shown} is not a number", f"{shown} 不是数字")
    if not -_MAX_WHOLE <= value <= _MAX_WHOLE:
        return Said(f"{shown[:40]} is no number that can be compared", f"{shown[:40]} 不是可以比较的数字")
    if kind is Type.INTEGER and not isinstance(value, int):
        return Said(f"{shown} is not a whole number", f"{shown} 不是整数")
    if kind is Type.MONEY and (abs(value) > _MAX_MONEY or round(value, _PLACES) != value):
        return Said(
            f"{shown} is no amount of at most {_PLACES} decimal places", f"{shown} 不是最多 {_PLACES} 位小数的金额"
        )
    return None
