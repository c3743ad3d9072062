"""Parquet files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shopkeeper.base.errors import DataError
from shopkeeper.collect.reader import BATCH_ROWS, Batch, File, existing

__all__ = ["ParquetReader", "as_text"]


class ParquetReader:
    """Reads a Parquet file in constant memory.

    Args:
        path: The file.

    Raises:
        DataError: It is no Parquet file.
    """

    def __init__(self, path: File) -> None:
        self._path = existing(path)
        try:
            self._file = pq.ParquetFile(path if isinstance(path, Path) else path.open("rb"))
        except pa.ArrowInvalid as error:
            raise DataError(f"{path.name} is no Parquet file", foreign=error) from error
        self.headers = tuple(self._file.schema_arrow.names)

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    def batches(self) -> Iterator[Batch]:
        """Gives the rows as text; their number is their ordinal."""
        count = 0
        for rows in self._file.iter_batches(BATCH_ROWS):
            columns = [as_text(column) for column in rows.columns]
            numbers = pa.array(range(count + 1, count + 1 + rows.num_rows), pa.int64())
            count += rows.num_rows
            yield Batch(pa.RecordBatch.from_arrays(columns, names=list(self.headers)), numbers)


def as_text(column: pa.Array) -> pa.Array:
    """Gives a column as text: lists and maps as JSON, instants in ISO form with their zone."""
    kind = column.type
    if pa.types.is_nested(kind):
        return pa.array([None if value is None else _json(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_dictionary(kind):
        return as_text(column.dictionary_decode())
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pc.strftime(column.cast(pa.timestamp("us", tz="UTC")), format="%Y-%m-%d %H:%M:%SZ")
    if pa.types.is_floating(kind):
        whole = pc.equal(pc.floor(column), column)
        small = pc.and_(whole, pc.less(pc.abs(column), 1e15))
        digits = pc.cast(pc.if_else(small, column, 0), pa.int64(), safe=False).cast(pa.string())
        return pc.if_else(small, digits, column.cast(pa.string()))
    return column.cast(pa.string())


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
