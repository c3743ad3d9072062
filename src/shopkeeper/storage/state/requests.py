"""What persons ask of their data (access, correction, erasure), each with the day by which the law wants it done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, select, update

from shopkeeper.base.errors import ConflictError, MissingError, UsageError
from shopkeeper.base.ids import new_id
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["KINDS", "Request", "Requests"]

KINDS = ("access", "correction", "erasure")


@dataclass(frozen=True, slots=True)
class Request:
    """One request of one person.

    Args:
        id: Its id.
        kind: One of `KINDS`.
        person_id: The person; empty once an erasure is done.
        state: open, done or refused.
        note: What the person asks, or why it was refused; taken away by an erasure.
        asked_by: Who took it in.
        asked_at: When the person asked: from then the clock runs.
        due_at: By when it must be done.
        done_by: Who did it.
        done_at: When.
        receipt: What was done, as JSON; names nobody.
    """

    id: str
    kind: str
    person_id: str | None
    state: str
    note: str | None
    asked_by: str
    asked_at: datetime
    due_at: datetime
    done_by: str | None = None
    done_at: datetime | None = None
    receipt: Mapping[str, Any] | None = field(default=None, hash=False)

    def overdue(self, now: datetime) -> bool:
        """Whether it waits longer than the law allows."""
        return self.state == "open" and now > self.due_at


class Requests:
    """The requests of a shop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, kind: str, person_id: str, *, by: str, asked_at: datetime, due_at: datetime, note: str | None = None
    ) -> Request:
        """Takes a request in; where the same is open already, the older clock runs on and that one is given.

        Raises:
            UsageError: There is no such kind.
        """
        if kind not in KINDS:
            raise UsageError(f"there is no kind of request '{kind[:60]}'", next_step=f"name one of {', '.join(KINDS)}")
        requests = tables.requests
        made = Request(new_id("request"), kind, person_id, "open", note, by, asked_at, due_at)
        same = select(requests).where(
            requests.c.kind == kind, requests.c.person_id == person_id, requests.c.state == "open"
        )
        with self._database.write() as connection:
            waiting = connection.execute(same).mappings().first() if kind != "correction" else None
            if waiting is not None:
                return _request(waiting)
            connection.execute(requests.insert().values({name: getattr(made, name) for name in Request.__slots__}))
        return made

    def get(self, request_id: str) -> Request:
        """Gives a request.

        Raises:
            MissingError: There is none of that id.
        """
        requests = tables.requests
        with self._database.read() as connection:
            row = connection.execute(select(requests).where(requests.c.id == request_id)).mappings().first()
        if row is None:
            raise MissingError("there is no such request", next_step="look at the list of requests")
        return _request(row)

    def all(self, *, state: str | None = None, limit: int = 1_000) -> list[Request]:
        """Gives requests, the open ones first, of these the one due first."""
        requests = tables.requests
        query = select(requests).order_by(requests.c.state != "open", requests.c.due_at, requests.c.id).limit(limit)
        if state is not None:
            query = query.where(requests.c.state == state)
        with self._database.read() as connection:
            return [_request(row) for row in connection.execute(query).mappings()]

    def of(self, person_id: str) -> list[Request]:
        """Gives the requests of a person, the oldest first."""
        requests = tables.requests
        query = select(requests).where(requests.c.person_id == person_id).order_by(requests.c.asked_at, requests.c.id)
        with self._database.read() as connection:
            return [_request(row) for row in connection.execute(query).mappings()]

    def overdue(self, now: datetime) -> int:
        """How many open requests wait longer than the law allows."""
        requests = tables.requests
        late = select(func.count()).where(requests.c.state == "open", requests.c.due_at < now)
        with self._database.read() as connection:
            return int(connection.scalar(late) or 0)

    def close(
        self,
        request_id: str,
        state: str,
        *,
        by: str,
        now: datetime,
        receipt: Mapping[str, Any] | None = None,
        note: str | None = None,
    ) -> Request:
        """Notes that a request was done or refused.

        Raises:
            ConflictError: It was closed before.
            MissingError: There is none of that id.
        """
        requests = tables.requests
        values: dict[str, Any] = {"state": state, "done_by": by, "done_at": now, "receipt": receipt}
        if note is not None:
            values["note"] = note
        closing = update(requests).where(requests.c.id == request_id, requests.c.state == "open").values(values)
        with self._database.write() as connection:
            closed = connection.execute(closing).rowcount
        found = self.get(request_id)
        if not closed:
            raise ConflictError(f"the request is {found.state} already", next_step="look at the list of requests")
        return found


def _request(row: RowMapping) -> Request:
    return Request(**{name: row[name] for name in Request.__slots__})
