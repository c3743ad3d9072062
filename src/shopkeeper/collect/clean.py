"""Takes what is personal out of an event's traits, context and properties, and leaves tokens in its place."""

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shopkeeper.collect import personal
from shopkeeper.collect.personal import Keys, Rule, Treat, is_odd
from shopkeeper.collect.scan import MOST_HITS, Hit, Scanner
from shopkeeper.schema.event import Identifier
from shopkeeper.storage.token import Tokens

__all__ = ["DEEPEST", "Cleaner", "Cleaning", "Found", "RefusedError", "cut_address", "identifiers_of", "shown_path"]

DEEPEST = 24
"""Objects and lists inside each other, at most."""

_UNKNOWN: Any = object()
_THING = personal.THING
_WITHOUT_PARTS = frozenset({str, int, bool, type(None)})
_NEVER_PERSONAL = frozenset({bool, type(None)})
_MAC = re.compile(r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}")
_PLACE = re.compile(r"[0-9]{1,4}\](?:\[[0-9]{1,4}\])*")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"({_OCTET}\.{_OCTET}\.{_OCTET})\.{_OCTET}")
_MOST_NUMBER = 2**63
_SHORTEST_NUMBER = 10_000_000
_LONGEST_KEY = 40
_WHERE_ADDRESS = frozenset(
    {"city", "country", "state", "province", "region", "district", "countrycode", "provincecode"}
)


