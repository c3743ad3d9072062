"""Planning: which files of a table an engine has to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, GreaterThanOrEqual, LessThan
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.types import NestedField

from shopkeeper.schema.query import Bounds
from shopkeeper.schema.table import Partition, Table, Type

__all__ = ["Scan", "local_path", "plan"]


@dataclass(frozen=True, slots=True)
class Scan:
    """What an engine needs to read a table: its files and the field id of each of its columns.

    `rows` is set instead of the files when a foreign writer left delete files, which only PyIceberg applies. `columns`
    are those that the files hold, if all hold the same ones under their declared names: such files can be read by name.
    """

    files: tuple[str, ...]
    field_ids: Mapping[str, int]
    rows: pa.Table | None = None
    columns: frozenset[str] | None = None


def plan(declared: Table, table: IcebergTable, bounds: Bounds | None, snapshot: int | None) -> Scan:
    """Plans the reading of a table.

    Args:
        declared: Its declaration.
        table: The table.
        bounds: The days that matter, if not all.
        snapshot: An older state; the present one by default.
    """
    scan = table.scan(row_filter=_row_filter(declared, bounds), snapshot_id=snapshot)
    tasks = list(scan.plan_files())
    ids = {field.name: field.field_id for field in table.schema().fields}
    if any(task.delete_files for task in tasks):
        return Scan((), ids, scan.to_arrow())
    files = tuple(sorted(local_path(task.file.file_path) for task in tasks))
    return Scan(files, ids, columns=_columns_of_all(table, [task.file for task in tasks]))


def local_path(uri: str) -> str:
    """The path of a file on this machine; other addresses stay as they are."""
    return uri.removeprefix("file://")


def _columns_of_all(table: IcebergTable, files: Sequence[DataFile]) -> frozenset[str] | None:
    """The columns that every file holds, by what was noted of each at its commit; None where files or names differ."""
    noted = {frozenset(file.column_sizes or ()) for file in files}
    if len(noted) != 1:
        return None
    (held,) = noted
    names = {(field.field_id, field.name) for schema in table.metadata.schemas for field in schema.fields}
    if len({field_id for field_id, _ in names}) != len(names):
        return None
    return frozenset(field.name for field in table.schema().fields if held.issuperset(_leaves(field)))


def _leaves(field: NestedField) -> list[int]:
    """The ids under which a file notes a column: its own, or those of the parts of a map or list."""
    kind = field.field_type
    return [getattr(kind, part) for part in ("key_id", "value_id", "element_id") if hasattr(kind, part)] or [
        field.field_id
    ]


def _row_filter(table: Table, bounds: Bounds | None) -> BooleanExpression:
    if bounds is None or table.partition_column is None or table.partition is Partition.NONE:
        return AlwaysTrue()
    column = table.partition_column
    parts: list[BooleanExpression] = []
    at_least: Any = GreaterThanOrEqual  # pydantic hides how they are called
    before: Any = LessThan
    is_instant = table.column(column).type is Type.INSTANT
    # An instant's day is only known to within a time zone, so its bounds are a day wider.
    margin = timedelta(days=1 if is_instant else 0)
    ending = "T00:00:00+00:00" if is_instant else ""
    if bounds.first is not None:
        parts.append(at_least(column, f"{bounds.first - margin}{ending}"))
    if bounds.last is not None:
        parts.append(before(column, f"{bounds.last + margin + timedelta(days=1)}{ending}"))
    return And(*parts) if len(parts) > 1 else (parts[0] if parts else AlwaysTrue())
