"""A few rows in every table of the dictionary, in DuckDB, for rooms that only say what to compute."""

from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from shopkeeper.schema.query import Query
from shopkeeper.schema.tables import TABLES


class Toy:
    """Empty tables made from the dictionary, filled by dictionaries."""

    def __init__(self) -> None:
        self.con = duckdb.connect()
        self.con.execute("SET TimeZone = 'UTC'")
        self.con.execute("SET threads = 1")
        for table in TABLES.values():
            columns = ", ".join(f"{column.name} {column.type.value}" for column in table.columns)
            self.con.execute(f"CREATE TABLE {table.name} ({columns})")

    def fill(self, table: str, rows: Iterable[Mapping[str, Any]] | pa.Table) -> None:
        """Adds rows; columns that are not named stay empty."""
        arrow = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist([dict(row) for row in rows])
        self.con.register("given", arrow)
        names = ", ".join(arrow.column_names)
        self.con.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM given")
        self.con.unregister("given")

    def run(self, query: Query) -> pa.Table:
        """Runs a query."""
        return self.con.sql(query.sql()).to_arrow_table()

    def cut(self, queries: Mapping[str, Query]) -> "Toy":
        """A copy in which some tables are the results of queries."""
        copy = Toy()
        for name in TABLES:
            copy.fill(name, self.run(queries[name]) if name in queries else self.con.table(name).to_arrow_table())
        return copy
