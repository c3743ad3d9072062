"""Tokens: what tables hold in place of phones, e-mails, names and other identifiers."""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
from email_validator import EmailNotValidError, validate_email

from shopkeeper.base.errors import DataError, UsageError
from shopkeeper.storage.keys import Key
from shopkeeper.storage.token_chain import DIGEST, Chain, decoded, encoded

__all__ = ["KINDS", "Tokenised", "Tokens", "encodes", "mask", "normalise"]

KINDS = {
    "phone": "ph",
    "email": "em",
    "member_no": "mb",
    "user": "us",
    "device": "dv",
    "cookie": "ck",
    "openid": "oi",
    "unionid": "ui",
    "card": "cd",
    "name": "nm",
    "address": "ad",
    "text": "tx",
}
_DIGEST = DIGEST  # bytes kept of 32: 144 bits, 24 characters without padding
_OUR_MESSAGE = re.compile(r"m_([A-Za-z0-9_-]{24})")
_CONTENT = 16
_LONGEST = 512
_LONGEST_EMAIL = 63  # up to here no single part can be too long
_FREE_TEXT = ("name", "address", "text")

# What the slow paths would give for plain values, told by shape alone; tests hold both equal.
# 179xx was a prefix to dial before a number.
_CHINA = r"1(?:[3-689][0-9]|7[0-8])[0-9]{8}"
_AMERICA = r"[2-9][0-9]{2}[2-9][0-9]{6}"
_PLAIN_EMAIL = r"[a-z0-9]+(?:[._+-][a-z0-9]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,24}"
_PLAIN = r"[!-~]+"
_SPECIAL_DOMAINS = ("arpa", "invalid", "local", "localhost", "onion", "test")
_SHAPE = {86: re.compile(r"1[3-9][0-9]{9}"), 1: re.compile(_AMERICA)}
_HOME = {"CN": ("+86", _CHINA), "US": ("+1", _AMERICA), "CA": ("+1", _AMERICA)}
_ABROAD = re.compile(rf"\+(?:86{_CHINA}|1{_AMERICA})")
_EMAIL_SHAPE = re.compile(_PLAIN_EMAIL)
_PLAIN_SHAPE = re.compile(_PLAIN)


@dataclass(frozen=True, slots=True)
class Tokenised:
    """A column of identifiers, tokenised; each array is as long as the column.

    Args:
        tokens: The tokens (string), null where the value was missing or malformed.
        normalised: The normalised identifiers (string), which go to the vault and nowhere else; null likewise.
        malformed: Whether there was a value that is no identifier of the kind (boolean, never null).
    """

    tokens: pa.Array
    normalised: pa.Array
    malformed: pa.Array


