"""Flags of persons, such as the one against automated decisions: each change is kept, the last one holds."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from shopkeeper.base.ids import derived_id
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database
from shopkeeper.storage.state.identifiers import person_now, same_person

__all__ = ["NO_AUTOMATED_DECISIONS", "FlagChange", "Flags"]

NO_AUTOMATED_DECISIONS = "no_automated_decisions"
"""The person wants nothing decided by machines from their data (PIPL 24, GDPR 22)."""


@dataclass(frozen=True, slots=True)
class FlagChange:
    """One change of a flag.

    Args:
        person_id: The person.
        flag: The flag.
        is_set: Whether it was set; false takes it back.
        source: Where the person said so.
        who: Who noted it.
        occurred_at: When the person said so.
        recorded_at: When it was noted.
    """

    person_id: str
    flag: str
    is_set: bool
    source: str
    who: str
    occurred_at: datetime
    recorded_at: datetime

    @property
    def id(self) -> str:
        """Its id: the same for the same words."""
        own = (self.person_id, self.flag, str(self.is_set), self.source, self.occurred_at.isoformat())
        return derived_id("flag", *own)


class Flags:
    """The flags of a shop's persons."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, change: FlagChange) -> None:
        """Keeps a change; the same again is left as it is."""
        values = {"id": change.id, **{name: getattr(change, name) for name in FlagChange.__slots__}}
        with self._database.write() as connection:
            connection.execute(self._database.insert(tables.person_flags).values(values).on_conflict_do_nothing())

    def of(self, person_id: str) -> list[FlagChange]:
        """Gives all changes of a person's flags, the newest first; of one instant the one that sets comes first."""
        flags = tables.person_flags
        query = select(flags).where(flags.c.person_id.in_(same_person(person_id)))
        query = query.order_by(flags.c.occurred_at.desc(), flags.c.is_set.desc(), flags.c.recorded_at.desc())
        with self._database.read() as connection:
            rows = connection.execute(query).mappings()
            return [FlagChange(**{name: row[name] for name in FlagChange.__slots__}) for row in rows]

    def is_set(self, person_id: str, flag: str) -> bool:
        """Whether a flag holds; a person nobody asked has none."""
        return next((change.is_set for change in self.of(person_id) if change.flag == flag), False)

    def all_set(self, flag: str) -> set[str]:
        """Gives every person for whom a flag holds, for what decides about many at once."""
        flags = tables.person_flags
        person = person_now(flags.c.person_id).label("person_id")
        query = select(person, flags.c.is_set).where(flags.c.flag == flag)
        query = query.order_by(flags.c.occurred_at, flags.c.is_set, flags.c.recorded_at)
        with self._database.read() as connection:
            last = {row.person_id: row.is_set for row in connection.execute(query)}
        return {person for person, is_set in last.items() if is_set}
