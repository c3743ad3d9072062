"""Finds phones, e-mails, id-card numbers, bank cards and names behind a cue in any text, and gives tokens for them.

Whether anything may be there is told from the event as JSON bytes at once: digits become 0, what stands between the
digits of one number is left out, and a run of zeros as long as the shortest number is looked for. Only then texts are
read one by one.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import unquote, unquote_to_bytes

import phonenumbers

from shopkeeper.collect.spoken import digits_of, may_be_apart, may_be_spoken, may_hold_a_cue, spoken
from shopkeeper.storage.token import Tokens

__all__ = ["MOST_HITS", "Hit", "Scanner"]

_DELETED = bytes([*b" -()\xe2\x80\xc2\xa0\xe3", *range(0x8B, 0x96)])
_MAP = bytes(
    ord("0") if chr(byte) in "0123456789" else ord(".") if byte == ord(".") else ord("x") for byte in range(256)
)
_DOTTED = (b"000.0000.0000", b"000.000.0000")
_ASCII = bytes(range(128))
_WIDE = re.compile(rb"\xef\xbc[\x90-\x99\xa0]|\xf0\x9d\x9f")  # full-width and mathematical digits
_SHORTEST = {"CN": 11, "US": 10, "CA": 10}
_SHORTEST_ELSEWHERE = 8
_LEAST = 6  # characters of the shortest e-mail there is
MOST_HITS = 500
"""So much may be found in a text or an event: finding more would take longer than anybody may make the door wait."""
_CODED, _CODED_BYTES = re.compile(r"%[0-9A-Fa-f]{2}"), re.compile(rb"%[0-9A-Fa-f]{2}")
_MOST_CODED = 3  # times that an address may stand in an address

_SIGNS = dict.fromkeys([*range(0x200B, 0x2010), 0x2060, 0xFEFF], None) | dict.fromkeys(
    [*range(0x2010, 0x2016), 0x2212], "-"
)
_AT = re.compile(r"@|%40", re.IGNORECASE)
_LOCAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}\Z")
_DOMAIN = re.compile(r"[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*(?:\.[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*){1,8}")
_HEX = re.compile(r"(?=.*[a-fA-F])[0-9a-fA-F\-]{24,}")
_BARE = re.compile(r"\s*[A-Za-z]{0,4}[\-_]?[0-9]+\s*")

_ID_CARD = re.compile(
    r"(?<![0-9])[1-9][0-9]{5}[ -]?(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r"[ -]?[0-9]{3}[0-9Xx](?![0-9])"
)
_CARD = re.compile(r"(?<![0-9])(?:[2-6])[0-9](?:[ -]?[0-9]){11,17}(?![0-9])")
_CARD_HEAD = re.compile(r"62|4|5[1-5]|2[2-7]|3[47]|35|30|36|38|6011|65|81")
_MOBILE = re.compile(r"(?<![0-9])(?:(?:\+|00)?86[ .-]?)?\(?1(?:\)?[ .-]?\(?[0-9]){10}(?![0-9])")
_ROW = re.compile(r"(?<![0-9])(?:1[3-9][0-9]{9}){2,}(?![0-9])")
_MOBILE_SHAPE = re.compile(r"(?:(?:\+|00)?86)?(1[3-9][0-9]{9})")
_LANDLINE = re.compile(
    r"(?<![0-9])(?:(?:\+|00)?86[ -]?)?\(?"
    r"(?:0[3-9][0-9]{2}\)?[ -]{1,2}[2-9][0-9]{6,7}|0(?:10|2[0-9])\)?[ -]{1,2}[2-9][0-9]{7})(?![0-9])"
)
_AMERICAN = re.compile(r"(?<![0-9])(?:\+?1[ .-]?)?\(?[2-9][0-9]{2}\)?[ .-]{0,2}[2-9][0-9]{2}[ .-]?[0-9]{4}(?![0-9])")
_ABROAD = re.compile(r"(?<![0-9A-Za-z])\+[1-9](?:[ .()-]{0,2}[0-9]){6,14}(?![0-9])")
_PHONES = (_ROW, _MOBILE, _ABROAD)
_BETWEEN = re.compile(r"[ .()\-]+")
_MOST_GROUPS = 4
_FIRST_GROUP = 3
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True, slots=True)
class Hit:
    """What was found in a text.

    Args:
        what: `phone`, `email`, `id_card`, `bank_card` or `name`.
        kind: The kind of its token.
        token: Its token.
        raw: It, normalised, for the vault.
    """

    what: str
    kind: str
    token: str
    raw: str = field(repr=False)


class Scanner:
    """Finds what is personal in texts.

    Args:
        tokens: Makes the tokens, and says whose country's phones have no country code.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        country = tokens.country
        self._shortest = b"0" * _SHORTEST.get(country, _SHORTEST_ELSEWHERE)
        self._patterns = [("id_card", _ID_CARD), ("bank_card", _CARD), *(("phone", each) for each in _PHONES)]
        self._elsewhere = country not in _SHORTEST
        if country == "CN":
            self._patterns.append(("phone", _LANDLINE))
        elif not self._elsewhere:
            self._patterns.append(("phone", _AMERICAN))

    def suspects(self, content: bytes) -> bool:
        """Whether JSON in UTF-8 may hold anything: never false where something is, true now and then for nothing."""
        if b"@" in content:
            return True
        if b"%" in content:
            content = _decoded_bytes(content)
            if b"@" in content:
                return True
        bare = content.translate(_MAP, _DELETED)
        if self._shortest in bare or _DOTTED[0] in bare or _DOTTED[1] in bare or may_be_apart(bare):
            return True
        if may_hold_a_cue(content):
            return True
        if content.isascii():
            return False
        wide = content.translate(None, _ASCII)
        return _WIDE.search(wide) is not None or may_be_spoken(wide)

    def redact(self, text: str, *, is_thing: bool = False) -> tuple[str, list[Hit]]:
        """Gives a text with tokens in place of what was found; untouched where nothing was.

        After `MOST_HITS` nothing more is looked for: whoever calls does not take such a text.

        Args:
            text: Any text.
            is_thing: Whether its key names a thing (`order_id`, `sku`): then digits alone are the number of the thing
                and no phone and no bank card, whatever they look like.
        """
        if len(text) < _LEAST and text.isascii():
            return text, []
        if not self.suspects(text.encode("utf-8", "replace")):
            return text, []
        redacted, hits = self._redacted(text, is_thing=is_thing)
        clear = _decoded(text) if "%" in text else text
        if clear != text:
            # The digit that ends a sign of an address would hide a number behind it, and a sign within it the rest.
            more = self._redacted(clear, is_thing=is_thing)
            if {hit.token for hit in more[1]} - {hit.token for hit in hits}:
                return more
        return redacted, hits

    def _redacted(self, text: str, *, is_thing: bool) -> tuple[str, list[Hit]]:
        plain = text if text.isascii() else _normal(text)
        spans = sorted(islice(self._spans(plain, is_thing=is_thing), MOST_HITS + 1))
        if not spans:
            return text, []
        # Signs that nobody asked to change stay, as long as what was found stands in both at the same place.
        around = text if all(_normal(text[start:stop]) == plain[start:stop] for start, stop, _ in spans) else plain
        parts, hits, end = [], [], 0
        for start, stop, what in spans:
            if start < end:
                continue
            hit = self._hit(what, plain[start:stop])
            hits.append(hit)
            parts += [around[end:start], hit.token]
            end = stop
        return "".join([*parts, around[end:]]), hits

    def _spans(self, text: str, *, is_thing: bool) -> Iterator[tuple[int, int, str]]:
        for at in _AT.finditer(text):
            begin = max(0, at.start() - 64)
            local, domain = _LOCAL.search(text, begin, at.start()), _DOMAIN.match(text, at.end())
            if local is not None and domain is not None:
                yield local.start(), domain.end(), "email"
        if _HEX.fullmatch(text):
            return
        bare = is_thing and _BARE.fullmatch(text) is not None
        taken: list[tuple[int, int]] = []
        for what, pattern in self._patterns[:1] if bare else self._patterns:
            for found in pattern.finditer(text):
                start, stop = found.span()
                if self._holds(what, pattern, found.group()) and all(stop <= a or start >= b for a, b in taken):
                    taken.append((start, stop))
                    yield start, stop, what
        if not bare:
            yield from self._others(text, taken)

    def _others(self, text: str, taken: list[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
        """What is no identifier of our own patterns: numbers as people say them, names, phones of other countries."""
        for what, (start, stop) in spoken(text):
            if all(stop <= a or start >= b for a, b in taken):
                taken.append((start, stop))
                yield start, stop, what
        if self._elsewhere:
            yield from self._national(text, taken)

    def _national(self, text: str, taken: list[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
        for match in phonenumbers.PhoneNumberMatcher(text, self._tokens.country):
            if all(match.end <= a or match.start >= b for a, b in taken):
                yield match.start, match.end, "phone"

    def _holds(self, what: str, pattern: re.Pattern[str], found: str) -> bool:
        digits = _BETWEEN.sub("", found)
        if what == "id_card":
            return _is_id_card(digits)
        if what == "bank_card":
            return _CARD_HEAD.match(digits) is not None and _is_luhn(digits)
        if pattern is _MOBILE:
            return _MOBILE_SHAPE.fullmatch(digits) is not None and _is_grouped(found)
        return pattern is _ROW or self._tokens.pair("phone", digits) is not None

    def _hit(self, what: str, found: str) -> Hit:
        if what == "email":
            kind, raw = "email", _AT.sub("@", found)
        elif what == "name":
            kind, raw = "name", found
        elif what == "phone":
            kind, raw = "phone", digits_of(found)
            home = _MOBILE_SHAPE.fullmatch(raw)
            raw = f"+86{home[1]}" if home else raw
        else:
            kind, raw = ("card" if what == "bank_card" else "text"), _BETWEEN.sub("", found).upper()
        made = self._tokens.pair(kind, raw)
        if made is None:
            kind, made = "text", self._tokens.pair("text", raw)
        token, normal = made or ("", "")
        return Hit(what, kind, token, normal)


def _decoded_bytes(content: bytes) -> bytes:
    """A text in UTF-8 and, behind it, the same with the signs that addresses write as `%E6` as they are."""
    clear = content
    for _ in range(_MOST_CODED):
        if _CODED_BYTES.search(clear) is None:
            break
        clear = unquote_to_bytes(clear)
    return content if clear is content else content + b"\n" + clear


def _decoded(text: str) -> str:
    for _ in range(_MOST_CODED):
        if _CODED.search(text) is None:
            break
        text = unquote(text)
    return text


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text.translate(_SIGNS))


def _is_grouped(found: str) -> bool:
    """Whether digits are grouped as in a mobile number, and not as in a date, an IP address or a browser's version."""
    groups = [group for group in _BETWEEN.split(found) if group.lstrip("+")]
    if len(groups) > 1 and groups[0] in ("+86", "86", "0086"):
        groups = groups[1:]
    if "." in found and len(groups) > 1:
        return [len(group) for group in groups] == [3, 4, 4]
    return len(groups) <= _MOST_GROUPS and len(groups[0]) >= _FIRST_GROUP


def _is_luhn(digits: str) -> bool:
    """Luhn's check digit (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - the sum of its digits
    return total % 10 == 0


def _is_id_card(text: str) -> bool:
    """The check character of a Chinese id card (GB 11643-1999, ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], _WEIGHTS, strict=True))
    return "10X98765432"[total % 11] == text[17].upper()