class RefusedError(Exception):
    """An event is not taken; it never leaves this room.

    Args:
        reason: What is wrong, as a word.
        path: Where.
        value: The value at fault, which is shown masked only.
    """

    def __init__(self, reason: str, path: str = "", value: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path
        self.value = value


@dataclass(frozen=True, slots=True)
class Found:
    """Something personal that stood where no key announced it.

    Args:
        path: Where, such as `properties.note`.
        what: `phone`, `email`, `id_card` or `bank_card`.
    """

    path: str
    what: str


@dataclass(slots=True)
class Cleaning:
    """What the cleaning of one event has found so far.

    Args:
        is_suspected: Whether anything may be there at all: else texts are not read.
        is_strict: Whether numbers of things are taken for phones too.
    """

    is_suspected: bool
    is_strict: bool = False
    identifiers: dict[str, str] = field(default_factory=dict)
    personal: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    found: list[Found] = field(default_factory=list)
    things: list[str] = field(default_factory=list, repr=False)

    def keep(self, kind: str, token: str, raw: str) -> None:
        """Notes a raw value for the vault.

        Raises:
            RefusedError: There are more than anybody's event has.
        """
        self.personal[token] = kind, raw
        if len(self.personal) > MOST_HITS:
            raise RefusedError("too_large")

    def names_its_person(self) -> bool:
        """Whether the number of a thing is a phone that the event carries elsewhere too, as some tills do."""
        phones = {raw[-10:] for kind, raw in self.personal.values() if kind == "phone"}
        return any(thing.strip()[-10:] in phones for thing in self.things)


class Cleaner:
    """Cleans parts of events; what has nothing to be cleaned is given back as it is, never changed in place.

    Args:
        tokens: Makes the tokens.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self.scanner = Scanner(tokens)

    def clean(self, node: dict[str, Any], keys: Keys, path: str, cleaning: Cleaning) -> dict[str, Any]:
        """Cleans an object.

        Args:
            node: The object.
            keys: Which of its keys hold what is personal.
            path: Where it stands.
            cleaning: Takes what is found.

        Raises:
            RefusedError: It is too deep, or holds what is no JSON.
        """
        return self._object(node, keys, path, cleaning, 1)

    def text(self, text: str, path: str, cleaning: Cleaning, *, is_thing: bool = False) -> str:
        """Gives a text with tokens in place of what is personal."""
        if not cleaning.is_suspected:
            return text
        redacted, hits = self.scanner.redact(text, is_thing=is_thing and not cleaning.is_strict)
        if is_thing and not hits:
            cleaning.things.append(text)
        if len(hits) > MOST_HITS:
            raise RefusedError("too_large", path)
        self._note(hits, path, cleaning)
        return redacted

    def token(self, kind: str, value: object, cleaning: Cleaning) -> str | None:
        """Gives the token of a value of a kind, None where nothing is said; what is malformed becomes a text's."""
        raw = value if isinstance(value, str) else _digits(value)
        if not raw or not raw.strip():
            return None
        made = self._tokens.pair(kind, raw)
        if made is None:
            kind, made = "text", self._tokens.pair("text", raw)
        if made is None:
            raise RefusedError("bad_text", "", raw)
        cleaning.keep(kind, *made)
        return made[0]

    def _object(self, node: dict[str, Any], keys: Keys, path: str, cleaning: Cleaning, depth: int) -> dict[str, Any]:
        if depth > DEEPEST:
            raise RefusedError("too_deep", path)
        changed: dict[str, Any] = {}
        known, suspected, odd = keys.get, cleaning.is_suspected, False
        passed = _NEVER_PERSONAL if suspected else _WITHOUT_PARTS
        for key, value in node.items():
            rule = known(key, _UNKNOWN)
            if rule is _UNKNOWN:
                rule = keys.rule(_checked(key, path))
                odd = odd or is_odd(key)
            if rule is None or (rule is _THING and not suspected):
                if type(value) in passed:
                    continue
                new = self._element(value, keys, f"{path}.{key}", cleaning, depth)
            else:
                new = self._ruled(rule, value, keys, f"{path}.{key}", cleaning, depth)
            if new is not value:
                changed[key] = new
        whole = {**node, **changed} if changed else node
        return {self.text(key, path, cleaning): value for key, value in whole.items()} if odd and suspected else whole

    def _list(self, node: list[Any], keys: Keys, path: str, cleaning: Cleaning, depth: int) -> list[Any]:
        if depth > DEEPEST:
            raise RefusedError("too_deep", path)
        new = [self._element(value, keys, f"{path}[{place}]", cleaning, depth) for place, value in enumerate(node)]
        return node if all(after is before for after, before in zip(new, node, strict=True)) else new

    def _element(self, value: Any, keys: Keys, path: str, cleaning: Cleaning, depth: int) -> Any:
        kind = type(value)
        if kind is dict:
            return self._object(value, keys, path, cleaning, depth + 1)
        if kind is list:
            return self._list(value, keys, path, cleaning, depth + 1)
        if kind is str:
            return self.text(value, path, cleaning)
        if value is None or kind is bool:
            return value
        return self._number(value, path, cleaning)

    def _number(self, value: Any, path: str, cleaning: Cleaning, *, is_thing: bool = False) -> Any:
        if isinstance(value, float):
            if not math.isfinite(value):
                raise RefusedError("not_a_number", path, value)
        elif not isinstance(value, int):
            raise RefusedError("no_json", path)
        elif not -_MOST_NUMBER <= value < _MOST_NUMBER:
            raise RefusedError("number_too_large", path)
        if not cleaning.is_suspected or -_SHORTEST_NUMBER < value < _SHORTEST_NUMBER or value != int(value):
            return value
        digits = str(int(value))
        redacted = self.text(digits, path, cleaning, is_thing=is_thing)
        return value if redacted == digits else redacted

    def _ruled(self, rule: Rule, value: Any, keys: Keys, path: str, cleaning: Cleaning, depth: int) -> Any:
        if rule.treat is Treat.TOKEN:
            return self._tokenised(rule, value, path, cleaning, depth)
        if rule.treat is Treat.CUT_ADDRESS:
            return _cut(value)
        if rule.treat in _INSIDE:
            return self._inside(rule, value, path, cleaning, depth)
        if type(value) in (int, float):
            return self._number(value, path, cleaning, is_thing=True)
        if isinstance(value, str):
            return self.text(value, path, cleaning, is_thing=True)
        return self._element(value, keys, path, cleaning, depth)

    def _inside(self, rule: Rule, value: Any, path: str, cleaning: Cleaning, depth: int) -> Any:
        """What stands where a person or a device is expected: the object, several, or only what they are called."""
        if depth > DEEPEST:
            raise RefusedError("too_deep", path)
        if isinstance(value, list):
            return [
                self._inside(rule, each, f"{path}[{place}]", cleaning, depth + 1) for place, each in enumerate(value)
            ]
        if isinstance(value, dict) or value is None or isinstance(value, bool):
            return self._element(value, _INSIDE[rule.treat], path, cleaning, depth)
        if rule.treat is Treat.DEVICE and isinstance(value, str) and _MAC.fullmatch(value) is None:
            return self.text(value, path, cleaning)
        kind = "device" if rule.treat is Treat.DEVICE else "user"
        if isinstance(value, str) and rule.treat in (Treat.PERSON, Treat.TRAITS):
            kind = "name"
        return self._tokenised(Rule(Treat.TOKEN, kind), value, path, cleaning, depth)

    def _tokenised(self, rule: Rule, value: Any, path: str, cleaning: Cleaning, depth: int) -> Any:
        """Every leaf becomes a token, in whatever shape the value came."""
        if depth > DEEPEST:
            raise RefusedError("too_deep", path)
        if isinstance(value, dict):
            return {
                name
                if name.isascii() and name.isidentifier() and not is_odd(name)
                else self.token("text", name, cleaning) or "": (
                    self.text(inner, f"{path}.{name}", cleaning)
                    if rule.kind == "address" and name.lower() in _WHERE_ADDRESS and isinstance(inner, str)
                    else self._tokenised(rule, inner, f"{path}.{name}", cleaning, depth + 1)
                )
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._tokenised(rule, inner, path, cleaning, depth + 1) for inner in value]
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, float) and not math.isfinite(value):
            raise RefusedError("not_a_number", path, value)
        token = self.token(rule.kind, value, cleaning)
        if token is None:
            return value
        if rule.links and cleaning.personal[token][0] == rule.kind:
            cleaning.identifiers[token] = rule.kind
        return token

    @staticmethod
    def _note(hits: list[Hit], path: str, cleaning: Cleaning) -> None:
        for hit in hits:
            cleaning.keep(hit.kind, hit.token, hit.raw)
            cleaning.found.append(Found(shown_path(path), hit.what))


