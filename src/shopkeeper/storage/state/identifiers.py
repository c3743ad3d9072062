"""The map of identifiers to persons: the authority on who is who."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Text,
    bindparam,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)

from shopkeeper.storage.state import identifier_sets, tables
from shopkeeper.storage.state.database import Database
from shopkeeper.storage.state.identified import Identified, RecordOf

__all__ = ["Identified", "Identifiers", "RecordOf", "person_now", "same_person"]

_ASKED_AT_ONCE = 1_000
_ROWS_AT_ONCE = 1_000  # keeps a transaction below a tenth of a second
_MERGED_AT_ONCE = 500
_MOVES = "moves"

_Item = TypeVar("_Item")
_MAP = tables.identifiers
_OF = tables.person_merges
_MARKS = tables.map_marks
_LOOKUP = select(_MAP).where(_MAP.c.token.in_(bindparam("tokens", expanding=True)))
_CURRENT = select(_OF.c.record_id, _OF.c.into_id).where(
    _OF.c.until.is_(None), _OF.c.record_id.in_(bindparam("records", expanding=True))
)
_MERGING = update(_MAP).where(_MAP.c.person_id == bindparam("ending")).values(person_id=bindparam("staying"))
_SIGHT = ("of_token", "seen_in", "first", "last", "proven")
_SEEING = (
    update(_MAP)
    .where(_MAP.c.token == bindparam("of_token"))
    .values(
        source=bindparam("seen_in"),
        first_seen_on=bindparam("first"),
        last_seen_on=bindparam("last"),
        verified=bindparam("proven"),
    )
)
_MEMBERS = select(_OF.c.record_id, _OF.c.token, _OF.c.into_id).where(
    _OF.c.into_id.in_(bindparam("persons", expanding=True)), _OF.c.until.is_(None)
)
_FOLLOWING = update(_MAP).where(_MAP.c.claimed_by == bindparam("claimant")).values(person_id=bindparam("person"))
_FOLLOWERS = select(_MAP.c.token, _MAP.c.claimed_by).where(
    _MAP.c.claimed_by.in_(bindparam("claimants", expanding=True))
)
_RECORDS = select(_OF.c.record_id, _OF.c.token).where(
    _OF.c.token.in_(bindparam("tokens", expanding=True)), _OF.c.until.is_(None)
)
_FOLD = select(_OF.c.record_id).where(_OF.c.into_id == bindparam("person"), _OF.c.until.is_(None))
# Of a record or person: whose it is, what else is theirs, and whether theirs is still their own; put together once.
_INTO = union_all(
    select(_OF.c.into_id).where(_OF.c.record_id == bindparam("person"), _OF.c.until.is_(None)),
    select(bindparam("person", type_=Text)),
)
_AROUND = select(_OF.c.record_id, _OF.c.into_id).where(
    _OF.c.until.is_(None), or_(_OF.c.record_id.in_(_INTO), _OF.c.into_id.in_(_INTO))
)

_FOLDED = select(_OF.c.record_id, _OF.c.into_id).where(
    _OF.c.until.is_(None), _OF.c.into_id.in_(bindparam("persons", expanding=True))
)


class Identifiers:
    """The map of a shop. What `identity` decided is kept in short transactions, each of which may be done twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def alone(self) -> AbstractContextManager[bool]:
        """Lets one at a time change the map, of all processes: what was asked in here still holds when it is kept."""
        return self._database.alone("map")

    def alone_seeding(self, *, waits: bool) -> AbstractContextManager[bool]:
        """Lets one at a time bring the lake's identifiers in; says whether it is us, where we do not wait."""
        return self._database.alone("map-seed", waits=waits)

    def seeded(self) -> int:
        """The state of the lake's `identifier` that the map holds, 0 for none."""
        return self._mark("identifier")

    def note_seeded(self, snapshot: int) -> None:
        """Notes the state of the lake's `identifier` that the map holds now."""
        with self._database.write() as connection:
            insert = self._database.insert(_MARKS).values(name="identifier", number=snapshot)
            connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"number": snapshot}))

    def version(self) -> int:
        """How often records moved from one person to another: the same number, the same `moves`."""
        return self._mark(_MOVES)

    def known(self, tokens: Collection[str]) -> list[Identified]:
        """Gives what is known of some identifiers."""
        if self._database.is_sqlite:
            return [Identified(*row) for row in identifier_sets.known(self._database, tokens)]
        found: list[Identified] = []
        with self._database.read() as connection:
            for chunk in _chunks(tokens, _ASKED_AT_ONCE):
                found += [Identified(*row) for row in connection.execute(_LOOKUP, {"tokens": chunk})]
        return found

    def tokens(self) -> Iterator[str]:
        """Gives every identifier of the map, in their order."""
        last = ""
        query = select(_MAP.c.token).order_by(_MAP.c.token).limit(_ROWS_AT_ONCE)
        while True:
            with self._database.read() as connection:
                found = list(connection.scalars(query.where(_MAP.c.token > last)))
            yield from found
            if len(found) < _ROWS_AT_ONCE:
                return
            last = found[-1]

    def of(self, person_id: str) -> list[Identified]:
        """Gives the identifiers of a person."""
        with self._database.read() as connection:
            rows = connection.execute(select(_MAP).where(_MAP.c.person_id == person_id).order_by(_MAP.c.token))
            return [Identified(*row) for row in rows]

    def person(self, record_id: str) -> str:
        """The person a record belongs to now; also the person that a merged person became."""
        with self._database.read() as connection:
            found = connection.execute(_CURRENT, {"records": [record_id]}).first()
        return record_id if found is None else found[1]

    def records(self, person_id: str) -> list[str]:
        """Gives the records that a person is the fold of, its own among them."""
        with self._database.read() as connection:
            found = set(connection.scalars(_FOLD, {"person": person_id}))
            current = connection.execute(_CURRENT, {"records": [person_id]}).first()
        if current is None:
            found.add(person_id)
        return sorted(found)

    def folds(self, person_ids: Collection[str]) -> dict[str, list[str]]:
        """Gives the records that each of some persons is the fold of, its own among them."""
        found: dict[str, list[str]] = {person: [person] for person in person_ids}
        for record, into in self._around(found):
            if record != into and into in found:
                found[into].append(record)
            if record != into and record in found:
                found[record].remove(record)
        return found

    def fold(self, person_id: str) -> tuple[str, list[str]]:
        """Gives whom a person or record belongs to now and that person's records: `person` and `records` at once."""
        current = dict(self._database.ask(_AROUND, {"person": person_id}))
        who = current.get(person_id, person_id)
        records = {record for record, into in current.items() if into == who}
        return who, sorted(records if who in current else {who, *records})

    def persons(self, record_ids: Collection[str]) -> dict[str, str]:
        """Gives the person of each record that does not belong to its own."""
        if self._database.is_sqlite:
            return dict(identifier_sets.current(self._database, record_ids))
        found: dict[str, str] = {}
        with self._database.read() as connection:
            for chunk in _chunks(record_ids, _ASKED_AT_ONCE):
                found.update((one, into) for one, into in connection.execute(_CURRENT, {"records": chunk}))
        return found

    def moves(self, *, at_once: int = 10_000) -> Iterator[RecordOf]:
        """Gives every record's history of belonging, by record and time."""
        query = select(_OF.c.record_id, _OF.c.token, _OF.c.into_id, _OF.c.since, _OF.c.until).order_by(
            _OF.c.record_id, _OF.c.since
        )
        after: tuple[str, datetime] | None = None
        while True:
            page = query.limit(at_once)
            if after is not None:
                page = page.where(
                    (_OF.c.record_id > after[0]) | ((_OF.c.record_id == after[0]) & (_OF.c.since > after[1]))
                )
            with self._database.read() as connection:
                rows = [RecordOf(*row) for row in connection.execute(page)]
            yield from rows
            if len(rows) < at_once:
                return
            after = rows[-1].record_id, rows[-1].since

    def merge(self, pairs: Sequence[tuple[str, str]], *, now: datetime) -> None:
        """Makes persons part of others: identifiers and records of the first of each pair go to the second."""
        for chunk in _chunks(pairs, _MERGED_AT_ONCE):
            into = dict(chunk)
            with self._database.write() as connection:
                held = connection.scalars(select(_MAP.c.person_id).where(_MAP.c.person_id.in_(into)).distinct())
                changed = [{"ending": person, "staying": into[person]} for person in held]
                if changed:
                    connection.execute(_MERGING, changed)
                moving = {person: (person.partition(":")[2], stays) for person, stays in into.items()}
                rows = connection.execute(_MEMBERS, {"persons": list(into)})
                moving.update((record, (token, into[person])) for record, token, person in rows)
                _move(connection, self._database, moving, now)

    def follow(self, moved: Mapping[str, tuple[Identified, str]], *, now: datetime) -> None:
        """Moves identifiers to other persons without a merge; what they claimed and their records follow them.

        Args:
            moved: By token: the identifier as it is now, and its own record.
            now: When.
        """
        for chunk in _chunks(moved.values(), _ROWS_AT_ONCE):
            with self._database.write() as connection:
                self._put(connection, [one for one, _ in chunk])
                person = {one.token: one.person_id for one, _ in chunk}
                connection.execute(
                    _FOLLOWING, [{"claimant": token, "person": person_id} for token, person_id in person.items()]
                )
                followers = connection.execute(_FOLLOWERS, {"claimants": list(person)})
                leader = {token: claimant for token, claimant in followers if token not in person}
                moving = {own: (one.token, one.person_id) for one, own in chunk}
                for asked in _chunks([*person, *leader], _ASKED_AT_ONCE):
                    for record, token in connection.execute(_RECORDS, {"tokens": asked}):
                        moving[record] = token, person[leader.get(token, token)]
                _move(connection, self._database, moving, now)

    def keep(self, identified: Iterable[Identified]) -> None:
        """Keeps identifiers, new and changed."""
        for chunk in _chunks(identified, _ROWS_AT_ONCE):
            with self._database.write() as connection:
                self._put(connection, chunk)

    def belong(self, records: Mapping[str, tuple[str, str]], *, now: datetime) -> None:
        """Keeps which records belong to another person than their own.

        Args:
            records: Token and person by record.
            now: Since when, where it is new.
        """
        self.remember((), (), records, now=now)

    def remember(
        self,
        identified: Collection[Identified],
        seen: Collection[Identified],
        records: Mapping[str, tuple[str, str]],
        *,
        now: datetime,
    ) -> None:
        """Keeps what a batch said; of a small one in one transaction, since each waits for the disk.

        Args:
            identified: Identifiers, new and changed.
            seen: Identifiers that are there, of which only the sight is new; one that is gone stays gone.
            records: Token and person by record that belongs to another person than its own.
            now: Since when it does, where that is new.
        """
        present = self.persons(list(records)) if records else {}
        new = [(record, of) for record, of in records.items() if present.get(record) != of[1]]

        def move(connection: Connection, some: Sequence[tuple[str, tuple[str, str]]]) -> None:
            _move(connection, self._database, dict(some), now)

        work: list[tuple[Callable[[Connection, Any], None], Any]] = [(self._put, one) for one in identified]
        work += [(self._see, one) for one in seen]
        work += [(move, each) for each in new]
        for chunk in _chunks(work, _ROWS_AT_ONCE):
            with self._database.write() as connection:
                for keeping, some in groupby(chunk, key=itemgetter(0)):
                    keeping(connection, [each for _, each in some])

    def forget(self, tokens: Collection[str], records: Collection[str] = ()) -> int:
        """Takes identifiers out, and the records that were theirs; gives how many identifiers went.

        Args:
            tokens: The identifiers.
            records: Further records that go, and persons that records belonged to.
        """
        gone = 0
        for chunk in _chunks(records, _ASKED_AT_ONCE):
            with self._database.write() as connection:
                theirs = or_(_OF.c.record_id.in_(chunk), _OF.c.into_id.in_(chunk))
                if connection.execute(_OF.delete().where(theirs)).rowcount:
                    _count_move(connection, self._database)
        for chunk in _chunks(tokens, _ASKED_AT_ONCE):
            with self._database.write() as connection:
                if connection.execute(_OF.delete().where(_OF.c.token.in_(chunk))).rowcount:
                    _count_move(connection, self._database)
                gone += connection.execute(_MAP.delete().where(_MAP.c.token.in_(chunk))).rowcount
        return gone

    def _around(self, persons: Collection[str]) -> list[tuple[str, str]]:
        """Record and person where either is one of some persons, as of one instant."""
        if self._database.is_sqlite:
            return identifier_sets.around(self._database, persons)
        found: set[tuple[str, str]] = set()
        with self._database.read() as connection:
            for chunk in _chunks(persons, _ASKED_AT_ONCE):
                found.update((one, into) for one, into in connection.execute(_FOLDED, {"persons": chunk}))
                found.update((one, into) for one, into in connection.execute(_CURRENT, {"records": chunk}))
        return sorted(found)

    def _mark(self, name: str) -> int:
        with self._database.read() as connection:
            return int(connection.scalar(select(_MARKS.c.number).where(_MARKS.c.name == name)) or 0)

    def _put(self, connection: Connection, identified: Sequence[Identified]) -> None:
        if self._database.is_sqlite:
            identifier_sets.put(connection, [_row(one) for one in identified])
            return
        names = _MAP.c.keys()
        insert = self._database.insert(_MAP)
        changed = {name: insert.excluded[name] for name in names if name != "token"}
        values = [{name: getattr(one, name) for name in names} for one in identified]
        connection.execute(insert.on_conflict_do_update(index_elements=["token"], set_=changed), values)

    def _see(self, connection: Connection, seen: Sequence[Identified]) -> None:
        # Apart from `_put`: who the person is stands in two indexes, which an update of it writes anew.
        found = [(one.token, one.source, one.first_seen_on, one.last_seen_on, one.verified) for one in seen]
        if self._database.is_sqlite:
            identifier_sets.seen(connection, found)
        else:
            connection.execute(_SEEING, [dict(zip(_SIGHT, row, strict=True)) for row in found])


