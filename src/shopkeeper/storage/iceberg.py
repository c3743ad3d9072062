"""Translates a declared table into the schemas of Iceberg and Arrow."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, MonthTransform, Transform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IcebergType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    TimestamptzType,
)

from shopkeeper.base.money import MONEY_PLACES, MONEY_PRECISION
from shopkeeper.schema.table import Column, Partition, Table, Type

__all__ = ["arrow_schema", "arrow_type", "field_ids", "iceberg_schema", "iceberg_type", "partition_spec"]

_SIMPLE: Mapping[Type, tuple[IcebergType, pa.DataType]] = {
    Type.STRING: (StringType(), pa.string()),
    Type.INTEGER: (LongType(), pa.int64()),
    Type.NUMBER: (DoubleType(), pa.float64()),
    Type.MONEY: (DecimalType(MONEY_PRECISION, MONEY_PLACES), pa.decimal128(MONEY_PRECISION, MONEY_PLACES)),
    Type.DATE: (DateType(), pa.date32()),
    Type.INSTANT: (TimestamptzType(), pa.timestamp("us", tz="UTC")),
    Type.BOOLEAN: (BooleanType(), pa.bool_()),
}


def arrow_type(kind: Type) -> pa.DataType:
    """The Arrow type of a dictionary type."""
    if kind is Type.MAP:
        return pa.map_(pa.string(), pa.string())
    if kind is Type.STRINGS:
        return pa.list_(pa.string())
    return _SIMPLE[kind][1]


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of a declared table."""
    return pa.schema([pa.field(column.name, arrow_type(column.type)) for column in table.columns])


def iceberg_type(column: Column, ids: tuple[int, ...]) -> IcebergType:
    """The Iceberg type of a column; a map or list takes the ids of its parts."""
    if column.type is Type.MAP:
        return MapType(ids[0], StringType(), ids[1], StringType(), value_required=False)
    if column.type is Type.STRINGS:
        return ListType(ids[0], StringType(), element_required=False)
    return _SIMPLE[column.type][0]


def field_ids(table: Table) -> dict[str, tuple[int, ...]]:
    """The field ids a new table gets: columns by their place from 1, then the parts of maps and lists in order.

    Once a table exists its own schema is the authority, since added columns take the next free id.
    """
    following = len(table.columns) + 1
    ids: dict[str, tuple[int, ...]] = {}
    for place, column in enumerate(table.columns, start=1):
        parts = {Type.MAP: 2, Type.STRINGS: 1}.get(column.type, 0)
        ids[column.name] = (place, *range(following, following + parts))
        following += parts
    return ids


def iceberg_schema(table: Table) -> Schema:
    """The Iceberg schema of a declared table; columns are optional, the load judges what is required."""
    ids = field_ids(table)
    return Schema(
        *(
            NestedField(
                ids[column.name][0], column.name, iceberg_type(column, ids[column.name][1:]), doc=column.meaning
            )
            for column in table.columns
        )
    )


def partition_spec(table: Table) -> PartitionSpec:
    """The Iceberg partition of a declared table."""
    if table.partition is Partition.NONE or table.partition_column is None:
        return PartitionSpec()
    transform: Transform[Any, Any] = DayTransform() if table.partition is Partition.DAY else MonthTransform()
    source = field_ids(table)[table.partition_column][0]
    return PartitionSpec(PartitionField(source, 1000, transform, f"{table.partition_column}_{table.partition.value}"))
