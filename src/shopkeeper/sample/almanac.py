"""The days of a chain: weekdays, festivals, seasons, and how many people come on each."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

import holidays
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from borax.calendars.lunardate import LunarDate

from shopkeeper.base.clock import zone
from shopkeeper.sample.size import ChainSize, Language

__all__ = [
    "TIME_ZONE",
    "TRADE_AREAS",
    "Almanac",
    "Month",
    "almanac",
    "calendar_columns",
    "footfall_columns",
    "weather_columns",
]

TIME_ZONE = "Asia/Shanghai"
TRADE_AREAS = ("office", "residential", "school", "transit")
_WEEKDAY = np.array(
    [
        [1.15, 1.15, 1.15, 1.15, 1.2, 0.6, 0.5],
        [0.92, 0.9, 0.92, 0.94, 1.05, 1.18, 1.14],
        [1.1, 1.12, 1.1, 1.1, 1.05, 0.75, 0.85],
        [1.0, 0.95, 0.96, 1.0, 1.2, 1.0, 1.05],
    ]
)
_HOLIDAY = np.array([0.45, 1.15, 0.4, 1.35])
_CLOSED_DAYS = 3


@dataclass(frozen=True)
class Month:
    """One calendar month of the chain: its days are places in `Almanac.days`."""

    first: int
    end: int
    name: str

    @property
    def days(self) -> int:
        """How many days of the month the chain trades."""
        return self.end - self.first


@dataclass(frozen=True)
class Almanac:
    """Every day of the chain.

    Args:
        days: The business days.
        weight: Planted footfall by trade area and day, 1.0 being an ordinary day; 0 where the area is closed.
        working: Whether people work, moved days (调休) included.
        holiday: Name of the holiday, or nothing.
        lunar: Month (negative when leap) and day of the lunar calendar.
        weeks: The week of each day, from 0; weeks begin on Monday.
        months: The calendar months.
    """

    days: tuple[date, ...]
    weight: npt.NDArray[np.float64]
    working: npt.NDArray[np.bool_]
    holiday: tuple[str | None, ...]
    lunar: tuple[tuple[int, int], ...]
    weeks: npt.NDArray[np.int32]
    months: tuple[Month, ...]

    @cached_property
    def epoch(self) -> npt.NDArray[np.int32]:
        """The days counted from 1970-01-01."""
        return np.array(self.days, "datetime64[D]").astype(np.int32)

    @cached_property
    def midnight(self) -> npt.NDArray[np.int64]:
        """The instant each day begins in the shop's time zone, in microseconds since 1970 UTC."""
        offset = [zone(TIME_ZONE).utcoffset(_noon(day)) or timedelta() for day in self.days]
        seconds = np.array([int(o.total_seconds()) for o in offset], np.int64)
        return (self.epoch.astype(np.int64) * 86_400 - seconds) * 1_000_000


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12)  # noqa: DTZ001 - asked of the zone itself


