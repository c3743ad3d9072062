"""Numbers, money, shares and dates in the words of one language, the way a report writes them."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from babel import Locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_compact_decimal, format_currency, format_decimal, format_percent, get_currency_symbol

from shopkeeper.base.clock import zone
from shopkeeper.web.language import locale_of

__all__ = ["DASH", "Figures"]

DASH = "–"
_COMPACT_FROM = 100_000
_KIBI = 1024
_CENTS_BELOW = 1000


@dataclass(frozen=True, slots=True)
class Figures:
    """Writes values of one shop in one language.

    Args:
        language: `en` or `zh`.
        currency: The shop's currency, ISO 4217.
        time_zone: The shop's time zone; instants are shown in it.
    """

    language: str
    currency: str
    time_zone: str

    @property
    def locale(self) -> Locale:
        """The Babel locale of the language."""
        return locale_of(self.language)

    @property
    def symbol(self) -> str:
        """The currency's sign, as it stands before an amount."""
        return get_currency_symbol(self.currency, locale=self.locale)

    def number(self, value: float | Decimal | None, digits: int = 0) -> str:
        """A number with thousands separators and a fixed number of decimals."""
        if value is None:
            return DASH
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        return str(format_decimal(value, format=pattern, locale=self.locale))

    def short(self, value: float | Decimal | None) -> str:
        """A number for a headline: whole below 100,000, then with K or M (万 or 亿)."""
        if value is None:
            return DASH
        if -_COMPACT_FROM < value < _COMPACT_FROM:
            return self.number(value)
        return str(format_compact_decimal(value, locale=self.locale, fraction_digits=2))

    def money(self, value: float | Decimal | None, digits: int | None = None) -> str:
        """An amount in the shop's currency; cents only where they matter."""
        if value is None:
            return DASH
        places = digits if digits is not None else (2 if -_CENTS_BELOW < value < _CENTS_BELOW else 0)
        pattern = "¤#,##0" + ("." + "0" * places if places else "")
        return str(format_currency(value, self.currency, format=pattern, locale=self.locale, currency_digits=False))

    def short_money(self, value: float | Decimal | None) -> str:
        """An amount for a headline."""
        if value is None:
            return DASH
        if -_COMPACT_FROM < value < _COMPACT_FROM:
            return self.money(value)
        sign = "-" if value < 0 else ""
        return f"{sign}{self.symbol}{self.short(-value if value < 0 else value)}"

    def share(self, value: float | Decimal | None, digits: int = 1) -> str:
        """A share of 0 to 1 as per cent."""
        if value is None:
            return DASH
        return str(format_percent(value, format="0" + ("." + "0" * digits if digits else "") + "%", locale=self.locale))

    def change(self, value: float | Decimal | None, digits: int = 1) -> str:
        """A relative change with its sign."""
        if value is None:
            return DASH
        return ("+" if value > 0 else "") + self.share(value, digits)

    def day(self, value: date | None) -> str:
        """A day."""
        return DASH if value is None else str(format_date(value, "medium", locale=self.locale))

    def day_of(self, value: datetime | None) -> str:
        """The day of an instant, in the shop's time zone."""
        return self.day(None if value is None else value.astimezone(zone(self.time_zone)).date())

    def short_day(self, value: date | None) -> str:
        """A day without its year, for an axis."""
        if value is None:
            return DASH
        return str(format_date(value, "M月d日" if self.language == "zh" else "MMM d", locale=self.locale))

    def month(self, value: date | None) -> str:
        """A month with its year, for an axis."""
        if value is None:
            return DASH
        return str(format_date(value, "y年M月" if self.language == "zh" else "MMM y", locale=self.locale))

    def instant(self, value: datetime | None) -> str:
        """An instant, in the shop's time zone."""
        if value is None:
            return DASH
        pattern = "y年M月d日 HH:mm" if self.language == "zh" else "MMM d, y, HH:mm"
        return str(format_datetime(value, pattern, tzinfo=zone(self.time_zone), locale=self.locale))

    def hour(self, value: datetime, *, with_day: bool = False) -> str:
        """The hour that begins at an instant, for an axis, in the shop's time zone."""
        day = ("M月d日 " if self.language == "zh" else "MMM d, ") if with_day else ""
        return str(format_datetime(value, f"{day}HH:mm", tzinfo=zone(self.time_zone), locale=self.locale))

    def clock(self, value: datetime, today: datetime) -> str:
        """An instant to the second; its day only where that is another than today's, in the shop's time zone."""
        here = zone(self.time_zone)
        is_today = value.astimezone(here).date() == today.astimezone(here).date()
        pattern = "HH:mm:ss" if is_today else "M月d日 HH:mm" if self.language == "zh" else "MMM d, HH:mm"
        return str(format_datetime(value, pattern, tzinfo=here, locale=self.locale))

    def duration(self, seconds: float | None) -> str:
        """How long something took."""
        if seconds is None:
            return DASH
        if seconds < 0.1:  # noqa: PLR2004 - a tenth of a second
            return f"{self.number(seconds * 1000)}{'毫秒' if self.language == 'zh' else ' ms'}"
        if seconds < 60:  # noqa: PLR2004 - a minute
            unit = "秒" if self.language == "zh" else " s"
            return self.number(seconds, 1 if seconds < 10 else 0) + unit  # noqa: PLR2004 - one decimal below ten
        return str(format_timedelta(round(seconds), granularity="second", threshold=2, locale=self.locale))

    def bytes(self, value: int | None) -> str:
        """A size in memory or on disk."""
        if value is None:
            return DASH
        size, units = float(value), ["B", "KiB", "MiB", "GiB", "TiB"]
        while size >= _KIBI and len(units) > 1:
            size, units = size / _KIBI, units[1:]
        return f"{self.number(size, 0 if units[0] == 'B' else 1)} {units[0]}"
