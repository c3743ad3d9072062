"""Rows leave a table for good: the files that hold them are written anew, and nothing older can be read any more."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from shopkeeper.base.errors import ConflictError
from shopkeeper.storage.catalog import translated
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.storage.lake import Lake, Scan, Snapshot
from shopkeeper.storage.parquet import publish, staging, with_rows
from shopkeeper.storage.retrying import retrying
from shopkeeper.storage.scan import local_path

__all__ = ["Erasing", "erase_rows", "follows", "forget_states", "remove_files", "state_after"]

_FOLLOWS = "shopkeeper.erased_after"
_FOLLOWED = 50
_AFTER_ALL = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Erasing:
    """What goes from one table.

    Args:
        table: The table.
        where: SQL of the rows that are touched; it may name the given tables.
        changed: SQL for the columns that get another value; without any the rows themselves go.
    """

    table: str
    where: str
    changed: Mapping[str, str]


def erase_rows(lake: Lake, engine: DuckDBEngine, erasing: Erasing, given: Mapping[str, pa.Table]) -> int:
    """Takes rows, or what stands in them, out of a table; files without any stay as they are.

    Args:
        lake: The lake.
        engine: Writes the files anew, one at a time, so that memory stays small.
        erasing: What goes.
        given: The tables that its condition names.

    Returns:
        How many rows were touched.
    """

    def once() -> int:
        present, scan = lake.snapshot(erasing.table), lake.scan(erasing.table)
        if present is None:
            return 0
        if scan.rows is not None:
            raise ConflictError(
                f"table {erasing.table} has deletes of a foreign writer",
                next_step=f"let that writer rewrite the files of {erasing.table}",
            )
        table = lake.declared(erasing.table)
        if not engine.count(scan, table, erasing.where, given):
            return 0
        rows = 0
        old: set[str] = set()
        new: list[str] = []
        folder = lake.folder(erasing.table)
        for path in scan.files:
            one = Scan((path,), scan.field_ids, columns=scan.columns)
            found = engine.count(one, table, erasing.where, given)
            if not found:
                continue
            rows += found
            old.add(path)
            with staging(folder) as place:
                if erasing.changed:
                    cases = {
                        name: f"CASE WHEN {erasing.where} THEN {value} ELSE {name} END"
                        for name, value in erasing.changed.items()
                    }
                    engine.copy(one, table, place, changed=cases, given=given)
                else:
                    engine.copy(one, table, place, but=f"coalesce({erasing.where}, false)", given=given)
                new += publish(with_rows(place), folder)
        # What the rows were computed from does not change; a step sees that its inputs did.
        lake.replace(
            erasing.table,
            new,
            {**present.properties, **follows(present)},
            removes=lambda file: local_path(file.file_path) in old,
            expected=present.id,
        )
        return rows

    return retrying(once)


def forget_states(lake: Lake, name: str) -> list[str]:
    """Forgets every state of a table but the present one, and gives the files that nothing names any more.

    A commit notes the files it took away together with the least and greatest values in them; an empty append on top
    leaves those notes behind too.
    """
    before = lake.known_files(name)
    if lake.snapshot(name) is None:
        return []
    retrying(lambda: _append_nothing(lake, name))
    before |= lake.known_files(name)
    lake.expire(name, keep=timedelta(0), now=_AFTER_ALL)
    return sorted(before - lake.known_files(name))


def _append_nothing(lake: Lake, name: str) -> None:
    present = lake.snapshot(name)
    properties = {**present.properties, **follows(present)} if present else {}
    with translated(f"table {name}"), lake.iceberg(name).transaction() as transaction:
        transaction.update_snapshot(snapshot_properties=properties).fast_append().commit()


def state_after(lake: Lake, name: str, snapshot: int) -> int | None:
    """Gives the state of a table that has what a state of before had: itself, what erasures left of it, or None."""
    for each in reversed(lake.history(name)):
        if each.id == snapshot or str(snapshot) in each.properties.get(_FOLLOWS, "").split():
            return each.id
    return None


def follows(present: Snapshot) -> dict[str, str]:
    """Notes the state that an erasure changed, and those that this was what erasures had left of."""
    before = present.properties.get(_FOLLOWS, "").split()
    return {_FOLLOWS: " ".join([str(present.id), *before][:_FOLLOWED])}


def remove_files(paths: Sequence[str], *, wait: timedelta, sleep: Callable[[float], object] = time.sleep) -> int:
    """Removes files after giving those who read them time to end, and says how many.

    Args:
        paths: The files.
        wait: How long; a reader that still loses one plans again.
        sleep: Waits some seconds.
    """
    if paths and wait > timedelta(0):
        sleep(wait.total_seconds())
    removed = 0
    for path in map(Path, paths):
        removed += path.exists()
        path.unlink(missing_ok=True)
    return removed
