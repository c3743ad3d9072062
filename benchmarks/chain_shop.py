"""A shop that holds a made-up chain of a size: its files stand in the lake as they were written."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shopkeeper.app.shop import Shop, init
from shopkeeper.sample.chain import chain
from shopkeeper.schema.query import Query

__all__ = ["TABLES", "chain_shop", "digest", "say"]

TABLES = ("customer", "product", "store", "order_line")
_DISK_GB = {"2m": 2, "20m": 12, "100m": 45}
"""What a size needs on the disk at most: lines, derived tables in two states, spill."""


@contextmanager
def chain_shop(size: str, memory: str = "6GB") -> Iterator[Shop]:
    """Makes a shop with the lines, customers, products and stores of a chain; it is removed at the end.

    Args:
        size: A size of `shopkeeper.sample.size`.
        memory: What DuckDB may take.

    Raises:
        RuntimeError: The disk is too full.
    """
    place = os.environ.get("SHOPKEEPER_BENCH_FOLDER")
    if place is not None:
        Path(place).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"shopkeeper-{size}-", dir=place) as made:
        folder = Path(made)
        free = shutil.disk_usage(folder).free / 1e9
        if free < _DISK_GB.get(size, 1):
            raise RuntimeError(
                f"the chain of size {size} needs {_DISK_GB[size]} GB of disk and {free:.0f} are free in {folder}; "
                "name another place with SHOPKEEPER_BENCH_FOLDER"
            )
        with init(
            folder / "shop",
            {"chain.time_zone": "Asia/Shanghai", "chain.country": "CN", "engine.memory_limit": memory},
        ) as shop:
            began = time.perf_counter()
            for name, files in chain(size).write(folder / "chain", tables=TABLES).items():
                shop.lake.append(name, [str(file) for file in files])
            lines = shop.lake.snapshot("order_line")
            say(f"{lines.rows if lines else 0:,} lines made in {time.perf_counter() - began:.0f} s")
            yield shop


def digest(shop: Shop, name: str) -> tuple[int, ...]:
    """Gives the number of rows of a table, and the sum and the exclusive or of their hashes over all columns."""
    columns = ", ".join(shop.lake.declared(name).column_names)
    row = f"hash({columns})"
    relation = shop.duckdb.relation(Query.from_sql(f"SELECT {columns} FROM {name}", name=name))
    (found,) = relation.aggregate(f"count(*), sum(CAST({row} AS HUGEINT)), bit_xor({row})").fetchall()
    return tuple(int(value or 0) for value in found)


def say(text: str) -> None:
    """Says on standard error how far it is."""
    print(text, file=sys.stderr, flush=True)
