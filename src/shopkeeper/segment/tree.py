"""The tree of an audience: what is asked of a person, as frozen values that neither text nor SQL has touched.

`all`, `any` and `not` join leaves; a leaf is a trait comparison, a behaviour, a sequence, a score, a membership, a
distance or a consent. A comparison with something unknown never holds, and its `not` always does: logic has two values.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

__all__ = [
    "COMPARISONS",
    "EVER",
    "EVERYONE",
    "Act",
    "All",
    "Behaviour",
    "Comparison",
    "Consent",
    "Filter",
    "Leaf",
    "Member",
    "Near",
    "Node",
    "Not",
    "Scalar",
    "Score",
    "Sequel",
    "Some",
    "Threshold",
    "TreeValue",
    "Window",
    "children",
    "walk",
]

Scalar = str | int | float | bool
TreeValue = Scalar | tuple[Scalar, ...] | None

COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class Window:
    """The days that count, both ends included; all of them when nothing is set.

    Args:
        last_days: The last n shop-local days, the day asked about included.
        first: The first day.
        last: The last day.
    """

    last_days: int | None = None
    first: date | None = None
    last: date | None = None

    def days(self, as_of: date) -> tuple[date | None, date]:
        """Gives the first (None: from the beginning) and last day; nothing after `as_of` is known."""
        if self.last_days is not None:
            return as_of - timedelta(days=self.last_days - 1), as_of
        return self.first, as_of if self.last is None else min(self.last, as_of)


EVER = Window()


@dataclass(frozen=True, slots=True)
class Comparison:
    """One trait against a value.

    Args:
        trait: Its name in the catalogue.
        op: One of `COMPARISONS`, `between`, `in`, `not in`, `contains`, `known`, `unknown`.
        value: What it is held against; two values for `between`, any number for `in`, none for `known`.
        key: The entry of a map trait.
    """

    trait: str
    op: str
    value: TreeValue = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on what was bought, done or redeemed: a field against a value, operators as in `Comparison`."""

    field: str
    op: str
    value: TreeValue


@dataclass(frozen=True, slots=True)
class Act:
    """Something a person did: rows of `order_line`, `event` or `redemption` that pass every filter, in a window."""

    table: str
    where: tuple[Filter, ...] = ()
    window: Window = EVER


@dataclass(frozen=True, slots=True)
class Threshold:
    """How much of an act: a measure such as `orders`, one of `COMPARISONS`, a number."""

    measure: str
    op: str
    value: int | float


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A person did an act so often, so much: every threshold holds."""

    act: Act
    having: tuple[Threshold, ...]


@dataclass(frozen=True, slots=True)
class Sequel:
    """A person did one act and then another, or then did not, within so many times 24 hours.

    Args:
        first: What comes first, in its window.
        then: What follows strictly later; its own window is not used.
        days: Within how many days.
        absent: Whether it must not follow; then the days must have passed by the end of the day asked about.
    """

    first: Act
    then: Act
    days: int
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """A model's score of the person on the model's latest day.

    Args:
        model: The model's name.
        measure: `value` or `decile` (1 to 10, 10 the best).
        op: One of `COMPARISONS`, `between`, `in`, `not in`.
        value: What it is held against.
        subject: What was scored, such as a campaign, where a model scores several things.
    """

    model: str
    measure: str
    op: str
    value: TreeValue
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """The person is in another segment."""

    segment: str


@dataclass(frozen=True, slots=True)
class Near:
    """The person's favourite store lies within so many kilometres of a store, as the crow flies."""

    store: str
    kilometres: float


@dataclass(frozen=True, slots=True)
class Consent:
    """The person consents to a purpose by a channel: the last change in the ledger counts, none means no."""

    purpose: str
    channel: str


@dataclass(frozen=True, slots=True)
class All:
    """Every one of them holds; with none of them, everyone."""

    of: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of them holds (`any`); with none of them, nobody."""

    of: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    of: "Node"


Leaf = Comparison | Behaviour | Sequel | Score | Member | Near | Consent
Node = All | Some | Not | Leaf

EVERYONE = All()


def children(node: Node, path: str = "") -> tuple[tuple[str, Node], ...]:
    """Gives what a node joins, each with its path."""
    if isinstance(node, All | Some):
        word = "all" if isinstance(node, All) else "any"
        return tuple((f"{path}.{word}[{place}]".lstrip("."), child) for place, child in enumerate(node.of))
    if isinstance(node, Not):
        return ((f"{path}.not".lstrip("."), node.of),)
    return ()


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Gives a node and all below it, each with its path such as `all[1].any[0]`; the root's is empty."""
    yield path, node
    for below, child in children(node, path):
        yield from walk(child, below)
