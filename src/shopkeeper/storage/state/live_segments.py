"""Who is in which segment live, when to look at whom again, and the stream of who entered and left."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, func, select, text, update

from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["Change", "LiveSegments", "Member", "NewChange", "Turn"]

_Item = TypeVar("_Item")
# Of SQLite, whole sets in one step: it lets go of Python with every row, and waits beside busy threads to have it back.
_MEMBERS_OF = """
SELECT json_group_array(json_array(segment, person_id, version, entered_at)) FROM live_members
WHERE person_id IN (SELECT value FROM json_each(?))
"""
_TIMERS_OF = """
SELECT json_group_array(json_array(segment, person_id, due_at)) FROM segment_timers
WHERE person_id IN (SELECT value FROM json_each(?))
"""
_AT_ONCE = 400
"""Pairs in one statement: SQLite takes some thousands of values."""


@dataclass(frozen=True, slots=True)
class Member:
    """One person in one segment, since when and by which version of it."""

    segment: str
    person_id: str
    version: int
    entered_at: datetime


@dataclass(frozen=True, slots=True)
class NewChange:
    """A change that is not in the stream yet.

    Args:
        segment: The segment.
        version: Its version.
        person_id: The person.
        kind: `entered` or `left`.
        occurred_at: When it came to be so.
        cause: `event`, `timer`, `run`, `retired` or `merged` (into another person).
    """

    segment: str
    version: int
    person_id: str
    kind: str
    occurred_at: datetime
    cause: str


@dataclass(frozen=True, slots=True)
class Change(NewChange):
    """A change of the stream.

    Args:
        seq: Its place: rises, and a reader that has one has all before it.
    """

    seq: int = 0


@dataclass(slots=True)
class Turn:
    """What one turn of evaluation came to; it is kept in one transaction.

    Args:
        changes: Who entered and left.
        timers: When to look again at a person for a segment; None: never by time alone.
    """

    changes: list[NewChange] = field(default_factory=list)
    timers: dict[tuple[str, str], datetime | None] = field(default_factory=dict)


class LiveSegments:
    """The live memberships, timers and changes of a shop; one worker at a time writes them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def members_of(self, people: Collection[str]) -> list[Member]:
        """Gives the segments that some people are in."""
        if self._database.is_sqlite:
            rows = json.loads(self._database.ask_text(_MEMBERS_OF, json.dumps(list(people))))
            return [Member(segment, who, version, _instant(at)) for segment, who, version, at in rows]
        members, found = tables.live_members, []
        with self._database.read() as connection:
            for some in _pieces(sorted(people)):
                query = select(members).where(members.c.person_id.in_(some))
                found += [Member(**row) for row in connection.execute(query).mappings()]
        return found

    def in_segment(self, segment: str) -> dict[str, Member]:
        """Gives everybody in a segment."""
        query = select(tables.live_members).where(tables.live_members.c.segment == segment)
        with self._database.read() as connection:
            return {row["person_id"]: Member(**row) for row in connection.execute(query).mappings()}

    def sizes(self) -> dict[str, int]:
        """How many people are in each segment that runs live and has any."""
        members = tables.live_members
        query = select(members.c.segment, func.count()).group_by(members.c.segment)
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def names(self) -> list[str]:
        """The segments that have members or timers."""
        members, timers = tables.live_members.c.segment, tables.segment_timers.c.segment
        with self._database.read() as connection:
            return sorted(
                {*connection.scalars(select(members).distinct()), *connection.scalars(select(timers).distinct())}
            )

    def people(self) -> set[str]:
        """Gives everybody who is named anywhere here."""
        found: set[str] = set()
        with self._database.read() as connection:
            for table in (tables.live_members, tables.segment_timers, tables.segment_changes):
                found.update(connection.scalars(select(table.c.person_id).distinct()))
        return found - {""}

    def due(self, now: datetime, most: int) -> list[tuple[str, str]]:
        """Gives (segment, person) pairs whose timers have run out, the oldest first."""
        timers = tables.segment_timers
        query = select(timers.c.segment, timers.c.person_id).where(timers.c.due_at <= now)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(timers.c.due_at, timers.c.person_id).limit(most))
            return [(row.segment, row.person_id) for row in rows]

    def timers_of(self, people: Collection[str]) -> dict[tuple[str, str], datetime]:
        """Gives the timers of some people."""
        if self._database.is_sqlite:
            rows = json.loads(self._database.ask_text(_TIMERS_OF, json.dumps(list(people))))
            return {(segment, who): _instant(at) for segment, who, at in rows}
        timers = tables.segment_timers
        found: dict[tuple[str, str], datetime] = {}
        with self._database.read() as connection:
            for some in _pieces(sorted(people)):
                rows = connection.execute(select(timers).where(timers.c.person_id.in_(some)))
                found |= {(row.segment, row.person_id): row.due_at for row in rows}
        return found

    def next_due(self) -> datetime | None:
        """When the first timer runs out."""
        with self._database.read() as connection:
            first: datetime | None = connection.scalar(select(func.min(tables.segment_timers.c.due_at)))
        return first

    def keep(self, turn: Turn, webhooks: Mapping[str, Collection[str]]) -> int:
        """Keeps a turn: memberships, timers, changes and what is to be sent of them, all or nothing.

        A change that was kept before, or that says what is so already, is left out: a turn that is done again after a
        kill changes nothing.

        Args:
            turn: The turn.
            webhooks: The segments that each web hook asks for; none of them means all.

        Returns:
            How many changes were new.
        """
        with self._database.write() as connection:
            new = self._append(connection, turn.changes, webhooks) if turn.changes else 0
            self._set_timers(connection, turn.timers)
        return new

    def changes(
        self, segment: str | None, after: int = 0, most: int = 500, people: Collection[str] | None = None
    ) -> list[Change]:
        """Gives the changes behind a place in the stream, in order.

        Args:
            segment: Of one segment; of all when None.
            after: The place.
            most: At most so many.
            people: Only of these, if they are given.
        """
        changes = tables.segment_changes
        query = select(changes).where(changes.c.seq > after, changes.c.person_id != "")
        if segment is not None:
            query = query.where(changes.c.segment == segment)
        if people is not None:
            query = query.where(changes.c.person_id.in_(sorted(people)))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(changes.c.seq).limit(most)).mappings()
            return [Change(**row) for row in rows]

    def moved_since(self, segment: str, moment: datetime, version: int) -> dict[str, bool]:
        """Gives whether each person who entered or left a version of a segment after an instant was in it then.

        What a run corrected since is no move: it speaks of that instant itself.
        """
        changes = tables.segment_changes
        query = select(changes.c.person_id, changes.c.kind).where(
            changes.c.segment == segment,
            changes.c.version == version,
            changes.c.occurred_at > moment,
            changes.c.cause != "run",
        )
        found: dict[str, bool] = {}
        with self._database.read() as connection:
            for row in connection.execute(query.order_by(changes.c.seq)):
                found.setdefault(row.person_id, row.kind == "left")
        return found

    def drop(self, segment: str) -> None:
        """Forgets the timers of a segment that runs live no more; its members stay until `keep` has them leave."""
        with self._database.write() as connection:
            connection.execute(delete(tables.segment_timers).where(tables.segment_timers.c.segment == segment))

    def erase(self, people: Collection[str]) -> int:
        """Removes every trace of some people; gives how many rows there were.

        The last place of the stream stays, without its person: a place is never given twice.
        """
        members, timers, changes = tables.live_members, tables.segment_timers, tables.segment_changes
        erased = 0
        with self._database.write() as connection:
            for some in _pieces(sorted(people)):
                for table in (members, timers):
                    erased += connection.execute(delete(table).where(table.c.person_id.in_(some))).rowcount
                erased += self._forget(connection, changes.c.person_id.in_(some))
        return erased

    def trim(self, before: datetime) -> int:
        """Forgets the changes before an instant, whether they were sent or not; gives how many."""
        with self._database.write() as connection:
            return self._forget(connection, tables.segment_changes.c.occurred_at < before)

    def _forget(self, connection: Connection, which: ColumnElement[bool]) -> int:
        changes, outbox = tables.segment_changes, tables.webhook_outbox
        last = select(func.max(changes.c.seq)).scalar_subquery()
        connection.execute(delete(outbox).where(outbox.c.seq.in_(select(changes.c.seq).where(which))))
        blanked = connection.execute(
            update(changes).where(which, changes.c.seq == last, changes.c.person_id != "").values(person_id="")
        )
        return blanked.rowcount + connection.execute(delete(changes).where(which, changes.c.seq < last)).rowcount

    def _append(
        self, connection: Connection, wanted: Sequence[NewChange], webhooks: Mapping[str, Collection[str]]
    ) -> int:
        if not self._database.is_sqlite:
            # Places must be seen in their order: a reader that saw 8 must never miss a 7 that is committed later.
            connection.execute(text("LOCK TABLE segment_changes IN SHARE ROW EXCLUSIVE MODE"))
        inside = self._inside(connection, {(each.segment, each.person_id) for each in wanted})
        new, seen = [], set(inside)
        for each in wanted:
            pair = (each.segment, each.person_id)
            if (each.kind == "entered") is (pair in seen):
                continue
            seen.symmetric_difference_update({pair})
            new.append(each)
        if not new:
            return 0
        last = connection.scalar(select(func.max(tables.segment_changes.c.seq))) or 0
        rows = [
            {**{name: getattr(each, name) for name in NewChange.__slots__}, "seq": last + place}
            for place, each in enumerate(new, 1)
        ]
        # What was kept under the same instant before is not kept again; its place stays empty.
        insert = self._database.insert(tables.segment_changes).on_conflict_do_nothing()
        kept = set(connection.scalars(insert.returning(tables.segment_changes.c.seq), rows))
        rows = [row for row in rows if row["seq"] in kept]
        self._move(connection, [each for place, each in enumerate(new, 1) if last + place in kept])
        sent = [
            {"webhook": hook, "seq": row["seq"], "state": "waiting", "attempts": 0, "next_at": row["occurred_at"]}
            for hook, segments in webhooks.items()
            for row in rows
            if not segments or row["segment"] in segments
        ]
        if sent:
            connection.execute(tables.webhook_outbox.insert(), sent)
        return len(rows)

    def _inside(self, connection: Connection, pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
        members, found = tables.live_members, set()
        # By person and not by pair: SQLite would go through the whole table for a list of pairs.
        for some in _pieces(sorted({person for _, person in pairs})):
            rows = connection.execute(
                select(members.c.segment, members.c.person_id).where(members.c.person_id.in_(some))
            )
            found |= {(row.segment, row.person_id) for row in rows}
        return found & pairs

    def _move(self, connection: Connection, changes: Sequence[NewChange]) -> None:
        members = tables.live_members
        last = {(each.segment, each.person_id): each for each in changes}
        _delete(connection, members, last)
        rows = [
            {
                "segment": each.segment,
                "person_id": each.person_id,
                "version": each.version,
                "entered_at": each.occurred_at,
            }
            for each in last.values()
            if each.kind == "entered"
        ]
        if rows:
            connection.execute(members.insert(), rows)

    def _set_timers(self, connection: Connection, wanted: Mapping[tuple[str, str], datetime | None]) -> None:
        timers = tables.segment_timers
        _delete(connection, timers, [pair for pair, due in wanted.items() if due is None])
        rows = [
            {"segment": segment, "person_id": person_id, "due_at": due}
            for (segment, person_id), due in wanted.items()
            if due is not None
        ]
        if rows:
            upsert = self._database.insert(timers)
            connection.execute(
                upsert.on_conflict_do_update(
                    index_elements=["segment", "person_id"], set_={"due_at": upsert.excluded.due_at}
                ),
                rows,
            )


def _instant(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


def _delete(connection: Connection, table: Table, pairs: Collection[tuple[str, str]]) -> None:
    this = (table.c.segment == bindparam("of_segment")) & (table.c.person_id == bindparam("of_person"))
    if pairs:
        rows = [{"of_segment": segment, "of_person": person} for segment, person in pairs]
        connection.execute(delete(table).where(this), rows)


def _pieces(items: Sequence[_Item]) -> Iterable[Sequence[_Item]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
