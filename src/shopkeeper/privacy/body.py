"""Refused rows kept whole: which of them hold a person, found by what they say."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from shopkeeper.storage.token import Tokens
from shopkeeper.storage.vault import Vault

__all__ = ["bodies_of_erased", "bodies_that_say", "needles_of", "saying"]

_SHORTEST = 7
_SEPARATORS = re.compile(r"[\s()\-./·]+")
_IDENTIFIERS = ("phone", "email", "member_no", "card", "openid", "unionid", "device", "cookie")


def needles_of(held: Iterable[tuple[str, str]], customer_ids: Iterable[str]) -> set[str]:
    """Gives what to look for of a person.

    Names and texts are left out: a namesake's row is not the person's.

    Args:
        held: Kind and raw value, each, from the vault.
        customer_ids: The ids of the person's records.
    """
    found = set(customer_ids)
    for kind, raw in held:
        if kind not in _IDENTIFIERS:
            continue
        found.add(raw)
        if kind == "phone" and raw.startswith("+86"):
            found.add(raw.removeprefix("+86"))
        elif kind == "phone" and raw.startswith("+1"):
            found.add(raw.removeprefix("+1"))
    return {squeezed for squeezed in map(_squeezed, found) if squeezed}


def bodies_that_say(vault: Vault, needles: set[str]) -> list[str]:
    """Gives the ids of the bodies that say one of some words."""
    says = saying(needles)
    return [refused_id for refused_id, body in vault.bodies() if says(body)]


def saying(needles: set[str]) -> Callable[[bytes], bool]:
    """Gives what tells whether a body says one of some words: a short one as a whole cell of `customer_id` only."""
    long = [needle for needle in needles if len(needle) >= _SHORTEST]

    def says(cells: Mapping[str, str]) -> bool:
        told = [_squeezed(text) for text in cells.values()]
        return _squeezed(cells.get("customer_id", "")) in needles or any(
            needle in text for text in told for needle in long
        )

    return _told(says)


def bodies_of_erased(vault: Vault, tokens: Tokens) -> list[str]:
    """Gives the ids of the bodies with an identifier in a cell of its own that bears a tombstone."""

    def names_erased(cells: Mapping[str, str]) -> bool:
        values = sorted({text for text in cells.values() if text.strip()})
        found: set[str] = set()
        for kind in _IDENTIFIERS:
            found.update(token for token in tokens.tokenise(kind, values).tokens.to_pylist() if token is not None)
        return bool(vault.tombstoned(tokens=found))

    holds = _told(names_erased)
    return [refused_id for refused_id, body in vault.bodies() if holds(body)]


def _told(holds: Callable[[Mapping[str, str]], bool]) -> Callable[[bytes], bool]:
    return lambda body: holds(dict(_texts(msgspec.json.decode(body))))


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a body, by the name of its cell; names themselves may be personal and count as texts too."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            if isinstance(part, Mapping | list):
                yield from _texts(part, f"{path}{name}.")
            elif part is not None:
                yield (name if not path or path == "cells." else f"{path}{name}"), str(part)
            yield f"{path}{name} as a name", name
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _texts({str(place): part}, path)
    elif value is not None:
        yield path, str(value)


def _squeezed(text: str) -> str:
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).casefold()
