"""Evaluates audiences for one person at one instant: the same tree, the same answer as the SQL of `compile`.

An audience is made once and asked of many people. Batch speaks of the end of a day; here that is its last microsecond.
Logic has two values: what is unknown holds in no comparison.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shopkeeper.schema.table import Type
from shopkeeper.segment.catalogue import FAVOURITE_STORE, inlined
from shopkeeper.segment.live_act import behaved, followed
from shopkeeper.segment.live_trait import LIVE_TRAITS
from shopkeeper.segment.live_value import compared
from shopkeeper.segment.tree import (
    All,
    Behaviour,
    Comparison,
    Consent,
    Leaf,
    Member,
    Near,
    Node,
    Not,
    Score,
    Sequel,
    Some,
)
from shopkeeper.segment.view import Condition, Ground, View, earliest

__all__ = ["LiveAudience", "live_audience"]


@dataclass(frozen=True, slots=True)
class LiveAudience:
    """An audience that can be asked of a view.

    Args:
        tree: Its tree, with the rules of segments that mean their rule.
        holds: Whether the person is in it.
        edge: The first instant after the view's at which that may change without anything new; None when it cannot.
    """

    tree: Node
    holds: Callable[[View], bool]
    edge: Callable[[View], int | None]


def live_audience(tree: Node, ground: Ground) -> LiveAudience:
    """Makes an audience ready to be asked.

    Args:
        tree: A checked tree that `live_check.cannot_run_live` finds nothing against.
        ground: What is the same for everybody.
    """
    whole = inlined(tree, ground.catalogue.by_rule)
    made = _made(whole, ground)
    return LiveAudience(whole, made.holds, made.edge)


def _made(node: Node, ground: Ground) -> Condition:
    match node:
        case All() | Some():
            return _joined(node, ground)
        case Not():
            below = _made(node.of, ground)
            return Condition(lambda view: not below.holds(view), below.edge)
        case _:
            return _leaf(node, ground)


def _joined(node: All | Some, ground: Ground) -> Condition:
    below = tuple(_made(child, ground) for child in node.of)
    if len(below) == 1:
        return below[0]
    holds, edges = tuple(each.holds for each in below), tuple(each.edge for each in below)
    is_all = isinstance(node, All)
    join = all if is_all else any

    def edge(view: View) -> int | None:
        latest = None
        for each in below:
            # One that fails decides `all`, one that holds decides `any`: nothing turns before the last of these does.
            if each.holds(view) is not is_all:
                at = each.edge(view)
                if at is None:
                    return None
                latest = at if latest is None else max(latest, at)
        return earliest(each(view) for each in edges) if latest is None else latest

    return Condition(lambda view: join(each(view) for each in holds), edge)


def _leaf(leaf: Leaf, ground: Ground) -> Condition:  # noqa: PLR0911 - one return a sort of leaf
    match leaf:
        case Comparison():
            return _comparison(leaf, ground)
        case Behaviour():
            return behaved(leaf, ground)
        case Sequel():
            return followed(leaf, ground)
        case Score():
            return _score(leaf, ground)
        case Member():
            return _member(leaf)
        case Consent():
            return _consent(leaf)
        case Near():
            stores = ground.near(leaf.store, leaf.kilometres)
            return Condition(lambda view: view.person.profile.get(FAVOURITE_STORE) in stores, _never)


def _never(_: View) -> None:
    return None


def _comparison(leaf: Comparison, ground: Ground) -> Condition:
    name, kind = leaf.trait, ground.catalogue.traits[leaf.trait].type
    live = LIVE_TRAITS.get(name)
    if live is not None:
        passes, value, edge = compared(kind, leaf.op, leaf.value), live.value, live.edge
        return Condition(lambda view: passes(value(view)), lambda view: edge(view, leaf))
    read = _reading(leaf, kind, ground)
    if kind is Type.MAP:
        kind = Type.STRING
    passes = compared(kind, leaf.op, leaf.value)
    return Condition(lambda view: passes(read(view)), _never)


def _reading(leaf: Comparison, kind: Type, ground: Ground) -> Callable[[View], Any]:
    """How the value of a trait of the last profile is read."""
    name, key = leaf.trait, leaf.key
    if kind is Type.MAP and key is not None:
        return lambda view: (view.person.profile.get(name) or {}).get(key)
    if kind is Type.INSTANT and leaf.op not in ("known", "unknown"):

        def local_day(view: View) -> Any:
            moment = view.person.profile.get(name)
            return None if moment is None else ground.days.day_of(moment)

        return local_day
    return lambda view: view.person.profile.get(name)


def _score(leaf: Score, ground: Ground) -> Condition:
    days = ground.scored_on.get((leaf.model, leaf.subject), ())
    passes = compared(Type.INTEGER if leaf.measure == "decile" else Type.NUMBER, leaf.op, leaf.value)
    model, subject, is_decile = leaf.model, leaf.subject, leaf.measure == "decile"

    def holds(view: View) -> bool:
        latest = max((day for day in days if day <= view.day), default=None)
        return any(
            row.as_of == latest
            and row.model == model
            and (subject is None or row.subject == subject)
            and passes(row.decile if is_decile else row.value)
            for row in view.person.scores
        )

    def edge(view: View) -> int | None:
        ahead = min((day for day in days if day > view.day), default=None)
        return None if ahead is None else view.start(ahead)

    return Condition(holds, edge)


def _member(leaf: Member) -> Condition:
    name = leaf.segment

    def holds(view: View) -> bool:
        return any(
            stay.segment == name and stay.entered_at <= view.end and (stay.left_at is None or stay.left_at > view.end)
            for stay in view.person.stays
        )

    def edge(view: View) -> int | None:
        moments = [at for stay in view.person.stays if stay.segment == name for at in (stay.entered_at, stay.left_at)]
        return min((at - 1 for at in moments if at is not None and at > view.end), default=None)

    return Condition(holds, edge)


def _consent(leaf: Consent) -> Condition:
    purpose, channel = leaf.purpose, leaf.channel

    def holds(view: View) -> bool:
        found = [
            (row.occurred_at, row.granted)
            for row in view.person.permissions
            if row.occurred_at < view.end and row.purpose == purpose and row.channel == channel
        ]
        return bool(found) and max(found)[1]

    def edge(view: View) -> int | None:
        return min((row.occurred_at for row in view.person.permissions if row.occurred_at > view.now), default=None)

    return Condition(holds, edge)
