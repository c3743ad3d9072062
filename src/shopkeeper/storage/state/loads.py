"""Loads: every file or query that came in, with what became of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update

from shopkeeper.base.errors import ConflictError, DataError, MissingError
from shopkeeper.base.ids import new_id
from shopkeeper.storage.state import tables
from shopkeeper.storage.state.database import Database

__all__ = ["Load", "Loads"]

_PARTS = ("stored", "updated", "duplicate", "refused")


@dataclass(frozen=True, slots=True)
class Load:
    """One load.

    Args:
        id: Its id.
        file_name: The file's name without folder, or what stands for it.
        content_hash: SHA-256 of the file's bytes, in hexadecimal.
        table_name: The table it went to.
        source: The source system.
        state: `running`, `done` or `failed`.
        counts: received, stored, updated, duplicate, refused and reasons, empty while it runs.
        watermark: The greatest value of the `--since` column, as text.
        error: Why it failed.
        started_by: Who loaded it.
        started_at: When it started.
        ended_at: When it ended.
    """

    id: str
    file_name: str
    content_hash: str
    table_name: str
    source: str
    state: str
    counts: Mapping[str, Any]
    watermark: str | None
    error: str | None
    started_by: str
    started_at: datetime
    ended_at: datetime | None


class Loads:
    """The loads of a shop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, file_name: str, content_hash: str, *, table_name: str, source: str, by: str, now: datetime) -> Load:
        """Notes that a load started."""
        load = Load(
            new_id("load"), file_name, content_hash, table_name, source, "running", {}, None, None, by, now, None
        )
        with self._database.write() as connection:
            connection.execute(tables.loads.insert().values({name: getattr(load, name) for name in Load.__slots__}))
        return load

    def finish(self, load_id: str, counts: Mapping[str, Any], *, now: datetime, watermark: str | None = None) -> Load:
        """Notes that a load is done.

        Args:
            load_id: From `start`.
            counts: received = stored + updated + duplicate + refused, and `reasons`.
            now: The present instant.
            watermark: The greatest value of the `--since` column, as text.

        Raises:
            DataError: The counts do not add up.
            ConflictError: The load is not running.
        """
        parts = {name: int(counts.get(name, 0)) for name in _PARTS}
        if int(counts.get("received", -1)) != sum(parts.values()):
            raise DataError(
                f"{counts.get('received')} rows were received but {sum(parts.values())} accounted for",
                place=f"load {load_id}",
                next_step=f"shopkeeper loads show {load_id}",
            )
        return self._end(load_id, {"state": "done", "counts": dict(counts), "watermark": watermark, "ended_at": now})

    def fail(self, load_id: str, error: str, *, now: datetime) -> Load:
        """Notes that a load failed, and why.

        Raises:
            ConflictError: The load is not running.
        """
        return self._end(load_id, {"state": "failed", "error": error, "ended_at": now})

    def get(self, load_id: str) -> Load:
        """Gives a load by id.

        Raises:
            MissingError: There is none.
        """
        found = self._newest(tables.loads.c.id == load_id, limit=1)
        if not found:
            raise MissingError(f"there is no load '{load_id}'", next_step="shopkeeper table list")
        return found[0]

    def with_content(self, content_hash: str, *, table_name: str, source: str) -> Load | None:
        """Gives the newest load that is done with the very same bytes into the same table, if there is one."""
        loads = tables.loads
        found = self._newest(
            loads.c.content_hash == content_hash,
            loads.c.table_name == table_name,
            loads.c.source == source,
            loads.c.state == "done",
            limit=1,
        )
        return found[0] if found else None

    def watermark(self, source: str, table_name: str) -> str | None:
        """Gives the watermark of the newest load that is done and has one."""
        loads = tables.loads
        found = self._newest(
            loads.c.source == source,
            loads.c.table_name == table_name,
            loads.c.state == "done",
            loads.c.watermark.is_not(None),
            limit=1,
        )
        return found[0].watermark if found else None

    def recent(self, *, table_name: str | None = None, limit: int = 100) -> list[Load]:
        """Gives loads, newest first."""
        wanted = [tables.loads.c.table_name == table_name] if table_name is not None else []
        return self._newest(*wanted, limit=limit)

    def _newest(self, *conditions: ColumnElement[bool], limit: int) -> list[Load]:
        loads = tables.loads
        query = select(loads).where(*conditions).order_by(loads.c.started_at.desc(), loads.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return [Load(**row) for row in connection.execute(query).mappings()]

    def _end(self, load_id: str, values: dict[str, object]) -> Load:
        loads = tables.loads
        with self._database.write() as connection:
            change = update(loads).where(loads.c.id == load_id, loads.c.state == "running").values(values)
            if not connection.execute(change).rowcount:
                raise ConflictError(f"load '{load_id}' is not running", next_step="shopkeeper table list")
        return self.get(load_id)
