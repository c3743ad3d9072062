"""An audience as one line of text that `parse` reads back to the same tree."""

import json

from shopkeeper.segment.field import ACTS
from shopkeeper.segment.lexer import is_day
from shopkeeper.segment.tree import (
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
    Scalar,
    Score,
    Sequel,
    Some,
    Threshold,
    TreeValue,
    Window,
)

__all__ = ["phrase"]

_ENOUGH = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than", "=": "exactly"}


def phrase(tree: Node) -> str:
    """Gives the line of text that says a tree."""
    return _joined(tree) if isinstance(tree, All | Some) else _part(tree)


def _joined(node: All | Some) -> str:
    word = "and" if isinstance(node, All) else "or"
    if not node.of:
        return "everyone" if isinstance(node, All) else "nobody"
    if len(node.of) == 1:
        return f"{'all' if isinstance(node, All) else 'any'} ({phrase(node.of[0])})"
    return f" {word} ".join(map(_part, node.of))


def _part(node: Node) -> str:
    """A node as it stands among others: bracketed when it would be read otherwise."""
    if isinstance(node, All | Some):
        text = _joined(node)
        return f"({text})" if len(node.of) > 1 else text
    if isinstance(node, Not):
        return f"not {_part(node.of)}"
    return _leaf(node)


def _leaf(leaf: Leaf) -> str:  # noqa: PLR0911 - one return a sort of leaf
    match leaf:
        case Comparison(trait, op, value, key):
            return f"{trait}{'' if key is None else f'[{json.dumps(key, ensure_ascii=False)}]'} {_operation(op, value)}"
        case Behaviour(act, having):
            return _behaviour(act, having)
        case Sequel(first, then, days, absent):
            return f"{_act(first)} then {'not ' if absent else ''}{_act(then)} within {days} days"
        case Score(model, measure, op, value, subject):
            word = "decile" if measure == "decile" else "score"
            about = "" if subject is None else f" for {_text(subject)}"
            return f"{word} {_text(model)}{about} {_operation(op, value)}"
        case Member(segment):
            return f"in segment {_text(segment)}"
        case Near(store, kilometres):
            return f"within {kilometres!r} km of store {_text(store)}"
        case Consent(purpose, channel):
            return f"consents to {_text(purpose)} by {_text(channel)}"


def _behaviour(act: Act, having: tuple[Threshold, ...]) -> str:
    first = next(iter(ACTS[act.table].measures))
    if having == (Threshold(first, ">=", 1),):
        return _act(act)
    words = (_threshold(threshold, first) for threshold in having)
    return " ".join(part for part in (_done(act), *words, _window(act.window)) if part)


def _threshold(threshold: Threshold, first: str) -> str:
    how = f"{_ENOUGH[threshold.op]} {threshold.value!r}"
    if threshold.measure == "amount":
        return f"for {how}"
    return f"{how} {'times' if threshold.measure == first else threshold.measure}"


def _act(act: Act) -> str:
    return " ".join(part for part in (_done(act), _window(act.window)) if part)


def _done(act: Act) -> str:
    return " ".join((ACTS[act.table].word, *map(_filter, act.where)))


def _filter(one: Filter) -> str:
    return f"{one.field} {_value(one.value) if one.op == '=' else _operation(one.op, one.value)}"


def _window(window: Window) -> str:
    if window.last_days is not None:
        return f"in last {window.last_days} days"
    if window.first is not None and window.last is not None:
        return f"between {window.first.isoformat()} and {window.last.isoformat()}"
    if window.first is not None:
        return f"since {window.first.isoformat()}"
    return "" if window.last is None else f"until {window.last.isoformat()}"


def _operation(op: str, value: TreeValue) -> str:
    if op in ("known", "unknown"):
        return f"is {op}"
    if op == "between" and isinstance(value, tuple):
        return f"between {_value(value[0])} and {_value(value[1])}"
    return f"{op} {_value(value)}"


def _value(value: TreeValue) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_scalar, value))})"
    return "" if value is None else _scalar(value)


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if is_day(value) else _text(value)
    return repr(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
