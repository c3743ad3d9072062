"""Tombstones: who was erased, as keyed hashes in a file that stays outside every backup."""

import hmac
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from shopkeeper.base.errors import StorageError
from shopkeeper.storage.keys import Key

__all__ = ["Tombstones"]

_LENGTH = 32  # hexadecimal characters: 128 bits


class Tombstones:
    """The tombstones of a shop: a file of lines, `+` and a hash for an erasure, `-` for one that was lifted.

    Threads may share it.

    Args:
        file: Where they are kept; it must be in no backup, since a restore asks it who must not come back.
        key: The shop's token key: whoever has the file alone learns nobody from it.

    Raises:
        StorageError: The file has a line that is none of these.
    """

    def __init__(self, file: Path, key: Key) -> None:
        self._file = file
        self._key = hmac.digest(key.secret, b"shopkeeper tombstones 1", "sha256")
        self._hashes: set[str] = set()
        self._read_up_to = 0
        self._reading = threading.Lock()

    def mark(self, names: Iterable[str]) -> list[str]:
        """Gives the hashes under which names (subjects, tokens) would stand in the file."""
        return [hmac.digest(self._key, name.encode(), "sha256").hex()[:_LENGTH] for name in names]

    def add(self, names: Iterable[str]) -> None:
        """Notes an erasure; it is on the disk when this returns."""
        present = self.current()
        self._append("+", [mark for mark in self.mark(names) if mark not in present])

    def lift(self, names: Iterable[str]) -> None:
        """Lets a name in again, for somebody who came back of their own will."""
        present = self.current()
        self._append("-", [mark for mark in self.mark(names) if mark in present])

    def known(self, names: Iterable[str]) -> set[str]:
        """Gives those of the names that were erased."""
        present = self.current()
        if not present:
            return set()
        distinct = list(dict.fromkeys(names))
        return {name for name, mark in zip(distinct, self.mark(distinct), strict=True) if mark in present}

    def current(self) -> set[str]:
        """Gives the hashes that hold now, reading what other processes added."""
        # One at a time: two that read the same lines would pass over as many of the next.
        with self._reading:
            if not self._file.exists():
                return self._hashes
            with self._file.open("rb") as stream:
                stream.seek(self._read_up_to)
                added = stream.read()
            # A line that a crash cut short has no end; it was never acknowledged.
            whole = added[: added.rfind(b"\n") + 1]
            for line in whole.decode("ascii").splitlines():
                self._take(line)
            self._read_up_to += len(whole)
            return self._hashes

    def _take(self, line: str) -> None:
        if not line:
            return
        sign, mark = line[:1], line[1:]
        if sign not in "+-" or len(mark) != _LENGTH:
            raise StorageError(
                "the tombstones hold a line that is none", place=str(self._file), next_step="bring the file back"
            )
        (self._hashes.add if sign == "+" else self._hashes.discard)(mark)

    def _append(self, sign: str, marks: list[str]) -> None:
        if not marks:
            return
        new = not self._file.exists()
        handle = os.open(self._file, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
        try:
            size = os.fstat(handle).st_size
            # A line cut short by a crash must not swallow the next one.
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            if torn:
                os.ftruncate(handle, _whole_lines(handle, size))
            os.write(handle, "".join(f"{sign}{mark}\n" for mark in marks).encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        if new:
            folder = os.open(self._file.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _whole_lines(handle: int, size: int) -> int:
    tail = os.pread(handle, _LENGTH + 2, max(0, size - _LENGTH - 2))
    return size - len(tail) + tail.rfind(b"\n") + 1
