"""The clock: instants are UTC, days are the shop's, and the time is an argument, never looked up in the middle."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shopkeeper.base.errors import UsageError

__all__ = ["Clock", "business_day", "end_of_day", "instant", "microseconds", "system_clock", "zone"]

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def system_clock() -> datetime:
    """The present instant in UTC; only `app` and the faces hand it on."""
    return datetime.now(UTC)


def zone(name: str) -> ZoneInfo:
    """Gives a time zone by its IANA name.

    Raises:
        UsageError: The name is not a time zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UsageError(
            f"'{name}' is no time zone", next_step="use an IANA name such as Asia/Shanghai or America/New_York"
        ) from error


def business_day(instant: datetime, time_zone: str, cutover_hour: int = 0) -> date:
    """The business day (营业日) an instant belongs to: before the cut-over hour it is still the day before."""
    return (instant.astimezone(zone(time_zone)) - timedelta(hours=cutover_hour)).date()


def end_of_day(day: date, time_zone: str) -> datetime:
    """The instant (UTC) at which a shop-local day ends."""
    following = day + timedelta(days=1)
    return datetime(following.year, following.month, following.day, tzinfo=zone(time_zone)).astimezone(UTC)


def microseconds(moment: datetime) -> int:
    """An instant as microseconds since 1970 (UTC)."""
    return (moment - _EPOCH) // _MICROSECOND


def instant(at: int) -> datetime:
    """Microseconds since 1970 as an instant (UTC)."""
    return _EPOCH + timedelta(microseconds=at)
