"""The organisation: which stores stand under a node, as of a day."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import MissingError
from shopkeeper.schema.query import Query

__all__ = ["CHAIN", "Organisation", "Unit", "organisation"]

CHAIN = "chain"
_LEVELS_SAID = 24


@dataclass(frozen=True, slots=True)
class Unit:
    """One node of the organisation.

    Args:
        id: Its id; `chain` for the whole.
        kind: chain, region, area or store.
        name: Its name, if it has one.
        parent: The node above.
    """

    id: str
    kind: str
    name: str | None
    parent: str | None


@dataclass(frozen=True)
class Organisation:
    """The nodes and stores as of a day."""

    units: Mapping[str, Unit]
    stores: Mapping[str, Mapping[str, Any]]

    def unit(self, wanted: str | None) -> Unit:
        """Gives a node by its id, or by its name where one alone has it; the whole chain by default.

        Raises:
            MissingError: There is no such node, or several have the name.
        """
        if wanted is None or wanted == CHAIN:
            return self.units[CHAIN]
        if wanted in self.units:
            return self.units[wanted]
        named = [unit for unit in self.units.values() if unit.name == wanted]
        if len(named) == 1:
            return named[0]
        levels = named or [unit for unit in self.units.values() if unit.kind != "store"][:_LEVELS_SAID]
        said = ", ".join(unit.id if unit.name in (None, unit.id) else f"{unit.id} {unit.name}" for unit in levels)
        more = "" if named else ", or a store's id or name"
        near = difflib.get_close_matches(wanted, [*self.units, *(u.name for u in self.units.values() if u.name)], 1)
        hint = f"did you mean '{near[0]}'?" if near else "shopkeeper table show store lists the stores"
        what = f"{len(named)} levels are called '{wanted}'" if named else f"there is no level '{wanted}'"
        raise MissingError(what, place=f"levels: {said}{more}", next_step="name one by its id" if named else hint)

    def children(self, unit: Unit) -> list[Unit]:
        """The nodes right below a node."""
        return [each for each in self.units.values() if each.parent == unit.id]

    def stores_under(self, unit: Unit) -> list[str]:
        """The ids of the stores below a node, or of the node itself."""
        if unit.kind == "store":
            return [unit.id]
        return sorted(store for child in self.children(unit) for store in self.stores_under(child))


def organisation(shop: Shop, as_of: date) -> Organisation:
    """Reads the organisation as of a day; stores without a node stand right under the chain.

    So do stores that sold but have no master data, or the parts would not add up to the whole.
    """
    nodes = shop.arrow(
        Query.from_sql(
            "SELECT org_unit_id, parent_id, kind, name FROM org_unit "
            "WHERE valid_from <= $day AND (valid_to IS NULL OR valid_to >= $day) ORDER BY org_unit_id",
            name="organisation",
            day=as_of,
        )
    ).to_pylist()
    stores = shop.arrow(
        Query.from_sql(
            "SELECT store_id, name, org_unit_id, channel, comparable_from, closed_on FROM store "
            "UNION ALL SELECT DISTINCT d.store_id, NULL, NULL, NULL, NULL, NULL FROM store_day AS d "
            "ANTI JOIN store AS s ON s.store_id = d.store_id ORDER BY store_id",
            name="stores",
        )
    ).to_pylist()
    top = next((node for node in nodes if node["kind"] == "chain"), None)
    units = {CHAIN: Unit(CHAIN, "chain", top["name"] if top else shop.settings.chain.name, None)}
    for node in nodes:
        if node["kind"] in ("region", "area"):
            parent = CHAIN if top is not None and node["parent_id"] == top["org_unit_id"] else node["parent_id"]
            units[node["org_unit_id"]] = Unit(node["org_unit_id"], node["kind"], node["name"], parent or CHAIN)
    above = {node["org_unit_id"]: node["parent_id"] for node in nodes if node["kind"] == "store"}
    for store in stores:
        parent = store["org_unit_id"]
        parent = above.get(parent, parent)
        known = parent if parent in units else CHAIN
        units[store["store_id"]] = Unit(store["store_id"], "store", store["name"], known)
    return Organisation(units, {store["store_id"]: store for store in stores})