_INSIDE: Mapping[Treat, Keys] = {
    Treat.PERSON: personal.PERSON,
    Treat.TRAITS: personal.TRAITS,
    Treat.DEVICE: personal.DEVICE,
    Treat.EXTERNAL: personal.EXTERNAL,
}


def identifiers_of(cleaning: Cleaning) -> tuple[Identifier, ...]:
    """The identifiers that an event carried, each once."""
    return tuple(Identifier(kind, token) for token, kind in cleaning.identifiers.items())


def cut_address(text: str) -> str:
    """Cuts an IP address to its /24 or /48; what is no address is not kept at all."""
    plain = _IPV4.fullmatch(text)
    if plain is not None:
        return f"{plain[1]}.0"
    try:
        address = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return cut_address(str(address.ipv4_mapped))
        return str(ipaddress.IPv6Address(int(address) >> 80 << 80))
    return str(ipaddress.IPv4Address(int(address) & 0xFFFFFF00))


def _cut(value: Any) -> Any:
    """Cuts an address, or a list of some; what is neither, such as one as a number, is not kept."""
    if isinstance(value, list):
        return [cut_address(each) if isinstance(each, str) else "" for each in value]
    if value is None or isinstance(value, bool):
        return value
    return cut_address(value) if isinstance(value, str) else ""


def _shown_key(key: str) -> str:
    """A key as a path may show it: names that a program would use, anything else as a dot."""
    plain = len(key) <= _LONGEST_KEY and key.isascii() and key.replace("-", "_").replace(" ", "_").isidentifier()
    return key if plain and sum(sign.isdigit() for sign in key) < 7 else "…"  # noqa: PLR2004 - fewer than a phone has


def shown_path(path: str) -> str:
    """A path without anything that may be personal in its keys."""
    parts = []
    for part in path.split("."):
        name, bracket, place = part.partition("[")
        shown = not bracket or _PLACE.fullmatch(place) is not None
        parts.append(_shown_key(name) + bracket + place if name and shown else "…")
    return ".".join(parts)


def _checked(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise RefusedError("no_json", path)
    return key


def _digits(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
