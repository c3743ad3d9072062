"""Leases: who holds what until when, such as the one loader of the log or a writer's intended files."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from shopkeeper.base.errors import ConflictError
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["Lease", "Leases"]


@dataclass(frozen=True, slots=True)
class Lease:
    """One lease.

    Args:
        name: What is held.
        holder: Who holds it.
        note: What the holder says about it (JSON), such as the files it intends to write.
        acquired_at: Since when this holder holds it.
        expires_at: Until when, if it is not renewed.
    """

    name: str
    holder: str
    note: Mapping[str, Any]
    acquired_at: datetime
    expires_at: datetime


class Leases:
    """The leases of a shop; a holder whose clock stops loses its lease, so what it writes must be checked again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(
        self, name: str, holder: str, *, now: datetime, lasts: timedelta, note: Mapping[str, Any] | None = None
    ) -> Lease:
        """Takes a lease that is free, has expired, or is the holder's own.

        Raises:
            ConflictError: Another holds it.
        """
        lease = Lease(name, holder, dict(note or {}), now, now + lasts)
        values = {field: getattr(lease, field) for field in Lease.__slots__}
        leases = tables.leases
        upsert = self._database.insert(leases).values(values)
        with self._database.write() as connection:
            taken = connection.execute(
                upsert.on_conflict_do_update(
                    index_elements=["name"],
                    set_={field: value for field, value in values.items() if field != "name"},
                    where=(leases.c.expires_at <= now) | (leases.c.holder == holder),
                ).returning(leases.c.name)
            ).first()
        if taken is None:
            raise ConflictError(
                f"another process holds '{name}'", next_step="wait until it ends; shopkeeper doctor says who it is"
            )
        return lease

    def renew(
        self, name: str, holder: str, *, now: datetime, lasts: timedelta, note: Mapping[str, Any] | None = None
    ) -> Lease:
        """Prolongs a lease that is still held, and changes its note where one is given.

        Raises:
            ConflictError: It expired or another took it: the holder must stop.
        """
        leases = tables.leases
        values: dict[str, object] = {"expires_at": now + lasts}
        if note is not None:
            values["note"] = dict(note)
        held = (leases.c.name == name) & (leases.c.holder == holder) & (leases.c.expires_at > now)
        with self._database.write() as connection:
            row = connection.execute(update(leases).where(held).values(values).returning(leases)).mappings().first()
        if row is None:
            raise ConflictError(f"the lease '{name}' was lost", next_step="acquire it again and look what changed")
        return Lease(**row)

    def release(self, name: str, holder: str) -> bool:
        """Gives a lease back and says whether it was still the holder's."""
        leases = tables.leases
        with self._database.write() as connection:
            gone = delete(leases).where(leases.c.name == name, leases.c.holder == holder)
            return bool(connection.execute(gone).rowcount)

    def live(self, now: datetime) -> list[Lease]:
        """Gives the leases that have not expired, by name."""
        leases = tables.leases
        with self._database.read() as connection:
            rows = connection.execute(select(leases).where(leases.c.expires_at > now).order_by(leases.c.name))
            return [Lease(**row) for row in rows.mappings()]

    def sweep(self, *, before: datetime) -> int:
        """Removes leases that expired before an instant, left by holders that died, and says how many."""
        leases = tables.leases
        with self._database.write() as connection:
            return connection.execute(delete(leases).where(leases.c.expires_at <= before)).rowcount
