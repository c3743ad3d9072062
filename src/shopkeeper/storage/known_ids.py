"""Which ids a table's files may hold: the sorted hashes of each file's ids, in a small file of its own beside the lake.

A data file never changes, so neither does what is noted of it; what is missing or cut short is made again from the data
file. A hash that is there says "perhaps", one that is in no file says "no".
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyiceberg.manifest import DataFile

from shopkeeper.storage.parquet import sync_file
from shopkeeper.storage.scan import local_path

__all__ = ["KnownIds"]

_WIDTH: Final = 8
_ROWS_AT_ONCE: Final = 100_000
_SMALL: Final = 10_000  # a process may map only so many files
_ENDING: Final = ".ids"

_Hashes = NDArray[np.uint64]


class KnownIds:
    """The ids of one table, which two columns of text tell apart.

    Args:
        folder: Where the notes are; made where it is not there.
        columns: The two columns.
    """

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        self._folder = folder
        self._columns = columns
        self._noted: dict[str, _Hashes] = {}

    def perhaps(self, files: Sequence[DataFile], ids: Sequence[tuple[str, str]]) -> tuple[list[int], list[DataFile]]:
        """Finds ids that files may hold.

        Args:
            files: All files that are looked into; what is noted of others is forgotten.
            ids: The ids.

        Returns:
            The places of the ids that some file may hold, and the files that may hold one.
        """
        asked = np.fromiter(_hashes(ids), np.uint64, len(ids))
        order = np.argsort(asked)
        needles, hit, named = asked[order], np.zeros(len(ids), bool), list[DataFile]()
        self._forget({Path(local_path(file.file_path)).stem for file in files})
        for file in files:
            noted = self._of(file)
            places = np.searchsorted(noted, needles)
            found = places < len(noted)
            found[found] = noted[places[found]] == needles[found]
            if found.any():
                named.append(file)
                hit |= found
        return sorted(order[hit].tolist()), named

    def _of(self, file: DataFile) -> _Hashes:
        path = local_path(file.file_path)
        name = Path(path).stem
        if name not in self._noted:
            note = self._folder / f"{name}{_ENDING}"
            if not note.exists() or note.stat().st_size != file.record_count * _WIDTH:
                self._write(note, _of_file(path, self._columns, file.record_count))
            is_small = file.record_count <= _SMALL
            self._noted[name] = np.fromfile(note, np.uint64) if is_small else np.memmap(note, np.uint64, "r")
        return self._noted[name]

    def _write(self, note: Path, hashes: _Hashes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        beside = note.with_name(f"{note.name}.{uuid4().hex}")
        hashes.tofile(beside)
        sync_file(beside)  # a note of the right length must have the right content, whatever happens
        beside.replace(note)

    def _forget(self, present: set[str]) -> None:
        for note in self._folder.glob(f"*{_ENDING}*") if self._folder.is_dir() else ():
            if note.name.partition(".")[0] not in present:
                note.unlink(missing_ok=True)
        for name in self._noted.keys() - present:
            del self._noted[name]


def _of_file(path: str, columns: Sequence[str], rows: int) -> _Hashes:
    def pairs() -> Iterator[tuple[str, str]]:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(columns)):
                yield from zip(*(batch[name].to_pylist() for name in columns), strict=True)

    hashes = np.fromiter(_hashes(pairs()), np.uint64, rows)
    hashes.sort()
    return hashes


def _hashes(ids: Iterable[tuple[str, str]]) -> Iterator[int]:
    for first, second in ids:
        text = f"{len(first)} {first}{second}".encode("utf-8", "surrogatepass")
        yield int.from_bytes(blake2b(text, digest_size=_WIDTH).digest(), "little")
