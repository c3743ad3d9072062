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

__all__ = ["RefusedMessage", "refused_messages"]


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


def refused_messages(
    engine: DuckDBEngine,
    vault: Vault,
    *,
    source: str | None = None,
    ids: Sequence[str] = (),
    most: int = 1_000,
) -> list[RefusedMessage]:
    """Gives refused messages that wait, the oldest first; none whose body is gone, or is nested too deep to be read.

    Those that come in are then marked by `settle_refused`; one taken twice has one effect, by its message id.

    Args:
        engine: Reads `refused`.
        vault: Holds the bodies.
        source: Only of this source.
        ids: Only these.
        most: At most so many.
    """
    query = Query.from_sql(
        "SELECT refused_id, source, refused_at FROM refused WHERE table_name = $table_name AND state = 'open' "
        "ORDER BY refused_at, refused_id",
        name="refused events",
        table_name=TABLE,
    )
    wanted = [
        row
        for row in engine.arrow(query).to_pylist()
        if (source is None or row["source"] == source) and (not ids or row["refused_id"] in ids)
    ][:most]
    bodies = vault.bodies_of(row["refused_id"] for row in wanted)
    return [
        RefusedMessage(row["refused_id"], row["source"], row["refused_at"], message)
        for row in wanted
        if row["refused_id"] in bodies and (message := _read(bodies[row["refused_id"]])) is not _UNREADABLE
    ]


_UNREADABLE: Any = object()


def _read(body: bytes) -> Any:
    try:
        return read_whole(body)
    except ValueError:
        return _UNREADABLE
