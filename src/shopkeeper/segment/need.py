"""What audiences need to know of a person: which traits of the last profile, which rows, of how many days."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from shopkeeper.schema.trait import Liveness
from shopkeeper.segment.catalogue import FAVOURITE_STORE, Catalogue
from shopkeeper.segment.live_check import event_names, looks_back
from shopkeeper.segment.tree import Comparison, Consent, Member, Near, Node, Score, walk

__all__ = ["DAY_TRAITS", "Need", "need_of"]

DAY_TRAITS = ("first_purchase_on", "last_purchase_on", "first_visit_on", "last_visit_on", "registered_at")
"""The traits of the last profile that live traits are worked out from."""


@dataclass(frozen=True, slots=True)
class Need:
    """What some audiences need of a person.

    Args:
        traits: Traits of the last profile.
        days: Days of rows by table (`order_line`, `event`, `redemption`), today included; a table is left out when
            none of its rows matter.
        events: The names of events that matter; None when any does.
        models: Models whose scores matter.
        segments: Segments whose membership matters.
        consents: Whether consents matter.
    """

    traits: frozenset[str] = frozenset()
    days: tuple[tuple[str, int], ...] = ()
    events: frozenset[str] | None = frozenset()
    models: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    consents: bool = False

    def days_of(self, table: str) -> int:
        """The days of a table's rows that matter; 0 when none do."""
        return dict(self.days).get(table, 0)


def need_of(trees: Iterable[Node], day: date, catalogue: Catalogue) -> Need:
    """Gives what audiences need.

    Args:
        trees: Their trees, with the rules of segments that mean their rule.
        day: The present shop-local day.
        catalogue: The traits.
    """
    traits: set[str] = set()
    days: dict[str, int] = {}
    events: set[str] | None = set()
    models: set[str] = set()
    segments: set[str] = set()
    consents = False
    for node in (node for tree in trees for _, node in walk(tree)):
        match node:
            case Comparison():
                traits |= _traits(node, catalogue)
            case Near():
                traits.add(FAVOURITE_STORE)
            case Score():
                models.add(node.model)
            case Member():
                segments.add(node.segment)
            case Consent():
                consents = True
        for table, back, act in looks_back(node, day, catalogue):
            days[table] = max(back, days.get(table, 0))
            if act is not None and act.table == "event":
                names = event_names(act)
                events = None if events is None or names is None else events | set(names)
    return Need(
        frozenset(traits),
        tuple(sorted(days.items())),
        None if events is None else frozenset(events),
        frozenset(models),
        frozenset(segments),
        consents,
    )


def _traits(leaf: Comparison, catalogue: Catalogue) -> set[str]:
    return set(DAY_TRAITS) if catalogue.traits[leaf.trait].liveness is Liveness.LIVE else {leaf.trait}
