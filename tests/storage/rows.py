"""Rows for tests: what is given, the other columns of the declared table NULL."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from shopkeeper.schema.tables import table
from shopkeeper.storage.iceberg import arrow_schema


def filled(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    schema = arrow_schema(table(name))
    given = [dict(row) for row in rows]
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in given]
        if pa.types.is_map(field.type):
            values = [list(value.items()) if isinstance(value, dict) else value for value in values]
        columns.append(pa.array(values, field.type))
    return pa.table(columns, schema=schema)
