"""Holds an audience against the catalogue: every fault at once, each with its path."""

import math
from collections.abc import Mapping
from typing import Any

from shopkeeper.base.errors import Fault, FaultsError
from shopkeeper.schema.table import Type
from shopkeeper.segment.catalogue import FAVOURITE_STORE, OPERATORS, Catalogue, nearest
from shopkeeper.segment.document import read
from shopkeeper.segment.field import ACTS, Field, FieldType
from shopkeeper.segment.lexer import is_day
from shopkeeper.segment.line import MAX_DEPTH, parse
from shopkeeper.segment.tree import (
    COMPARISONS,
    EVER,
    Act,
    Behaviour,
    Comparison,
    Consent,
    Leaf,
    Member,
    Near,
    Node,
    Score,
    Sequel,
    TreeValue,
    Window,
    children,
)

__all__ = ["MAX_DAYS", "MAX_RULES", "MAX_VALUES", "audience", "check", "checked", "judge"]

MAX_RULES = 100
"""Leaves a tree may have."""
MAX_VALUES = 1000
"""Values a list may have."""
MAX_DAYS = 36_500
"""Days a window may have."""
_MAX_CHARACTERS = 500
_HALF_EARTH = 20_100
_MAX_MONEY = 10**13
_MAX_WHOLE = 2**63 - 1
_PLACES = 4

_FIELD_OPERATORS: Mapping[FieldType, tuple[str, ...]] = {
    FieldType.TEXT: ("=", "!=", "in", "not in"),
    FieldType.WHOLE: (*COMPARISONS, "between", "in", "not in"),
    FieldType.NUMBER: (*COMPARISONS, "between", "in", "not in"),
    FieldType.BOOLEAN: ("=", "!="),
}
_FIELD_TYPES = {
    FieldType.TEXT: Type.STRING,
    FieldType.WHOLE: Type.INTEGER,
    FieldType.NUMBER: Type.NUMBER,
    FieldType.BOOLEAN: Type.BOOLEAN,
}


def audience(source: str | Mapping[str, Any], catalogue: Catalogue | None = None, name: str | None = None) -> Node:
    """Reads an audience from a line of text or a JSON document and checks it.

    Args:
        source: The line or the document.
        catalogue: What it may name; the declared traits and any segment when none is given.
        name: The name under which it will be kept, so that it cannot refer to itself.

    Raises:
        FaultsError: It is wrong; every fault is named with its path (of a line that cannot be read, the column).
    """
    known = catalogue or Catalogue()
    if isinstance(source, str):
        return checked(parse(source), known, name)
    tree, faults = judge(source, known, name)
    if faults or tree is None:
        raise _wrong(faults)
    return tree


def checked(tree: Node, catalogue: Catalogue, name: str | None = None) -> Node:
    """Gives a tree back when it is right.

    Raises:
        FaultsError: It is wrong; every fault is named with its path.
    """
    faults = check(tree, catalogue, name)
    if faults:
        raise _wrong(faults)
    return tree


def check(tree: Node, catalogue: Catalogue, name: str | None = None) -> tuple[Fault, ...]:
    """Gives every fault of a tree, each with its path such as `all[1].any[0].value`."""
    faults: list[Fault] = []
    _descend(tree, "", 1, catalogue, faults)
    return tuple(faults + _whole(tree, catalogue, name))


def judge(document: object, catalogue: Catalogue, name: str | None = None) -> tuple[Node | None, tuple[Fault, ...]]:
    """Reads what can be read of a JSON document, for a builder whose form is not finished.

    Returns:
        The tree without the parts that could not be read (None when nothing could), and every fault with its path.
    """
    faults: list[Fault] = []
    tree = read(document, faults, lambda leaf, path, found: _leaf(leaf, path, catalogue, found))
    if tree is not None:
        faults += _whole(tree, catalogue, name)
    return tree, tuple(faults)


def _wrong(faults: tuple[Fault, ...]) -> FaultsError:
    return FaultsError("the audience", faults, next_step="see docs/audiences.md for the language")


def _descend(node: Node, path: str, depth: int, catalogue: Catalogue, faults: list[Fault]) -> None:
    if depth > MAX_DEPTH:
        faults.append(Fault(path, f"is nested deeper than {MAX_DEPTH} levels"))
        return
    if isinstance(node, Leaf):
        _leaf(node, path, catalogue, faults)
    for below, child in children(node, path):
        _descend(child, below, depth + 1, catalogue, faults)


def _whole(tree: Node, catalogue: Catalogue, name: str | None) -> list[Fault]:
    """Faults that no single leaf has."""
    faults = []
    rules = _rules(tree)
    if rules > MAX_RULES:
        faults.append(Fault("audience", f"has {rules} conditions, more than {MAX_RULES}"))
    circle = catalogue.circle(tree, name)
    if circle is not None:
        faults.append(Fault("audience", f"refers to itself: {' → '.join(circle)}"))
    return faults