def _row(one: Identified) -> identifier_sets.Row:
    return (
        one.token,
        one.person_id,
        one.kind,
        one.source,
        one.first_seen_on,
        one.last_seen_on,
        one.verified,
        one.claimed_by,
        one.claimed_at,
    )


def _move(connection: Connection, database: Database, moving: Mapping[str, tuple[str, str]], now: datetime) -> None:
    current: dict[str, str] = {}
    for asked in _chunks(moving, _ASKED_AT_ONCE):
        current.update((one, into) for one, into in connection.execute(_CURRENT, {"records": asked}))
    new = {record: of for record, of in moving.items() if current.get(record, record) != of[1]}
    ends = [{"ending": record} for record in new if record in current]
    if ends:
        ending = update(_OF).where(_OF.c.record_id == bindparam("ending"), _OF.c.until.is_(None)).values(until=now)
        connection.execute(ending, ends)
    if new and database.is_sqlite:
        identifier_sets.moved(connection, new, now)
    elif new:
        insert = database.insert(_OF)
        again = {"token": insert.excluded.token, "into_id": insert.excluded.into_id, "until": None}
        rows = [
            {"record_id": record, "since": now, "until": None, "token": token, "into_id": into}
            for record, (token, into) in new.items()
        ]
        connection.execute(insert.on_conflict_do_update(index_elements=["record_id", "since"], set_=again), rows)
    if new:
        _count_move(connection, database)


def _count_move(connection: Connection, database: Database) -> None:
    insert = database.insert(_MARKS).values(name=_MOVES, number=1)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"number": _MARKS.c.number + 1}))


def person_now(of: Any) -> Any:
    """The SQL of the person that a record, or a person of before, is now.

    Args:
        of: The SQL of its id.
    """
    moved = _OF.alias()
    into = select(moved.c.into_id).where(moved.c.record_id == of, moved.c.until.is_(None)).scalar_subquery()
    return func.coalesce(into, of)


def same_person(person_id: str) -> CompoundSelect[Any]:
    """The SQL of all ids that were ever given to what is one person now: what was noted under any of them holds."""
    now = person_now(literal(person_id))
    return select(now).union(select(_OF.c.record_id).where(_OF.c.into_id == now, _OF.c.until.is_(None)))


def _chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk
