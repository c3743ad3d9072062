"""Holds an audience against the catalogue: every fault at once, each with its path."""

import math
from collections.abc import Mapping
from typing import Any

from shopkeeper.base.errors import Fault
from shopkeeper.schema.table import Type
from shopkeeper.segment.catalogue import FAVOURITE_STORE, OPERATORS, Catalogue, nearest
from shopkeeper.segment.document import read
from shopkeeper.segment.field import ACTS, Field, FieldType
from shopkeeper.segment.line import MAX_DEPTH, parse
from shopkeeper.segment.said import MISSING, Said, deeper, fault, none_of, wrong
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
from shopkeeper.segment.value import text_said, value_said

__all__ = ["MAX_DAYS", "MAX_RULES", "MAX_VALUES", "audience", "check", "checked", "judge"]

MAX_RULES = 100
"""Leaves a tree may have."""
MAX_VALUES = 1000
"""Values a list may have."""
MAX_DAYS = 36_500
"""Days a window may have."""
_HALF_EARTH = 20_100

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
        raise wrong(faults)
    return tree


def checked(tree: Node, catalogue: Catalogue, name: str | None = None) -> Node:
    """Gives a tree back when it is right.

    Raises:
        FaultsError: It is wrong; every fault is named with its path.
    """
    faults = check(tree, catalogue, name)
    if faults:
        raise wrong(faults)
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


