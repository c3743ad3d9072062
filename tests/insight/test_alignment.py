from datetime import date

import pytest

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
    ],
)
def test_a_day_meets_its_weekday_or_its_lunar_day(day: date, country: str, last_year: date, by: str) -> None:
    found = aligned_last_year(day, country)
    assert (found.day, found.by) == (last_year, by)
