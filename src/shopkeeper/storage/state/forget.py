"""Takes persons out of the state store, so that their bytes are gone from its file too."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Update, delete, select, update

from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["close_requests", "forget_persons", "persons_known"]

_EMPTIED: Mapping[str, None] = {"person_id": None, "note": None}
_REMOVED = (tables.consents, tables.person_flags, tables.assignments)


def forget_persons(database: Database, person_ids: Sequence[str], *, but_requests: bool = False) -> dict[str, int]:
    """Removes all rows of persons; of their requests stays that there was one, when, and what was done.

    The audit log stays as it is: a chain cannot lose a row, and it holds ids and tokens, never a raw identifier.

    Args:
        database: The database.
        person_ids: The persons.
        but_requests: Whether their requests go on naming them, until `close_requests`.

    Returns:
        Rows removed or emptied, by table; those without any are left out.
    """
    found: dict[str, int] = {}
    with database.write() as connection:
        for table in _REMOVED:
            found[table.name] = connection.execute(delete(table).where(table.c.person_id.in_(person_ids))).rowcount
        if not but_requests:
            found["requests"] = connection.execute(_of(person_ids).values(_EMPTIED)).rowcount
    database.empty_pages((*_REMOVED, tables.requests))
    return {name: rows for name, rows in found.items() if rows}


def close_requests(
    database: Database, person_ids: Sequence[str], *, by: str, now: datetime, receipt: Mapping[str, Any]
) -> None:
    """Notes that what persons asked for is done and takes the persons out, in one transaction.

    Until then a request says whose it is, so that an erasure that was killed goes on when it is asked for again.
    """
    with database.write() as connection:
        done = {"state": "done", "done_by": by, "done_at": now, "receipt": receipt}
        connection.execute(_of(person_ids).where(tables.requests.c.state == "open").values(done))
        connection.execute(_of(person_ids).values(_EMPTIED))
    database.empty_pages((*_REMOVED, tables.requests))


def _of(person_ids: Sequence[str]) -> Update:
    return update(tables.requests).where(tables.requests.c.person_id.in_(person_ids))


def persons_known(database: Database) -> set[str]:
    """Gives every person that the store holds a row of, for a restore that must leave out who was erased."""
    found: set[str] = set()
    with database.read() as connection:
        for table in (*_REMOVED, tables.requests):
            named = select(table.c.person_id).where(table.c.person_id.is_not(None)).distinct()
            found.update(connection.scalars(named))
    return found
