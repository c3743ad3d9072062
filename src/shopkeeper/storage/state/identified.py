"""What the map of identifiers holds: identifiers with their persons, and records that belong to others."""

from dataclasses import dataclass
from datetime import date, datetime

__all__ = ["Identified", "RecordOf"]


@dataclass(frozen=True, slots=True)
class Identified:
    """One identifier and its person.

    Args:
        token: The identifier's token.
        person_id: The person.
        kind: What kind of identifier it is.
        source: The first in the alphabet of the sources it was seen in.
        first_seen_on: Day (UTC) it was first seen.
        last_seen_on: Day it was last seen.
        verified: Whether a verified event or a load knows it.
        claimed_by: The identifier that claimed it, if it does not stand for itself.
        claimed_at: When, in microseconds since 1970.
    """

    token: str
    person_id: str
    kind: str
    source: str
    first_seen_on: date
    last_seen_on: date
    verified: bool
    claimed_by: str | None
    claimed_at: int | None


@dataclass(frozen=True, slots=True)
class RecordOf:
    """A record that belongs, or belonged, to another person than its own.

    Args:
        record_id: The record, as the person it would be by itself.
        token: Its identifier; the record's own id where it was loaded.
        into_id: The person.
        since: From when.
        until: Until when; None while it lasts.
    """

    record_id: str
    token: str
    into_id: str
    since: datetime
    until: datetime | None = None
