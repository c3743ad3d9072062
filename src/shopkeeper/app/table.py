"""Looks into the lake: which tables there are, what they mean, their rows, and files of them."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import UsageError
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Column, Privacy
from shopkeeper.schema.tables import TABLES
from shopkeeper.schema.tables import table as declared_table

__all__ = ["TableState", "describe", "export", "export_rows", "list_tables", "show"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_XLSX_ROWS = 1_048_575


@dataclass(frozen=True, slots=True)
class TableState:
    """One table of the dictionary and what stands in the lake.

    Args:
        name: The table.
        kind: master, fact or derived.
        meaning: One row is ….
        rows: Rows in it, 0 when it was never written.
        bytes: Bytes of its files.
        files: How many files.
        changed_at: When it was last written.
        as_of: The day at whose end it stands, for derived tables.
        inputs: The tables it was computed from.
    """

    name: str
    kind: str
    meaning: str
    rows: int
    bytes: int
    files: int
    changed_at: datetime | None
    as_of: str | None
    inputs: tuple[str, ...]


def list_tables(shop: Shop, *, every: bool = False) -> list[TableState]:
    """Gives the tables that hold something, or every declared one."""
    written = set(shop.lake.tables())
    return [_state(shop, name, written=name in written) for name in TABLES if every or name in written]


def describe(shop: Shop, name: str) -> tuple[TableState, tuple[Column, ...]]:
    """Gives one table's state and columns."""
    declared = declared_table(name)
    return _state(shop, name, written=name in shop.lake.tables()), declared.columns


def show(shop: Shop, name: str, rows: int = 20, *, by: str | None = None) -> pa.Table:
    """Gives the first rows of a table, by its key or by another order of its columns."""
    declared = declared_table(name)
    order = by or ", ".join(declared.key)
    query = Query.from_sql(
        f"SELECT {', '.join(declared.column_names)} FROM {name} ORDER BY {order} LIMIT {int(rows)}",
        name=f"show {name}",
    )
    return shop.arrow(query)


def export(shop: Shop, name: str, file: Path) -> int:
    """Writes a table to a file by its ending; gives the number of rows.

    Columns that only hold keyed tokens of identifiers are left out.
    """
    declared = declared_table(name)
    columns = [column.name for column in declared.columns if column.privacy is not Privacy.TOKEN]
    query = Query.from_sql(f"SELECT {', '.join(columns)} FROM {name} ORDER BY ALL", name=f"export {name}")
    return export_rows(shop.duckdb.batches(query), file)


def export_rows(batches: Iterator[pa.RecordBatch], file: Path) -> int:
    """Writes rows to a `.parquet`, `.csv`, `.json` (lines) or `.xlsx` file.

    A text that a spreadsheet would take for a formula gets an apostrophe before it, and CSV begins with the mark that
    makes a Chinese Excel read UTF-8.

    Raises:
        UsageError: The ending is none of these.
    """
    writers: Mapping[str, Callable[[Iterator[pa.RecordBatch], Path], int]] = {
        ".parquet": _write_parquet,
        ".csv": _write_csv,
        ".json": _write_json,
        ".xlsx": _write_xlsx,
    }
    writer = writers.get(file.suffix.lower())
    if writer is None:
        raise UsageError(
            f"'{file.name}' ends in nothing that can be exported to", next_step=f"name one of {', '.join(writers)}"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    return writer(batches, file)


def _state(shop: Shop, name: str, *, written: bool) -> TableState:
    declared, found = TABLES[name], shop.lake.snapshot(name) if written else None
    properties = found.properties if found else {}
    inputs = tuple(key.removeprefix("shopkeeper.input.") for key in properties if key.startswith("shopkeeper.input."))
    return TableState(
        name=name,
        kind=declared.kind.value,
        meaning=declared.meaning,
        rows=found.rows if found else 0,
        bytes=found.bytes if found else 0,
        files=found.files if found else 0,
        changed_at=found.committed_at if found else None,
        as_of=properties.get("shopkeeper.as_of"),
        inputs=tuple(sorted(inputs)),
    )


def _write_parquet(batches: Iterator[pa.RecordBatch], file: Path) -> int:
    writer: pq.ParquetWriter | None = None
    rows = 0
    for batch in batches:
        writer = writer or pq.ParquetWriter(file, batch.schema, compression="zstd")
        writer.write_batch(batch)
        rows += batch.num_rows
    if writer is not None:
        writer.close()
    return rows


def _write_csv(batches: Iterator[pa.RecordBatch], file: Path) -> int:
    rows = 0
    with file.open("w", encoding="utf-8-sig", newline="") as target:
        writer = csv.writer(target)
        for place, batch in enumerate(batches):
            if place == 0:
                writer.writerow(batch.schema.names)
            writer.writerows([_cell(value) for value in row.values()] for row in batch.to_pylist())
            rows += batch.num_rows
    return rows


def _write_json(batches: Iterator[pa.RecordBatch], file: Path) -> int:
    rows = 0
    with file.open("w", encoding="utf-8") as target:
        for batch in batches:
            for row in batch.to_pylist():
                target.write(json.dumps({key: _plain(value) for key, value in row.items()}, ensure_ascii=False) + "\n")
            rows += batch.num_rows
    return rows


def _write_xlsx(batches: Iterator[pa.RecordBatch], file: Path) -> int:
    # XlsxWriter takes a while to import and only exports need it.
    import xlsxwriter  # noqa: PLC0415

    rows = 0
    with xlsxwriter.Workbook(
        file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    ) as book:
        sheet = book.add_worksheet("shopkeeper")
        for number, batch in enumerate(batches):
            if number == 0:
                sheet.write_row(0, 0, batch.schema.names)
            for row in batch.to_pylist():
                rows += 1
                if rows > _XLSX_ROWS:
                    raise UsageError("an Excel sheet holds 1,048,575 rows", next_step="export to .csv or .parquet")
                for place, value in enumerate(row.values()):
                    cell = _cell(value)
                    (sheet.write_string if isinstance(cell, str) else sheet.write)(rows, place, cell)
    return rows


def _cell(value: Any) -> Any:
    plain = _plain(value)
    if isinstance(plain, str) and plain.startswith(_FORMULA_STARTS):
        return f"'{plain}"
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | dict | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value
