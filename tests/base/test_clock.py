from datetime import UTC, date, datetime

import pytest

from shopkeeper.base.clock import business_day, end_of_day, zone
from shopkeeper.base.errors import UsageError


@pytest.mark.parametrize(
    ("hour", "cutover", "day"),
    [(15, 0, date(2026, 3, 2)), (17, 0, date(2026, 3, 3)), (17, 3, date(2026, 3, 2)), (19, 3, date(2026, 3, 3))],
)
def test_before_the_cutover_hour_it_is_still_the_day_before(hour: int, cutover: int, day: date) -> None:
    # 17:00 UTC on 2 March is 01:00 on 3 March in Shanghai.
    assert business_day(datetime(2026, 3, 2, hour, tzinfo=UTC), "Asia/Shanghai", cutover) == day


def test_a_day_ends_at_local_midnight_also_when_the_clocks_change() -> None:
    assert end_of_day(date(2026, 3, 2), "Asia/Shanghai") == datetime(2026, 3, 2, 16, tzinfo=UTC)
    assert end_of_day(date(2017, 11, 5), "America/New_York") == datetime(2017, 11, 6, 5, tzinfo=UTC)


def test_an_unknown_zone_is_refused_with_an_example() -> None:
    with pytest.raises(UsageError, match="Asia/Shanghai"):
        zone("Mars/Olympus")