def _rules(node: Node) -> int:
    return 1 if isinstance(node, Leaf) else sum(_rules(child) for _, child in children(node))


def _leaf(leaf: Leaf, path: str, catalogue: Catalogue, faults: list[Fault]) -> None:
    checker = _Checker(path, catalogue, faults)
    match leaf:
        case Comparison():
            checker.comparison(leaf)
        case Behaviour():
            checker.behaviour(leaf)
        case Sequel():
            checker.sequel(leaf)
        case Score():
            checker.score(leaf)
        case Member():
            checker.member(leaf)
        case Near():
            checker.near(leaf)
        case Consent():
            checker.text("consent", leaf.purpose)
            checker.text("channel", leaf.channel)


class _Checker:
    """Holds one leaf at one path against the catalogue."""

    def __init__(self, path: str, catalogue: Catalogue, faults: list[Fault]) -> None:
        self.path = path
        self.catalogue = catalogue
        self.faults = faults

    def fault(self, key: str, message: str) -> None:
        self.faults.append(Fault(f"{self.path}.{key}".lstrip("."), message))

    def comparison(self, leaf: Comparison) -> None:
        trait = self.catalogue.traits.get(leaf.trait)
        if trait is None:
            self.fault("trait", f"there is no trait '{leaf.trait[:60]}'{nearest(leaf.trait, self.catalogue.traits)}")
            return
        kind = trait.type
        if leaf.key is not None:
            self.text("key", leaf.key)
            if kind is not Type.MAP:
                self.fault("key", f"'{trait.name}' has no entries")
        elif kind is Type.MAP and leaf.op in ("=", "!=", "in", "not in"):
            self.fault("key", f"is missing: which entry of '{trait.name}'")
        if kind is Type.MAP:
            kind = Type.STRING
        if leaf.op not in OPERATORS[trait.type]:
            self.operator(leaf.op, OPERATORS[trait.type], trait.name)
            return
        if leaf.op in ("known", "unknown"):
            if leaf.value is not None:
                self.fault("value", f"'is {leaf.op}' takes no value")
            return
        self.values("", leaf.op, leaf.value, Type.STRING if kind is Type.STRINGS else kind, trait.values)

    def behaviour(self, leaf: Behaviour) -> None:
        if not self.act("", leaf.act):
            return
        measures = ACTS[leaf.act.table].measures
        for place, threshold in enumerate(leaf.having):
            at = f"having[{place}]"
            if threshold.measure not in measures:
                hint = nearest(threshold.measure, measures)
                self.fault(f"{at}.measure", f"'{threshold.measure[:60]}' is none of {', '.join(measures)}{hint}")
                continue
            if threshold.op not in (">=", "<=", "=", ">", "<"):
                self.operator(threshold.op, (">=", "<=", "=", ">", "<"), threshold.measure, f"{at}.")
            measure = measures[threshold.measure]
            self.value(f"{at}.value", threshold.value, Type.INTEGER if measure.whole else Type.MONEY, ())
            if measure.whole and threshold.value < 0:
                self.fault(f"{at}.value", f"{threshold.value} is less than nothing")
        if not leaf.having:
            self.fault("having", "counts nothing")

    def sequel(self, leaf: Sequel) -> None:
        for key, act in (("first.", leaf.first), ("then.", leaf.then)):
            if self.act(key, act) and act.table == "redemption":
                self.fault(f"{key}did", "redemptions have a day, not an instant; use order_line or event")
        if leaf.then.window != EVER:
            self.fault("then.window", "is not used: 'days' says how long after")
        if not 1 <= leaf.days <= MAX_DAYS:
            self.fault("days", f"is {leaf.days}, not 1 to {MAX_DAYS}")

    def act(self, key: str, act: Act) -> bool:
        if act.table not in ACTS:
            self.fault(f"{key}did", f"'{act.table[:60]}' is none of {', '.join(ACTS)}{nearest(act.table, ACTS)}")
            return False
        fields = ACTS[act.table].fields
        for place, condition in enumerate(act.where):
            at = f"{key}where[{place}]."
            found = fields.get(condition.field)
            if found is None:
                hint = nearest(condition.field, fields)
                self.fault(f"{at}field", f"'{condition.field[:60]}' is none of {', '.join(fields)}{hint}")
            else:
                self.filter(at, found, condition.op, condition.value)
        self.window(f"{key}window", act.window)
        return True

    def filter(self, at: str, found: Field, op: str, value: TreeValue) -> None:
        operators = _FIELD_OPERATORS[found.type]
        if op not in operators:
            self.operator(op, operators, found.name, at)
            return
        self.values(at, op, value, _FIELD_TYPES[found.type], found.values)

    def window(self, key: str, window: Window) -> None:
        if window.last_days is not None:
            if not 1 <= window.last_days <= MAX_DAYS:
                self.fault(f"{key}.last_days", f"is {window.last_days}, not 1 to {MAX_DAYS}")
            if window.first is not None or window.last is not None:
                self.fault(key, "has both last_days and from or to")
        if window.first is not None and window.last is not None and window.first > window.last:
            self.fault(key, f"begins on {window.first}, after it ends on {window.last}")

    def score(self, leaf: Score) -> None:
        self.text("score", leaf.model)
        if leaf.subject is not None:
            self.text("subject", leaf.subject)
        if leaf.measure not in ("value", "decile"):
            self.fault("measure", f"'{leaf.measure[:60]}' is none of value, decile")
            return
        operators = (*COMPARISONS, "between", "in", "not in")
        if leaf.op not in operators:
            self.operator(leaf.op, operators, leaf.measure)
            return
        self.values("", leaf.op, leaf.value, Type.INTEGER if leaf.measure == "decile" else Type.NUMBER, ())

    def member(self, leaf: Member) -> None:
        self.text("segment", leaf.segment)
        known = self.catalogue.segments
        if known is not None and leaf.segment not in known:
            self.fault("segment", f"there is no segment '{leaf.segment[:60]}'{nearest(leaf.segment, known)}")

    def near(self, leaf: Near) -> None:
        self.text("near", leaf.store)
        if not (math.isfinite(leaf.kilometres) and 0 < leaf.kilometres <= _HALF_EARTH):
            self.fault("kilometres", f"is {leaf.kilometres}, not more than 0 and at most {_HALF_EARTH}")
        if FAVOURITE_STORE not in self.catalogue.traits:
            self.fault("near", f"needs the trait '{FAVOURITE_STORE}', which the catalogue does not have")

    def operator(self, op: str, known: tuple[str, ...], of: str, at: str = "") -> None:
        self.fault(f"{at}op", f"'{op[:20]}' does not compare '{of}': use {', '.join(known)}")

    def text(self, key: str, text: str) -> None:
        if not text:
            self.fault(key, "is empty")
        elif message := _text_fault(text):
            self.fault(key, message)

    def values(self, at: str, op: str, value: TreeValue, kind: Type, choice: tuple[str, ...]) -> None:
        """Holds the value or values of an operator against a type."""
        if op not in ("between", "in", "not in"):
            self.value(f"{at}value", value, kind, choice if op != "contains" else ())
            return
        if not isinstance(value, tuple):
            self.fault(f"{at}value", f"'{op}' takes a list of values")
            return
        if op == "between" and len(value) != 2:  # noqa: PLR2004 - a low and a high end
            self.fault(f"{at}value", f"'between' takes two values, not {len(value)}")
        elif not 1 <= len(value) <= MAX_VALUES:
            self.fault(f"{at}value", f"has {len(value)} values, not 1 to {MAX_VALUES}")
        for place, item in enumerate(value[:MAX_VALUES]):
            self.value(f"{at}value[{place}]", item, kind, choice)

    def value(self, at: str, value: TreeValue, kind: Type, choice: tuple[str, ...]) -> None:
        message = "is missing" if value is None else _value_fault(value, kind)
        if message is None and choice and value not in choice:
            message = f"'{str(value)[:60]}' is none of {', '.join(choice)}{nearest(str(value), choice)}"
        if message is not None:
            self.fault(at, message)


