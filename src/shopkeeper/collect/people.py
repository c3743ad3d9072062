"""People in files: their identifiers as tokens, the values themselves in the vault, the erased left out."""

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shopkeeper.collect.mapping import Mapping
from shopkeeper.collect.texts import Prepared
from shopkeeper.schema.query import Query
from shopkeeper.schema.table import Table
from shopkeeper.schema.tables import table as declared_table
from shopkeeper.storage.engine.duckdb import DuckDBEngine, scan_statement, translated
from shopkeeper.storage.lake import Lake
from shopkeeper.storage.vault import Vault

__all__ = ["IDENTIFIER_SCHEMA", "erased_customers", "identifier_rows", "keep", "merge_identifiers", "subject"]

_SEEN = {"order_line": "ordered_at", "customer": "registered_at", "interaction": "occurred_at"}
_CLEARED_AT_MOST = 1_000_000
_PLATFORM = "marketplace"
_IDENTIFIER = declared_table("identifier")
IDENTIFIER_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("token", pa.string()),
        ("source", pa.string()),
        ("customer_id", pa.string()),
        ("seen_at", pa.timestamp("us", tz="UTC")),
        ("is_loaded", pa.bool_()),
    ]
)


def subject(source: str, customer_id: str) -> str:
    """What the vault calls a customer record."""
    return f"{source}|{customer_id}"


def erased_customers(vault: Vault, rows: pa.Table, cleared: set[str]) -> set[str]:
    """Gives the subjects among some rows that were erased.

    Args:
        vault: Knows who was.
        rows: Rows of customers.
        cleared: Subjects looked up before and not erased; those of these rows are added.
    """
    if "customer_id" not in rows.column_names or "source" not in rows.column_names:
        return set()
    pairs = rows.select(["source", "customer_id"]).group_by(["source", "customer_id"]).aggregate([])
    named = {subject(row["source"], row["customer_id"]) for row in pairs.to_pylist() if row["customer_id"] is not None}
    gone = vault.tombstoned(subjects=named - cleared)
    if len(cleared) > _CLEARED_AT_MOST:
        cleared.clear()
    cleared |= named - gone
    return gone


def identifier_rows(mapping: Mapping, prepared: Prepared, rows: pa.Table, places: pa.Array) -> Iterator[pa.Table]:
    """Gives the identifiers seen with the customers of the good rows.

    Args:
        mapping: Says which headers are identifiers.
        prepared: The batch the rows come from.
        rows: The good rows.
        places: The place of each good row in the batch.
    """
    rows, places = _without_platforms(rows, places) if mapping.table == "order_line" else (rows, places)
    seen = _SEEN.get(mapping.table)
    at = rows.column(seen) if seen in rows.column_names else pa.nulls(rows.num_rows, pa.timestamp("us", tz="UTC"))
    for (kind, _), done in prepared.personal.items():
        if kind not in _IDENTIFIER.column("kind").values:
            continue
        made = pa.table(
            {
                "kind": pa.repeat(kind, rows.num_rows),
                "token": done.tokens.take(places),
                "source": rows.column("source"),
                "customer_id": rows.column("customer_id"),
                "seen_at": at,
                "is_loaded": pa.repeat(True, rows.num_rows),  # noqa: FBT003 - the value
            }
        ).cast(IDENTIFIER_SCHEMA)
        yield made.filter(pc.and_(pc.is_valid(made["token"]), pc.is_valid(made["customer_id"])))


def _without_platforms(rows: pa.Table, places: pa.Array) -> tuple[pa.Table, pa.Array]:
    """Leaves out orders of delivery platforms: the number they give is theirs and links nobody."""
    if "channel" not in rows.column_names:
        return rows, places
    own = pc.fill_null(pc.not_equal(rows["channel"], _PLATFORM), fill_value=True)
    return rows.filter(own), places.filter(own.combine_chunks() if isinstance(own, pa.ChunkedArray) else own)


