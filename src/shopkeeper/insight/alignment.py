"""Which day of last year a day is held against: the same weekday, or around a lunar holiday the same lunar day."""

from dataclasses import dataclass
from datetime import date, timedelta

from borax.calendars.lunardate import LunarDate

__all__ = ["Alignment", "aligned_last_year"]

_LUNAR_COUNTRIES = frozenset({"CN", "HK", "MO", "TW", "SG", "MY", "VN", "KR"})
_WEEKS = timedelta(days=364)
_MOST_WEEKS = 6  # more than half of the longest window lasts
_LAST_MONTH = 12
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
    Dragon Boat and Mid-Autumn meet the same lunar day, and a day that keeps none is held against the nearest same
    weekday that kept none. Before Spring Festival days are counted back from it, for its eve is now the 29th and now
    the 30th of the twelfth month.

    Args:
        day: The day.
        country: ISO 3166 code of the shop's country.
    """
    if country in _LUNAR_COUNTRIES:
        lunar = LunarDate.from_solar(day)
        if _is_holiday(day):
            return Alignment(_same_lunar_day(lunar, day), "lunar")
        weeks = sorted(range(-_MOST_WEEKS, _MOST_WEEKS + 1), key=lambda week: (abs(week), week))
        near = (day - _WEEKS + timedelta(weeks=week) for week in weeks)
        return Alignment(next(each for each in near if not _is_holiday(each)), "weekday")
    return Alignment(day - _WEEKS, "weekday")


def _is_holiday(day: date) -> bool:
    lunar = LunarDate.from_solar(day)
    inside = any(lunar.month == month and first <= lunar.day <= last for month, first, last in _LUNAR_WINDOWS)
    return inside and not lunar.leap


def _same_lunar_day(lunar: LunarDate, day: date) -> date:
    if lunar.month == _LAST_MONTH:
        return _new_year(lunar.year) - (_new_year(lunar.year + 1) - day)
    solar: date = LunarDate(lunar.year - 1, lunar.month, lunar.day).to_solar_date()
    return solar


def _new_year(year: int) -> date:
    solar: date = LunarDate(year, 1, 1).to_solar_date()
    return solar
