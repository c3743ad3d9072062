"""A segment that is kept: a name, a version, an audience, and what it is called in both languages."""

import graphlib
from collections.abc import Iterable
from dataclasses import dataclass

from shopkeeper.segment.catalogue import refers_to
from shopkeeper.segment.said import Said, fault, wrong
from shopkeeper.segment.tree import Node

__all__ = ["Definition", "in_order"]


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of one segment.

    Args:
        name: Its name, by which it is referred to; never changed.
        tree: The audience.
        english: What it is called in English.
        chinese: What it is called in Chinese.
        english_use: What it is good for, in English.
        chinese_use: The same in Chinese.
        version: Counts the versions of its tree, from 1.
    """

    name: str
    tree: Node
    english: str
    chinese: str
    english_use: str = ""
    chinese_use: str = ""
    version: int = 1


def in_order(definitions: Iterable[Definition]) -> tuple[Definition, ...]:
    """Orders segments so that each comes after those it refers to.

    Raises:
        FaultsError: They refer to each other in a circle.
    """
    known = {definition.name: definition for definition in definitions}
    graph = {name: [one for one in refers_to(found.tree) if one in known] for name, found in known.items()}
    try:
        return tuple(known[name] for name in graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = " → ".join(error.args[1])
        said = Said(f"refers to itself: {circle}", f"引用了自身：{circle}")
        raise wrong([fault(str(error.args[1][0]), said)], Said("the segments", "这些人群")) from error