class Tokens:
    """Makes tokens: HMAC-SHA256 (RFC 2104) over kind and normalised identifier, cut to 144 bits, in URL-safe base64.

    Args:
        key: The shop's first token key.
        country: The country (ISO 3166, two letters) that phone numbers without a country code belong to.
        rekeys: The token keys behind it, oldest first; see `token_chain`.

    Raises:
        UsageError: The country is not one that has phone numbers.
    """

    def __init__(self, key: Key, country: str, rekeys: Sequence[Key] = ()) -> None:
        if country not in phonenumbers.SUPPORTED_REGIONS:
            raise UsageError(f"'{country}' is no country code", next_step="set country to two letters such as CN or US")
        self.country = country
        self._chain = Chain(rekeys)
        padded = key.secret.ljust(64, b"\x00")
        # The two halves of HMAC with the key already in: copying them is twice as fast as hmac.digest.
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))
        self._starts: dict[str, Any] = {}
        code, shape = _HOME.get(country, ("", r"[^\s\S]"))
        self._home = code, re.compile(shape)

    def token(self, kind: str, raw: str) -> str:
        """Gives the token of one identifier, such as `ph_3hZ…` (27 characters).

        Raises:
            DataError: It is no identifier of the kind; the message shows it masked.
            UsageError: The kind is unknown.
        """
        normal = normalise(kind, raw, self.country)
        digest = self._digests(kind, [normal])
        return f"{KINDS[kind]}_{base64.urlsafe_b64encode(digest).decode()}"

    def pair(self, kind: str, raw: str) -> tuple[str, str] | None:
        """Gives the token of one identifier and its normalised form, quickly for plain values.

        Returns:
            What `token` and `normalise` give; None where it is no identifier of the kind.

        Raises:
            UsageError: The kind is unknown.
        """
        normal = self._plain(kind, raw) or self._or_none(kind, raw)
        if normal is None:
            return None
        return f"{KINDS[kind]}_{base64.urlsafe_b64encode(self.digest(kind, normal.encode())).decode()}", normal

    def digest(self, label: str, content: bytes) -> bytes:
        """Gives 18 bytes of keyed hash over any content, told apart by a label: nobody without the key can try values.

        Args:
            label: What it is for; a kind gives the bytes of its tokens.
            content: The content.
        """
        made = self._first(label, content)[:_DIGEST]
        return self._chain.forward(made) if self._chain else made

    def content_hash(self, content: bytes) -> bytes:
        """Gives 16 bytes of keyed hash by which one content of an event is told from another."""
        return self._chain.content(self._first("payload", content)[:_CONTENT])

    def mark(self, name: str) -> str:
        """Gives the token that stands for the id of a person or record, the same thing before a rekey and after."""
        return self.token("text", self._chain.first_of(name))

    def carried(self, message_id: str) -> str:
        """Gives the id of a message of a sender's own; one that looks like ours is turned as ours are by a rekey."""
        found = _OUR_MESSAGE.fullmatch(message_id) if self._chain else None
        return message_id if found is None else f"m_{encoded(self._chain.forward(decoded(found[1])))}"

    def _first(self, label: str, content: bytes) -> bytes:
        """The whole hash under the first key."""
        start = self._starts.get(label)
        if start is None:
            start = self._inner.copy()
            start.update(f"{label}\x1f".encode())
            self._starts[label] = start
        inner, outer = start.copy(), self._outer.copy()
        inner.update(content)
        outer.update(inner.digest())
        return bytes(outer.digest())

    def _plain(self, kind: str, raw: str) -> str | None:
        if kind == "phone":
            code, shape = self._home
            if shape.fullmatch(raw):
                return code + raw
            return raw if _ABROAD.fullmatch(raw) else None
        if kind == "email":
            lower = raw.lower() if raw.isascii() else ""
            plain = len(lower) <= _LONGEST_EMAIL and _EMAIL_SHAPE.fullmatch(lower)
            return lower if plain and lower.rpartition(".")[2] not in _SPECIAL_DOMAINS else None
        return raw if len(raw) <= _LONGEST and _PLAIN_SHAPE.fullmatch(raw) else None

    def tokens(self, kind: str, values: pa.Array | pa.ChunkedArray | Iterable[str | None]) -> pa.Array:
        """Gives the tokens of a column; a missing or blank value stays null.

        Raises:
            DataError: A value is no identifier of the kind; use `tokenise` to set such rows aside.
            UsageError: The kind is unknown.
        """
        column = _column(values)
        done = self.tokenise(kind, column)
        malformed = pc.sum(done.malformed).as_py() or 0
        if malformed:
            row = pc.index(done.malformed, pa.scalar(True)).as_py()  # noqa: FBT003 - the value looked for
            raise DataError(
                f"{malformed} of {len(column)} values are no {kind}, the first {mask(kind, column[row].as_py())}",
                place=f"row {row}",
                next_step="shopkeeper refused list",
            )
        return done.tokens

    def tokenise(self, kind: str, values: pa.Array | pa.ChunkedArray | Iterable[str | None]) -> Tokenised:
        """Tokenises a column and says which values are malformed, raising for none of them.

        Args:
            kind: The kind of identifier.
            values: Strings, n of them; null and blank count as missing.

        Returns:
            Three arrays of length n.

        Raises:
            UsageError: The kind is unknown.
        """
        encoded = _column(values).dictionary_encode()
        distinct = encoded.dictionary
        normal = self._normalised(kind, distinct)
        blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(distinct)), 0)
        malformed = pc.and_(pc.is_null(normal), pc.invert(blank))
        return Tokenised(
            self._hashed(kind, normal).take(encoded.indices),
            normal.take(encoded.indices),
            pc.fill_null(malformed.take(encoded.indices), fill_value=False),
        )

    def _normalised(self, kind: str, distinct: pa.Array) -> pa.Array:
        fast = self._fast(kind, distinct)
        slow = pc.is_null(fast).to_numpy(zero_copy_only=False).nonzero()[0]
        if not len(slow):
            return fast
        found = [self._or_none(kind, raw) for raw in distinct.take(pa.array(slow)).to_pylist()]
        places = pc.is_null(fast)
        return pc.replace_with_mask(fast, places, pa.array(found, pa.string()))

    def _fast(self, kind: str, distinct: pa.Array) -> pa.Array:
        _prefix(kind)
        if kind == "phone":
            return self._fast_phones(distinct)
        if kind == "email":
            lower = pc.ascii_lower(distinct)
            return _where(_is_plain_email(lower), lower)
        if kind in _FREE_TEXT:
            return _where(_matches(distinct, _PLAIN), distinct)
        plain = pc.and_(_matches(distinct, _PLAIN), pc.less_equal(pc.binary_length(distinct), _LONGEST))
        return _where(plain, distinct)

    def _fast_phones(self, distinct: pa.Array) -> pa.Array:
        whole = _matches(distinct, rf"\+(?:86{_CHINA}|1{_AMERICA})")
        found = _where(whole, distinct)
        code, shape = _HOME.get(self.country, ("", ""))
        if not code:
            return found
        return pc.if_else(_matches(distinct, shape), pc.binary_join_element_wise(code, distinct, ""), found)

    def _or_none(self, kind: str, raw: str | None) -> str | None:
        if raw is None:
            return None
        try:
            return normalise(kind, raw, self.country)
        except DataError:
            return None

    def _digests(self, kind: str, normals: Iterable[str]) -> bytes:
        start = self._inner.copy()
        start.update(f"{kind}\x1f".encode())
        copy_start, copy_outer, parts = start.copy, self._outer.copy, []
        for normal in normals:
            inner = copy_start()
            inner.update(normal.encode())
            outer = copy_outer()
            outer.update(inner.digest())
            parts.append(outer.digest()[:_DIGEST])
        return self._chain.forward(b"".join(parts))

    def _hashed(self, kind: str, normal: pa.Array) -> pa.Array:
        present = normal.drop_null()
        text = base64.urlsafe_b64encode(self._digests(kind, present.to_pylist()))
        fixed = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(_DIGEST * 4 // 3), len(present), [None, pa.py_buffer(text)]
        )
        tokens = pc.binary_join_element_wise(f"{KINDS[kind]}_", fixed.cast(pa.binary()).cast(pa.string()), "")
        if not normal.null_count:
            return tokens
        return pc.replace_with_mask(pa.nulls(len(normal), pa.string()), pc.is_valid(normal), tokens)


