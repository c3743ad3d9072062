"""The dictionary of tables: every table by its name."""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from shopkeeper.base.errors import MissingError
from shopkeeper.schema.chosen import CHOSEN
from shopkeeper.schema.dealings import DEALINGS
from shopkeeper.schema.foreseen import FORESEEN
from shopkeeper.schema.goods import GOODS
from shopkeeper.schema.kept import KEPT
from shopkeeper.schema.known import KNOWN
from shopkeeper.schema.people import PEOPLE
from shopkeeper.schema.places import PLACES
from shopkeeper.schema.reported import REPORTED
from shopkeeper.schema.table import Table

__all__ = ["TABLES", "table"]

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        declared.name: declared
        for declared in (*PEOPLE, *GOODS, *PLACES, *DEALINGS, *KNOWN, *CHOSEN, *FORESEEN, *KEPT, *REPORTED)
    }
)


def table(name: str) -> Table:
    """Gives a declared table by its name.

    Raises:
        MissingError: The dictionary has no such table.
    """
    try:
        return TABLES[name]
    except KeyError:
        near = difflib.get_close_matches(name, TABLES, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise MissingError(f"there is no table '{name}'{hint}", next_step="shopkeeper table list --all") from None
