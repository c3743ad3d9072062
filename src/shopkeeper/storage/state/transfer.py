"""Carries every row of one state store into another, empty one, whatever database either is."""

from sqlalchemy import Connection, insert, select

from shopkeeper.storage.state.tables import METADATA

__all__ = ["transfer"]

_ROWS_AT_ONCE = 5_000


def transfer(source: Connection, target: Connection) -> None:
    """Copies all rows in the order in which tables point to each other.

    Args:
        source: In a transaction whose view does not change.
        target: At the same revision, its tables empty, in a transaction that is committed only when all is in.
    """
    for table in METADATA.sorted_tables:
        found = source.execution_options(yield_per=_ROWS_AT_ONCE).execute(select(table))
        for rows in found.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in rows])
