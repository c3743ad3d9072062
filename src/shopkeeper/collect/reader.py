"""A reader: rows of any source as Arrow batches of text, each row with its number."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from shopkeeper.base.errors import MissingError, UsageError
from shopkeeper.storage.sealed import SealedFile

__all__ = ["BATCH_ROWS", "Batch", "Broken", "File", "Reader", "existing", "text_batch", "unique_headers"]

BATCH_ROWS = 100_000

File = Path | SealedFile
"""What files are read from: the disk, or sealed from the moment they came in."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One row that cannot be read as a row at all.

    Args:
        number: Its number, as for other rows.
        text: What stands there.
        reason: Why it is no row, as a word.
    """

    number: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows.

    Args:
        rows: Their values; every column is text, an empty cell is an empty text or NULL.
        numbers: The number of each row in its file (line, sheet row or ordinal), from 1, as int64.
        broken: Rows among them that could not be read.
    """

    rows: pa.RecordBatch
    numbers: pa.Array
    broken: tuple[Broken, ...] = ()


class Reader(Protocol):
    """An opened source."""

    @property
    def name(self) -> str:
        """What it is called, without folder, password or address."""
        ...

    @property
    def headers(self) -> tuple[str, ...]:
        """The names of its columns, each once."""
        ...

    def batches(self) -> Iterator[Batch]:
        """Gives its rows from the first, in bounded memory."""
        ...


def existing(path: File) -> File:
    """Gives a file back if it is there; one that was sealed is.

    Raises:
        MissingError: There is none.
        UsageError: It is a folder.
    """
    if isinstance(path, SealedFile):
        return path
    if path.is_dir():
        raise UsageError(f"{path.name} is a folder", place=str(path.parent), next_step="name the files in it")
    if not path.is_file():
        raise MissingError(f"there is no file '{path.name}'", place=str(path.absolute().parent))
    return path


def unique_headers(cells: list[str]) -> tuple[str, ...]:
    """Gives each column a name of its own: an empty one `column_3`, a second 金额 `金额_2`."""
    found: list[str] = []
    for place, cell in enumerate(cells, start=1):
        name = cell.strip().strip("\ufeff") or f"column_{place}"
        times = 1
        while name in found:
            times += 1
            name = f"{cell.strip() or f'column_{place}'}_{times}"
        found.append(name)
    return tuple(found)


def text_batch(headers: tuple[str, ...], rows: list[list[str | None]], numbers: list[int]) -> Batch:
    """Makes a batch of rows given as lists."""
    columns = [pa.array([row[place] for row in rows], pa.string()) for place in range(len(headers))]
    return Batch(pa.RecordBatch.from_arrays(columns, names=list(headers)), pa.array(numbers, pa.int64()))
