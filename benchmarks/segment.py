"""Audience counts in a shop of 1 million people and 20 million order lines, against the bare DuckDB query.

Ours is everything from the line of text to the number: read, check, compile, plan the files, run. The bare query is
written by hand over the same Parquet files with the same settings; both are run in turns.
"""

import os
import statistics
import time
from collections.abc import Callable
from datetime import timedelta

import duckdb

from benchmarks.chain_shop import chain_shop, say
from benchmarks.figure import Figures, figure
from benchmarks.process import CORES
from shopkeeper.app.run import run as refresh
from shopkeeper.app.segment import count, read_audience
from shopkeeper.app.shop import Shop, now
from shopkeeper.segment.check import audience
from shopkeeper.segment.document import to_document

__all__ = ["run"]

SIZE = os.environ.get("SHOPKEEPER_BENCH_SEGMENT", "20m")
_MEMORY = "5GB"
_ROUNDS = 9
_RATIO, _MORE = 1.5, 60.0
_TABLES = ("profile", "order_line", "product", "person", "segment_member")
_VALUED = "monetary_365d >= 300"
_TRAITS = "recency_days > 30 and monetary_365d >= 200 and orders_365d >= 5"
_TRAITS_BARE = """
SELECT count(*) FILTER (recency_days > 30 AND monetary_365d >= 200 AND orders_365d >= 5), count(*) FROM profile
"""
_MIXED = 'recency_days <= 60 and bought category "{category}" at least 3 times in last 90 days and in segment "valued"'
_MIXED_BARE = """
SELECT count(*) FILTER (recency_days <= 60
    AND person_id IN (
      SELECT person_id FROM order_line JOIN person USING (source, customer_id)
      WHERE business_day BETWEEN $first::DATE AND $last::DATE AND quantity > 0 AND valid_to IS NULL
        AND product_id IN (SELECT product_id FROM product WHERE category = $category)
      GROUP BY person_id HAVING count(DISTINCT order_id) >= 3)
    AND person_id IN (SELECT person_id FROM segment_member WHERE segment = 'valued' AND left_at IS NULL)),
  count(*)
FROM profile
"""
_USUAL_CATEGORY = """
SELECT category FROM order_line JOIN product USING (product_id)
WHERE business_day > $first::DATE AND category IS NOT NULL GROUP BY category ORDER BY count(*) DESC, category LIMIT 1
"""


def run(size: str = SIZE) -> Figures:
    """Measures both bars.

    Raises:
        AssertionError: Ours and the bare query count differently.
    """
    with chain_shop(size, memory=_MEMORY) as shop:
        refresh(shop, until="profile", by="benchmark")
        tree = to_document(audience(_VALUED))
        shop.state.segments.save("valued", tree, label_en="valued", label_zh="valued", by="benchmark", now=now(shop))
        refresh(shop, ("segments",), by="benchmark")
        bare = _views(shop)
        last = shop.last_day()
        first = last - timedelta(days=89)
        ((category,),) = bare.execute(_USUAL_CATEGORY, {"first": str(first)}).fetchall()
        values = {"first": str(first), "last": str(last), "category": category}
        traits, traits_bare = _both(shop, _TRAITS, lambda: bare.execute(_TRAITS_BARE).fetchall())
        mixed, mixed_bare = _both(
            shop, _MIXED.format(category=category), lambda: bare.execute(_MIXED_BARE, values).fetchall()
        )
        bare.close()
    return {
        "segment_three_traits": figure((traits - traits_bare) * 1000, "ms more than bare", bar=_MORE),
        "segment_three_traits_whole": figure(traits * 1000, "ms", against=traits_bare * 1000),
        "segment_trait_behaviour_membership": figure(
            mixed * 1000, "ms", against=mixed_bare * 1000, bar=_RATIO, of_ratio=True
        ),
    }


def _views(shop: Shop) -> duckdb.DuckDBPyConnection:
    """A connection of its own over the shop's files."""
    connection = duckdb.connect(config={"memory_limit": _MEMORY, "threads": CORES, "preserve_insertion_order": False})
    connection.execute("SET TimeZone = 'UTC'")
    for name in _TABLES:
        connection.read_parquet(shop.lake.files(name)).create_view(name)
    return connection


def _both(shop: Shop, line: str, bare: Callable[[], list[tuple[int, int]]]) -> tuple[float, float]:
    """Medians in seconds of ours and the bare query, run in turns; the answers must be the same."""

    def ours() -> list[tuple[int, int]]:
        tree, _ = read_audience(shop, line)
        found = count(shop, tree)
        return [(found.count, found.of)]

    answers = ours(), bare()
    if answers[0] != answers[1]:
        raise AssertionError(f"{line}: ours {answers[0]}, bare {answers[1]}")
    say(f"{line}: {answers[0][0][0]:,} of {answers[0][0][1]:,}")
    found = [(_seconds(ours), _seconds(bare)) for _ in range(_ROUNDS)]
    return statistics.median(mine for mine, _ in found), statistics.median(other for _, other in found)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
