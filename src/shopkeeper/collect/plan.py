"""The tracking plan: which events and properties a shop expects, as text in its folder."""

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from shopkeeper.base.errors import Fault, FaultsError
from shopkeeper.collect.times import instant
from shopkeeper.schema.events import canonical
from shopkeeper.schema.happening import PropertyType

__all__ = ["ALLOW_ALL", "FILE_NAME", "Expected", "Plan", "PlanFault", "commented_plan", "read_plan"]

FILE_NAME = "tracking.toml"
_WORDS = ("allow", "warn", "refuse")
_TYPES = tuple(each.value for each in PropertyType)
_NUMBERS = (PropertyType.NUMBER, PropertyType.INTEGER)


@dataclass(frozen=True, slots=True)
class PlanFault:
    """What the plan has against an event.

    Args:
        reason: `unplanned_event`, `unplanned_property`, `missing_property` or `wrong_type`.
        path: Where.
        refuses: Whether the event is refused; else it is warned of.
        value: The value at fault.
    """

    reason: str
    path: str
    refuses: bool
    value: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Expected:
    """One event of the plan.

    Args:
        properties: The type of each property.
        required: Those that must be there.
        unknown: What is done with an event that has others.
        wrong: What is done with an event whose properties are of another type, or missing.
    """

    properties: Mapping[str, PropertyType]
    required: tuple[str, ...] = ()
    unknown: str = "allow"
    wrong: str = "refuse"

    def faults(self, properties: Mapping[str, Any]) -> Iterator[PlanFault]:
        """Gives what is wrong with the properties of an event."""
        if self.unknown != "allow":
            for name in properties:
                if name not in self.properties:
                    yield PlanFault("unplanned_property", f"properties.{name}", self.unknown == "refuse")
        if self.wrong == "allow":
            return
        for name, kind in self.properties.items():
            value = properties.get(name)
            if value is None:
                if name in self.required:
                    yield PlanFault("missing_property", f"properties.{name}", self.wrong == "refuse")
            elif not _is(kind, value):
                yield PlanFault("wrong_type", f"properties.{name}", self.wrong == "refuse", value)


@dataclass(frozen=True, slots=True)
class Plan:
    """A tracking plan.

    Args:
        events: What is expected of each event, by its canonical name.
        unknown: What is done with an event that is not among them.
    """

    events: Mapping[str, Expected]
    unknown: str = "allow"

    @property
    def allows_all(self) -> bool:
        """Whether it has nothing against any event."""
        return self.unknown == "allow" and not self.events

    def faults(self, name: str, properties: Mapping[str, Any]) -> list[PlanFault]:
        """Gives what the plan has against a track event, what refuses it first."""
        expected = self.events.get(name)
        if expected is None:
            return [] if self.unknown == "allow" else [PlanFault("unplanned_event", "event", self.unknown == "refuse")]
        return sorted(expected.faults(properties), key=lambda fault: not fault.refuses)

    @classmethod
    def from_toml(cls, text: str, place: str = FILE_NAME) -> "Plan":
        """Reads a plan.

        Raises:
            FaultsError: It is wrong; every fault is named with its path.
        """
        try:
            given = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _wrong([Fault("toml", str(error))], place) from error
        faults: list[Fault] = []
        faults += _strange(given, ("unknown_events", "events"), "")
        unknown = _word(given, "unknown_events", "allow", "", faults)
        events: dict[str, Expected] = {}
        section = given.get("events", {})
        if not isinstance(section, dict):
            faults.append(Fault("events", 'must be sections such as [events."Order Completed"]'))
            section = {}
        for name, told in section.items():
            known = canonical(name)
            proper = known.name if known else name
            if proper in events:
                faults.append(Fault(f"events.{name}", f"is '{proper}', which is there already"))
            events[proper] = _expected(told, f"events.{name}", faults)
        if faults:
            raise _wrong(faults, place)
        return cls(MappingProxyType(events), unknown)


ALLOW_ALL = Plan(MappingProxyType({}))
"""The plan of a shop that has none."""


def read_plan(text: str | None, place: str = FILE_NAME) -> Plan:
    """Reads the plan of a shop; one that has no file allows everything.

    Raises:
        FaultsError: It is wrong; every fault is named with its path.
    """
    return ALLOW_ALL if text is None else Plan.from_toml(text, place)


def _expected(told: Any, path: str, faults: list[Fault]) -> Expected:
    if not isinstance(told, dict):
        faults.append(Fault(path, "must be a section"))
        return Expected({})
    faults += _strange(told, ("unknown", "wrong", "properties", "required"), path)
    unknown = _word(told, "unknown", "allow", path, faults)
    wrong = _word(told, "wrong", "refuse", path, faults)
    properties: dict[str, PropertyType] = {}
    named = told.get("properties", {})
    if not isinstance(named, dict):
        faults.append(Fault(f"{path}.properties", 'must be a section of name = "type"'))
        named = {}
    for name, kind in named.items():
        if kind in _TYPES:
            properties[name] = PropertyType(kind)
        else:
            faults.append(Fault(f"{path}.properties.{name}", f"{kind!r} is none of {', '.join(_TYPES)}"))
    required = told.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        faults.append(Fault(f"{path}.required", "must be a list of names"))
        required = []
    for name in required:
        if name not in named:
            faults.append(Fault(f"{path}.required", f"'{name}' is not among the properties"))
    return Expected(MappingProxyType(properties), tuple(required), unknown, wrong)


def _word(section: Mapping[str, Any], key: str, default: str, path: str, faults: list[Fault]) -> str:
    word = section.get(key, default)
    if word in _WORDS:
        return str(word)
    faults.append(Fault(f"{path}.{key}".lstrip("."), f"{word!r} is none of {', '.join(_WORDS)}"))
    return default


def _strange(section: Mapping[str, Any], known: tuple[str, ...], path: str) -> list[Fault]:
    return [Fault(f"{path}.{key}".lstrip("."), f"is none of {', '.join(known)}") for key in section if key not in known]


def _wrong(faults: list[Fault], place: str) -> FaultsError:
    return FaultsError("the tracking plan", faults, chinese="埋点方案", place=place, next_step="mend it and try again")


def _is(kind: PropertyType, value: object) -> bool:
    if kind in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return kind is PropertyType.NUMBER or value == int(value)
    if kind is PropertyType.INSTANT:
        return instant(value) is not None
    return isinstance(value, _PYTHON[kind])


_PYTHON: Mapping[PropertyType, type] = {
    PropertyType.STRING: str,
    PropertyType.TEXT: str,
    PropertyType.BOOLEAN: bool,
    PropertyType.LIST: list,
    PropertyType.PRODUCTS: list,
    PropertyType.OBJECT: dict,
}


def commented_plan() -> str:
    """Gives the text of a plan that allows everything and says how to be stricter, all of it commented."""
    return f"""\
# The tracking plan: which events are expected, and what is done with those that are not.
# allow: taken. warn: taken, and shown on the page of the source. refuse: kept sealed, to be replayed after a fix.

# What is done with events that have no section below: {", ".join(_WORDS)}.
# unknown_events = "allow"

# A section for each event. Types: {", ".join(_TYPES)}.
# [events."Product Viewed"]
# unknown = "warn"      # other properties than these
# wrong = "refuse"      # properties of another type, or missing
# required = ["product_id"]
# [events."Product Viewed".properties]
# product_id = "string"
# price = "number"
"""
