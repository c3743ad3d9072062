"""A process that writes to a lake, for tests that run two at once or kill one.

    python writer.py LAKE append NAME TIMES      appends TIMES files of one row each, ids NAME-0, NAME-1, …
    python writer.py LAKE once NAME              the same, once, giving up on the first conflict
    python writer.py LAKE replace NAME           replaces the table by one row, planned before the word `go` comes
    python writer.py LAKE stop POINT NAME        appends, but stands still at POINT and says so

The catalog is the lake's own, or that at the address in SHOPKEEPER_TEST_CATALOG.

It prints `ready` when it has imported everything, waits for `go`, and prints what it committed, one id a line.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyiceberg.io.pyarrow import PyArrowFileIO

from shopkeeper.base.errors import ConflictError
from shopkeeper.storage import catalog, warehouse
from shopkeeper.storage import lake as lake_module
from shopkeeper.storage.engine import DuckDBEngine
from shopkeeper.storage.engine import duckdb as engine_module
from shopkeeper.storage.lake import Lake
from tests.storage.rows import filled


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def wait() -> None:
    say("ready")
    sys.stdin.readline()


def stand_still(*_: Any, **__: Any) -> Any:
    say("here")
    time.sleep(600)


def add(lake: Lake, engine: DuckDBEngine, name: str) -> None:
    warehouse.append_rows(lake, engine, "product", filled("product", [{"product_id": name}]))
    say(name)


def append(lake: Lake, engine: DuckDBEngine, name: str, times: str = "1") -> None:
    wait()
    for number in range(int(times)):
        add(lake, engine, f"{name}-{number}")


def once(lake: Lake, engine: DuckDBEngine, name: str, times: str = "1") -> None:
    lake_module.retrying = lambda action: action()
    wait()
    for number in range(int(times)):
        try:
            add(lake, engine, f"{name}-{number}")
        except ConflictError:
            say("conflict")


def replace(lake: Lake, engine: DuckDBEngine, name: str) -> None:
    """Replaces what it read before `go`, so that of two one must lose; the loser redoes it all."""
    before = lake.snapshot("product")
    wait()
    tried = []

    def redo() -> None:
        base = before if not tried else lake.snapshot("product")
        tried.append(name)
        rows = filled("product", [{"product_id": name}])
        files = engine.write(warehouse._given("product"), lake.declared("product"), {"given": rows})
        lake.replace("product", files, expected=base.id if base else 0)

    warehouse.retrying(redo)
    say(f"{name} {len(tried)}")


def stop(lake: Lake, engine: DuckDBEngine, point: str, name: str) -> None:
    points: dict[str, tuple[Any, str]] = {
        "staged": (engine_module, "publish"),
        "published": (lake_module.Lake, "append"),
        "manifests written": (catalog.LakeCatalog, "_write_metadata"),
    }
    if point == "metadata written":
        real: Callable[..., Any] = catalog.LakeCatalog._write_metadata

        def written(*arguments: Any, **named: Any) -> Any:
            real(*arguments, **named)
            stand_still()

        catalog.LakeCatalog._write_metadata = staticmethod(written)  # type: ignore[method-assign]
    else:
        place, attribute = points[point]
        setattr(place, attribute, staticmethod(stand_still) if isinstance(place, type) else stand_still)
    wait()
    add(lake, engine, name)


def main() -> None:
    place, command, *rest = sys.argv[1:]
    if "SHOPKEEPER_TEST_PLAIN_IO" in os.environ:
        catalog.DurableIO.new_output = PyArrowFileIO.new_output  # type: ignore[method-assign]
    lake = Lake(Path(place), os.environ.get("SHOPKEEPER_TEST_CATALOG"))
    engine = DuckDBEngine(lake, spill=Path(place).with_name("spill"), memory_limit="256MB", threads=1)
    {"append": append, "once": once, "replace": replace, "stop": stop}[command](lake, engine, *rest)


if __name__ == "__main__":
    main()
