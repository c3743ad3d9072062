"""The profile on Spark, equal row by row to DuckDB's, with its time beside."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.chain_shop import chain_shop, digest, say
from benchmarks.figure import Figures, figure
from shopkeeper.app.run import run as refresh
from shopkeeper.app.shop import Shop, open_shop
from shopkeeper.schema.query import Query

__all__ = ["SIZE", "run"]

SIZE = os.environ.get("SHOPKEEPER_BENCH_SPARK", "2m")
_UNTIL = "profile"
_DERIVED = ("product_fact", "basket", "person", "person_habit", "profile")
_START = Query.from_sql("SELECT count(*) AS n FROM store", name="start")


def run(size: str = SIZE) -> Figures:
    """Makes all tables up to the profile with each engine; Spark's Java machine is started before the clock.

    Raises:
        AssertionError: The engines do not agree, row by row.
    """
    with chain_shop(size, memory="4GB") as shop:
        duckdb = _seconds(shop)
        theirs = {name: digest(shop, name) for name in _DERIVED}
        with _on_spark(shop) as spark:
            seconds = _seconds(spark)
        ours = {name: digest(shop, name) for name in _DERIVED}
        unequal = [name for name in _DERIVED if ours[name] != theirs[name]]
        if unequal:
            raise AssertionError(f"Spark and DuckDB differ in {', '.join(unequal)}")
        say(f"  equal row by row in {', '.join(_DERIVED)}")
    return {f"profile_spark_{size}": figure(seconds, "s", against=duckdb)}


@contextmanager
def _on_spark(shop: Shop) -> Iterator[Shop]:
    began = time.perf_counter()
    with open_shop(shop.folder, engine="spark") as spark:
        spark.engine.arrow(_START)
        say(f"Spark started in {time.perf_counter() - began:.1f} s")
        yield spark


def _seconds(shop: Shop) -> float:
    began = time.perf_counter()
    found = refresh(shop, until=_UNTIL, force=True, by="benchmark")
    seconds = time.perf_counter() - began
    say(f"{found.engine}: {seconds:.1f} s; " + ", ".join(f"{step.name} {step.seconds:.1f} s" for step in found.steps))
    return seconds
