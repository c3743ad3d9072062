"""When an event happened by our clock, by Segment's rule and within bounds."""

from datetime import UTC, datetime, timedelta

__all__ = ["happened_at", "instant"]

_MOST_AHEAD = timedelta(minutes=5)
_FIRST = datetime(1990, 1, 1, tzinfo=UTC)
_MILLISECONDS = 100_000_000_000  # seconds would be in the year 5138
_LONGEST = 40


def instant(value: object) -> datetime | None:
    """Reads an instant: ISO 8601 (UTC where no zone is given), or seconds or milliseconds since 1970; else None."""
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_number(value)
    return None


def _from_text(text: str) -> datetime | None:
    if len(text) > _LONGEST:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _from_number(float(text)) if text.isascii() and text.isdigit() else None
    if found.tzinfo is UTC:
        return found
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        return None


def _from_number(number: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(number / 1000 if abs(number) >= _MILLISECONDS else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def happened_at(
    timestamp: datetime | None, sent_at: datetime | None, received_at: datetime, *, is_live: bool
) -> datetime:
    """Gives when an event happened: `timestamp` + (`received_at` - `sent_at`), whatever the client's clock says.

    A time that lies ahead of us after that, or before 1990, is no time at all: then it is `received_at`. What is
    imported keeps its `timestamp` as it is.

    Args:
        timestamp: When the client says it happened.
        sent_at: When the client says it sent it.
        received_at: When it came, by our clock.
        is_live: Whether it comes from a client as it happens, and is no import.

    Reference:
        Segment, Spec: Common Fields, "Timestamps".
    """
    if timestamp is None:
        return received_at
    try:
        found = timestamp + (received_at - sent_at) if sent_at is not None and is_live else timestamp
    except OverflowError:
        return received_at
    return received_at if found > received_at + _MOST_AHEAD or found < _FIRST else found
