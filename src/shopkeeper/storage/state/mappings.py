"""Mappings: how the columns of one source's files become the columns of one table, saved for the next load."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from shopkeeper.base.errors import MissingError
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["Mappings", "SavedMapping"]


@dataclass(frozen=True, slots=True)
class SavedMapping:
    """One saved mapping.

    Args:
        source: The source system.
        table_name: The table of the dictionary it leads to.
        mapping: The mapping as JSON.
        saved_by: Who saved it last.
        saved_at: When.
    """

    source: str
    table_name: str
    mapping: Mapping[str, Any]
    saved_by: str
    saved_at: datetime


class Mappings:
    """The saved load mappings of a shop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, source: str, table_name: str, mapping: Mapping[str, Any], *, by: str, now: datetime) -> SavedMapping:
        """Saves a mapping in place of the one before."""
        saved = SavedMapping(source, table_name, dict(mapping), by, now)
        values = {"mapping": saved.mapping, "saved_by": by, "saved_at": now}
        upsert = self._database.insert(tables.mappings).values(source=source, table_name=table_name, **values)
        with self._database.write() as connection:
            connection.execute(upsert.on_conflict_do_update(index_elements=["source", "table_name"], set_=values))
        return saved

    def find(self, source: str, table_name: str) -> SavedMapping | None:
        """Gives the mapping saved for a source and table, if there is one."""
        mappings = tables.mappings
        query = select(mappings).where(mappings.c.source == source, mappings.c.table_name == table_name)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return SavedMapping(**row) if row is not None else None

    def all(self) -> list[SavedMapping]:
        """Gives all saved mappings by source and table."""
        mappings = tables.mappings
        with self._database.read() as connection:
            rows = connection.execute(select(mappings).order_by(mappings.c.source, mappings.c.table_name))
            return [SavedMapping(**row) for row in rows.mappings()]

    def delete(self, source: str, table_name: str) -> None:
        """Forgets a mapping.

        Raises:
            MissingError: None is saved for them.
        """
        mappings = tables.mappings
        with self._database.write() as connection:
            gone = delete(mappings).where(mappings.c.source == source, mappings.c.table_name == table_name)
            if not connection.execute(gone).rowcount:
                raise MissingError(
                    f"no mapping is saved for source '{source}' and table '{table_name}'",
                    next_step=f"shopkeeper load {table_name} FILE --source {source} --mapping FILE",
                )
