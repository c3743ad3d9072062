"""What a table holds, as one number that no order of rows or cut of files changes."""

from dataclasses import dataclass

from shopkeeper.storage.engine.duckdb import DuckDBEngine, scan_statement, translated
from shopkeeper.storage.lake import Lake, Scan

__all__ = ["Content", "content"]


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a table.

    Args:
        rows: Number of its rows.
        hash: Sum of the hashes of its rows modulo 2^64, in hexadecimal.
    """

    rows: int
    hash: str


def content(lake: Lake, engine: DuckDBEngine, name: str, scan: Scan | None = None) -> Content:
    """Reads a table, or the files of a scan, and gives its content.

    The hash is DuckDB's and holds within one version of it; it finds damage and mistakes, not forgery.
    """
    table = lake.declared(name)
    source = scan_statement(table, lake.scan(name) if scan is None else scan)
    statement = (
        f"SELECT count(*), CAST(sum(CAST(hash({', '.join(table.column_names)}) AS HUGEINT)) % 18446744073709551616 "
        f"AS UBIGINT) FROM ({source})"
    )
    connection = engine.connection()
    try:
        with translated(name):
            if scan is not None and scan.rows is not None:
                connection.register(f"{name}_rows", scan.rows)
            rows, total = connection.execute(statement).fetchone() or (0, None)
            return Content(int(rows), f"{int(total or 0):016x}")
    finally:
        connection.close()
