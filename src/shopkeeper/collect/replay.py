"""Refused events read again from the vault, to be taken in anew after a fix."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shopkeeper.collect.sealed import TABLE
from shopkeeper.collect.whole import read_whole
from shopkeeper.schema.query import Query
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.storage.vault import Vault

__all__ = ["Chosen", "Place", "RefusedMessage", "Some", "refused_messages", "some_refused"]

Place = tuple[datetime, str]
"""Where one stands among those that wait: when it was refused, and its id."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of the refused events; those of everything that is not said.

    Args:
        source: Of this source.
        reason: Refused for this reason.
        event: Of this name or type; empty for those that have neither.
        ids: These.
    """

    source: str | None = None
    reason: str | None = None
    event: str | None = None
    ids: Sequence[str] = ()

    @property
    def where(self) -> str:
        """The condition on the table `refused`, to be ended by `named`."""
        parts = ["table_name = $table_name", "state = 'open'"]
        said = {"source": self.source, "reason": self.reason}
        parts += [f"{name} = ${name}" for name, value in said.items() if value is not None]
        if self.event is not None:
            parts.append("COALESCE(event_name, '') = $event")
        if self.ids:
            parts.append("refused_id IN $ids")
        return " AND ".join(parts)

    @property
    def named(self) -> dict[str, Any]:
        """The values of `where`."""
        said = {"source": self.source, "reason": self.reason, "event": self.event, "ids": list(self.ids) or None}
        return {"table_name": TABLE} | {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """One refused message that still waits.

    Args:
        refused_id: Its id.
        source: The source it came from.
        refused_at: When it came: what it is to be taken against as received.
        message: It, whole.
    """

    refused_id: str
    source: str
    refused_at: datetime
    message: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Some:
    """Some of the refused messages that wait.

    Args:
        messages: They, the oldest first; without those whose body is gone or is nested too deep to be read.
        last: Where the last of them stands; None when there are no more behind.
    """

    messages: tuple[RefusedMessage, ...]
    last: Place | None


def some_refused(
    engine: DuckDBEngine, vault: Vault, chosen: Chosen, *, after: Place | None = None, most: int = 1_000
) -> Some:
    """Gives the next refused messages that wait, at most so many.

    Those that come in are then marked by `settle_refused`; one taken twice has one effect, by its message id.

    Args:
        engine: Reads `refused`.
        vault: Holds the bodies.
        chosen: Which of them.
        after: Behind this place.
        most: At most so many.
    """
    behind = "" if after is None else " AND (refused_at > $at OR (refused_at = $at AND refused_id > $id))"
    named: dict[str, Any] = {} if after is None else {"at": after[0], "id": after[1]}
    query = Query.from_sql(
        f"SELECT refused_id, source, refused_at FROM refused WHERE {chosen.where}{behind} "
        f"ORDER BY refused_at, refused_id LIMIT {int(most) + 1}",
        name="refused events",
        **chosen.named,
        **named,
    )
    found = engine.arrow(query).to_pylist()
    wanted = found[:most]
    bodies = vault.bodies_of(row["refused_id"] for row in wanted)
    messages = tuple(
        RefusedMessage(row["refused_id"], row["source"], row["refused_at"], message)
        for row in wanted
        if row["refused_id"] in bodies and (message := _read(bodies[row["refused_id"]])) is not _UNREADABLE
    )
    return Some(messages, (wanted[-1]["refused_at"], wanted[-1]["refused_id"]) if len(found) > most else None)


def refused_messages(
    engine: DuckDBEngine,
    vault: Vault,
    *,
    source: str | None = None,
    ids: Sequence[str] = (),
    most: int = 1_000,
) -> list[RefusedMessage]:
    """Gives the first refused messages that wait, as `some_refused` does; of a source, or these."""
    return list(some_refused(engine, vault, Chosen(source=source, ids=ids), most=most).messages)


_UNREADABLE: Any = object()


def _read(body: bytes) -> Any:
    try:
        return read_whole(body)
    except ValueError:
        return _UNREADABLE
