"""Files that survive a power cut: written under a temporary name, synced, renamed, and the folder synced."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq

__all__ = ["STAGING_PREFIX", "publish", "staging", "sync_file", "sync_folder", "with_rows"]

STAGING_PREFIX = ".staging-"


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Gives a fresh hidden folder for files in the making; what is still in it at the end is removed."""
    place = folder / f"{STAGING_PREFIX}{uuid4().hex}"
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def publish(files: list[Path], folder: Path) -> list[str]:
    """Syncs staged files, renames them into a folder under names never used before, and syncs the folder.

    Returns:
        The published paths, in the order given.
    """
    published = []
    for file in files:
        sync_file(file)
        target = folder / f"{uuid4().hex}.parquet"
        file.rename(target)
        published.append(str(target))
    sync_folder(folder)
    return published


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    sync_file(folder)


def sync_file(path: Path) -> None:
    """Makes the content of a file durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def with_rows(place: Path) -> list[Path]:
    """The Parquet files under a folder that have rows; engines write an empty file for an empty result."""
    return sorted(path for path in place.rglob("*.parquet") if pq.read_metadata(path).num_rows)
