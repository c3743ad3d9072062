"""What events say beside what they are: sales, returns, reviews and identifiers become rows of their tables, each once.

All of it may be done again: rows are held against what is there by their keys, as those of a file are.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shopkeeper.base.errors import ConflictError
from shopkeeper.collect.orders import Days, interactions, order_lines
from shopkeeper.collect.people import IDENTIFIER_SCHEMA, merge_identifiers
from shopkeeper.collect.refused import Turned, add_refused, turned_rows
from shopkeeper.collect.settle import SEQ, commit, settle
from shopkeeper.schema.event import Event
from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.consumed import BY_LOADER
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.storage.iceberg import arrow_type
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.vault import Vault

__all__ = ["Landed", "Landing"]

_REFUND = "Order Refunded"
_TRIES = 5
_ORIGINALS = (
    "SELECT source, order_id, line_no, store_id, product_id, quantity, net_amount, unit_cost FROM order_line "
    "WHERE order_id IN $orders"
)


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of the rows of some events.

    Args:
        stored: New rows, by table.
        duplicate: Rows that were there, by table.
        conflicts: Rows that contradict one under the same key, by table; they are refused and kept.
    """

    stored: Mapping[str, int]
    duplicate: Mapping[str, int]
    conflicts: Mapping[str, int]


@dataclass(frozen=True)
class Landing:
    """Puts into one lake what events say.

    Args:
        lake: Where rows go.
        engine: What computes.
        vault: Keeps refused rows.
        tokens: Makes the ids of refused rows.
        scratch: Folder for rows on their way, which hold tokens only.
        days: What day a sale belongs to.
        failed: Told of each event whose rows cannot be made; the others go on. Raises by default.
    """

    lake: Lake
    engine: DuckDBEngine
    vault: Vault
    tokens: Tokens
    scratch: Path
    days: Days
    failed: Callable[[Event, Exception], None] | None = None

    def land(self, events: Sequence[Event], *, now: datetime) -> Landed:
        """Puts the rows of some events into their tables.

        Raises:
            ConflictError: Others kept changing the same table.
        """
        stored: Counter[str] = Counter()
        duplicate: Counter[str] = Counter()
        conflicts: Counter[str] = Counter()

        def put(table: str, rows: list[dict[str, Any]]) -> None:
            if rows:
                counts = self._put(table, rows, now)
                for total, count in zip((stored, duplicate, conflicts), counts, strict=True):
                    total[table] += count

        refunds = [event for event in events if event.name == _REFUND]
        sales = [event for event in events if event.name != _REFUND]
        put("order_line", self._rows(sales, partial(order_lines, days=self.days)))
        put("order_line", self._returned(refunds))
        put("interaction", self._rows(events, interactions))
        self._put_identifiers(events)
        return Landed(stored, duplicate, conflicts)

    def _returned(self, refunds: Sequence[Event]) -> list[dict[str, Any]]:
        """The lines of returns; one that names no goods takes those of its order, which must have come before."""
        whole = [event for event in refunds if not event.properties.get("products")]
        originals: list[dict[str, Any]] = []
        if whole:
            orders = sorted({str(event.properties.get("order_id")) for event in whole})
            originals = self.engine.arrow(Query.from_sql(_ORIGINALS, name="returned orders", orders=orders)).to_pylist()

        def lines(event: Event) -> list[dict[str, Any]]:
            order_id = str(event.properties.get("order_id"))
            own = [row for row in originals if (row["source"], row["order_id"]) == (event.source, order_id)]
            return order_lines(event, self.days, originals=own)

        return self._rows(refunds, lines)

    def _rows(self, events: Iterable[Event], make: Callable[[Event], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for event in events:
            try:
                found += make(event)
            except Exception as error:
                if self.failed is None:
                    raise
                self.failed(event, error)
        return found

    def _put(self, table: str, rows: list[dict[str, Any]], now: datetime) -> tuple[int, int, int]:
        declared = declared_table(table)
        given = tuple(name for name in declared.column_names if any(name in row for row in rows))
        types = [(SEQ, pa.int64()), *((name, arrow_type(declared.column(name).type)) for name in given)]
        staged = self.scratch / f"{table}.parquet"
        numbered = [{SEQ: place, **row} for place, row in enumerate(rows)]
        for left in reversed(range(_TRIES)):
            pq.write_table(pa.Table.from_pylist(numbered, schema=pa.schema(types)), staged)
            try:
                settled = settle(self.lake, self.engine, declared, given, staged, replace=False)
                commit(self.lake, self.engine, settled, dict(BY_LOADER))
            except ConflictError:
                if not left:
                    raise
                continue
            finally:
                staged.unlink(missing_ok=True)
            self._refuse(table, [rows[place] for place in settled.conflicts.to_pylist()], now)
            return settled.stored + settled.updated, settled.duplicate, len(settled.conflicts)
        raise AssertionError("unreachable: the last try raises")

    def _refuse(self, table: str, rows: Sequence[dict[str, Any]], now: datetime) -> None:
        key = declared_table(table).key[-1]
        for source in sorted({row["source"] for row in rows}):
            turned = [
                Turned(place, [(key, "conflict", key)], _cells(row), typed=True)
                for place, row in enumerate(rows, start=1)
                if row["source"] == source
            ]
            listed, bodies = turned_rows(
                turned, table=table, source=source, file_name="events", tokens=self.tokens, now=now, seen=Counter()
            )
            self.vault.keep_bodies(bodies, now=now)
            add_refused(self.lake, self.engine, listed, dict(BY_LOADER))

    def _put_identifiers(self, events: Iterable[Event]) -> None:
        rows = [
            {
                "kind": each.kind,
                "token": each.token,
                "source": event.source,
                "customer_id": event.user_id or event.anonymous_id,
                "seen_at": event.occurred_at,
            }
            for event in events
            if event.user_id or event.anonymous_id
            for each in event.identifiers
            if each.kind in declared_table("identifier").column("kind").values
        ]
        if not rows:
            return
        staged = self.scratch / "identifiers.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema=IDENTIFIER_SCHEMA), staged)
        try:
            merge_identifiers(self.lake, self.engine, str(staged), dict(BY_LOADER))
        finally:
            staged.unlink(missing_ok=True)


def _cells(row: Mapping[str, Any]) -> dict[str, str | None]:
    return {name: None if value is None else str(value) for name, value in row.items()}