def almanac(size: ChainSize, language: Language) -> Almanac:
    """Makes the days of a chain."""
    days = tuple(size.starts_on + timedelta(days=place) for place in range(size.days))
    years = sorted({day.year for day in days})
    kept = holidays.country_holidays("CN", years=years, language="zh_CN" if language == "zh" else "en_US")
    moved = kept.weekend_workdays
    working = np.array([day in moved or (day.weekday() < 5 and day not in kept) for day in days])
    names = tuple(str(kept[day]) if day in kept else None for day in days)
    lunar = tuple(_lunar(day) for day in days)
    first_monday = days[0] - timedelta(days=days[0].weekday())
    weeks = np.array([(day - first_monday).days // 7 for day in days], np.int32)
    weight = _weight(days, working, np.array([name is not None for name in names]), lunar)
    return Almanac(days, weight, working, names, lunar, weeks, _months(days))


def _lunar(day: date) -> tuple[int, int]:
    found = LunarDate.from_solar(day)
    return (-found.month if found.leap else found.month), found.day


def _weight(
    days: tuple[date, ...],
    working: npt.NDArray[np.bool_],
    holiday: npt.NDArray[np.bool_],
    lunar: tuple[tuple[int, int], ...],
) -> npt.NDArray[np.float64]:
    weekday = np.array([day.weekday() for day in days])
    of_year = np.array([day.timetuple().tm_yday for day in days])
    weight = _WEEKDAY[:, weekday].copy()
    moved = working & (weekday >= 5)
    weight[:, moved] = _WEEKDAY[:, [2]]
    weight[:, holiday & ~working] = _HOLIDAY[:, None]
    weight *= 1 + 0.08 * np.sin((of_year - 105) / 365.25 * 2 * np.pi)
    term = np.array([_school(day, moon) for day, moon in zip(days, lunar, strict=True)])
    weight[2, ~term] *= 0.35
    for place, moon in enumerate(lunar):
        weight[:, place] *= _spring_festival(moon)
    return weight


def _spring_festival(moon: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Buying in before the Spring Festival, offices and schools closed for three days, quiet until the fifteenth."""
    month, day = moon
    if month == 12 and day >= 20:
        return np.array([1.0, 1.3, 0.9, 1.35])
    if month == 1 and day <= _CLOSED_DAYS:
        return np.array([0.0, 0.7, 0.0, 0.9])
    if month == 1 and day <= 7:
        return np.array([0.6, 0.85, 0.5, 1.1])
    return np.ones(4)


def _school(day: date, moon: tuple[int, int]) -> bool:
    winter = moon >= (12, 15) or (1, 1) <= moon <= (1, 16)
    return not (winter or date(day.year, 7, 5) <= day <= date(day.year, 8, 31))


def _months(days: tuple[date, ...]) -> tuple[Month, ...]:
    starts = [place for place, day in enumerate(days) if place == 0 or day.day == 1]
    ends = [*starts[1:], len(days)]
    return tuple(Month(s, e, days[s].strftime("%Y-%m")) for s, e in zip(starts, ends, strict=True))


def calendar_columns(known: Almanac, regions: tuple[str, ...]) -> dict[str, pa.Array]:
    """The rows of `calendar`: every day in every region."""
    days, count = len(known.days), len(regions)
    month, day = (np.array([moon[part] for moon in known.lunar], np.int64) for part in (0, 1))
    term = [_school(d, m) for d, m in zip(known.days, known.lunar, strict=True)]
    return {
        "day": pa.array(list(known.days) * count),
        "region": pa.array(np.repeat(regions, days)),
        "is_working_day": pa.array(np.tile(known.working, count)),
        "holiday": pa.array(list(known.holiday) * count, pa.string()),
        "lunar_month": pa.array(np.tile(month, count)),
        "lunar_day": pa.array(np.tile(day, count)),
        "school_term": pa.array(term * count),
    }


def weather_columns(known: Almanac, places: dict[str, float], rng: np.random.Generator) -> dict[str, pa.Array]:
    """The rows of `weather`: every hour at every place; warmer in July, in the afternoon and further south.

    Args:
        known: The days.
        places: Latitude of each place, degrees.
        rng: Where chance comes from.
    """
    hours = (known.midnight[:, None] + np.arange(24) * 3_600_000_000).ravel()
    of_year = np.repeat([day.timetuple().tm_yday for day in known.days], 24)
    year = np.cos((of_year - 205) / 365.25 * 2 * np.pi)
    day = np.tile(np.cos((np.arange(24) - 14) / 24 * 2 * np.pi), len(known.days))
    count = len(places)
    latitude = np.repeat(list(places.values()), len(hours))
    drift = np.repeat(rng.normal(0, 2.5, len(known.days) * count), 24)
    warmth = 18 - (latitude - 28) * 0.6 + np.tile(year, count) * (4 + latitude * 0.22) + np.tile(day, count) * 3.5
    wet = np.repeat(rng.random(len(known.days) * count) < 0.3, 24) & (rng.random(len(latitude)) < 0.4)
    instants = pa.array(np.tile(hours, count)).cast(pa.timestamp("us", tz="UTC"))
    return {
        "place": pa.array(np.repeat(list(places), len(hours))),
        "hour": instants,
        "issued_at": instants,
        "temperature": pa.array(np.round(warmth + drift, 1)),
        "rain": pa.array(np.round(np.where(wet, rng.gamma(1.2, 1.5, len(latitude)), 0), 1)),
        "wind": pa.array(np.round(rng.gamma(3, 1.0, len(latitude)), 1)),
    }


def footfall_columns(days: Almanac) -> dict[str, pa.Array]:
    """Planted footfall by day and trade area: weekday, holiday, school, festival and season together."""
    return {
        "day": pa.array(np.tile(days.epoch, len(TRADE_AREAS))).view(pa.date32()),
        "trade_area": pa.array(np.repeat(TRADE_AREAS, len(days.days))),
        "footfall": pa.array(days.weight.ravel()),
    }
