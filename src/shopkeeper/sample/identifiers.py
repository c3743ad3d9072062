"""Raw identifiers of the customer records, as a source would hand them over: the loader makes tokens of them."""

import numpy as np
import pyarrow as pa

from shopkeeper.sample.almanac import Almanac
from shopkeeper.sample.people import SOURCES, People, record_ids, record_pairs, registered, true_ids
from shopkeeper.sample.text import Ints, cut, words

__all__ = ["identifier_columns", "record_truth_columns"]

_SHARED_PHONE = 50
_OLD_PHONE = 0.05
# Who sees what: kind, the sources that see it, and the share of their records that have it.
_SEEN = (
    ("phone", (0, 1, 2, 3), 0.93),
    ("email", (2, 3), 0.7),
    ("member_no", (0,), 1.0),
    ("unionid", (1, 2), 0.9),
    ("openid", (1,), 1.0),
    ("device", (2,), 1.0),
    ("cookie", (3,), 0.95),
)


def identifier_columns(made: People, days: Almanac, rng: np.random.Generator) -> dict[str, pa.Array]:
    """One row an identifier and record: kind, value, source, customer_id, first_seen_at, last_seen_at.

    Phones begin with 100 or 101, which no Chinese network uses; e-mails are at example.com. One person in fifty shares
    the phone of a neighbour (a household), and 5 % of records have a phone that the person no longer uses.
    """
    person, source = record_pairs(made)
    parts = [_of_kind(kind, sources, share, person, source, rng) for kind, sources, share in _SEEN]
    rows = np.concatenate([rows for rows, _ in parts])
    kinds = np.repeat(np.arange(len(_SEEN)), [len(rows) for rows, _ in parts])
    first = registered(made, person[rows], source[rows], days)
    return {
        "kind": cut(kinds, pa.array([kind for kind, _, _ in _SEEN])).dictionary_decode(),
        "value": pa.concat_arrays([pa.array(values, pa.string()) for _, values in parts]),
        "source": cut(source[rows], pa.array(SOURCES)).dictionary_decode(),
        "customer_id": words(record_ids(person[rows], source[rows])),
        "first_seen_at": first,
        "last_seen_at": first,
    }


def _of_kind(
    kind: str, sources: tuple[int, ...], share: float, person: Ints, source: Ints, rng: np.random.Generator
) -> tuple[Ints, list[str]]:
    rows = np.flatnonzero(np.isin(source, sources) & (rng.random(len(person)) < share))
    owner = person[rows].astype(np.int64)
    if kind == "phone":
        owner = np.where(owner % _SHARED_PHONE == 1, owner - 1, owner)
        old = rng.random(len(rows)) < _OLD_PHONE
        lead = np.where(old, 10_100_000_000, 10_000_000_000)
        return rows, np.char.mod("%d", lead + owner * 7 + 3).tolist()
    mixed = (owner.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) ^ np.uint64(hash_of(kind))
    if kind == "email":
        return rows, [f"shopper{number}@example.com" for number in owner]
    if kind == "member_no":
        return rows, [f"88{number:010d}" for number in owner * 13 + 5]
    prefix = {"unionid": "u", "openid": "o", "device": "d-", "cookie": "c-"}[kind]
    return rows, [f"{prefix}{number:016x}" for number in mixed.tolist()]


def hash_of(kind: str) -> int:
    """A number that is the same for the same kind, for ever."""
    return int.from_bytes(kind.encode().ljust(8, b"\0")[:8], "big")


def record_truth_columns(made: People) -> dict[str, pa.Array]:
    """Which true person stands behind each customer record: the truth of identity."""
    person, source = record_pairs(made)
    return {
        "source": cut(source, pa.array(SOURCES)).dictionary_decode(),
        "customer_id": words(record_ids(person, source)),
        "true_person_id": true_ids(person),
    }
