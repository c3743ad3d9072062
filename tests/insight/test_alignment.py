from datetime import date

import pytest
from borax.calendars.lunardate import LunarDate
from hypothesis import given
from hypothesis import strategies as st

from shopkeeper.insight.alignment import aligned_last_year


@pytest.mark.parametrize(
    ("day", "country", "last_year", "by"),
    [
        (date(2026, 11, 18), "CN", date(2025, 11, 19), "weekday"),
        (date(2026, 2, 17), "CN", date(2025, 1, 29), "lunar"),  # first day of the Spring Festival of both years
        (date(2026, 2, 16), "CN", date(2025, 1, 28), "lunar"),  # its eve
        (date(2026, 6, 19), "CN", date(2025, 5, 31), "lunar"),  # Dragon Boat
        (date(2026, 9, 25), "CN", date(2025, 10, 6), "lunar"),  # Mid-Autumn
        (date(2026, 2, 17), "US", date(2025, 2, 18), "weekday"),
        (date(2025, 1, 28), "CN", date(2024, 2, 9), "lunar"),  # the eves: the 29th, and the 30th of the month
        (date(2024, 2, 9), "CN", date(2023, 1, 21), "lunar"),
        (date(2026, 1, 28), "CN", date(2025, 1, 8), "weekday"),  # 52 weeks before was the first day of the festival
        (date(2026, 5, 30), "CN", date(2025, 5, 24), "weekday"),  # 52 weeks before was Dragon Boat
    ],
)
def test_a_day_meets_its_weekday_or_its_lunar_day(day: date, country: str, last_year: date, by: str) -> None:
    found = aligned_last_year(day, country)
    assert (found.day, found.by) == (last_year, by)


@given(st.dates(date(2015, 1, 1), date(2035, 12, 31)))
def test_no_day_is_held_against_a_holiday_it_does_not_keep(day: date) -> None:
    found = aligned_last_year(day, "CN")
    assert 300 < (day - found.day).days < 430
    if found.by == "weekday":
        assert found.day.weekday() == day.weekday()
        lunar = LunarDate.from_solar(found.day)
        assert (lunar.month, lunar.day) not in {(1, 1), (5, 5), (8, 15)} or lunar.leap
