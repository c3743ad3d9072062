"""Ten thousand loads of the log, as the loader makes them in three and a half days: is the last as quick as the first?

The clock is made to go half a minute on with each load, also for the lake's states, and the nightly upkeep is done
when its hour comes. Planning is what a query of the whole table begins with, and the loader's own look for ids.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from pyiceberg.table import snapshots

from benchmarks.chain_shop import say
from benchmarks.figure import Figure, Figures, figure
from shopkeeper.app import ingest
from shopkeeper.app.event_log import LOG_FILE
from shopkeeper.app.ingest import Loader
from shopkeeper.app.schedule import next_time
from shopkeeper.app.shop import Shop, init
from shopkeeper.app.upkeep import maintain_shop
from shopkeeper.collect.accept import accept
from shopkeeper.collect.door import Door
from shopkeeper.storage.log import Batch
from shopkeeper.storage.log_sqlite import SqliteLog

__all__ = ["run"]

_LOADS = int(os.environ.get("SHOPKEEPER_BENCH_LOADS", "10000"))
_EVENTS, _ORDER_EVERY = 5, 5
_EVERY = timedelta(seconds=30)
_BEGINS = datetime(2026, 11, 2, 1, tzinfo=UTC)
_ZONE = "Asia/Shanghai"
_BLOCK = 10
_ROW = 100
_BAR = 2.0


class Took(NamedTuple):
    """Seconds of one load: all of it, its commit into `event`, and planning a read of `event` afterwards."""

    load: float
    commit: float
    planning: float


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = _BEGINS

    def __call__(self) -> datetime:
        return self.now

    def time(self) -> float:
        """What the lake's library asks for."""
        return self.now.timestamp()


def run() -> Figures:
    """Loads so often, and compares the median of the last ten with that of the ten after the first ten."""
    clock, took = Clock(), list[Took]()
    with tempfile.TemporaryDirectory(prefix="shopkeeper-loads-", dir=os.environ.get("SHOPKEEPER_BENCH_FOLDER")) as made:
        folder = Path(made) / "shop"
        init(folder, {"chain.time_zone": _ZONE, "engine.memory_limit": "1GB"}).close()
        with Shop.open(folder, clock=clock) as shop, SqliteLog(folder / LOG_FILE) as log, _going(clock):
            took += _loaded(shop, log, clock)
            files = len(shop.lake.files("event"))
    for number in range(0, len(took), max(1, len(took) // 20)):
        block = _median(took[number : number + _BLOCK])
        load, commit, planning = (f"{seconds * 1e3:.0f}" for seconds in block)
        say(f"  {number:>6,}: load {load} ms, commit {commit}, planning {planning}")
    first, last = _median(took[_BLOCK : 2 * _BLOCK]), _median(took[-_BLOCK:])
    blocks = [_median(took[begins : begins + _ROW]) for begins in range(_ROW, len(took), _ROW)]
    worst = Took(*(max(column) for column in zip(*blocks, strict=True)))
    return {
        "loads_run": figure(len(took), "loads"),
        "loads_files": figure(files, "files of `event` at the end"),
        "loads_commit": _held(last.commit, first.commit),
        "loads_commit_worst": _held(worst.commit, first.commit),
        "loads_planning": _held(last.planning, first.planning),
        "loads_planning_worst": _held(worst.planning, first.planning),
        "loads_whole": figure(last.load * 1e3, "ms", against=first.load * 1e3),
    }


def _held(seconds: float, first: float) -> Figure:
    return figure(seconds * 1e3, "ms", against=first * 1e3, bar=_BAR, of_ratio=True)


def _loaded(shop: Shop, log: SqliteLog, clock: Clock) -> Iterator[Took]:
    loader, upkeep = Loader(shop, log), next_time(shop.settings.schedule.compact_at, _ZONE, clock.now)
    for number in range(_LOADS):
        clock.now += _EVERY
        if clock.now >= upkeep:
            began = time.perf_counter()
            done = maintain_shop(shop)
            say(
                f"  upkeep after {number:,} loads in {time.perf_counter() - began:.0f} s: {done.compacted.get('event')}"
            )
            upkeep = next_time(shop.settings.schedule.compact_at, _ZONE, clock.now)
        log.append([Batch("app", clock.time(), accept(_messages(number), Door("app", shop.tokens, clock.now)).entries)])
        _COMMITS.clear()
        began = time.perf_counter()
        loader.load()
        loaded = time.perf_counter()
        shop.lake.scan("event")
        yield Took(loaded - began, sum(_COMMITS), time.perf_counter() - loaded)


def _messages(number: int) -> list[dict[str, Any]]:
    """Views, and in one load of five an order: it goes into `order_line` too."""
    order = {"order_id": f"o{number}", "products": [{"product_id": "p1", "price": 9.9, "quantity": 1}]}
    sold = {"type": "track", "event": "Order Completed", "userId": f"u{number % 5_000}", "messageId": f"o{number}"}
    orders = [] if number % _ORDER_EVERY else [{**sold, "properties": order}]
    return orders + [
        {"type": "track", "event": "Product Viewed", "userId": f"u{(number * _EVENTS + each) % 5_000}",
         "messageId": f"m{number}-{each}", "properties": {"product_id": f"p{each}"}}
        for each in range(_EVENTS)
    ]  # fmt: skip


_COMMITS: list[float] = []


@contextmanager
def _going(clock: Clock) -> Iterator[None]:
    """Has the lake's library go by a clock, and notes how long commits of events take."""
    commit: Callable[..., None] = ingest.append_through

    def timed(*arguments: Any, **named: Any) -> None:
        began = time.perf_counter()
        commit(*arguments, **named)
        _COMMITS.append(time.perf_counter() - began)

    before = snapshots.time
    snapshots.time, ingest.append_through = SimpleNamespace(time=clock.time), timed  # type: ignore[assignment]
    try:
        yield
    finally:
        snapshots.time, ingest.append_through = before, commit


def _median(took: Sequence[Took]) -> Took:
    return Took(*(statistics.median(column) for column in zip(*took, strict=True)))
