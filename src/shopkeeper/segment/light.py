"""Leaves out of an audience the parts that move only few people, so that no part of a rule singles somebody out.

Whoever may not see persons could join a large group with a rule that fits one person alone, and read from the count
whether that person has a trait. Such a part moves few people whatever it says, so it is answered as if it were not
there.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from shopkeeper.segment.tree import All, Comparison, Leaf, Node, Not, Score, Some, walk

__all__ = ["Mask", "leaves", "spread", "without_light"]

Mask = NDArray[np.bool_]
"""Who of all people is in a set, in one order."""


def spread(tree: Node) -> Node:
    """Gives the same audience with each value of a list as a comparison of its own."""
    match tree:
        case All() | Some():
            return replace(tree, of=tuple(spread(each) for each in tree.of))
        case Not():
            return Not(spread(tree.of))
        case Comparison() | Score() if tree.op == "in" and isinstance(tree.value, tuple):
            return Some(tuple(replace(tree, op="=", value=value) for value in tree.value))
        case Comparison() | Score() if tree.op == "not in" and isinstance(tree.value, tuple):
            return All(tuple(replace(tree, op="!=", value=value) for value in tree.value))
        case _:
            return tree


def leaves(tree: Node) -> tuple[Leaf, ...]:
    """Gives the leaves of a tree, each once."""
    return tuple(dict.fromkeys(node for _, node in walk(tree) if isinstance(node, Leaf)))


def without_light(
    tree: Node, masks: Mapping[Leaf, Mask], everyone: Mask, is_light: Callable[[Mask], bool]
) -> tuple[Node, Mask]:
    """Leaves out every part of a rule, the outer ones first, without which nearly the same people are chosen.

    Args:
        tree: The audience, its lists spread.
        masks: Whom each leaf chooses.
        everyone: All people.
        is_light: Whether some people are too few to be told apart.

    Returns:
        The rest of the rule, and whom it chooses.
    """
    root = tree if isinstance(tree, All | Some) else All((tree,))
    settled = _Settling(masks, everyone, is_light)
    settled.chosen = settled.mask(root)
    rest = settled.group(root, settled.mask)
    return rest, settled.chosen


class _Settling:
    def __init__(self, masks: Mapping[Leaf, Mask], everyone: Mask, is_light: Callable[[Mask], bool]) -> None:
        self._masks, self._everyone, self._is_light = masks, everyone, is_light
        self.chosen = everyone

    def mask(self, node: Node) -> Mask:
        """Whom a node chooses."""
        match node:
            case All():
                return reduce(np.logical_and, map(self.mask, node.of), self._everyone)
            case Some():
                return reduce(np.logical_or, map(self.mask, node.of), ~self._everyone)
            case Not():
                return self._everyone & ~self.mask(node.of)
            case _:
                return self._masks[node]

    def group(self, node: All | Some, whole: Callable[[Node], Mask]) -> All | Some:
        """Settles what a node joins; `whole` says whom the root chooses with another node in its place."""
        kept, place = list(node.of), 0
        while place < len(kept):
            rest = [*kept[:place], *kept[place + 1 :]]
            then = whole(replace(node, of=tuple(rest)))
            if self._is_light(self.chosen ^ then):
                kept, self.chosen = rest, then
                continue

            def within(child: Node, before: list[Node] = kept[:place], after: list[Node] = kept[place + 1 :]) -> Mask:
                return whole(replace(node, of=(*before, child, *after)))

            kept[place] = self.below(kept[place], within)
            place += 1
        return replace(node, of=tuple(kept))

    def below(self, node: Node, whole: Callable[[Node], Mask]) -> Node:
        """Settles what stands under a node, through its `not`."""
        if isinstance(node, Not):
            return Not(self.below(node.of, lambda child: whole(Not(child))))
        return self.group(node, whole) if isinstance(node, All | Some) else node