def keep(vault: Vault, prepared: Prepared, rows: pa.Table, places: pa.Array) -> None:
    """Puts the personal values of the good rows into the vault."""
    for (kind, _), done in prepared.personal.items():
        held = pa.table(
            {
                "source": rows.column("source"),
                "customer_id": rows.column("customer_id"),
                "token": done.tokens.take(places),
                "raw": done.normalised.take(places),
            }
        )
        held = held.filter(pc.and_(pc.is_valid(held["token"]), pc.is_valid(held["customer_id"])))
        once = held.group_by(held.column_names).aggregate([])
        named = pc.binary_join_element_wise(once["source"], once["customer_id"], "|")
        vault.put_many(kind, named.to_pylist(), once["token"].to_pylist(), once["raw"].to_pylist())


def merge_identifiers(lake: Lake, engine: DuckDBEngine, staged: str, note: dict[str, str]) -> int:
    """Adds identifiers to the table `identifier`, or widens when they were seen; says how many are new.

    Args:
        lake: The lake.
        engine: What computes.
        staged: A Parquet file of `IDENTIFIER_SCHEMA`.
        note: Properties of the snapshot.
    """
    before = lake.snapshot("identifier")
    connection = engine.connection()
    with translated("identifier"):
        connection.execute(f"CREATE TEMP VIEW known AS {scan_statement(_IDENTIFIER, lake.scan('identifier'))}")
        connection.execute(f"CREATE TEMP TABLE merged AS {_MERGED}", {"staged": staged})
        merged: pa.Table = connection.sql("SELECT * EXCLUDE (state) FROM merged WHERE state <> 'same'").to_arrow_table()
        new, wider = _counts(connection)
    if not new and not wider:
        return 0
    given = Table("given", "identifiers that are new or wider", _IDENTIFIER.columns, _IDENTIFIER.key)
    columns = ", ".join(_IDENTIFIER.column_names)
    text = f"SELECT {columns} FROM given"
    if wider:
        text += (
            f" UNION ALL SELECT {columns} FROM identifier AS i WHERE NOT EXISTS (SELECT 1 FROM given AS g WHERE "
            f"g.kind = i.kind AND g.token = i.token AND g.source = i.source AND g.customer_id = i.customer_id)"
        )
    query = Query.from_sql(text, name="identifier", inputs=(given,))
    files = engine.write(query, _IDENTIFIER, {"given": merged})
    if wider and before is not None:
        lake.replace("identifier", files, note, expected=before.id)
    else:
        lake.append("identifier", files, note)
    return new


_MERGED = """
    WITH seen AS (
        SELECT
            kind, token, source, customer_id, min(seen_at) AS first_seen_at, max(seen_at) AS last_seen_at,
            bool_or(is_loaded) AS is_loaded
        FROM read_parquet($staged) GROUP BY ALL
    )
    SELECT
        s.kind, s.token, s.source, s.customer_id,
        least(s.first_seen_at, k.first_seen_at) AS first_seen_at,
        greatest(s.last_seen_at, k.last_seen_at) AS last_seen_at,
        coalesce(k.is_loaded, s.is_loaded) AS is_loaded,
        CASE
            WHEN k.token IS NULL THEN 'new'
            WHEN s.is_loaded AND k.is_loaded IS NULL THEN 'wider'
            WHEN s.first_seen_at IS NULL AND s.last_seen_at IS NULL THEN 'same'
            WHEN k.first_seen_at <= s.first_seen_at AND k.last_seen_at >= s.last_seen_at THEN 'same'
            ELSE 'wider'
        END AS state
    FROM seen AS s
    LEFT JOIN known AS k
        ON k.kind = s.kind AND k.token = s.token AND k.source = s.source AND k.customer_id = s.customer_id
"""


def _counts(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE state = 'new'), count(*) FILTER (WHERE state = 'wider') FROM merged"
    ).fetchall()[0]
    return row[0], row[1]
