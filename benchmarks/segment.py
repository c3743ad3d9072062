"""Audience counts over 1 million people and 20 million order lines, against the bare DuckDB query for the same answer.

Ours is everything from the line of text to the number: parse, check, compile, build and check the query, run it.
The bare query is written by hand over the same views with the same settings; both are run in turns.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb

from benchmarks.made_orders import LAST_DAY, make
from shopkeeper.schema.tables import TABLES
from shopkeeper.schema.traits import TRAITS
from shopkeeper.segment.check import audience
from shopkeeper.segment.compile import count

__all__ = ["run"]

_AS_OF = date.fromisoformat(LAST_DAY)
_ROUNDS = 7

_TRAITS = "recency_days > 60 and monetary_365d >= 500 and orders_365d >= 5"
_TRAITS_BARE = """
SELECT (SELECT count(*) FROM profile WHERE recency_days > 60 AND monetary_365d >= 500 AND orders_365d >= 5),
  (SELECT count(*) FROM profile)
"""

_MIXED = (
    'recency_days <= 60 and bought category "Category 005" at least 3 times in last 90 days and in segment "valued"'
)
_MIXED_BARE = """
SELECT (SELECT count(*) FROM profile WHERE recency_days <= 60
    AND person_id IN (
      SELECT p.person_id FROM order_line l
      JOIN person p ON p.source = l.source AND p.customer_id = l.customer_id AND p.valid_to IS NULL
      WHERE l.business_day BETWEEN DATE '2025-10-03' AND DATE '2025-12-31' AND l.quantity > 0
        AND l.product_id IN (SELECT product_id FROM product WHERE category = 'Category 005')
      GROUP BY p.person_id HAVING count(DISTINCT l.order_id) >= 3)
    AND person_id IN (SELECT person_id FROM segment_member WHERE segment = 'valued' AND left_at IS NULL)),
  (SELECT count(*) FROM profile)
"""

_PERSON = """
SELECT source, customer_id, 'person_' || customer_id AS person_id, 'own' AS method, 1.0::DOUBLE AS confidence,
  registered_at AS valid_from, NULL::TIMESTAMPTZ AS valid_to
FROM customer
"""
_MEMBER = """
SELECT 'valued' AS segment, person_id, TIMESTAMPTZ '2025-06-01 00:00:00+00' AS entered_at, NULL::TIMESTAMPTZ AS left_at,
  1::BIGINT AS version
FROM person WHERE hash(person_id, 1) % 3 > 0
"""
_FILLED = {
    "recency_days": "(hash(person_id, 2) % 400)::BIGINT",
    "monetary_365d": "(hash(person_id, 3) % 200000 / 100.0)::DECIMAL(18,4)",
    "orders_365d": "(hash(person_id, 4) % 60)::BIGINT",
    "lifecycle": "['new', 'active', 'sleeping', 'lapsed'][1 + (hash(person_id, 5) % 4)::INT]",
    "favourite_store": "'store ' || hash(person_id, 6) % 1000",
    "basket_value": "(hash(person_id, 7) % 9000 / 100.0)::DECIMAL(18,4)",
}


def run(lines: int = 20_000_000, people: int = 1_000_000) -> dict[str, dict[str, object]]:
    """Measures both bars.

    Returns:
        By name: value (ours), unit, against (the bare query), ratio, bar and whether it is kept.
    """
    kept = os.environ.get("SHOPKEEPER_BENCH_DATA")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(kept or made)
        connection = _views(folder, lines, people)
        traits, traits_bare = _timed(connection, _TRAITS, _TRAITS_BARE)
        mixed, mixed_bare = _timed(connection, _MIXED, _MIXED_BARE)
        connection.close()
    more = traits - traits_bare
    return {
        "segment_three_traits": {
            "value": round(more * 1000, 1), "unit": "ms more than bare", "against": round(traits_bare * 1000, 1),
            "ratio": round(traits / traits_bare, 2), "bar": 60, "ok": more <= 0.060,
        },
        "segment_trait_behaviour_membership": {
            "value": round(mixed * 1000, 1), "unit": "ms", "against": round(mixed_bare * 1000, 1),
            "ratio": round(mixed / mixed_bare, 2), "bar": 1.5, "ok": mixed / mixed_bare <= 1.5,
        },
    }  # fmt: skip


def _views(folder: Path, lines: int, people: int) -> duckdb.DuckDBPyConnection:
    make(folder, lines, people)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET memory_limit = '4GB'; SET threads = 2")
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(".parquet")
        if name in TABLES:
            files = f"{path}/*.parquet" if path.is_dir() else f"{path}"
            connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{files}')")
    columns = (f"({_FILLED.get(trait.name, 'NULL')})::{trait.type.value} AS {trait.name}" for trait in TRAITS.values())
    profile = f"SELECT person_id, {', '.join(columns)} FROM person"
    for name, select in (("person", _PERSON), ("segment_member", _MEMBER), ("profile", profile)):
        path = folder / f"{name}.parquet"
        if not path.exists():
            connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS FROM read_parquet('{path}')")
    return connection


def _timed(connection: duckdb.DuckDBPyConnection, line: str, bare: str) -> tuple[float, float]:
    """Medians in seconds of ours and the bare query, run in turns; the answers must be the same."""

    def ours() -> object:
        return connection.execute(count(audience(line), _AS_OF).sql(pretty=False)).fetchall()

    def theirs() -> object:
        return connection.execute(bare).fetchall()

    answers = ours(), theirs()
    if answers[0] != answers[1]:
        raise AssertionError(f"ours {answers[0]}, bare {answers[1]}")
    print(f"{line}: {answers[0]}", file=sys.stderr)
    found = [(_seconds(ours), _seconds(theirs)) for _ in range(_ROUNDS)]
    return statistics.median(mine for mine, _ in found), statistics.median(other for _, other in found)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