def normalise(kind: str, raw: str, country: str) -> str:
    """Gives the one form of an identifier that its token is made from.

    Args:
        kind: One of `KINDS`: a phone goes to E.164, an e-mail to NFKC and lower case, a user id is only
            trimmed, anything else goes to NFKC, trimmed.
        raw: As it was written.
        country: The country of phones without a country code.

    Raises:
        DataError: It is no identifier of the kind; the message shows it masked.
        UsageError: The kind is unknown.
    """
    _prefix(kind)
    # A user id is a source's own: two that differ in form only may be two people.
    text = raw.strip() if kind == "user" else unicodedata.normalize("NFKC", raw).strip()
    if kind == "phone":
        normal = _phone(text, country)
    elif kind == "email":
        normal = _email(text)
    elif kind in _FREE_TEXT:
        normal = text if kind == "text" else " ".join(text.split())
    else:
        normal = text if len(text.encode("utf-8", "replace")) <= _LONGEST and text.isprintable() else None
    if not normal or not encodes(normal):
        # Raised here, away from any other error: those of the libraries quote the raw value.
        raise DataError(f"'{mask(kind, raw)}' is no {kind}", next_step="shopkeeper refused list")
    return normal


def mask(kind: str, raw: str) -> str:
    """Shows an identifier so that its owner knows it and nobody else learns it.

    Returns:
        Such as `138****8000`, `z***@example.com`, `张*`; of what is malformed nearly nothing.
    """
    text = unicodedata.normalize("NFKC", raw).strip()
    if kind == "email" and text.count("@") == 1:
        local, _, domain = text.partition("@")
        # A malformed domain may be anything, a phone number too.
        shown = domain if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]+", domain) else "***"
        return f"{local[:1]}***@{shown}"
    if kind == "phone":
        digits = re.sub(r"[ ()\-]", "", text)
        return f"{digits[:-8]}****{digits[-4:]}" if re.fullmatch(r"\+?[0-9]{11,15}", digits) else "****"
    if kind in ("name", "address"):
        return f"{text[:1]}*"
    if kind == "text":
        return f"({len(text)} characters)"
    return f"****{text[-4:]}" if len(text) >= 12 else "****"  # noqa: PLR2004 - a third may be seen


def _prefix(kind: str) -> str:
    try:
        return KINDS[kind]
    except KeyError:
        raise UsageError(
            f"'{kind}' is no kind of identifier", place=f"the kinds: {', '.join(KINDS)}", next_step="mend the mapping"
        ) from None


def _phone(text: str, country: str) -> str | None:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    shape = _SHAPE.get(number.country_code or 0)
    # New ranges of the two big plans are older in the shops than in the library's tables.
    known = shape is not None and shape.fullmatch(phonenumbers.national_significant_number(number))
    if not known and not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(text: str) -> str | None:
    try:
        return validate_email(text, check_deliverability=False).normalized.lower()
    except (EmailNotValidError, UnicodeError):
        return None


def encodes(text: str) -> bool:
    """Says whether a text can be written: half a character cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _column(values: pa.Array | pa.ChunkedArray | Iterable[str | None]) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not isinstance(values, pa.Array):
        return pa.array(values, pa.string())
    return values if pa.types.is_string(values.type) else values.cast(pa.string())


def _matches(column: pa.Array, pattern: str) -> pa.Array:
    return pc.match_substring_regex(column, rf"\A(?:{pattern})\z")


def _where(condition: pa.Array, column: pa.Array) -> pa.Array:
    return pc.if_else(condition, column, pa.scalar(None, pa.string()))


def _is_plain_email(lower: pa.Array) -> pa.Array:
    special = _matches(lower, rf"(?s).*\.(?:{'|'.join(_SPECIAL_DOMAINS)})")
    short = pc.less_equal(pc.binary_length(lower), _LONGEST_EMAIL)
    return pc.and_(pc.and_(_matches(lower, _PLAIN_EMAIL), pc.invert(special)), short)
