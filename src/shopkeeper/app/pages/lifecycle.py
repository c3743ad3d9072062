"""The lifecycle: the balance by store and time scale, the cut-points, and whom other cut-points would move."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Any

from sqlglot import exp

from shopkeeper.app.cuts import KINDS, CutVersion, cuts_of, labelled, read_cuts, versions
from shopkeeper.app.pages.reading import rows, stands_at
from shopkeeper.app.shop import Shop
from shopkeeper.app.steps import plans
from shopkeeper.base.errors import MissingError, UsageError
from shopkeeper.profile.lifecycle_balance import SPANS
from shopkeeper.schema.query import Query
from shopkeeper.schema.traits import TRAITS

__all__ = [
    "MOVED_BY",
    "SPANS",
    "Balance",
    "BalanceRow",
    "CutSet",
    "Moves",
    "TraitMoves",
    "balance",
    "cut_sets",
    "moves",
]

MOVED_BY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "lifecycle": ("lifecycle", "lifecycle_fixed", "trend"),
        "rfm": ("rfm_class", "rfm_recency_points", "rfm_frequency_points", "rfm_monetary_points"),
    }
)
"""The traits that each set of cut-points decides."""
_STORES_SHOWN = 50
_COUNTS = ("opening", "new", "recalled", "sleeping", "lapsed", "closing")


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """opening + new + recalled - sleeping - lapsed = closing, of one home store or (without one) of all."""

    store_id: str | None
    name: str | None
    opening: int
    new: int
    recalled: int
    sleeping: int
    lapsed: int
    closing: int


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of active people over some days up to one.

    Args:
        as_of: The closing day; None when it was never computed.
        days: How many days it covers.
        whole: The balance of all stores.
        stores: Home stores, those with most people at the closing first.
        of: How many home stores there are.
        version: The cut-points it was computed with; None where no version has them.
    """

    as_of: date | None
    days: int
    whole: BalanceRow | None
    stores: tuple[BalanceRow, ...]
    of: int
    version: CutVersion | None


@dataclass(frozen=True, slots=True)
class CutSet:
    """A set of cut-points with its history.

    Args:
        kind: `lifecycle` or `rfm`.
        versions: Every version, newest first.
        computed: The version that people carry now; None before the first run.
    """

    kind: str
    versions: tuple[CutVersion, ...]
    computed: CutVersion | None

    @property
    def newest(self) -> CutVersion:
        """The version that the next run uses."""
        return self.versions[0]

    @property
    def waits(self) -> bool:
        """Whether people still carry other cut-points than the newest."""
        return self.computed is None or self.computed.label != self.newest.label


@dataclass(frozen=True, slots=True)
class TraitMoves:
    """How many people have each value of a trait before and after, and how many move from one to another."""

    trait: str
    values: tuple[tuple[str | int | None, int, int], ...]
    moved: int


@dataclass(frozen=True, slots=True)
class Moves:
    """Whom other cut-points would move.

    Args:
        kind: `lifecycle` or `rfm`.
        as_of: The day at whose end it was worked out.
        people: How many people there are.
        moved: How many get another value of any of the traits.
        traits: The traits that the cut-points decide.
    """

    kind: str
    as_of: date
    people: int
    moved: int
    traits: tuple[TraitMoves, ...] = field(default=())