def _descend(node: Node, path: str, depth: int, catalogue: Catalogue, faults: list[Fault]) -> None:
    if depth > MAX_DEPTH:
        faults.append(fault(path, deeper(MAX_DEPTH)))
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
        said = Said(f"has {rules} conditions, more than {MAX_RULES}", f"有 {rules} 个条件，超过 {MAX_RULES} 个")
        faults.append(fault("audience", said))
    circle = catalogue.circle(tree, name)
    if circle is not None:
        way = " → ".join(circle)
        faults.append(fault("audience", Said(f"refers to itself: {way}", f"引用了自身：{way}")))
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

    def fault(self, key: str, said: Said) -> None:
        self.faults.append(fault(f"{self.path}.{key}".lstrip("."), said))

    def comparison(self, leaf: Comparison) -> None:
        trait = self.catalogue.traits.get(leaf.trait)
        if trait is None:
            said = Said(f"there is no trait '{leaf.trait[:60]}'", f"没有会员特征“{leaf.trait[:60]}”")
            self.fault("trait", said.then(nearest(leaf.trait, self.catalogue.traits)))
            return
        kind = trait.type
        if leaf.key is not None:
            self.text("key", leaf.key)
            if kind is not Type.MAP:
                self.fault("key", Said(f"'{trait.name}' has no entries", f"“{trait.name}”没有条目"))
        elif kind is Type.MAP and leaf.op in ("=", "!=", "in", "not in"):
            self.fault("key", Said(f"is missing: which entry of '{trait.name}'", f"缺少：“{trait.name}”的哪个条目"))
        if kind is Type.MAP:
            kind = Type.STRING
        if leaf.op not in OPERATORS[trait.type]:
            self.operator(leaf.op, OPERATORS[trait.type], trait.name)
            return
        if leaf.op in ("known", "unknown"):
            if leaf.value is not None:
                self.fault("value", Said(f"'is {leaf.op}' takes no value", f"“is {leaf.op}”不带值"))
            return
        self.values("", leaf.op, leaf.value, Type.STRING if kind is Type.STRINGS else kind, trait.values)

    def behaviour(self, leaf: Behaviour) -> None:
        if not self.act("", leaf.act):
            return
        measures = ACTS[leaf.act.table].measures
        for place, threshold in enumerate(leaf.having):
            at = f"having[{place}]"
            if threshold.measure not in measures:
                self.fault(f"{at}.measure", none_of(threshold.measure, measures, nearest(threshold.measure, measures)))
                continue
            if threshold.op not in (">=", "<=", "=", ">", "<"):
                self.operator(threshold.op, (">=", "<=", "=", ">", "<"), threshold.measure, f"{at}.")
            measure = measures[threshold.measure]
            self.value(f"{at}.value", threshold.value, Type.INTEGER if measure.whole else Type.MONEY, ())
            if measure.whole and threshold.value < 0:
                self.fault(f"{at}.value", Said(f"{threshold.value} is less than nothing", f"{threshold.value} 小于零"))
        if not leaf.having:
            self.fault("having", Said("counts nothing", "没有计数"))

    def sequel(self, leaf: Sequel) -> None:
        for key, act in (("first.", leaf.first), ("then.", leaf.then)):
            if self.act(key, act) and act.table == "redemption":
                said = Said(
                    "redemptions have a day, not an instant; use order_line or event",
                    "核销只有日期，没有时刻；请用 order_line 或 event",
                )
                self.fault(f"{key}did", said)
        if leaf.then.window != EVER:
            said = Said("is not used: 'days' says how long after", "此处不用：间隔由 days 决定")
            self.fault("then.window", said)
        if not 1 <= leaf.days <= MAX_DAYS:
            self.fault("days", _outside(leaf.days, f"1 to {MAX_DAYS}", f" 1 至 {MAX_DAYS}"))

    def act(self, key: str, act: Act) -> bool:
        if act.table not in ACTS:
            self.fault(f"{key}did", none_of(act.table, ACTS, nearest(act.table, ACTS)))
            return False
        fields = ACTS[act.table].fields
        for place, condition in enumerate(act.where):
            at = f"{key}where[{place}]."
            found = fields.get(condition.field)
            if found is None:
                self.fault(f"{at}field", none_of(condition.field, fields, nearest(condition.field, fields)))
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
                said = _outside(window.last_days, f"1 to {MAX_DAYS}", f" 1 至 {MAX_DAYS}")
                self.fault(f"{key}.last_days", said)
            if window.first is not None or window.last is not None:
                self.fault(key, Said("has both last_days and from or to", "last_days 与 from、to 不能并用"))
        if window.first is not None and window.last is not None and window.first > window.last:
            said = Said(
                f"begins on {window.first}, after it ends on {window.last}",
                f"始于 {window.first}，晚于结束日 {window.last}",
            )
            self.fault(key, said)

    def score(self, leaf: Score) -> None:
        self.text("score", leaf.model)
        if leaf.subject is not None:
            self.text("subject", leaf.subject)
        if leaf.measure not in ("value", "decile"):
            self.fault("measure", none_of(leaf.measure, ("value", "decile"), Said("", "")))
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
            said = Said(f"there is no segment '{leaf.segment[:60]}'", f"没有人群“{leaf.segment[:60]}”")
            self.fault("segment", said.then(nearest(leaf.segment, known)))

    def near(self, leaf: Near) -> None:
        self.text("near", leaf.store)
        if not (math.isfinite(leaf.kilometres) and 0 < leaf.kilometres <= _HALF_EARTH):
            said = _outside(
                leaf.kilometres, f"more than 0 and at most {_HALF_EARTH}", f"大于 0 且不超过 {_HALF_EARTH} 的数"
            )
            self.fault("kilometres", said)
        if FAVOURITE_STORE not in self.catalogue.traits:
            said = Said(
                f"needs the trait '{FAVOURITE_STORE}', which the catalogue does not have",
                f"需要目录中没有的会员特征“{FAVOURITE_STORE}”",
            )
            self.fault("near", said)

    def operator(self, op: str, known: tuple[str, ...], of: str, at: str = "") -> None:
        every = ", ".join(known)
        said = Said(
            f"'{op[:20]}' does not compare '{of}': use {every}", f"“{op[:20]}”不能用于比较“{of}”，可用：{every}"
        )
        self.fault(f"{at}op", said)

    def text(self, key: str, text: str) -> None:
        if not text:
            self.fault(key, Said("is empty", "为空"))
        elif said := text_said(text):
            self.fault(key, said)

    def values(self, at: str, op: str, value: TreeValue, kind: Type, choice: tuple[str, ...]) -> None:
        """Holds the value or values of an operator against a type."""
        if op not in ("between", "in", "not in"):
            self.value(f"{at}value", value, kind, choice if op != "contains" else ())
            return
        if not isinstance(value, tuple):
            self.fault(f"{at}value", Said(f"'{op}' takes a list of values", f"“{op}”需要值的列表"))
            return
        if op == "between" and len(value) != 2:  # noqa: PLR2004 - a low and a high end
            said = Said(f"'between' takes two values, not {len(value)}", f"“between”需要两个值，而不是 {len(value)} 个")
            self.fault(f"{at}value", said)
        elif not 1 <= len(value) <= MAX_VALUES:
            said = Said(
                f"has {len(value)} values, not 1 to {MAX_VALUES}", f"有 {len(value)} 个值，应为 1 至 {MAX_VALUES} 个"
            )
            self.fault(f"{at}value", said)
        for place, item in enumerate(value[:MAX_VALUES]):
            self.value(f"{at}value[{place}]", item, kind, choice)

    def value(self, at: str, value: TreeValue, kind: Type, choice: tuple[str, ...]) -> None:
        said = MISSING if value is None else value_said(value, kind)
        if said is None and choice and value not in choice:
            said = none_of(str(value), choice, nearest(str(value), choice))
        if said is not None:
            self.fault(at, said)


def _outside(value: float, english: str, chinese: str) -> Said:
    """A number that lies outside of what it may be."""
    return Said(f"is {value}, not {english}", f"是 {value}，应为{chinese}")
