"""What of an audience can run live, how many days of history it needs, and what it must hear of."""

from collections.abc import Iterator
from datetime import date

from shopkeeper.base.errors import Fault
from shopkeeper.schema.trait import Liveness
from shopkeeper.segment.catalogue import Catalogue, inlined
from shopkeeper.segment.compile import HOME
from shopkeeper.segment.said import Said, fault
from shopkeeper.segment.tree import (
    Act,
    Behaviour,
    Comparison,
    Consent,
    Filter,
    Leaf,
    Member,
    Near,
    Node,
    Score,
    Sequel,
    walk,
)

__all__ = ["EVERYTHING", "MOST_DAYS", "cannot_run_live", "event_names", "history_days", "looks_back", "reads"]

MOST_DAYS = 400
"""Days of history that live state keeps of a person at most."""

EVERYTHING = "*"
"""The word of what may change anything about somebody: they became another person, or part of one."""


def cannot_run_live(tree: Node, day: date, catalogue: Catalogue | None = None) -> tuple[Fault, ...]:
    """Gives what stands against running an audience live, each with the path of its node; nothing when it can.

    Args:
        tree: A checked tree.
        day: The present shop-local day: a window that begins on a fixed day grows with time.
        catalogue: The traits, and segments that mean their rule.
    """
    known = catalogue or Catalogue()
    faults = []
    for path, node in walk(inlined(tree, known.by_rule)):
        if isinstance(node, Comparison):
            table = known.traits[node.trait].table
            if table != HOME:
                said = Said(
                    f"'{node.trait}' is a trait of '{table}', which live evaluation does not hold",
                    f"“{node.trait}”是表“{table}”的特征，实时计算没有该表",
                )
                faults.append(fault(_below(path, "trait"), said))
        for key, act in _acts(node):
            said_of = _too_long(act, day)
            if said_of is not None:
                faults.append(fault(_below(path, f"{key}window"), said_of))
    return tuple(dict.fromkeys(faults))


def history_days(tree: Node, day: date, catalogue: Catalogue | None = None) -> int:
    """How many days of lines, events and redemptions an audience needs, today included; 1 when none."""
    known = catalogue or Catalogue()
    found = (looks_back(node, day, known) for _, node in walk(inlined(tree, known.by_rule)))
    return max([1, *(days for each in found for _, days, _ in each)])


def looks_back(node: Node, day: date, catalogue: Catalogue) -> list[tuple[str, int, Act | None]]:
    """The tables whose rows a node looks at, with the days it looks back, today included, and the act if it is one.

    Args:
        node: A node; those below it are not looked at.
        day: The present shop-local day.
        catalogue: The traits.
    """
    if isinstance(node, Comparison):
        days = catalogue.traits[node.trait].live_days
        return [("order_line", days, None)] if days else []
    found = ((act, _days(act, day)) for _, act in _acts(node))
    return [(act.table, days, act) for act, days in found if days is not None]


def reads(tree: Node, catalogue: Catalogue | None = None) -> frozenset[str]:
    """What can change a person's answer, as words: an audience hears only of what it reads.

    Returns:
        `order_line`, `redemption`, `event` (any) or `event:NAME` for each name, `profile`, `score`, `consent` and
        `segment:NAME`.
    """
    known = catalogue or Catalogue()
    return frozenset(word for _, node in walk(inlined(tree, known.by_rule)) for word in _words(node, known))


def _words(node: Node, catalogue: Catalogue) -> Iterator[str]:
    match node:
        case Comparison():
            yield "profile"
            if catalogue.traits[node.trait].liveness is Liveness.LIVE:
                yield "order_line"
        case Near():
            yield "profile"
        case Score():
            yield "score"
        case Consent():
            yield "consent"
        case Member():
            yield f"segment:{node.segment}"
    for _, act in _acts(node):
        yield from _of_act(act)


def _of_act(act: Act) -> tuple[str, ...]:
    if act.table != "event":
        return (act.table,)
    names = event_names(act)
    return ("event",) if names is None else tuple(f"event:{name}" for name in names)


def event_names(act: Act) -> tuple[str, ...] | None:
    """The only names that events of an act may have; None where it names none."""
    return next((names for condition in act.where if (names := _names(condition)) is not None), None)


def _names(condition: Filter) -> tuple[str, ...] | None:
    """The only event names that pass a filter, where it names them."""
    if condition.field != "event" or condition.op not in ("=", "in"):
        return None
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    return tuple(str(value) for value in values)


def _acts(node: Node | Leaf) -> tuple[tuple[str, Act], ...]:
    """The acts of a node that look at a window of their own or of another, with the key that names them."""
    if isinstance(node, Behaviour):
        return (("", node.act),)
    if isinstance(node, Sequel):
        # What follows comes after what came first, and so lies in the same days.
        return (("first.", node.first), ("first.", Act(node.then.table, node.then.where, node.first.window)))
    return ()


def _days(act: Act, day: date) -> int | None:
    """The days an act looks back at, today included; None: all of them."""
    if act.window.last_days is not None:
        return act.window.last_days
    return None if act.window.first is None else max((day - act.window.first).days + 1, 1)


def _too_long(act: Act, day: date) -> Said | None:
    days = _days(act, day)
    if days is None:
        return Said(
            f"looks at all time; live history keeps at most {MOST_DAYS} days: say 'in last {MOST_DAYS} days'",
            f"没有时间范围；实时历史最多保留 {MOST_DAYS} 天，请写“近 {MOST_DAYS} 天”",
        )
    if days > MOST_DAYS:
        return Said(
            f"looks back {days} days; live history keeps at most {MOST_DAYS}",
            f"回看 {days} 天；实时历史最多保留 {MOST_DAYS} 天",
        )
    return None


def _below(path: str, key: str) -> str:
    return f"{path}.{key}".lstrip(".")
