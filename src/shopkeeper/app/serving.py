"""The serving set of a shop: made of what the last run left, read a person at a time, cleared of who is erased."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from shopkeeper.app.pages.reading import AS_OF, kept_segments
from shopkeeper.app.shop import Shop
from shopkeeper.base.clock import instant
from shopkeeper.base.errors import MissingError
from shopkeeper.identity.link import record_id
from shopkeeper.privacy.reach import Traces
from shopkeeper.profile.now import KNOWN_DAYS, Bought
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Type
from shopkeeper.schema.traits import TRAITS
from shopkeeper.storage.consumed import consumed
from shopkeeper.storage.erase import state_after
from shopkeeper.storage.serving import ServingSet, forget_served, write_serving, writing

__all__ = ["SERVING_FILE", "Served", "ServedRecord", "ServedScore", "forget_serving", "refresh_serving", "traits_of"]

SERVING_FILE = "serving.db"

_READS = ("profile", "person", "customer", "segment_member", "score", "basket", "product_fact")
_MADE_OF = ("basket", "person")
_ROWS_AT_ONCE = 20_000


class ServedRecord(msgspec.Struct, frozen=True, array_like=True):
    """One customer record of a person; `kinds` names, with commas, the personal fields its source tells."""

    source: str
    customer_id: str
    method: str
    kinds: str


class ServedScore(msgspec.Struct, frozen=True, array_like=True):
    """One model's latest score."""

    model: str
    subject: str | None
    as_of: date
    value: float | None
    decile: int | None
    reasons: tuple[str, ...] | None
    reasons_zh: tuple[str, ...] | None


class Served(msgspec.Struct, frozen=True, array_like=True):
    """One person's row.

    Args:
        traits: The traits, in the catalogue's order.
        records: The customer records.
        stays: Segments and since when (microseconds since 1970).
        scores: The latest score of each model and subject.
        baskets: The baskets of `KNOWN_DAYS` before the day of the profile, and later ones.
    """

    traits: list[Any]
    records: list[ServedRecord]
    stays: list[tuple[str, int]]
    scores: list[ServedScore]
    baskets: list[Bought]


@dataclass(frozen=True, slots=True)
class Made:
    """A serving set that was made: how many persons it has, and of which day."""

    people: int
    as_of: date


def refresh_serving(shop: Shop) -> Made | None:
    """Makes the serving set anew where something it is made of has changed.

    What it is made of must fit together: where a run was cut short before the profile, the old one stays.

    Returns:
        What was made; None where nothing was.

    Raises:
        StorageError: It could not be written; the old one stays.
    """
    if "profile" not in shop.lake.tables():
        return None
    file = shop.folder / SERVING_FILE
    with writing(file):
        found = {name: snapshot for name in _READS if (snapshot := shop.lake.snapshot(name))}
        profile = found.get("profile")
        if profile is None or AS_OF not in profile.properties:
            return None
        noted = {name: profile.properties.get(f"shopkeeper.input.{name}") for name in _MADE_OF}
        if not all(name in found and _is_state(shop, name, found[name].id, said) for name, said in noted.items()):
            return None
        as_of = date.fromisoformat(profile.properties[AS_OF])
        made_of = _fingerprint({name: snapshot.id for name, snapshot in found.items()})
        if _made_of(file) == made_of:
            return None
        marks = {
            "made_of": made_of,
            AS_OF: as_of.isoformat(),
            "segments": json.dumps(dict(kept_segments(shop))),
            # What the lake held of the log when this was made: it tells how old the set is, no total rests on it.
            "log_position": str(consumed(shop.lake, "event")),
        }
        people = write_serving(file, _rows(shop, as_of), uncounted=_uncounted(shop), marks=marks)
    return Made(people, as_of)


def _is_state(shop: Shop, name: str, present: int, noted: str | None) -> bool:
    """Whether a table is in the state that was noted, or in what erasures and rekeys have made of that."""
    return noted is not None and (noted == str(present) or state_after(shop.lake, name, int(noted)) == present)


def forget_serving(shop: Shop, traces: Traces) -> Mapping[str, int]:
    """Takes a person out of the serving set; their bytes are overwritten."""
    records = {record_id(source, customer_id) for source, customer_id in traces.records}
    return {"people": forget_served(shop.folder / SERVING_FILE, sorted({*traces.person_ids, *records}))}


def traits_of(row: Served) -> dict[str, Any]:
    """A row's traits by name, as the API gives them: days and amounts as text."""
    found = dict.fromkeys(TRAITS)
    for (name, declared), value in zip(TRAITS.items(), row.traits, strict=False):
        if value is not None and declared.type is Type.INSTANT:
            found[name] = instant(value)
        elif value is not None and declared.type is Type.MAP:
            found[name] = [[key, said] for key, said in value.items()]
        else:
            found[name] = value
    return found


def _rows(shop: Shop, as_of: date) -> Iterator[pa.RecordBatch]:
    text = Path(__file__).with_name("serving.sql").read_text(encoding="utf-8")
    said = ", ".join(_said(name, declared.type) for name, declared in TRAITS.items())
    query = Query.from_sql(
        text.replace("$traits", said), name="serving.sql", known_from=as_of - timedelta(days=KNOWN_DAYS)
    )
    yield from shop.duckdb.batches(query, rows=_ROWS_AT_ONCE)


def _said(name: str, kind: Type) -> str:
    """A trait as SQL: instants as microseconds, days and amounts as text."""
    if kind is Type.INSTANT:
        return f"epoch_us(profile.{name})"
    return f"CAST(profile.{name} AS VARCHAR)" if kind in (Type.MONEY, Type.DATE) else f"profile.{name}"


def _uncounted(shop: Shop) -> Sequence[str]:
    query = Query.from_sql("SELECT product_id FROM product_fact WHERE NOT counted", name="products that do not count")
    found: list[str] = shop.duckdb.arrow(query)["product_id"].to_pylist()
    return found


def _fingerprint(snapshots: Mapping[str, int]) -> str:
    code = Path(__file__).with_name("serving.sql").read_text(encoding="utf-8")
    return hashlib.sha256(json.dumps([code, sorted(TRAITS), sorted(snapshots.items())]).encode()).hexdigest()[:16]


def _made_of(file: Path) -> str | None:
    try:
        found = ServingSet(file)
    except MissingError:
        return None
    try:
        return found.marks.get("made_of")
    finally:
        found.close()
