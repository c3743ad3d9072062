"""The map of identifiers as a table of the lake: which records were linked to whom, since when."""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from shopkeeper.app.person_now import record_parts
from shopkeeper.app.shop import Shop
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.iceberg import arrow_schema

__all__ = ["make_merges"]

_AT_ONCE = 50_000


def make_merges(shop: Shop, as_of: date) -> pa.Table:
    """Gives the history of every record that ever moved, for the step `person`."""
    del as_of  # the map says of itself since when
    schema = arrow_schema(declared_table("person_merge"))
    parts, rows = [], []
    for move in shop.state.identifiers.moves(at_once=_AT_ONCE):
        if move.until == move.since:
            continue
        source, customer_id = record_parts(move.record_id)
        rows.append((source, customer_id, move.into_id, move.since, move.until))
        if len(rows) == _AT_ONCE:
            parts.append(_table(rows, schema))
            rows = []
    return pa.concat_tables([*parts, _table(rows, schema)])


def _table(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema)
