"""Whose an event is: its record, and what it says of which identifiers belong together; the same of records of files.

This is the seam for finer rules: `link` and `link_loaded` alone say what is evidence of what, `Book` carries it out.

What comes out does not depend on the order of events:
- Strong identifiers (all but cookies and devices) on one verified event are one person.
- An unverified event, such as a browser's `identify`, merges nobody. Its account (user id or member number) may claim a
  phone or another contact that no verified event and no load knows; of several claims the earliest holds.
- A cookie or device is claimed by the strong identifier it was first seen with, and its history goes with it. It is no
  evidence that two members are one: people share browsers.
- A phone on a marketplace's event is the platform's virtual number: it links nothing.
- A record of a file is evidence as a verified event is; where its source gave it an id of its own, what was seen with
  it belongs to that record.
"""

import re
from collections.abc import Mapping

import msgspec

from shopkeeper.schema.event import Event

__all__ = [
    "Known",
    "Linked",
    "Loaded",
    "identifiers_of",
    "is_strong",
    "kind_of",
    "link",
    "link_loaded",
    "rank",
    "record_id",
]

_KINDS = {
    "us": "user",
    "mb": "member_no",
    "ui": "unionid",
    "oi": "openid",
    "cd": "card",
    "ph": "phone",
    "em": "email",
    "dv": "device",
    "ck": "cookie",
}
_ORDER = {prefix: place for place, prefix in enumerate(_KINDS)}
_ACCOUNTS = ("us", "mb")
_WEAK = ("dv", "ck")
_TOKEN = re.compile(r"([a-z]{2})_[A-Za-z0-9_-]{24}")
_LOADED, _ACCOUNT, _CONTACT, _ANONYMOUS = range(4)


class Known(msgspec.Struct, frozen=True):
    """What the map says of one identifier.

    Args:
        token: Its token.
        person_id: The person it belongs to.
        source: The first in the alphabet of the sources it was seen in: its own person is that source's record.
        first_day: First day (UTC, `date.toordinal()`) it was seen.
        last_day: Last day it was seen.
        verified: Whether a verified event or a load knows it.
        claimed_by: The identifier that claimed it, if it does not stand for itself.
        claimed_at: When it was claimed, in microseconds since 1970.
    """

    token: str
    person_id: str
    source: str
    first_day: int
    last_day: int
    verified: bool = False
    claimed_by: str | None = None
    claimed_at: int | None = None


class Loaded(msgspec.Struct, frozen=True):
    """One customer record of a file, with the identifiers that were seen with it.

    Args:
        source: Its source.
        customer_id: Its id there; a token where the source gave it none.
        tokens: The identifiers.
        first_day: First day (UTC, `date.toordinal()`) it was seen with them.
        last_day: Last day.
        at: When it was first seen with them, in microseconds since 1970.
    """

    source: str
    customer_id: str
    tokens: tuple[str, ...]
    first_day: int
    last_day: int
    at: int


class Linked(msgspec.Struct, frozen=True):
    """What one event is evidence of.

    Args:
        record: The token of the record it belongs to; None when it names nobody.
        seen: Every identifier on it that counts.
        joined: Strong identifiers that are one person by it; empty or at least two.
        claims: Identifiers that `claimant` claims by it.
        claimant: The strong identifier that claims.
    """

    record: str | None
    seen: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    claimant: str | None = None


def identifiers_of(event: Event) -> tuple[str, ...]:
    """Gives every identifier on an event that counts, each once: of these the map is asked before `link`."""
    named = (event.user_id, event.anonymous_id, event.previous_id if event.type == "alias" else None)
    more = (one.token for one in event.identifiers if not (one.kind == "phone" and event.channel == "marketplace"))
    found = (token for token in (*named, *more) if token is not None and _prefix(token) in _ORDER)
    return tuple(dict.fromkeys(found))


def link(event: Event, known: Mapping[str, Known], seen: tuple[str, ...] | None = None) -> Linked:
    """Says which record an event belongs to and which identifiers it links.

    Args:
        event: The event.
        known: What the map says of the identifiers on it.
        seen: Those identifiers, where `identifiers_of` was asked before.
    """
    if seen is None:
        seen = identifiers_of(event)
    strong = tuple(token for token in seen if is_strong(token))
    weak = tuple(token for token in seen if not is_strong(token))
    record = event.user_id or event.anonymous_id or (min(seen, key=_place) if seen else None)
    if not strong:
        return Linked(record, seen)
    # The user id speaks where there is one, else the best of what else there is.
    root = event.user_id if event.user_id in strong else min(strong, key=_place)
    if event.is_verified:
        return Linked(record, seen, strong if len(strong) > 1 else (), weak, root)
    contacts: tuple[str, ...] = ()
    if _prefix(root) in _ACCOUNTS:
        contacts = tuple(
            token
            for token in strong
            if _prefix(token) not in _ACCOUNTS and not (token in known and known[token].verified)
        )
    return Linked(record, seen, (), (*weak, *contacts), root)


def link_loaded(loaded: Loaded) -> Linked:
    """Says which identifiers a record of a file links; cookies and devices alone link nothing."""
    own = loaded.customer_id if _is_identifier(loaded.customer_id) else None
    named = dict.fromkeys((*(() if own is None else (own,)), *loaded.tokens))
    seen = tuple(token for token in named if _is_identifier(token))
    strong = tuple(token for token in seen if is_strong(token))
    if not strong:
        return Linked(own, () if own is None else (own,))
    weak = tuple(token for token in seen if not is_strong(token))
    return Linked(own, seen, strong, weak, min(strong, key=_place))


def record_id(source: str, customer_id: str) -> str:
    """The person that a record is as long as nothing links it, as `person.sql` writes it."""
    return f"{source.replace('%', '%25').replace(':', '%3A')}:{customer_id}"


def rank(person_id: str) -> tuple[int, str]:
    """Orders ids, that the lowest stay in a merge: loaded records, then accounts, contacts, cookies and devices."""
    found = _TOKEN.fullmatch(person_id.partition(":")[2])
    prefix = found[1] if found else None
    if prefix not in _ORDER:
        return _LOADED, person_id
    if prefix in _WEAK:
        return _ANONYMOUS, person_id
    return (_ACCOUNT if prefix in _ACCOUNTS else _CONTACT), person_id


def is_strong(token: str) -> bool:
    """Whether an identifier stands for a person, not for a browser or a device."""
    return _prefix(token) not in _WEAK


def kind_of(token: str) -> str:
    """The kind of an identifier, told by its token."""
    return _KINDS[_prefix(token)]


def _is_identifier(text: str) -> bool:
    found = _TOKEN.fullmatch(text)
    return found is not None and found[1] in _ORDER


def _prefix(token: str) -> str:
    return token.partition("_")[0]


def _place(token: str) -> tuple[int, str]:
    return _ORDER.get(_prefix(token), len(_ORDER)), token
