"""Which day of last year a day is held against: the same weekday, or around a lunar holiday the same lunar day."""

from dataclasses import dataclass
from datetime import date, timedelta

from borax.calendars.lunardate import LunarDate

__all__ = ["Alignment", "aligned_last_year"]

_LUNAR_COUNTRIES = frozenset({"CN", "HK", "MO", "TW", "SG", "MY", "VN", "KR"})
_WEEKS = timedelta(days=364)
# (month, first day, last day) of the lunar calendar in which trade follows the holiday, not the weekday.
_LUNAR_WINDOWS = ((12, 16, 30), (1, 1, 20), (5, 3, 7), (8, 12, 18))


@dataclass(frozen=True, slots=True)
class Alignment:
    """A day of last year and why it is the one.

    Args:
        day: The day of last year.
        by: `weekday` or `lunar`.
    """

    day: date
    by: str


def aligned_last_year(day: date, country: str) -> Alignment:
    """Gives the day of last year a day is held against.

    52 weeks earlier, so that weekdays meet; in countries that keep the lunar calendar, the days around Spring Festival,
    Dragon Boat and Mid-Autumn meet the same lunar day.

    Args:
        day: The day.
        country: ISO 3166 code of the shop's country.
    """
    if country in _LUNAR_COUNTRIES:
        lunar = LunarDate.from_solar(day)
        in_window = any(lunar.month == month and first <= lunar.day <= last for month, first, last in _LUNAR_WINDOWS)
        if in_window and not lunar.leap:
            return Alignment(_lunar_day(lunar.year - 1, lunar.month, lunar.day), "lunar")
    return Alignment(day - _WEEKS, "weekday")


def _lunar_day(year: int, month: int, day: int) -> date:
    try:
        solar: date = LunarDate(year, month, day).to_solar_date()
    except ValueError:  # the month has only 29 days in that year
        solar = LunarDate(year, month, day - 1).to_solar_date()
    return solar