def balance(shop: Shop, days: int = 30, *, store: str = "") -> Balance:
    """Gives the balance of all stores and of the largest, or of one.

    Args:
        shop: The shop.
        days: One of `SPANS`.
        store: Only stores with this id or a name that holds this text.

    Raises:
        UsageError: The balance is not kept for so many days.
    """
    if days not in SPANS:
        raise UsageError(f"the balance is not kept for {days} days", next_step=f"one of {', '.join(map(str, SPANS))}")
    query = Query.from_sql(
        """
        SELECT b.store_id, s.name, b.opening, b.new, b.recalled, b.sleeping, b.lapsed, b.closing, b.lifecycle_version
        FROM lifecycle_balance AS b
        LEFT JOIN store AS s ON s.store_id = b.store_id
        WHERE b.days = $days
        ORDER BY b.closing DESC, b.store_id
        """,
        name="the balance",
        days=days,
    )
    found = rows(shop, query)
    if not found:
        return Balance(stands_at(shop, "lifecycle_balance"), days, None, (), 0, None)
    version = labelled(versions(shop, "lifecycle"), found[0]["lifecycle_version"])
    whole = BalanceRow(None, None, *(sum(row[name] for row in found) for name in _COUNTS))
    wanted = [row for row in found if not store or store == row["store_id"] or store in (row["name"] or "")]
    shown = tuple(
        BalanceRow(row["store_id"], row["name"], *(row[name] for name in _COUNTS)) for row in wanted[:_STORES_SHOWN]
    )
    return Balance(stands_at(shop, "lifecycle_balance"), days, whole, shown, len(wanted), version)


def cut_sets(shop: Shop) -> dict[str, CutSet]:
    """Gives each set of cut-points with its versions and the one that people carry now."""
    query = Query.from_sql(
        "SELECT min(lifecycle_version) AS lifecycle, min(rfm_version) AS rfm FROM profile", name="versions of cuts"
    )
    (carried,) = rows(shop, query)
    found = {kind: versions(shop, kind) for kind in KINDS}
    return {kind: CutSet(kind, every, labelled(every, carried[kind])) for kind, every in found.items()}


def moves(shop: Shop, kind: str, values: Mapping[str, Any]) -> Moves:
    """Works out whom other cut-points would move: the profile as it stands beside the profile they would give.

    Args:
        shop: The shop.
        kind: `lifecycle` or `rfm`.
        values: The cut-points by name.

    Raises:
        FaultsError: The cut-points are wrong; every fault is named with its path.
        MissingError: No profile was computed yet.
    """
    cuts = cuts_of(read_cuts(kind, values))
    as_of = stands_at(shop, "profile")
    if as_of is None:
        raise MissingError("there is no profile yet", next_step="shopkeeper run --until profile")
    plan = next(plan for plan in plans(shop) if plan.name == "profile")
    would_be = replace(plan, arguments={**plan.arguments, kind: cuts}).query(as_of)
    traits = MOVED_BY[kind]
    pairs = ", ".join(f"p.{trait} AS {trait}_before, n.{trait} AS {trait}_after" for trait in traits)
    columns = ", ".join(f"{trait}_{side}" for trait in traits for side in ("before", "after"))
    text = (
        f"SELECT {columns}, count(*) AS people FROM (SELECT {pairs} FROM profile AS p "
        f"JOIN (SELECT person_id, {', '.join(traits)} FROM profile) AS n ON n.person_id = p.person_id) AS both "
        f"GROUP BY {columns}"
    )
    tree = Query.from_sql(text, name="moves").tree
    inner = next(each for each in tree.find_all(exp.Subquery) if each.alias == "n")
    inner.this.args["from_"].this.replace(would_be.tree.subquery("would_be"))
    found = rows(shop, Query(tree, {}, would_be.inputs, "moves"))
    moved = sum(row["people"] for row in found if any(row[f"{t}_before"] != row[f"{t}_after"] for t in traits))
    people = sum(row["people"] for row in found)
    return Moves(kind, as_of, people, moved, tuple(_trait_moves(found, trait) for trait in traits))


def _trait_moves(found: list[dict[str, Any]], trait: str) -> TraitMoves:
    before: Counter[Any] = Counter()
    after: Counter[Any] = Counter()
    moved = 0
    for row in found:
        was, will_be = row[f"{trait}_before"], row[f"{trait}_after"]
        before[was] += row["people"]
        after[will_be] += row["people"]
        moved += row["people"] if was != will_be else 0
    return TraitMoves(
        trait, tuple((each, before[each], after[each]) for each in _in_order(trait, before | after)), moved
    )


def _in_order(trait: str, values: Counter[Any]) -> list[Any]:
    declared = TRAITS[trait].values
    return sorted(values, key=lambda each: (each is None, declared.index(each) if each in declared else each))
