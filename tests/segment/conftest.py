"""A DuckDB in memory with every declared table empty, for the audiences' tests."""

from collections.abc import Iterator

import duckdb
import pytest

from shopkeeper.schema.tables import TABLES
from tests.segment.oracle import World


class Shop:
    """A connection that can be filled with a world."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        for table in TABLES.values():
            columns = ", ".join(f'"{column.name}" {column.type.value}' for column in table.columns)
            self.connection.execute(f'CREATE TABLE "{table.name}" ({columns})')
        self.filled: set[str] = set()

    def fill(self, world: World) -> None:
        for name in self.filled:
            self.connection.execute(f'DELETE FROM "{name}"')
        self.filled = {name for name, rows in world.rows.items() if rows}
        for name in self.filled:
            rows = world.rows[name]
            columns = ", ".join(f'"{column}"' for column in rows[0])
            mark = ", ".join(f"CAST(? AS {TABLES[name].column(column).type.value})" for column in rows[0])
            marks = ", ".join(f"({mark})" for _ in rows)
            values = [row[column] for row in rows for column in rows[0]]
            self.connection.execute(f'INSERT INTO "{name}" ({columns}) VALUES {marks}', values)

    def rows(self, sql: str) -> list[tuple]:
        return self.connection.execute(sql).fetchall()


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.connection.close()
