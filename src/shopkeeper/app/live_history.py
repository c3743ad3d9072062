"""What segments that run live need of the lake, a text a person, made after a run so that nobody waits for the lake."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec

from shopkeeper.app.shop import Shop
from shopkeeper.base.clock import end_of_day
from shopkeeper.profile.live import Keep
from shopkeeper.schema.query import Query
from shopkeeper.segment.need import Need
from shopkeeper.storage.live_history import LiveHistory

__all__ = ["TRAITS_NOTE", "make_history"]

TRAITS_NOTE = "traits"
"""The note that says which traits, in order, the part `profile` holds."""

_OF_EVENTS = Keep().days
_PACKED = msgspec.msgpack.Encoder()

Rows = Iterator[tuple[str, bytes | str]]


def make_history(shop: Shop, need: Need, day: date, file: Path, notes: Mapping[str, Any]) -> Path:
    """Makes the history of everybody, beside the one in use.

    Events are left to live state, but for those from before what it keeps.

    Args:
        shop: The shop.
        need: What is needed.
        day: The present shop-local day.
        file: Where the one in use is.
        notes: What is noted about it.
    """
    parts: list[tuple[str, Rows]] = []
    if need.traits:
        parts.append(("profile", _profiles(shop, tuple(sorted(need.traits)))))
    for table, days in need.days:
        if table == "event" and days <= _OF_EVENTS:
            continue
        parts.append((table, _texts(shop, _rows_query(shop, table, day - timedelta(days=days), day, need))))
    if need.models:
        parts.append(("score", _texts(shop, _query("live_score.sql", models=sorted(need.models)))))
    if need.segments:
        parts.append(("segment_member", _texts(shop, _query("live_stay.sql", segments=sorted(need.segments)))))
    return LiveHistory.make(file, parts, {TRAITS_NOTE: sorted(need.traits), **notes})


def _rows_query(shop: Shop, table: str, since: date, day: date, need: Need) -> Query:
    # A day more than is needed: business days and days of the wall differ by hours.
    if table == "order_line":
        return _query("live_line.sql", since=since)
    if table == "redemption":
        return _query("live_redemption.sql", since=since)
    zone = shop.settings.chain.time_zone
    until = end_of_day(day - timedelta(days=_OF_EVENTS - 2), zone)
    names = sorted(need.events or ())
    begins = end_of_day(since, zone)
    return _query("live_event.sql", since=begins, until=until, names=names, any_name=need.events is None)


def _query(name: str, **parameters: object) -> Query:
    return Query.from_file(__file__, name, **parameters)  # type: ignore[arg-type]  # values of queries only


def _texts(shop: Shop, query: Query) -> Rows:
    for batch in shop.duckdb.batches(query):
        yield from zip(batch["person_id"].to_pylist(), batch["body"].to_pylist(), strict=True)


def _profiles(shop: Shop, traits: tuple[str, ...]) -> Rows:
    query = Query.from_sql(f"SELECT person_id, {', '.join(traits)} FROM profile ORDER BY person_id", name="profiles")
    for batch in shop.duckdb.batches(query):
        columns = [batch[name].to_pylist() for name in traits]
        for person, *values in zip(batch["person_id"].to_pylist(), *columns, strict=True):
            yield person, _PACKED.encode(values)
