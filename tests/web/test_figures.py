from datetime import UTC, date, datetime
from decimal import Decimal

from shopkeeper.web.figures import DASH, Figures

EN = Figures("en", "USD", "America/New_York")
ZH = Figures("zh", "CNY", "Asia/Shanghai")


def test_numbers_have_separators_and_a_fixed_number_of_decimals() -> None:
    assert EN.number(1469307) == "1,469,307"
    assert EN.number(11.876, 2) == "11.88"
    assert EN.number(None) == DASH


def test_headline_numbers_are_whole_until_a_hundred_thousand() -> None:
    assert [EN.short(value) for value in (2469, 99_999, 1_469_307)] == ["2,469", "99,999", "1.47M"]
    assert ZH.short(1_469_307) == "146.93万"


def test_money_shows_cents_only_where_they_matter() -> None:
    assert EN.money(Decimal("31.7")) == "$31.70"
    assert EN.money(4612.4) == "$4,612"
    assert EN.money(-12.5) == "-$12.50"
    assert ZH.money(31.7) == "¥31.70"
    assert EN.money(4612.4, 2) == "$4,612.40"
    assert EN.short_money(-371_850) == "-$371.85K"


def test_shares_and_changes() -> None:
    assert EN.share(0.1372) == "13.7%"
    assert [EN.change(value) for value in (0.05, -0.05, 0)] == ["+5.0%", "-5.0%", "0.0%"]


def test_days_and_instants_are_the_shops() -> None:
    midnight = datetime(2017, 12, 31, 16, 30, tzinfo=UTC)
    assert EN.day(date(2017, 12, 31)) == "Dec 31, 2017"
    assert ZH.day(date(2017, 12, 31)) == "2017年12月31日"
    assert EN.instant(midnight) == "Dec 31, 2017, 11:30"
    assert ZH.instant(midnight) == "2018年1月1日 00:30"
    assert EN.day_of(midnight) == "Dec 31, 2017"
    assert ZH.day_of(midnight) == "2018年1月1日"
    assert EN.day_of(None) == DASH


def test_durations_and_sizes() -> None:
    assert [EN.duration(seconds) for seconds in (0.42, 12.3, 125)] == ["0.4 s", "12 s", "2 minutes"]
    assert ZH.duration(12.3) == "12秒"
    assert [EN.bytes(size) for size in (812, 14_680_064)] == ["812 B", "14.0 MiB"]
