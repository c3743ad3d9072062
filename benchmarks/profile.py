"""The profile of 20 million order lines against one hand-written DuckDB query for the same columns.

Ours is `shopkeeper run --until profile`: product_fact, basket, person, person_habit and profile, each written as
Parquet and committed to the lake. The peer (`peer/profile.sql`) reads the same Parquet files with the same memory limit
and threads, keeps no table between, and writes its one result as Parquet with the same compression. Both run in
processes of their own, in turns, twice; the shorter time of each counts.
"""

import json
import os
import sys
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb

from benchmarks.chain_shop import chain_shop, say
from benchmarks.figure import Figures, figure
from benchmarks.process import CORES, Measured, measured
from shopkeeper.app.cuts import lifecycle_cuts, rfm_cuts
from shopkeeper.app.shop import Shop
from shopkeeper.schema.tables import table

__all__ = ["SIZES", "run"]

SIZES = tuple(os.environ.get("SHOPKEEPER_BENCH_PROFILE", "2m,20m,100m").split(","))
_MAIN = "20m"
_MEMORY, _MEMORY_GB = "5GB", 6
_ROUNDS = 2
_RATIO, _PEER_CPU, _GROWTH = 1.3, 60, 1.3
_PEER = Path(__file__).parent / "peer"
_COLUMNS = table("profile").column_names


@dataclass(frozen=True, slots=True)
class _Times:
    """The shortest of several runs, and the most memory of any."""

    seconds: float
    cpu_seconds: float
    peak_gb: float
    lines: int


def run(sizes: tuple[str, ...] = SIZES) -> Figures:
    """Measures each size; the bars are those of 20 million lines.

    Raises:
        AssertionError: Ours and the peer's rows differ.
    """
    ours: dict[str, _Times] = {}
    figures: Figures = {}
    for size in sizes:
        ours[size], peer = _size(size, peer=size != "100m")
        if peer is None:
            figures[f"profile_{size}"] = figure(ours[size].seconds, "s")
            continue
        main = size == _MAIN
        figures |= {
            f"profile_{size}": figure(
                ours[size].seconds, "s", against=peer.seconds, bar=_RATIO if main else None, of_ratio=True
            ),
            f"profile_{size}_cpu": figure(ours[size].cpu_seconds, "CPU s", against=peer.cpu_seconds),
            f"profile_{size}_peer_cpu": figure(peer.cpu_seconds, "CPU s", bar=_PEER_CPU if main else None),
            f"profile_{size}_memory": figure(ours[size].peak_gb, "GB", against=peer.peak_gb, bar=_MEMORY_GB),
        }
    for small, large in pairwise(sizes):
        each = [ours[size].cpu_seconds / ours[size].lines * 1e6 for size in (large, small)]
        figures[f"profile_growth_{small}_{large}"] = figure(
            each[0], "CPU s a million lines", against=each[1], bar=_GROWTH, of_ratio=True
        )
    return figures


def _size(size: str, *, peer: bool) -> tuple[_Times, _Times | None]:
    with chain_shop(size, memory=_MEMORY) as shop:
        as_of = shop.last_day()
        snapshot = shop.lake.snapshot("order_line")
        lines = snapshot.rows if snapshot else 0
        result = shop.folder / "peer.parquet"
        own, others = [], []
        for _ in range(_ROUNDS if peer else 1):
            own.append(_ours(shop, as_of))
            say(f"{size} ours: {own[-1].seconds:.1f} s, {own[-1].cpu_seconds:.1f} CPU s, {own[-1].peak_gb:.1f} GB; "
                f"{_steps(own[-1].output)}")  # fmt: skip
            if peer:
                others.append(_peer(shop, as_of, result))
                say(f"{size} peer: {others[-1].seconds:.1f} s, {others[-1].cpu_seconds:.1f} CPU s, "
                    f"{others[-1].peak_gb:.1f} GB")  # fmt: skip
        if peer:
            _hold_equal(shop, result)
        return _best(own, lines), _best(others, lines) if peer else None


def _ours(shop: Shop, as_of: date) -> Measured:
    command = Path(sys.executable).with_name("shopkeeper")
    words = ("run", "--until", "profile", "--force", "--json", "--shop", str(shop.folder), "--as-of", as_of.isoformat())
    return measured([str(command), *words])


def _steps(output: str) -> str:
    """Each step with its seconds, from the document of the command."""
    return ", ".join(f"{step['name']} {step['seconds']:.1f} s" for step in json.loads(output)["steps"])


def _peer(shop: Shop, as_of: date, result: Path) -> Measured:
    """Runs the one query over the very files of the lake."""
    job = {
        "query": str(_PEER / "profile.sql"),
        "files": {name: shop.lake.files(name) for name in ("customer", "product", "order_line")},
        "values": {
            "as_of": str(as_of),
            "first_of_month": str(as_of.replace(day=1)),
            "time_zone": shop.settings.chain.time_zone,
            "lifecycle_version": lifecycle_cuts(shop.settings.lifecycle).version,
            "rfm_version": rfm_cuts(shop.settings.rfm).version,
        },
        "config": {
            "memory_limit": _MEMORY,
            "threads": CORES,
            "preserve_insertion_order": False,
            "temp_directory": str(shop.folder / "spill"),
        },
        "result": str(result),
    }
    return measured([sys.executable, str(_PEER / "query.py"), json.dumps(job)])


def _best(runs: list[Measured], lines: int) -> _Times:
    return _Times(
        min(each.seconds for each in runs),
        min(each.cpu_seconds for each in runs),
        max(each.peak_gb for each in runs),
        lines,
    )


def _hold_equal(shop: Shop, result: Path) -> None:
    """Compares every column of every person."""
    columns = ", ".join(f"count(*) FILTER (o.{name} IS DISTINCT FROM p.{name}) AS {name}" for name in _COLUMNS)
    with duckdb.connect(config={"memory_limit": _MEMORY}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.read_parquet(shop.lake.files("profile")).create_view("o")
        connection.read_parquet(str(result)).create_view("p")
        row = connection.execute(f"SELECT {columns} FROM o FULL JOIN p USING (person_id)").fetchone()
    unequal = {name: found for name, found in zip(_COLUMNS, row or (), strict=True) if found}
    if unequal:
        raise AssertionError(f"ours and the peer's differ, people by column: {unequal}")
    say("  equal row by row")
