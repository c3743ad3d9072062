"""A mask: the form of a value without its content."""

import unicodedata

__all__ = ["mask"]

_LONGEST = 32


def mask(value: str | None) -> str | None:
    """Gives the form of a value: its first character, then 9 for a digit, x for a letter, 字 for an ideograph.

    A value of one character is masked whole; signs stay, so that a wrong date or amount is still recognised.
    """
    if not value:
        return None
    shown = [value[0] if place == 0 and len(value) > 1 else _form(sign) for place, sign in enumerate(value[:_LONGEST])]
    return "".join(shown) + ("…" if len(value) > _LONGEST else "")


def _form(sign: str) -> str:
    category = unicodedata.category(sign)
    if category.startswith("N"):
        return "9"
    if category == "Lo":
        return "字"
    return "x" if category.startswith(("L", "M", "C")) else sign
