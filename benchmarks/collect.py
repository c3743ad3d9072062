"""Taking events in, durable, over HTTP: against the same code with a list for the log, and the disk's own limits.

The service and the load generator share the two cores. The log holds five million ids before. In one run beside each
other: the whole; the same web process with a list for the log; a server that only parses; raw SQLite with one row of a
batch's size a commit; a raw file with an fsync after each batch.
"""

import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.chain_shop import say
from benchmarks.collect_load import Sent, send_for
from benchmarks.figure import Figures, figure
from shopkeeper.app.api_key import create_key
from shopkeeper.app.event_log import LOG_FILE, is_written
from shopkeeper.app.shop import Shop, init, open_shop
from shopkeeper.storage.log import Batch, Entry
from shopkeeper.storage.log_sqlite import SqliteLog

__all__ = ["run"]

_STORED = int(os.environ.get("SHOPKEEPER_BENCH_IDS", "5000000"))
_SECONDS = float(os.environ.get("SHOPKEEPER_BENCH_SECONDS", "15"))
_BATCH, _BATCH_SENDERS, _SINGLE_SENDERS = 100, 8, 64
_BATCH_RATIO, _BATCH_RATE, _SINGLE_RATIO, _SINGLE_RATE = 0.6, 10_000, 0.5, 1_500
_PACKED = 55_000  # bytes of a batch of a hundred events in the log
_RAW_SECONDS = 3.0


def run() -> Figures:
    """Measures batches and single events."""
    with tempfile.TemporaryDirectory(prefix="shopkeeper-collect-") as made:
        folder = Path(made) / "shop"
        with init(folder) as shop:
            _, key = create_key(shop, ["collect"], source="bench")
            _store(shop)
        figures: Figures = {}
        rates: dict[tuple[str, int], Sent] = {}
        for kind in ("log", "list", "parse"):
            with _serving(folder, kind) as port:
                for events, senders in ((_BATCH, _BATCH_SENDERS), (1, _SINGLE_SENDERS)):
                    sent = send_for(
                        port,
                        key,
                        seconds=_SECONDS,
                        connections=senders,
                        events_a_request=events,
                        name=f"{kind}{events}",
                    )
                    rates[kind, events] = sent
                    p99 = sent.milliseconds[int(len(sent.milliseconds) * 0.99)]
                    say(f"{kind}, {events} a request: {sent.rate:,.0f} events/s, p99 {p99:.1f} ms")
        sqlite, file = _raw_sqlite(Path(made)), _raw_file(Path(made))
        for events, name, ratio, rate in (
            (_BATCH, "batch", _BATCH_RATIO, _BATCH_RATE),
            (1, "single", _SINGLE_RATIO, _SINGLE_RATE),
        ):
            log, plain = rates["log", events], rates["list", events]
            figures[f"collect_{name}"] = figure(
                log.rate, "events/s", against=plain.rate, bar=ratio, at_least=True, of_ratio=True
            )
            figures[f"collect_{name}_rate"] = figure(log.rate, "events/s", bar=rate, at_least=True)
            figures[f"collect_{name}_parse"] = figure(rates["parse", events].rate, "events/s")
            figures[f"collect_{name}_p99"] = figure(log.milliseconds[int(len(log.milliseconds) * 0.99)], "ms")
        figures["collect_raw_sqlite"] = figure(sqlite * _BATCH, "events/s")
        figures["collect_raw_fsync"] = figure(file * _BATCH, "events/s")
        return figures


def _store(shop: Shop) -> None:
    """Fills the log with ids, as a quarter of a year of a small chain does."""
    began, at_once = time.perf_counter(), 2_000
    with SqliteLog(shop.folder / LOG_FILE) as log:
        for first in range(0, _STORED, at_once * 10):
            batches = [
                Batch(
                    "bench",
                    time.time(),
                    tuple(Entry("bench", f"old{n}", b"0" * 16, b"{}") for n in range(start, start + at_once)),
                )
                for start in range(first, min(first + at_once * 10, _STORED), at_once)
            ]
            log.append(batches)
    say(f"{_STORED:,} ids stored in {time.perf_counter() - began:.0f} s")


@contextmanager
def _serving(folder: Path, kind: str) -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=512)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as `serve` does
        fd = listener.fileno()
        words = [[sys.executable, "-m", "benchmarks.collect_server", str(folder), str(fd), kind]]
        if kind == "log":
            words.insert(0, [sys.executable, "-m", "shopkeeper", "log", "--shop", str(folder)])
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for command in words:
                processes.append(subprocess.Popen(command, pass_fds=(fd,)))
                if command[2] == "shopkeeper":
                    with open_shop(folder) as shop:
                        while not is_written(shop):
                            time.sleep(0.1)
            yield listener.getsockname()[1]
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(60)


def _raw_sqlite(folder: Path) -> float:
    """Commits a second of one row of a batch's size, WAL and synchronous=FULL."""
    with closing(sqlite3.connect(folder / "raw.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)")
        body, number, began = os.urandom(_PACKED), 0, time.perf_counter()
        while time.perf_counter() - began < _RAW_SECONDS:
            connection.execute("INSERT INTO t (body) VALUES (?)", (body,))
            number += 1
        return number / (time.perf_counter() - began)


def _raw_file(folder: Path) -> float:
    """Appends a second to a file, each with an fdatasync."""
    body, number = os.urandom(_PACKED), 0
    with (folder / "raw.bin").open("wb", buffering=0) as file:
        began = time.perf_counter()
        while time.perf_counter() - began < _RAW_SECONDS:
            file.write(body)
            os.fdatasync(file.fileno())
            number += 1
        return number / (time.perf_counter() - began)
