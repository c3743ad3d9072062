"""One person at one instant, and what is the same for everybody: what live conditions are asked of."""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shopkeeper.profile.cuts import LIFECYCLE_CUTS, RFM_CUTS, LifecycleCuts, RFMCuts
from shopkeeper.segment.catalogue import Catalogue
from shopkeeper.segment.history import LocalDays, Person, Product

__all__ = ["Condition", "Ground", "View", "earliest"]

_EARTH_KILOMETRES = 6371.0088


@dataclass(frozen=True)
class Ground:
    """What live evaluation needs beside the person.

    Args:
        catalogue: The traits, the shop's time zone, segments that mean their rule.
        products: Attributes by product; one that is not there is unknown and counts.
        stores: Latitude and longitude by store, of stores that have both.
        scored_on: Days on which a model scored anybody, by (model, subject) and, for any subject, by (model, None).
        lifecycle: Cut-points of the last run.
        rfm: Cut-points of the last run.
    """

    catalogue: Catalogue = field(default_factory=Catalogue)
    products: Mapping[str, Product] = field(default_factory=dict)
    stores: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    scored_on: Mapping[tuple[str, str | None], Sequence[int]] = field(default_factory=dict)
    lifecycle: LifecycleCuts = LIFECYCLE_CUTS
    rfm: RFMCuts = RFM_CUTS
    days: LocalDays = field(init=False)
    _numbers: dict[Hashable, int] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", LocalDays(self.catalogue.time_zone))

    def number(self, key: Hashable) -> int:
        """A number for what several audiences ask alike, under which a view keeps the answer: quick to look up."""
        return self._numbers.setdefault(key, len(self._numbers))

    def near(self, store: str, kilometres: float) -> frozenset[str]:
        """The stores within a great-circle distance of a store (haversine, mean earth radius)."""
        place = self.stores.get(store)
        if place is None:
            return frozenset()
        return frozenset(name for name, other in self.stores.items() if _distance(other, place) <= kilometres)


class View:
    """One person at one instant; what was worked out once is kept for the next condition.

    Args:
        person: The person.
        now: The instant, in microseconds since 1970: what happened up to and with it is known.
        ground: What is the same for everybody.
    """

    __slots__ = ("day", "end", "ground", "memo", "now", "person")

    def __init__(self, person: Person, now: int, ground: Ground) -> None:
        self.person = person
        self.now = now
        # Batch takes what happened before the end of a day; its last microsecond is the same instant here.
        self.end = now + 1
        self.ground = ground
        self.day = ground.days.day(now)
        self.memo: dict[Hashable, Any] = {}

    def at(self, now: int) -> "View":
        """The same person at another instant."""
        return View(self.person, now, self.ground)

    def start(self, day: int) -> int:
        """The instant at which a day begins."""
        return self.ground.days.start(day)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that can be asked of a view.

    Args:
        holds: Whether it holds.
        edge: The first instant after the view's at which it may change without anything new; None when it cannot.
    """

    holds: Callable[[View], bool]
    edge: Callable[[View], int | None]


def earliest(instants: Iterable[int | None]) -> int | None:
    """The first of some instants; None when there is none."""
    return min((at for at in instants if at is not None), default=None)


def _distance(here: tuple[float, float], there: tuple[float, float]) -> float:
    first, second = math.radians(here[0]), math.radians(there[0])
    across = math.radians(here[1]) - math.radians(there[1])
    square = math.sin((first - second) / 2) ** 2 + math.cos(first) * math.cos(second) * math.sin(across / 2) ** 2
    return 2 * _EARTH_KILOMETRES * math.asin(min(1.0, math.sqrt(square)))
