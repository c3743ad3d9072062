"""The catalogue an audience is checked against: the traits, and the segments there are."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from shopkeeper.schema.table import Type
from shopkeeper.schema.trait import Trait
from shopkeeper.schema.traits import TRAITS
from shopkeeper.segment.said import Said
from shopkeeper.segment.tree import COMPARISONS, All, Member, Node, Not, Some, walk

__all__ = ["FAVOURITE_STORE", "OPERATORS", "Catalogue", "inlined", "nearest", "refers_to"]

FAVOURITE_STORE = "favourite_store"
"""The trait that says where a person is, for distances."""

_ORDERED = (*COMPARISONS, "between", "in", "not in", "known", "unknown")
_NAMED = ("=", "!=", "in", "not in", "contains", "known", "unknown")
OPERATORS: Mapping[Type, tuple[str, ...]] = {
    Type.STRING: _NAMED,
    Type.INTEGER: _ORDERED,
    Type.NUMBER: _ORDERED,
    Type.MONEY: _ORDERED,
    Type.DATE: _ORDERED,
    Type.INSTANT: _ORDERED,
    Type.BOOLEAN: ("=", "!=", "known", "unknown"),
    Type.MAP: _NAMED,
    Type.STRINGS: ("contains", "known", "unknown"),
}
"""The operators that a trait of each type may be compared by."""


@dataclass(frozen=True)
class Catalogue:
    """What an audience may name.

    Args:
        traits: The traits by name.
        segments: The trees of the segments there are, by name; None where they are not known, and any name passes.
        by_rule: Those of them of which nobody has worked out who is in them: naming one means its rule.
        time_zone: The shop's time zone, in which days and hours are meant.
        currency: The shop's currency, for sentences.
    """

    traits: Mapping[str, Trait] = field(default_factory=lambda: TRAITS)
    segments: Mapping[str, Node] | None = None
    by_rule: Mapping[str, Node] = field(default_factory=dict)
    time_zone: str = "UTC"
    currency: str = ""

    def circle(self, tree: Node, name: str | None = None) -> tuple[str, ...] | None:
        """Gives a circle of segments that ends where it began, if the tree (to be kept as `name`) makes one."""
        known = dict(self.segments or {})
        if name is not None:
            known[name] = tree
        finished: set[str] = set()

        def visit(way: tuple[str, ...], node: Node) -> tuple[str, ...] | None:
            for below in refers_to(node):
                if below in way:
                    return (*way[way.index(below) :], below)
                if below in known and below not in finished:
                    found = visit((*way, below), known[below])
                    if found is not None:
                        return found
                    finished.add(below)
            return None

        return visit((name,) if name is not None else (), tree)


def refers_to(tree: Node) -> tuple[str, ...]:
    """The segments that a tree names, each once, in order."""
    return tuple(dict.fromkeys(node.segment for _, node in walk(tree) if isinstance(node, Member)))


def inlined(tree: Node, by_rule: Mapping[str, Node]) -> Node:
    """Puts the rules of segments in place of their names; a rule that leads back to its own segment keeps the name."""
    match tree:
        case Member() if tree.segment in by_rule:
            others = {name: rule for name, rule in by_rule.items() if name != tree.segment}
            return inlined(by_rule[tree.segment], others)
        case All() | Some():
            return replace(tree, of=tuple(inlined(each, by_rule) for each in tree.of))
        case Not():
            return Not(inlined(tree.of, by_rule))
        case _:
            return tree


def nearest(word: str, known: Iterable[str]) -> Said:
    """Gives `, did you mean …?` with the nearest known words, or empty texts when none is near."""
    near = difflib.get_close_matches(word[:80], list(known), n=3, cutoff=0.6)
    return Said(f", did you mean {' or '.join(near)}?", f"，是否指 {' 或 '.join(near)}？") if near else Said("", "")
