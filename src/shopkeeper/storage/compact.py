"""Upkeep of the lake: many small files become few, old states are forgotten, orphans are swept."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from pyiceberg.manifest import DataFile

from shopkeeper.base.errors import ConflictError, StorageError
from shopkeeper.schema.table import Partition, Table
from shopkeeper.storage.content import content
from shopkeeper.storage.engine.contract import Engine
from shopkeeper.storage.engine.duckdb import DuckDBEngine
from shopkeeper.storage.lake import Lake, Scan
from shopkeeper.storage.parquet import publish, staging, with_rows
from shopkeeper.storage.scan import local_path
from shopkeeper.storage.warehouse import Leases, live_files

__all__ = ["Compacted", "Policy", "Upkeep", "compact", "maintain"]


@dataclass(frozen=True, slots=True)
class Policy:
    """When to compact and what to forget.

    Args:
        target_bytes: Size a file should have; larger ones are left alone.
        min_files: A partition with fewer small files is left alone.
        closed_after: A partition is compacted when its last day lies this long back, so that loaders are done with it;
            below zero, also those whose last day is yet to come.
        keep: States younger than this can still be read.
        orphans_after: Files no state names go when they are older than this.
    """

    target_bytes: int = 128 * 1024 * 1024
    min_files: int = 8
    closed_after: timedelta = timedelta(days=1)
    keep: timedelta = timedelta(days=7)
    orphans_after: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did to a table: partitions touched, files before and after."""

    partitions: int = 0
    files_before: int = 0
    files_after: int = 0


@dataclass(slots=True)
class Upkeep:
    """What `maintain` did.

    Args:
        compacted: By table.
        expired: Number of states forgotten, by table.
        swept: Number of files removed, by table.
        failed: What could not be done, by table; the rest was done.
    """

    compacted: dict[str, Compacted] = field(default_factory=dict)
    expired: dict[str, int] = field(default_factory=dict)
    swept: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def maintain(
    lake: Lake, engine: Engine, now: datetime, *, policy: Policy | None = None, leases: Leases | None = None
) -> Upkeep:
    """Compacts, forgets and sweeps every table; what fails in one table does not stop the others.

    Args:
        lake: The lake.
        engine: Rewrites files; DuckDB does it whatever the steps run on.
        now: The present instant.
        policy: When to compact and what to forget.
        leases: Where writers note the files they are about to commit.
    """
    policy, done = policy or Policy(), Upkeep()
    for name in lake.tables():
        try:
            if isinstance(engine, DuckDBEngine):
                done.compacted[name] = compact(lake, engine, name, now, policy=policy)
            done.expired[name] = len(lake.expire(name, keep=policy.keep, now=now))
            live = live_files(leases, now) if leases else set()
            done.swept[name] = len(lake.sweep(name, now=now, live=live, older_than=policy.orphans_after))
        except StorageError as error:
            done.failed[name] = str(error)
    return done


def compact(lake: Lake, engine: DuckDBEngine, name: str, now: datetime, *, policy: Policy | None = None) -> Compacted:
    """Rewrites partitions of many small files as few; the rows stay the same, which is checked before the commit.

    A partition another process changes meanwhile is left for the next time.

    Raises:
        StorageError: The rewritten rows differ from the old ones; nothing was changed.
    """
    policy, table = policy or Policy(), lake.declared(name)
    partitions = before = after = 0
    for small in _worth_it(table, lake.data_files(name), now, policy):
        try:
            files = _rewritten(lake, engine, table, small)
        except ConflictError:
            continue
        partitions, before, after = partitions + 1, before + len(small), after + len(files)
    return Compacted(partitions, before, after)


def _worth_it(table: Table, files: Sequence[DataFile], now: datetime, policy: Policy) -> Iterator[list[DataFile]]:
    """The small files of each closed partition that has many."""
    by_partition: dict[int | None, list[DataFile]] = defaultdict(list)
    for file in files:
        if file.file_size_in_bytes < policy.target_bytes // 2:
            by_partition[file.partition[0] if table.partition is not Partition.NONE else None].append(file)
    border = (now - policy.closed_after).date()
    for partition, small in by_partition.items():
        if len(small) >= policy.min_files and _ends(table, partition) <= border:
            yield from _bundles(small, policy.target_bytes)


def _ends(table: Table, partition: int | None) -> date:
    """The day after the last one of a partition."""
    if partition is None:
        return date.min
    return table.partition.first_day(partition + 1)


def _bundles(files: list[DataFile], target: int) -> Iterator[list[DataFile]]:
    """Files that together make about one of the target size, so that memory and one conflict stay small."""
    bundle: list[DataFile] = []
    size = 0
    for file in sorted(files, key=lambda each: str(each.file_path)):
        bundle.append(file)
        size += file.file_size_in_bytes
        if size >= target:
            yield bundle
            bundle, size = [], 0
    if len(bundle) > 1:
        yield bundle


def _rewritten(lake: Lake, engine: DuckDBEngine, table: Table, small: list[DataFile]) -> list[str]:
    present = lake.snapshot(table.name)
    paths = tuple(sorted(local_path(file.file_path) for file in small))
    scan = lake.scan(table.name)
    if present is None or scan.rows is not None or not set(paths) <= set(scan.files):
        raise ConflictError(f"table {table.name} moved on while it was compacted")
    old = Scan(paths, scan.field_ids)
    folder = lake.folder(table.name)
    with staging(folder) as place:
        engine.copy(old, table, place)
        staged = with_rows(place)
        new = Scan(tuple(map(str, staged)), scan.field_ids)
        if content(lake, engine, table.name, old) != content(lake, engine, table.name, new):
            raise StorageError(
                f"compacting table {table.name} would change its rows; nothing was changed",
                next_step="shopkeeper check",
            )
        files = publish(staged, folder)
    gone = {file.file_path for file in small}
    # The properties say what the rows were computed from, which compaction does not change.
    try:
        lake.replace(
            table.name, files, present.properties, removes=lambda file: file.file_path in gone, expected=present.id
        )
    except ConflictError:
        # No state names them, and they may hold who is being erased at this moment.
        for file in set(files) - set(lake.files(table.name)):
            Path(file).unlink(missing_ok=True)
        raise
    return files
