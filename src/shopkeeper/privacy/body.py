"""Refused rows kept whole: which of them hold a person, found by what they say."""

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shopkeeper.storage.token import Tokens, encodes
from shopkeeper.storage.vault import Vault

__all__ = ["bodies_of_erased", "bodies_that_say", "named_in", "needles_of", "saying"]

_SHORTEST = 7
_SEPARATORS = re.compile(r"[\s()\-./·]+")
_IDENTIFIERS = ("phone", "email", "member_no", "card", "openid", "unionid", "device", "cookie")
_BETWEEN = str.maketrans("", "", "_- $")
_IDS = "userid anonymousid previousid groupid distinctid loginid originalid clientid appinstanceid customerid"
_OWN = frozenset(_IDS.split())
"""The cells in which an event says whose it is; their values are looked for whole, however short."""
_OF_OWN = ("user", "member_no", "cookie")
_FEWEST_DIGITS = 7
_LONGEST_PATH = 200
_SAID = re.compile(rb'"(?:[^"\\]|\\.)*"|[0-9]+')

Cells = Sequence[tuple[str, str]]
"""The texts of a body, each by the name of its cell."""


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


def bodies_that_say(vault: Vault, says: Callable[[bytes], bool]) -> list[str]:
    """Gives the ids of the bodies of which `saying` is true."""
    return [refused_id for refused_id, body in vault.bodies() if says(body)]


def saying(needles: set[str], tokens: Tokens, traced: Collection[str]) -> Callable[[bytes], bool]:
    """Gives what tells whether a body is somebody's.

    Args:
        needles: What it may say anywhere; a short one as a whole cell of `customer_id` only.
        tokens: Makes the tokens.
        traced: The tokens of those who may own it: of many ids nothing else is known.
    """
    long = [needle for needle in needles if len(needle) >= _SHORTEST]

    def says(body: bytes) -> bool:
        cells = _cells(body)
        told = [(name, _squeezed(text)) for name, text in cells]
        return (
            any(name == "customer_id" and text in needles for name, text in told)
            or any(needle in text for _, text in told for needle in long)
            or not _owners(cells, tokens).isdisjoint(traced)
        )

    return says


def bodies_of_erased(vault: Vault, tokens: Tokens) -> list[str]:
    """Gives the ids of the bodies with an identifier in a cell of its own that bears a tombstone."""
    found = []
    for refused_id, body in vault.bodies():
        cells = _cells(body)
        values = sorted({text for _, text in cells if text.strip() and encodes(text)})
        named = _owners(cells, tokens)
        for kind in _IDENTIFIERS:
            named.update(token for token in tokens.tokenise(kind, values).tokens.to_pylist() if token is not None)
        if vault.tombstoned(tokens=named):
            found.append(refused_id)
    return found


def named_in(body: bytes, tokens: Tokens) -> set[str]:
    """Gives the tokens of whom a body names in a cell of its own: by an id of theirs, a phone or an e-mail."""
    cells = _cells(body)
    found = _owners(cells, tokens)
    for _, text in cells:
        if "@" in text:
            found.update(_made(tokens, "email", text))
        elif sum(sign.isdigit() for sign in text) >= _FEWEST_DIGITS:
            found.update(_made(tokens, "phone", text))
    return found


def _owners(cells: Cells, tokens: Tokens) -> set[str]:
    own = {text for name, text in cells if name.rpartition(".")[2].lower().translate(_BETWEEN) in _OWN}
    return {token for text in own for kind in _OF_OWN for token in _made(tokens, kind, text)}


def _made(tokens: Tokens, kind: str, text: str) -> list[str]:
    made = tokens.pair(kind, text.strip())
    return [] if made is None else [made[0]]


def _cells(body: bytes) -> Cells:
    """What a body says; of one that no reader takes, such as a number that is none, whatever is written in it."""
    try:
        return list(_texts(msgspec.json.decode(body)))
    except (msgspec.DecodeError, RecursionError):
        return [("userId", _said(found)) for found in _SAID.findall(body)]


def _said(found: bytes) -> str:
    try:
        return str(json.loads(found)) if found.startswith(b'"') else found.decode("ascii")
    except ValueError:
        return found.decode("utf-8", "replace")


def _texts(value: Any) -> Iterator[tuple[str, str]]:
    """Every text in a body, by the name of its cell; names themselves may be personal and count as texts too.

    It does not call itself, since values may be nested deeper than calls may be.
    """
    waiting = [("", value)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, list):
            node = {str(place): part for place, part in enumerate(node)}
        if isinstance(node, Mapping):
            for name, part in node.items():
                yield f"{path}{name} as a name", name
                whole = name if path in ("", "cells.") else f"{path}{name}"[-_LONGEST_PATH:]
                if isinstance(part, Mapping | list):
                    waiting.append((f"{path}{name}."[-_LONGEST_PATH:], part))
                elif part is not None:
                    yield whole, str(part)
        elif node is not None:
            yield path, str(node)


def _squeezed(text: str) -> str:
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).casefold()
