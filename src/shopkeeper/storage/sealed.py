"""A sealed file: written in the clear by nobody, read piece by piece as if it were, from any place, in constant memory.

Each piece is sealed with AES-256-GCM under a data key of the file's own, bound to the file, to its place and to whether
it is the last, so that pieces cannot be swapped, dropped or cut off (the STREAM construction of Hoang et al., 2015).
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from shopkeeper.base.errors import StorageError
from shopkeeper.storage.sealing import Sealing

__all__ = ["SealedFile", "SealedWriter", "sealed_under"]

_PIECE = 1 << 18
_NONCE, _TAG = 12, 16
_MARK = b"SKsealed"
_ID, _KEY_NAME, _WRAPPED = 16, 32, 60
_HEAD = len(_MARK) + _ID + _KEY_NAME + _WRAPPED


class SealedWriter:
    """Writes a sealed file; what is not closed does not open.

    Args:
        path: Where; only its owner may read it.
        sealing: Wraps the file's key.
    """

    def __init__(self, path: Path, sealing: Sealing) -> None:
        self._id = os.urandom(_ID)
        ((self._key, wrapped),) = sealing.new_keys([self._id])
        self._file = os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
        self._file.write(_MARK + self._id + sealing.key_id.encode().ljust(_KEY_NAME) + wrapped)
        self._file.flush()  # whoever asks which keys are needed reads this
        self._waiting, self._place = bytearray(), 0

    def write(self, data: bytes) -> int:
        """Takes some bytes; fewer than a piece wait in memory."""
        self._waiting += data
        while len(self._waiting) > _PIECE:
            self._seal(bytes(self._waiting[:_PIECE]), is_last=False)
            del self._waiting[:_PIECE]
        return len(data)

    def close(self) -> None:
        """Seals the last piece and closes the file."""
        if not self._file.closed:
            self._seal(bytes(self._waiting), is_last=True)
            self._file.close()

    def abandon(self) -> None:
        """Closes the file unfinished, so that it does not open."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close() if error is None else self.abandon()

    def _seal(self, clear: bytes, *, is_last: bool) -> None:
        self._file.write(Sealing.seal(self._key, os.urandom(_NONCE), clear, _bound(self._id, self._place, is_last)))
        self._place += 1


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A file that was sealed.

    Args:
        path: Where it is.
        sealing: Opens its key.
        name: What it was called; its ending says whether it is packed.
    """

    path: Path
    sealing: Sealing
    name: str

    @property
    def suffix(self) -> str:
        """The ending of its name."""
        return Path(self.name).suffix

    def open(self, mode: str = "rb") -> BinaryIO:
        """Opens it for reading bytes from any place.

        Raises:
            MissingError: The shop key it was sealed under is gone.
            StorageError: It was altered or cut off.
        """
        if mode != "rb":
            raise ValueError(f"a sealed file is read as bytes, not in mode {mode}")
        return io.BufferedReader(_Opened(self.path, self.sealing), _PIECE)


def sealed_under(path: Path) -> str | None:
    """The shop key that a sealed file is wrapped with; None where it is none yet."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if len(head) != _HEAD or not head.startswith(_MARK):
        return None
    return head[len(_MARK) + _ID :][:_KEY_NAME].decode("ascii", "replace").strip()


class _Opened(io.RawIOBase):
    """The clear bytes; one piece is held at a time."""

    def __init__(self, path: Path, sealing: Sealing) -> None:
        super().__init__()
        self._file = path.open("rb")
        head = self._file.read(_HEAD)
        if len(head) != _HEAD or not head.startswith(_MARK):
            raise _does_not_open(path)
        self._id = head[len(_MARK) :][:_ID]
        key_name = head[len(_MARK) + _ID :][:_KEY_NAME].decode().strip()
        try:
            self._key = sealing.unwrap(key_name, head[-_WRAPPED:], self._id)
        except StorageError:
            raise _does_not_open(path) from None
        whole = path.stat().st_size - _HEAD
        self._pieces = max(1, -(-whole // (_PIECE + _NONCE + _TAG)))
        self._size = whole - self._pieces * (_NONCE + _TAG)
        self._at, self._held, self._clear = 0, -1, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        place, start = divmod(self._at, _PIECE)
        if place >= self._pieces:
            return 0
        found = self._piece(place)[start : start + len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _piece(self, place: int) -> bytes:
        if place != self._held:
            self._file.seek(_HEAD + place * (_PIECE + _NONCE + _TAG))
            sealed = self._file.read(_PIECE + _NONCE + _TAG)
            bound = _bound(self._id, place, place == self._pieces - 1)
            try:
                self._clear = Sealing.open(self._key, sealed, bound)
            except StorageError:
                raise _does_not_open(Path(self._file.name)) from None
            self._held = place
        return self._clear


def _does_not_open(path: Path) -> StorageError:
    return StorageError(
        "the uploaded file does not open: it was altered, or is cut off", place=path.name, next_step="upload it again"
    )


def _bound(file: bytes, place: int, is_last: bool) -> bytes:
    return file + place.to_bytes(8, "big") + bytes([is_last])
