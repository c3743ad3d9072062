"""Tombstones: who was erased, as keyed hashes in a file that stays outside every backup."""

import hashlib
import hmac
import os
import re
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from shopkeeper.base.errors import StorageError
from shopkeeper.storage.keys import Key
from shopkeeper.storage.parquet import sync_folder
from shopkeeper.storage.token_chain import Chain

__all__ = ["Tombstones"]

_LENGTH = 32  # hexadecimal characters: 128 bits
_MARK = re.compile(r"[0-9a-f]{32}")


class Tombstones:
    """The tombstones of a shop: a file of lines, `+` and a hash for an erasure, `-` for one that was lifted.

    Threads may share it.

    A file that a rekey made begins with `=` and a hash of the newest key that it is under. A hash is made of the first
    form that a name ever had, so that it is found whatever the rekeys since made of the name.

    Args:
        file: Where they are kept; it must be in no backup, since a restore asks it who must not come back.
        key: The shop's first token key: whoever has the file alone learns nobody from it.
        rekeys: The token keys behind it, oldest first.

    Raises:
        StorageError: The file has a line that is none of these, or is under a key that is not there.
    """

    def __init__(self, file: Path, key: Key, rekeys: Sequence[Key] = ()) -> None:
        self._file = file
        self._key = hmac.digest(key.secret, b"shopkeeper tombstones 1", "sha256")
        self._chain = Chain(rekeys)
        self._under = [hashlib.sha256(f"tombstones {each}".encode()).hexdigest()[:_LENGTH] for each in self._chain.ids]
        self._turned = self._chain.part(0, 0)
        self._hashes: set[str] = set()
        self._read_up_to = 0
        self._reading = threading.Lock()

    def mark(self, names: Iterable[str]) -> list[str]:
        """Gives the hashes under which names (subjects, tokens) would stand in the file."""
        self.current()
        made = (hmac.digest(self._key, self._first(name).encode(), "sha256").hex()[:_LENGTH] for name in names)
        return [self._turned.tombstone(each) for each in made]

    def rekey(self) -> int:
        """Puts all of them under the newest key, in a file that takes the old one's place, and says how many."""
        hashes, done = self.current(), len(self._turned)
        if not self._file.exists() or done == len(self._chain):
            return 0
        rest = self._chain.part(done, len(self._chain))
        lines = [f"={self._under[-1]}\n", *sorted(f"+{rest.tombstone(each)}\n" for each in hashes)]
        beside = self._file.with_name(f".{self._file.name}.new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as stream:
            stream.writelines(lines)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(self._file)
        sync_folder(self._file.parent)
        self._hashes, self._read_up_to, self._turned = set(), 0, self._chain.part(0, 0)
        return len(hashes)

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
                self._turned = self._chain  # as the file would begin
                return self._hashes
            with self._file.open("rb") as stream:
                stream.seek(self._read_up_to)
                added = stream.read()
            # A line that a crash cut short has no end; it was never acknowledged.
            whole = added[: added.rfind(b"\n") + 1]
            if not self._read_up_to:
                self._turned = self._chain.part(0, 0) if whole else self._chain
            for line in whole.decode("ascii").splitlines():
                self._take(line)
            self._read_up_to += len(whole)
            return self._hashes

    def _take(self, line: str) -> None:
        if not line:
            return
        sign, mark = line[:1], line[1:]
        if sign == "=" and not self._hashes:
            self._turned = self._chain.part(0, self._number_of(mark))
            return
        if sign not in "+-" or len(mark) != _LENGTH:
            raise StorageError(
                "the tombstones hold a line that is none", place=str(self._file), next_step="bring the file back"
            )
        (self._hashes.add if sign == "+" else self._hashes.discard)(mark)

    def _number_of(self, under: str) -> int:
        if under not in self._under:
            raise StorageError(
                "the tombstones are under a token key that is not there",
                place=str(self._file),
                next_step="bring back the newest token.key of the shop that they are of",
            )
        return self._under.index(under) + 1

    def _first(self, name: str) -> str:
        if self._chain and _MARK.fullmatch(name):
            return self._chain.mark_back(bytes.fromhex(name)).hex()
        return self._chain.first_of(name)

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
                size = _whole_lines(handle, size)
                os.ftruncate(handle, size)
            head = [f"={self._under[-1]}\n"] if self._chain and not size else []
            os.write(handle, "".join([*head, *(f"{sign}{mark}\n" for mark in marks)]).encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        if new:
            sync_folder(self._file.parent)


def _whole_lines(handle: int, size: int) -> int:
    tail = os.pread(handle, _LENGTH + 2, max(0, size - _LENGTH - 2))
    return size - len(tail) + tail.rfind(b"\n") + 1