def _value_fault(value: object, kind: Type) -> str | None:
    """What is wrong with a value of a type, if anything."""
    shown = f"{str(value)[:40]!r}" if isinstance(value, str) else f"{value}"
    if kind is Type.STRING:
        return _text_fault(value) if isinstance(value, str) else f"{shown} is not text; put it in quotes"
    if kind in (Type.DATE, Type.INSTANT):
        return None if isinstance(value, str) and is_day(value) else f"{shown} is not a day such as 2017-12-31"
    if kind is Type.BOOLEAN:
        return None if isinstance(value, bool) else f"{shown} is not true or false"
    return _number_fault(value, kind, shown)


def _number_fault(value: object, kind: Type, shown: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{shown} is not a number"
    if not -_MAX_WHOLE <= value <= _MAX_WHOLE:
        return f"{shown[:40]} is no number that can be compared"
    if kind is Type.INTEGER and not isinstance(value, int):
        return f"{shown} is not a whole number"
    if kind is Type.MONEY and (abs(value) > _MAX_MONEY or round(value, _PLACES) != value):
        return f"{shown} is no amount of at most {_PLACES} decimal places"
    return None


def _text_fault(text: str) -> str | None:
    if len(text) > _MAX_CHARACTERS:
        return f"has {len(text)} characters, more than {_MAX_CHARACTERS}"
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        return "holds a character that no text has"
    return None
