"""The audit log: who did what to what, when and from where; each row bears the hash of all before it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select, text

from shopkeeper.base.errors import StorageError
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["Audit", "AuditRow"]

_FIRST = "0" * 64
_APPEND_LOCK = 7_360_202
_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One thing that was done.

    Args:
        seq: Its place in the chain, from 1.
        who: The user, key or job.
        what: What was done, such as `person.unmask`.
        target: To what; an id or token, never a raw identifier.
        origin: From where: an address or a host.
        detail: More about it (JSON), such as the reason given.
        happened_at: When.
        hash: SHA-256 over the row before's hash and this row, in hexadecimal.
    """

    seq: int
    who: str
    what: str
    target: str
    origin: str | None
    detail: Mapping[str, Any]
    happened_at: datetime
    hash: str


class Audit:
    """The audit log of a shop.

    The chain shows that a row was changed, left out or put in, and (by its kept head) that the end was cut. Whoever may
    write the whole database can make it all anew: note `head()` elsewhere from time to time and hand it to `verify`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(
        self,
        who: str,
        what: str,
        target: str,
        *,
        now: datetime,
        origin: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> AuditRow:
        """Adds a row at the end of the chain."""
        return self.append_many([AuditRow(0, who, what, target, origin, dict(detail or {}), now, "")])[0]

    def append_many(self, rows: Sequence[AuditRow]) -> list[AuditRow]:
        """Adds rows at the end of the chain, in one transaction.

        Args:
            rows: What was done; the place and the hash of each are set here.

        Returns:
            The rows as they stand.
        """
        if not rows:
            return []
        with self._database.write() as connection:
            if not self._database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _APPEND_LOCK})
            last, before = _head(connection)
            added = []
            for seq, row in enumerate(rows, last + 1):
                unsealed = replace(row, seq=seq, happened_at=row.happened_at.astimezone(UTC), hash="")
                before = _sealed(before, unsealed)
                added.append(replace(unsealed, hash=before))
            values = [{name: getattr(row, name) for name in AuditRow.__slots__} for row in added]
            connection.execute(tables.audit.insert(), values)
            head = {"seq": added[-1].seq, "hash": before}
            upsert = self._database.insert(tables.audit_head).values(only=1, **head)
            connection.execute(upsert.on_conflict_do_update(index_elements=["only"], set_=head))
        return added

    def newest(self, *, before: int | None = None, limit: int = 100, target: str | None = None) -> list[AuditRow]:
        """Gives rows, the newest first, before a place in the chain and about one target if they are given."""
        audit = tables.audit
        query = select(audit).order_by(audit.c.seq.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.seq < before)
        if target is not None:
            query = query.where(audit.c.target == target)
        with self._database.read() as connection:
            return [AuditRow(**row) for row in connection.execute(query).mappings()]

    def rows(self, *, after: int = 0, limit: int = 100, target: str | None = None) -> list[AuditRow]:
        """Gives rows in order, after a place in the chain, about one target if one is given."""
        audit = tables.audit
        query = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
        if target is not None:
            query = query.where(audit.c.target == target)
        with self._database.read() as connection:
            return [AuditRow(**row) for row in connection.execute(query).mappings()]

    def head(self) -> tuple[int, str]:
        """Gives the place and hash of the last row, (0, zeros) for an empty log."""
        with self._database.read() as connection:
            return _head(connection)

    def rewrite(
        self, connection: Connection, change: Callable[[Sequence[AuditRow]], Iterable[AuditRow]]
    ) -> tuple[int, str]:
        """Puts other names into rows and chains all of them anew, within a transaction; only a rekey may.

        Args:
            connection: In a transaction.
            change: Gives some rows with other names in them.

        Returns:
            The `head` of before, which whoever noted it can go by.

        Raises:
            StorageError: The chain was broken before: making it anew would hide that.
        """
        was, sealed, last, head = _FIRST, _FIRST, 0, _head(connection)
        query = select(tables.audit).order_by(tables.audit.c.seq).limit(_ROWS_AT_ONCE)
        while found := connection.execute(query.where(tables.audit.c.seq > last)).mappings().all():
            rows = [AuditRow(**row) for row in found]
            for row, new in zip(rows, change(rows), strict=True):
                last += 1
                if row.seq != last or row.hash != _sealed(was, row):
                    raise _broken(last)
                was, sealed = row.hash, _sealed(sealed, new)
                if sealed != row.hash:
                    values = {"who": new.who, "target": new.target, "detail": new.detail, "hash": sealed}
                    connection.execute(tables.audit.update().where(tables.audit.c.seq == last).values(values))
        if head != (last, was):
            raise _broken(last + 1)
        if last:
            connection.execute(tables.audit_head.update().values(hash=sealed))
        return head

    def verify(self, anchor: tuple[int, str] | None = None) -> int:
        """Checks the whole chain and gives its length.

        Args:
            anchor: A `head()` noted earlier, which must still be in the chain.

        Raises:
            StorageError: A row was changed, removed or added; the message says which.
        """
        seq, before = 0, _FIRST
        met = anchor is None or anchor == (0, _FIRST)
        with self._database.read() as connection:
            for row in _rows(connection):
                seq += 1
                if row.seq != seq or row.hash != _sealed(before, row):
                    raise _broken(seq)
                before = row.hash
                met = met or (seq, before) == anchor
            if _head(connection) != (seq, before) or not met:
                raise _broken(seq + 1 if met else anchor[0] if anchor else seq)
        return seq


def _rows(connection: Connection) -> Iterator[AuditRow]:
    # By place, not by one open cursor: whoever stops at a broken row leaves nothing open.
    last, query = -1, select(tables.audit).order_by(tables.audit.c.seq).limit(_ROWS_AT_ONCE)
    while found := connection.execute(query.where(tables.audit.c.seq > last)).mappings().all():
        for row in found:
            yield AuditRow(**row)
        last = found[-1]["seq"]


def _head(connection: Connection) -> tuple[int, str]:
    row = connection.execute(select(tables.audit_head.c.seq, tables.audit_head.c.hash)).first()
    return (row[0], row[1]) if row is not None else (0, _FIRST)


def _sealed(before: str, row: AuditRow) -> str:
    instant = row.happened_at.astimezone(UTC).isoformat(timespec="microseconds")
    content = [before, row.seq, row.who, row.what, row.target, row.origin, row.detail, instant]
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _broken(seq: int) -> StorageError:
    return StorageError(
        f"the audit log was tampered with at row {seq}", place="table audit", next_step="compare it with a backup"
    )
