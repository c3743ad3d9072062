"""Refused rows: listed with a reason and a masked value, kept whole in the vault, let in again after a fix."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Mapping as Pairs
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from shopkeeper.base.errors import ConflictError
from shopkeeper.collect.mask import mask
from shopkeeper.collect.reader import BATCH_ROWS, Batch, Broken, text_batch
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Table
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.storage.iceberg import arrow_schema
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.token import Tokens
from shopkeeper.storage.vault import Vault

__all__ = [
    "REFUSED_SCHEMA",
    "Refused",
    "Turned",
    "Waiting",
    "add_refused",
    "open_refused",
    "settle_refused",
    "turned_rows",
]

_REFUSED = declared_table("refused")
REFUSED_SCHEMA = arrow_schema(_REFUSED)


@dataclass(frozen=True, slots=True)
class Turned:
    """One row that was turned away.

    Args:
        number: Its number in the file.
        faults: (column, reason, header) of each fault, the first being the one it is listed under.
        cells: What stands in it, by header; `""` is the key of a line that could not be split.
        typed: Whether the cells are columns of the table and not headers, as for conflicts.
    """

    number: int
    faults: Sequence[tuple[str, str, str]]
    cells: Pairs[str, str | None] = field(repr=False)
    typed: bool = False

    @property
    def reason(self) -> str:
        """The word it is counted under."""
        return self.faults[0][1]


class _Body(msgspec.Struct):
    cells: dict[str, str | None]
    typed: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """One open refused row with its body, for a replay.

    Args:
        refused_id: Its id.
        number: Its number in its file.
        file_name: The file.
        cells: What stands in it.
        typed: Whether the cells are columns of the table.
        ordinal: Its place among the lines of its order, where lines bear no number.
    """

    refused_id: str
    number: int
    file_name: str
    cells: Pairs[str, str | None] = field(repr=False)
    typed: bool
    ordinal: int | None = None


class Waiting:
    """Refused rows read again from the vault, numbered in their order from 1.

    Args:
        rows: The rows.
        headers: The headers that the mapping reads; the rows may have more.
    """

    def __init__(self, rows: Sequence[Refused], headers: tuple[str, ...]) -> None:
        self.name = "refused"
        cells = {header for row in rows for header in row.cells if header}
        self.headers = tuple(dict.fromkeys([*headers, *sorted(cells)]))
        self._rows = rows

    def batches(self) -> Iterator[Batch]:
        """Gives the rows; a line that could not be split still cannot."""
        for start in range(0, len(self._rows), BATCH_ROWS):
            rows = self._rows[start : start + BATCH_ROWS]
            numbered = list(enumerate(rows, start=start + 1))
            whole = [(number, row) for number, row in numbered if "" not in row.cells]
            broken = [
                Broken(number, row.cells[""] or "", "number_of_values") for number, row in numbered if "" in row.cells
            ]
            texts = [[row.cells.get(header) for header in self.headers] for _, row in whole]
            made = text_batch(self.headers, texts, [number for number, _ in whole])
            yield Batch(made.rows, made.numbers, tuple(broken))


def turned_rows(
    rows: Iterable[Turned],
    *,
    table: str,
    source: str,
    file_name: str,
    tokens: Tokens,
    now: datetime,
    seen: Counter[str],
) -> tuple[pa.Table, list[tuple[str, bytes]]]:
    """Makes the rows of the table `refused` and the bodies for the vault.

    Returns:
        The rows, and (refused id, body). The id is a keyed token of what the row holds and its ordinal among equal rows
        of the load (`seen` counts them), so that the same row of the same source has the same id in whatever file it
        comes, and a line sold twice is kept twice.
    """
    turned = list(rows)
    bodies = [msgspec.json.encode(_Body(dict(row.cells), row.typed)) for row in turned]
    named = [f"{table}|{source}|{body.decode()}" for body in bodies]
    ids = [_nth(f"rf_{token.partition('_')[2]}", seen) for token in tokens.tokens("text", named).to_pylist()]
    listed = [
        _listed(refused_id, row, {"table_name": table, "source": source, "file_name": file_name, "refused_at": now})
        for refused_id, row in zip(ids, turned, strict=True)
    ]
    return pa.Table.from_pylist(listed, schema=REFUSED_SCHEMA), list(zip(ids, bodies, strict=True))


def _nth(name: str, seen: Counter[str]) -> str:
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}_{seen[name]}"


def _listed(refused_id: str, row: Turned, common: dict[str, Any]) -> dict[str, Any]:
    column, reason, header = row.faults[0]
    value = row.cells.get(column if row.typed else header)
    return common | {
        "refused_id": refused_id,
        "row_no": row.number,
        "column_name": column or None,
        "reason": reason,
        "masked_value": mask(value) if column else None,
        "others": [f"{other}: {why}" for other, why, _ in row.faults[1:]],
        "body_key": refused_id,
        "state": "open",
    }


def add_refused(lake: Lake, engine: DuckDBEngine, rows: pa.Table, note: dict[str, str]) -> int:
    """Adds the rows that are not listed yet and says how many."""
    given = Table("given", "refused rows", _REFUSED.columns, _REFUSED.key)
    text = (
        f"SELECT {', '.join(_REFUSED.column_names)} FROM given AS g "
        "WHERE NOT g.refused_id IN (SELECT r.refused_id FROM refused AS r) "
        "QUALIFY ROW_NUMBER() OVER (PARTITION BY g.refused_id ORDER BY g.row_no) = 1"
    )
    new = engine.arrow(Query.from_sql(text, name="refused", inputs=(given,)), {"given": rows})
    if new.num_rows:
        whole = Query.from_sql(f"SELECT {', '.join(_REFUSED.column_names)} FROM given", name="refused", inputs=(given,))
        lake.append("refused", engine.write(whole, _REFUSED, {"given": new}), note)
    return int(new.num_rows)


def open_refused(
    engine: DuckDBEngine,
    vault: Vault,
    *,
    table: str,
    source: str | None = None,
    ids: Sequence[str] = (),
    but: Collection[str] = (),
    most: int | None = None,
) -> list[Refused]:
    """Gives the rows of a table that still wait, with their bodies, by file and number; none whose body is gone.

    Args:
        engine: Reads `refused`.
        vault: Holds the bodies.
        table: The table they were meant for.
        source: Only of this source.
        ids: Only these.
        but: None of these.
        most: At most so many, the newest first.
    """
    query = Query.from_sql(
        "SELECT refused_id, row_no, file_name, source, ordinal FROM refused "
        "WHERE table_name = $table_name AND state = 'open' "
        "ORDER BY refused_at DESC, file_name, row_no, refused_id",
        name="open refused",
        table_name=table,
    )
    wanted = [
        row
        for row in engine.arrow(query).to_pylist()
        if (source is None or row["source"] == source)
        and (not ids or row["refused_id"] in ids)
        and row["refused_id"] not in but
    ]
    wanted = wanted[:most]
    bodies = vault.bodies_of(row["refused_id"] for row in wanted)
    return sorted(
        (_with_body(row, bodies[row["refused_id"]]) for row in wanted if row["refused_id"] in bodies),
        key=lambda row: (row.file_name, row.number, row.refused_id),
    )


def _with_body(row: dict[str, Any], kept: bytes) -> Refused:
    body = msgspec.json.decode(kept, type=_Body)
    return Refused(
        row["refused_id"], row["row_no"] or 0, row["file_name"] or "", body.cells, body.typed, row["ordinal"]
    )


def settle_refused(
    lake: Lake, engine: DuckDBEngine, vault: Vault, ids: Sequence[str], now: datetime, *, state: str = "replayed"
) -> None:
    """Marks refused rows as come in after all and destroys their bodies.

    Raises:
        ConflictError: The list moved on meanwhile.
    """
    before = lake.snapshot("refused")
    if before is None or not ids:
        return
    columns = ", ".join(
        {
            "state": "CASE WHEN refused_id IN $ids THEN $state ELSE state END AS state",
            "settled_at": "CASE WHEN refused_id IN $ids THEN $settled_at ELSE settled_at END AS settled_at",
        }.get(name, name)
        for name in _REFUSED.column_names
    )
    query = Query.from_sql(f"SELECT {columns} FROM refused", name="refused", ids=list(ids), settled_at=now, state=state)
    if lake.snapshot("refused") != before:
        raise ConflictError("the refused rows moved on", next_step="shopkeeper refused replay")
    lake.replace("refused", engine.write(query, _REFUSED), expected=before.id)
    vault.drop_bodies(ids)
