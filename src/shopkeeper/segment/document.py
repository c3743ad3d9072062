"""An audience as a JSON document: read with every fault of its shape at its path, written back the same.

{"all": [
  {"trait": "recency_days", "op": ">", "value": 60},
  {"did": "order_line", "where": [{"field": "category", "op": "=", "value": "MILK"}],
   "having": [{"measure": "orders", "op": ">=", "value": 3}], "window": {"last_days": 90}},
  {"not": {"segment": "new_without_second"}}]}
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from shopkeeper.base.errors import Fault
from shopkeeper.segment.catalogue import nearest
from shopkeeper.segment.field import ACTS
from shopkeeper.segment.line import MAX_DEPTH
from shopkeeper.segment.said import MISSING, Said, deeper, fault, none_of, wrong
from shopkeeper.segment.tree import (
    EVER,
    Act,
    All,
    Behaviour,
    Comparison,
    Consent,
    Filter,
    Leaf,
    Member,
    Near,
    Node,
    Not,
    Score,
    Sequel,
    Some,
    Threshold,
    TreeValue,
    Window,
)

__all__ = ["KEYS", "Draft", "from_document", "read", "to_document"]

Draft = Any
"""A JSON value that may or may not say an audience."""

KEYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "all": ((), ()),
    "any": ((), ()),
    "not": ((), ()),
    "trait": (("op",), ("value", "key")),
    "did": ((), ("where", "having", "window")),
    "first": (("then", "days"), ("absent",)),
    "score": (("op", "value"), ("measure", "subject")),
    "segment": ((), ()),
    "near": (("kilometres",), ()),
    "consent": (("channel",), ()),
}
"""The key that tells each sort of node, and the other keys it must and may have."""


def from_document(document: Draft) -> Node:
    """Reads an audience from a JSON document.

    Raises:
        FaultsError: The document has another shape; every fault is named with its path.
    """
    faults: list[Fault] = []
    tree = read(document, faults)
    if faults or tree is None:
        raise wrong(faults)
    return tree


def to_document(node: Node) -> dict[str, Any]:  # noqa: C901, PLR0911 - one return a sort of node
    """Writes a tree as a JSON document."""
    match node:
        case All(of):
            return {"all": [to_document(child) for child in of]}
        case Some(of):
            return {"any": [to_document(child) for child in of]}
        case Not(of=child):
            return {"not": to_document(child)}
        case Comparison(trait, op, value, key):
            return {"trait": trait, **({} if key is None else {"key": key}), **_operation(op, value)}
        case Behaviour(act, having):
            counts = [{"measure": one.measure, "op": one.op, "value": one.value} for one in having]
            return {**_act_document(act), "having": counts}
        case Sequel(first, then, days, absent):
            return {"first": _act_document(first), "then": _act_document(then), "days": days, "absent": absent}
        case Score(model, measure, op, value, subject):
            about = {} if subject is None else {"subject": subject}
            return {"score": model, "measure": measure, **_operation(op, value), **about}
        case Member(segment):
            return {"segment": segment}
        case Near(store, kilometres):
            return {"near": store, "kilometres": kilometres}
        case Consent(purpose, channel):
            return {"consent": purpose, "channel": channel}


def _operation(op: str, value: TreeValue) -> dict[str, Any]:
    if value is None:
        return {"op": op}
    return {"op": op, "value": list(value) if isinstance(value, tuple) else value}


def _act_document(act: Act) -> dict[str, Any]:
    found: dict[str, Any] = {"did": act.table}
    if act.where:
        found["where"] = [{"field": one.field, **_operation(one.op, one.value)} for one in act.where]
    window = {
        "last_days": act.window.last_days,
        "from": act.window.first and act.window.first.isoformat(),
        "to": act.window.last and act.window.last.isoformat(),
    }
    if act.window != EVER:
        found["window"] = {key: value for key, value in window.items() if value is not None}
    return found


def read(
    document: Draft,
    faults: list[Fault],
    check: Callable[[Leaf, str, list[Fault]], None] | None = None,
    path: str = "",
    depth: int = 1,
) -> Node | None:
    """Reads what can be read of a document.

    Args:
        document: The document, of any shape.
        faults: Gets every fault of shape, with its path.
        check: Holds each leaf that could be read against a catalogue, adding to the faults.
        path: Where the document stands.
        depth: How deep it stands.

    Returns:
        The tree, without the parts that could not be read; None when nothing could be.
    """
    if depth > MAX_DEPTH:
        faults.append(fault(path, deeper(MAX_DEPTH)))
        return None
    if not isinstance(document, dict):
        said = _is_not(document, Said("an object such as {'trait': …}", "形如 {'trait': …} 的对象"))
        faults.append(fault(path or "audience", said))
        return None
    sort = next((key for key in KEYS if key in document), None)
    if sort is None:
        seen, known = ", ".join(map(repr, document)), ", ".join(KEYS)
        hints = (nearest(str(key), KEYS) for key in document)
        hint = next((found for found in hints if found.english), Said("", ""))
        said = Said(
            f"has {seen or 'nothing'}, none of {known}", f"含有 {seen or '空内容'}，却没有 {known} 中的任何一个"
        )
        faults.append(fault(path or "audience", said.then(hint)))
        return None
    if sort in ("all", "any", "not"):
        return _read_join(sort, document, faults, check, path, depth)
    reader = _Reader(document, path, faults)
    reader.keys(sort, *KEYS[sort])
    before = len(faults)
    leaf = _READERS[sort](reader)
    if len(faults) > before:
        return None
    if check is not None:
        check(leaf, path, faults)
    return leaf


def _read_join(
    sort: str,
    document: dict[str, Any],
    faults: list[Fault],
    check: Callable[[Leaf, str, list[Fault]], None] | None,
    path: str,
    depth: int,
) -> Node | None:
    reader = _Reader(document, path, faults)
    reader.keys(sort, (), ())
    inside, here = document[sort], reader.at(sort)
    if sort == "not":
        child = read(inside, faults, check, here, depth + 1)
        return None if child is None else Not(child)
    if not isinstance(inside, list):
        faults.append(fault(here, _is_not(inside, Said("a list of conditions", "条件的列表"))))
        return None
    found = [read(child, faults, check, f"{here}[{place}]", depth + 1) for place, child in enumerate(inside)]
    whole = tuple(child for child in found if child is not None)
    return All(whole) if sort == "all" else Some(whole)


class _Reader:
    """Takes typed values out of one object; what does not fit becomes a fault and a stand-in."""

    def __init__(self, document: Mapping[str, Any], path: str, faults: list[Fault]) -> None:
        self.document = document
        self.path = path
        self.faults = faults

    def at(self, key: str) -> str:
        return f"{self.path}.{key}".lstrip(".")

    def fault(self, key: str, said: Said) -> None:
        self.faults.append(fault(self.at(key), said))

    def keys(self, sort: str, needed: tuple[str, ...], more: tuple[str, ...]) -> None:
        known = (sort, *needed, *more)
        for key in self.document:
            if key not in known:
                said = Said(f"is no key of '{sort}'", f"不是“{sort}”的键")
                self.fault(str(key), said.then(nearest(str(key), known)))
        for key in needed:
            if key not in self.document:
                self.fault(key, MISSING)

    def text(self, key: str, default: str = "") -> str:
        value = self.document.get(key, default)
        if not isinstance(value, str):
            self.fault(key, _is_not(value, Said("text", "文本")))
            return ""
        if value == "" and key in self.document:
            self.fault(key, Said("is empty", "为空"))
        return value

    def optional(self, key: str) -> str | None:
        return None if self.document.get(key) is None else self.text(key)

    def number(self, key: str) -> int | float:
        value = self.document.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(key, _is_not(value, Said("a number", "数字")))
            return 0
        return value

    def whole(self, key: str) -> int:
        value = self.number(key)
        if not isinstance(value, int):
            self.fault(key, Said(f"is {value}, not a whole number", f"是 {value}，不是整数"))
            return 0
        return value

    def truth(self, key: str) -> bool:
        value = self.document.get(key, False)
        if not isinstance(value, bool):
            self.fault(key, _is_not(value, Said("true or false", " true 或 false")))
        return value is True

    def day(self, key: str) -> date | None:
        value = self.document.get(key)
        if value is None:
            return None
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            shown = repr(str(value)[:40])
            self.fault(key, Said(f"is {shown}, not a day such as 2017-12-31", f"是 {shown}，不是日期，应如 2017-12-31"))
            return None

    def value(self) -> TreeValue:
        value = self.document.get("value")
        if isinstance(value, list):
            wrong = [place for place, item in enumerate(value) if not isinstance(item, str | int | float | bool)]
            for place in wrong:
                self.fault(f"value[{place}]", _is_not(value[place], Said("a plain value", "单个值")))
            return () if wrong else tuple(value)
        if value is not None and not isinstance(value, str | int | float | bool):
            self.fault("value", _is_not(value, Said("a value or a list of values", "值或值的列表")))
            return None
        return value

    def each(self, key: str) -> list["_Reader"]:
        """Readers of the objects in a list."""
        value = self.document.get(key, [])
        if not isinstance(value, list):
            self.fault(key, _is_not(value, Said("a list", "列表")))
            return []
        found = []
        for place, item in enumerate(value):
            if isinstance(item, dict):
                found.append(_Reader(item, self.at(f"{key}[{place}]"), self.faults))
            else:
                self.fault(f"{key}[{place}]", _is_not(item, Said("an object", "对象")))
        return found

    def inside(self, key: str) -> "_Reader":
        value = self.document.get(key, {})
        if not isinstance(value, dict):
            self.fault(key, _is_not(value, Said("an object", "对象")))
            value = {}
        return _Reader(value, self.at(key), self.faults)


_KINDS = {
    bool: Said("true or false", " true 或 false"),
    int: Said("a number", "数字"),
    float: Said("a number", "数字"),
    str: Said("text", "文本"),
    list: Said("a list", "列表"),
    dict: Said("an object", "对象"),
    type(None): Said("nothing", "空"),
}


def _is_not(value: Any, wanted: Said) -> Said:
    """A value of one kind where another is wanted."""
    name = type(value).__name__
    seen = _KINDS.get(type(value), Said(name, name))
    return Said(f"is {seen.english}, not {wanted.english}", f"是{seen.chinese}，不是{wanted.chinese}")


def _read_act(reader: _Reader) -> Act:
    table = reader.text("did")
    if table and table not in ACTS:
        reader.fault("did", none_of(table, ACTS, nearest(table, ACTS)))
    where = []
    for one in reader.each("where"):
        one.keys("field", ("field", "op", "value"), ())
        where.append(Filter(one.text("field"), one.text("op"), one.value()))
    window = EVER
    if reader.document.get("window") is not None:
        one = reader.inside("window")
        one.keys("window", (), ("last_days", "from", "to"))
        days = one.whole("last_days") if one.document.get("last_days") is not None else None
        window = Window(days, one.day("from"), one.day("to"))
    return Act(table, tuple(where), window)


def _read_behaviour(reader: _Reader) -> Behaviour:
    act = _read_act(reader)
    having = []
    for one in reader.each("having"):
        one.keys("measure", ("measure", "op", "value"), ())
        having.append(Threshold(one.text("measure"), one.text("op"), one.number("value")))
    if not having and act.table in ACTS:
        having.append(Threshold(next(iter(ACTS[act.table].measures)), ">=", 1))
    return Behaviour(act, tuple(having))


def _read_sequel(reader: _Reader) -> Sequel:
    acts = [reader.inside(key) for key in ("first", "then")]
    for act in acts:
        act.keys("did", ("did",), ("where", "window"))
    return Sequel(_read_act(acts[0]), _read_act(acts[1]), reader.whole("days"), reader.truth("absent"))


_READERS: Mapping[str, Callable[[_Reader], Leaf]] = {
    "trait": lambda reader: Comparison(reader.text("trait"), reader.text("op"), reader.value(), reader.optional("key")),
    "did": _read_behaviour,
    "first": _read_sequel,
    "score": lambda reader: Score(
        reader.text("score"),
        reader.text("measure", "value"),
        reader.text("op"),
        reader.value(),
        reader.optional("subject"),
    ),
    "segment": lambda reader: Member(reader.text("segment")),
    "near": lambda reader: Near(reader.text("near"), float(reader.number("kilometres"))),
    "consent": lambda reader: Consent(reader.text("consent"), reader.text("channel")),
}
