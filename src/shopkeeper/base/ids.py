"""Ids: sortable by time where they are made, stable where they are derived."""

import hashlib
import secrets
import time

__all__ = ["derived_id", "new_id"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """Makes an id that sorts by the time it was made: prefix, 10 characters of milliseconds, 16 random ones."""
    milliseconds, random = time.time_ns() // 1_000_000, secrets.randbits(80)
    return f"{prefix}_{_encode(milliseconds, 10)}{_encode(random, 16)}"


def derived_id(prefix: str, *parts: str) -> str:
    """Gives the same id for the same parts, for ever: prefix and 26 characters of their SHA-256."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"{prefix}_{_encode(int.from_bytes(digest[:17]) >> 6, 26)}"


def _encode(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, rest = divmod(number, 32)
        characters.append(_ALPHABET[rest])
    return "".join(reversed(characters))
