"""Parquet as the lake takes it: the dictionary's columns and types, with field ids."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shopkeeper.base.money import MONEY_PLACES, MONEY_PRECISION
from shopkeeper.sample.text import Ints
from shopkeeper.schema.table import Table, Type

__all__ = ["TableFile", "arrow_schema", "money", "save", "save_plain"]

_ID = "PARQUET:field_id"
_LONG = ("order_id", "customer_id", "return_of")
_SCALE = 10**MONEY_PLACES
_ARROW = {
    Type.STRING: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.NUMBER: pa.float64(),
    Type.MONEY: pa.decimal128(MONEY_PRECISION, MONEY_PLACES),
    Type.DATE: pa.date32(),
    Type.INSTANT: pa.timestamp("us", tz="UTC"),
    Type.BOOLEAN: pa.bool_(),
}


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of a table: a column's field id is its place from 1, parts of maps and lists follow after."""
    following = len(table.columns) + 1
    fields = []
    for place, column in enumerate(table.columns, start=1):
        kind = _ARROW.get(column.type)
        if column.type is Type.MAP:
            kind = pa.map_(_part("key", following, nullable=False), _part("value", following + 1))
            following += 2
        elif column.type is Type.STRINGS:
            kind = pa.list_(_part("element", following))
            following += 1
        fields.append(pa.field(column.name, kind, metadata={_ID: str(place)}))
    return pa.schema(fields)


def _part(name: str, number: int, *, nullable: bool = True) -> pa.Field:
    return pa.field(name, pa.string(), nullable=nullable, metadata={_ID: str(number)})


def money(cents: Ints) -> pa.Array:
    """Amounts in hundredths as decimals, without a copy through text."""
    scaled = np.multiply(cents, _SCALE // 100, dtype=np.int64)
    return pa.Array.from_buffers(pa.decimal64(MONEY_PRECISION, MONEY_PLACES), len(scaled), [None, pa.py_buffer(scaled)])


class TableFile:
    """One Parquet file of one table, written chunk by chunk.

    Args:
        path: Where it goes; the folder is made.
        table: The declared table.
        statistics: The columns whose smallest and largest values are kept; all when not given.
    """

    def __init__(self, path: Path, table: Table, statistics: tuple[str, ...] | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._schema = arrow_schema(table)
        self._statistics: list[str] | bool = list(statistics) if statistics is not None else True
        self._plain = [name for name in ("order_id", "customer_id", "ordered_at") if name in self._schema.names]
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, columns: Mapping[str, pa.Array]) -> None:
        """Writes one chunk as one row group; a declared column that is not given is empty.

        Raises:
            ValueError: A column is not declared.
        """
        unknown = set(columns) - set(self._schema.names)
        if unknown:
            raise ValueError(f"the dictionary does not declare {', '.join(sorted(unknown))} ({self.path})")
        rows = len(next(iter(columns.values())))
        arrays = [columns[f.name] if f.name in columns else pa.nulls(rows, f.type) for f in self._schema]
        fields = [
            field if _nested(field.type) else field.with_type(array.type)
            for field, array in zip(self._schema, arrays, strict=True)
        ]
        table = pa.Table.from_arrays(
            [array.cast(f.type) if _nested(f.type) else array for f, array in zip(fields, arrays, strict=True)],
            schema=pa.schema(fields),
        )
        if self._writer is None:
            self._writer = self._open(table.schema)
        self._writer.write_table(table, row_group_size=max(rows, 1))
        self.rows += rows

    def _open(self, schema: pa.Schema) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            self.path,
            schema,
            # Ids compress twenty-fold; pages of places in a dictionary hardly, and cost as much time.
            compression={name: "zstd" if name in _LONG else "none" for name in schema.names},
            compression_level={name: 1 for name in schema.names if name in _LONG},
            column_encoding={name: "DELTA_BINARY_PACKED" for name in self._plain if name == "ordered_at"},
            use_dictionary=[name for name in schema.names if name not in self._plain],
            write_statistics=self._statistics,
            store_schema=False,
            store_decimal_as_integer=True,
        )


def _nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_map(kind) or pa.types.is_list(kind))


def save(folder: Path, table: Table, columns: Mapping[str, pa.Array]) -> list[Path]:
    """Writes a whole table: one file, or one a month where the dictionary cuts it by month."""
    rows = len(next(iter(columns.values())))
    if table.partition_column is None:
        return [_save_one(folder / f"{table.name}.parquet", table, columns)]
    if not rows:
        return []
    return [
        _save_one(folder / f"{table.name}-{month}.parquet", table, {n: c.take(places) for n, c in columns.items()})
        for month, places in _months(columns[table.partition_column])
    ]


def _save_one(path: Path, table: Table, columns: Mapping[str, pa.Array]) -> Path:
    with TableFile(path, table) as file:
        file.write(columns)
    return path


def _months(days: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    months = pc.strftime(pc.cast(days, pa.timestamp("us")), format="%Y-%m")
    for month in sorted(pc.unique(months).to_pylist()):
        yield month, pa.array(np.flatnonzero(np.asarray(pc.equal(months, month))))


def save_plain(path: Path, columns: Mapping[str, pa.Array]) -> Path:
    """Writes a table that is not of the dictionary: a truth, or the raw identifiers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path, compression="zstd")
    return path
