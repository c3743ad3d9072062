"""What the values of choices are called, and how the value of a trait is written."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from babel.dates import get_day_names

from shopkeeper.schema.events import EVENTS
from shopkeeper.schema.trait import Trait
from shopkeeper.schema.traits import GROUPS, RFM_CLASSES, TRAITS
from shopkeeper.web.figures import DASH, Figures
from shopkeeper.web.language import N_, NN_, catalogue

__all__ = ["CHOICES", "Names", "ShownTrait", "choice_name"]

CHOICES: Mapping[str, str] = MappingProxyType(
    {
        "prospect": N_("Prospect"),
        "new": N_("New"),
        "active": N_("Active"),
        "sleeping": N_("Sleeping"),
        "lapsed": N_("Lapsed"),
        "rising": N_("Rising"),
        "steady": N_("Steady"),
        "falling": N_("Falling"),
        "low": N_("Low"),
        "middle": N_("Middle"),
        "high": N_("High"),
        "under_18": N_("under 18"),
        "18_24": "18–24",
        "25_34": "25–34",
        "35_44": "35–44",
        "45_54": "45–54",
        "55_64": "55–64",
        "65_plus": N_("65 and older"),
        "female": N_("Female"),
        "male": N_("Male"),
        "member": N_("Member"),
        "silver": N_("Silver"),
        "gold": N_("Gold"),
        "breakfast": N_("Breakfast"),
        "meal": N_("Meals"),
        "drink": N_("Drinks"),
        "snack": N_("Snacks"),
        "home": N_("Household"),
        "store": N_("Store"),
        "web": N_("Web shop"),
        "app": N_("App"),
        "mini_program": N_("Mini-program"),
        "marketplace": N_("Marketplace"),
        "sms": N_("Text message"),
        "email": N_("E-mail"),
        "sent": N_("Message sent"),
        "delivered": N_("Message delivered"),
        "opened": N_("Message opened"),
        "clicked": N_("Message clicked"),
        "redeemed": N_("Redeemed from a message"),
        "unsubscribed": N_("Unsubscribed"),
        "bounced": N_("Message bounced"),
        "held_out": N_("Held out, no message"),
        "review": N_("Review"),
        "ticket": N_("Service ticket"),
        "survey": N_("Survey answer"),
        "social": N_("Social comment"),
        "merchandise": N_("Goods"),
        "fresh": N_("Fresh food"),
        "tobacco": N_("Tobacco"),
        "service": N_("Services"),
        "top_up": N_("Top-ups"),
        "bag": N_("Bags"),
        "deposit": N_("Deposits"),
        "gift_card": N_("Gift cards"),
    }
)
"""What the values of traits and columns with a choice are called, marked for the catalogue."""

_UNITS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "days": NN_("day", "days"),
        "orders": NN_("order", "orders"),
        "units": NN_("unit", "units"),
        "lines": NN_("line", "lines"),
        "products": NN_("product", "products"),
        "categories": NN_("category", "categories"),
        "departments": NN_("department", "departments"),
        "brands": NN_("brand", "brands"),
        "stores": NN_("store", "stores"),
        "quintile": NN_("of 5", "of 5"),
        "points": NN_("of 5", "of 5"),
    }
)
_MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "degrees": N_("degrees"),
        "facings": N_("facings"),
        "hour": N_("hour of the day"),
        "month": N_("month of the year"),
        "people": N_("people"),
        "points": N_("points"),
        "quintile": N_("fifth"),
        "ratio": N_("ratio"),
        "rows": N_("rows"),
        "share": N_("share"),
        "standard deviations": N_("standard deviations"),
        "stars": N_("stars"),
        "tenth": N_("tenth"),
        "tickets": N_("tickets"),
        "day": N_("day of the month"),
        "year": N_("year"),
    }
)
"""What else the columns of tables count, besides the units of traits; signs such as °C speak for themselves."""

_MANY = 2
_MODELS: Mapping[str, str] = MappingProxyType({"response": N_("Response to a campaign")})
_CHECKS: Mapping[str, str] = MappingProxyType(
    {
        "unique_key": N_("No key twice"),
        "required": N_("Nothing required is empty"),
        "choices": N_("Values as declared"),
        "reference": N_("What is named is described: %(column)s"),
        "amounts": N_("Gross less discounts is net"),
        "discounts": N_("No discount below zero"),
        "fresh": N_("The last day is there"),
        "late_stores": N_("No store is late"),
        "daily_close": N_("Sales and tickets as closed"),
        "daily_close_missing": N_("No closed day without lines"),
        "lines_not_closed": N_("Every day sold is closed"),
    }
)
_EVENT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "track": N_("Event without a name"),
        "page": N_("Page viewed"),
        "screen": N_("Screen viewed"),
        "identify": N_("Said who they are"),
        "group": N_("Joined a group"),
        "alias": N_("Got another id"),
    }
)
"""What events without a name are called, by the Segment type."""
_WORDS_OF_SOURCES = ("gender", "tier", "acquisition_channel")
_WEEKDAY, _HOUR = "favourite_weekday", "favourite_hour"


@dataclass(frozen=True, slots=True)
class ShownTrait:
    """One trait as a page shows it: heading, sentence, value in words."""

    name: str
    label: str
    sentence: str
    text: str


def choice_name(value: str, language: str) -> str:
    """What a value of a choice is called."""
    if value in RFM_CLASSES:
        return RFM_CLASSES[value][1 if language == "zh" else 0]
    return catalogue(language).gettext(CHOICES[value]) if value in CHOICES else value


@dataclass(frozen=True, slots=True)
class Names:
    """Headings, sentences and values of the dictionary in the words of one language."""

    figures: Figures

    @property
    def _chinese(self) -> bool:
        return self.figures.language == "zh"

    def label(self, trait: str) -> str:
        """A trait's heading."""
        return TRAITS[trait].label_chinese if self._chinese else TRAITS[trait].label_english

    def sentence(self, trait: str) -> str:
        """A trait's sentence."""
        return TRAITS[trait].chinese if self._chinese else TRAITS[trait].english

    def group(self, name: str) -> str:
        """What a group of traits is called."""
        return GROUPS[name][1 if self._chinese else 0]

    def word(self, english: str) -> str:
        """A text of the catalogue in the language."""
        return catalogue(self.figures.language).gettext(english)

    def event(self, name: str | None, kind: str = "track") -> str:
        """What an event is called: a name of ours in the language, any other as it came, else its type."""
        known = EVENTS.get(name or "")
        if known is not None:
            return known.chinese.rstrip("。") if self._chinese else known.name
        said = _EVENT_TYPES.get(name or kind)
        return self.word(said) if said is not None else name or DASH

    def choice(self, value: str | None) -> str:
        """What a value of a choice is called."""
        return DASH if value is None else choice_name(value, self.figures.language)

    def choices(self, values: Iterable[str]) -> list[str]:
        """What several values of a choice are called."""
        return [self.choice(value) for value in values]

    def model(self, name: str) -> str:
        """What a model is called."""
        return self.word(_MODELS[name]) if name in _MODELS else name

    def check(self, name: str) -> str:
        """What a check of the data looks at."""
        kind, _, column = name.partition(":")
        return self.word(_CHECKS[kind]) % {"column": column} if kind in _CHECKS else name

    def unit(self, unit: str | None, count: int = _MANY) -> str:
        """What a unit is called for a count of it; the currency is its code."""
        if unit == "currency":
            return self.figures.currency
        pair = _UNITS.get(unit or "")
        return catalogue(self.figures.language).ngettext(*pair, count) if pair else ""

    def measure(self, unit: str | None) -> str:
        """What a column of a table counts, in words."""
        if unit is not None and unit in _MEASURES:
            return self.word(_MEASURES[unit])
        return self.unit(unit) or unit or ""

    def unit_of(self, trait: str) -> str:
        """What a trait counts."""
        return self.unit(TRAITS[trait].unit)

    def shown(self, name: str, value: Any) -> ShownTrait:
        """A trait and its value, ready for a page."""
        return ShownTrait(name, self.label(name), self.sentence(name), self.value(name, value))

    def plain(self, name: str, value: Any) -> str:
        """The value of a trait without its unit, for a column whose heading has it."""
        declared = TRAITS[name]
        if value is None or declared.unit not in _UNITS:
            return self.value(name, value)
        return self._digits(value)

    def value(self, name: str, value: Any) -> str:
        """The value of a trait in words."""
        if value is None:
            return DASH
        if name == _WEEKDAY:
            return str(get_day_names("wide", locale=self.figures.locale)[int(value) - 1])
        if name == _HOUR:
            return f"{int(value):02d}:00–{int(value):02d}:59"
        declared = TRAITS[name]
        for kinds, write in self._writers(declared):
            if isinstance(value, kinds):
                return write(value)
        return str(value)

    def meaning(self, english: str, trait: str | None = None) -> str:
        """A sentence of the dictionary in the language; a trait's column has the trait's sentence."""
        if trait is not None and trait in TRAITS and TRAITS[trait].english == english:
            return self.sentence(trait)
        return catalogue(self.figures.language, "dictionary").gettext(english)

    def cell(self, value: Any) -> str:
        """A value of a table as it stands, for a look at raw rows."""
        if value is None:
            return ""
        if isinstance(value, datetime):
            return self.figures.instant(value)
        if isinstance(value, Decimal):
            return format(value.normalize(), "f")
        if isinstance(value, list | dict):
            return (
                self._entries(value)
                if value and not isinstance(value[0] if isinstance(value, list) else "", str)
                else " · ".join(map(str, value))
            )
        return str(value)

    def _writers(self, declared: Trait) -> tuple[tuple[tuple[type, ...], Callable[[Any], str]], ...]:
        """How values of each Python type are written, the narrow types first."""
        return (
            ((bool,), str),
            (
                (str,),
                lambda value: self.choice(value) if declared.values or declared.name in _WORDS_OF_SOURCES else value,
            ),
            ((datetime,), self.figures.instant),
            ((date,), self.figures.day),
            ((int, float, Decimal), lambda value: self._number(declared, value)),
            ((list, dict), self._entries),
        )

    def _number(self, declared: Trait, value: float | Decimal) -> str:
        if declared.unit == "currency":
            return self.figures.money(value)
        if declared.unit == "share":
            return self.figures.share(value)
        if declared.unit == "year":
            return str(value)
        return f"{self._digits(value)} {self.unit(declared.unit, 1 if value == 1 else _MANY)}".rstrip()

    def _digits(self, value: float | Decimal) -> str:
        return self.figures.number(value, 0 if float(value).is_integer() else 2)

    def _entries(self, value: Any) -> str:
        pairs = value.items() if isinstance(value, dict) else value
        return " · ".join(f"{key}: {entry}" for key, entry in pairs)
