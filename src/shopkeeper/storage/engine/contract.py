"""What every engine does: run a query over the lake, give Arrow, write Parquet."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from shopkeeper.base.errors import DataError
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Table

__all__ = ["Engine", "Inputs", "check_columns"]

Inputs = Mapping[str, pa.Table | Path]
"""Rows handed to the engine with a query, by the names it reads them under: a table, or Parquet files to stream."""


class Engine(Protocol):
    """Runs queries over the lake and writes Parquet; one contract suite runs on every engine."""

    name: str
    side_by_side: int
    """How many queries it is worth running at a time, so that what one does alone passes beside another's work."""

    def arrow(self, query: Query, inputs: Inputs | None = None, snapshots: Mapping[str, int] | None = None) -> pa.Table:
        """Runs a query and gives all of its rows.

        Args:
            query: What to compute.
            inputs: Tables handed over for this query; a declared table's name hides the lake's.
            snapshots: Older states to read, by table; the present ones by default.
        """
        ...

    def batches(self, query: Query, inputs: Inputs | None = None, rows: int = 100_000) -> Iterator[pa.RecordBatch]:
        """Runs a query and gives its rows batch by batch, in bounded memory: at least one batch, for the columns."""
        ...

    def relation(self, query: Query) -> Any:
        """Gives the engine's own lazy object: a DuckDB relation or a Spark DataFrame, not executed."""
        ...

    def write(
        self, query: Query, table: Table, inputs: Inputs | None = None, *, one_partition: bool = False
    ) -> list[str]:
        """Runs a query and writes its rows as Parquet files of a table, durable but not yet committed to the lake.

        Args:
            query: Gives the table's columns by name; declared columns it lacks are NULL.
            table: The table the files are for; a partitioned one gets at least one file a partition.
            inputs: Tables handed over for this query.
            one_partition: All rows lie in one partition, so none need be sorted into several; where they do not, the
                lake refuses the file.

        Returns:
            The paths of the files, none when there are no rows.
        """
        ...

    def close(self) -> None:
        """Gives back what the engine holds."""
        ...


def check_columns(query: Query, table: Table) -> None:
    """Holds what a query gives against the table it is written to.

    Raises:
        DataError: It gives a column the table does not have, or one twice.
    """
    unknown = sorted(set(query.columns) - set(table.column_names))
    if unknown:
        raise DataError(
            f"{query.name} gives {', '.join(unknown)}, which table {table.name} does not have",
            next_step=f"shopkeeper table describe {table.name}",
        )
    if len(set(query.columns)) != len(query.columns):
        raise DataError(f"{query.name} gives a column of table {table.name} twice: {', '.join(query.columns)}")
