"""The chain of token keys: what a rekey makes of a token of before, and back.

The first key of a shop makes a token of an identifier; each later one turns tokens into others of the same form. The
turning is AES-256-XTS (NIST SP 800-38E) with a fixed tweak over the 18 bytes of a token: a permutation, so that no two
tokens meet, what bears a tombstone is known by its first form, and no raw identifier is needed for a rekey. Tokens are
distinct and look random already, which is all that the mode asks for. Who has the keys of before alone can neither make
a token that is valid now nor tell one from noise.
"""

import base64
import hmac
import re
import threading
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from shopkeeper.storage.keys import Key

__all__ = ["DIGEST", "Chain", "decoded", "encoded"]

DIGEST: Final = 18
"""Bytes of a token."""

_BLOCK: Final = 16
_TAIL: Final = DIGEST - _BLOCK
_CONTENT: Final = 8  # of the hash of a content: as much of it as the log keeps
_HASH: Final = 16
_NAME: Final = re.compile(r"(?:\A|[:|])((?:ph|em|mb|us|dv|ck|oi|ui|cd|nm|ad|tx|m)_[A-Za-z0-9_-]{24})\Z")

_Bytes = NDArray[np.uint8]


class Chain:
    """The turnings of a shop's tokens, none for a shop that was never rekeyed.

    Args:
        keys: The token keys behind the first, oldest first.
    """

    def __init__(self, keys: Sequence[Key] = ()) -> None:
        self._links = tuple(_Link(key) for key in keys)
        self.ids = tuple(key.id for key in keys)

    def __len__(self) -> int:
        return len(self._links)

    def part(self, since: int, through: int) -> "Chain":
        """The turnings that lead from one number of rekeys to a later one."""
        made = Chain()
        made._links, made.ids = self._links[since:through], self.ids[since:through]
        return made

    def forward(self, digests: bytes) -> bytes:
        """Turns tokens of before the first of these keys into those of the last.

        Args:
            digests: Their bytes one behind the other, 18 of each.
        """
        if self._links and len(digests) == DIGEST:
            for link in self._links:
                digests = link.turned_one(digests)
            return digests
        for link in self._links:
            digests = link.turned(digests)
        return digests

    def backward(self, digests: bytes) -> bytes:
        """Gives what `forward` was given."""
        if self._links and len(digests) == DIGEST:
            for link in reversed(self._links):
                digests = link.turned_back_one(digests)
            return digests
        for link in reversed(self._links):
            digests = link.turned_back(digests)
        return digests

    def mark(self, mark: bytes) -> bytes:
        """Turns the 16 bytes under which the vault keeps a subject."""
        for link in self._links:
            mark = link.mark(mark)
        return mark

    def mark_back(self, mark: bytes) -> bytes:
        """Gives what `mark` was given."""
        for link in reversed(self._links):
            mark = link.mark_back(mark)
        return mark

    def content(self, digest: bytes) -> bytes:
        """Turns the hash of an event's content; of what was there before only the first 8 bytes count."""
        for link in self._links:
            digest = hmac.digest(link.content_key, digest[:_CONTENT], "sha256")[:_HASH]
        return digest

    def tombstone(self, line: str) -> str:
        """Turns what stands in the file of tombstones, 32 hexadecimal characters."""
        for link in self._links:
            line = hmac.digest(link.tombstone_key, line.encode(), "sha256").hex()[: len(line)]
        return line

    def first_of(self, name: str) -> str:
        """The first form of a name that ends with a token or is one: `SOURCE:TOKEN`, `SOURCE|TOKEN`; else the name."""
        found = _NAME.search(name) if self._links else None
        if found is None:
            return name
        return name[: found.start(1)] + self._first_of_token(found[1])

    def _first_of_token(self, token: str) -> str:
        prefix, _, text = token.partition("_")
        return f"{prefix}_{encoded(self.backward(decoded(text)))}"


class _Link:
    """What one key does."""

    def __init__(self, key: Key) -> None:
        data, tweak, mark = (_derived(key, name) for name in (b"data", b"tweak", b"mark"))
        self.content_key = _derived(key, b"content")
        self.tombstone_key = _derived(key, b"tombstone")
        self._data, self._marks = _Blocks(data), _Blocks(mark)
        # The tweaks of the first two blocks of data unit 0: E(0), and that doubled in GF(2^128).
        first = int.from_bytes(_Blocks(tweak).forth(bytes(_BLOCK)), "little")
        second = (first << 1) ^ (0x87 if first >> 127 else 0)
        second &= (1 << 128) - 1
        self._numbers = first, second
        self._first, self._second = (
            np.frombuffer(each.to_bytes(_BLOCK, "little"), np.uint8) for each in (first, second)
        )

    def mark(self, mark: bytes) -> bytes:
        """The 16 bytes of a subject."""
        return self._marks.forth(mark)

    def mark_back(self, mark: bytes) -> bytes:
        """The way back of those."""
        return self._marks.back(mark)

    def turned_one(self, digest: bytes) -> bytes:
        """One token, without the cost of an array."""
        first, second = self._numbers
        block = self._data.forth((int.from_bytes(digest[:_BLOCK], "little") ^ first).to_bytes(_BLOCK, "little"))
        stolen = (int.from_bytes(block, "little") ^ first).to_bytes(_BLOCK, "little")
        last = int.from_bytes(digest[_BLOCK:] + stolen[_TAIL:], "little") ^ second
        block = self._data.forth(last.to_bytes(_BLOCK, "little"))
        return (int.from_bytes(block, "little") ^ second).to_bytes(_BLOCK, "little") + stolen[:_TAIL]

    def turned_back_one(self, digest: bytes) -> bytes:
        """The way back of one token."""
        first, second = self._numbers
        block = self._data.back((int.from_bytes(digest[:_BLOCK], "little") ^ second).to_bytes(_BLOCK, "little"))
        last = (int.from_bytes(block, "little") ^ second).to_bytes(_BLOCK, "little")
        stolen = int.from_bytes(digest[_BLOCK:] + last[_TAIL:], "little") ^ first
        block = self._data.back(stolen.to_bytes(_BLOCK, "little"))
        return (int.from_bytes(block, "little") ^ first).to_bytes(_BLOCK, "little") + last[:_TAIL]

    def turned(self, digests: bytes) -> bytes:
        """Many tokens."""
        rows = _rows(digests)
        stolen = self._blocks(self._data.forth, rows[:, :_BLOCK], self._first)
        last = np.concatenate([rows[:, _BLOCK:], stolen[:, _TAIL:]], axis=1)
        return _joined(self._blocks(self._data.forth, last, self._second), stolen[:, :_TAIL])

    def turned_back(self, digests: bytes) -> bytes:
        """The way back of many."""
        rows = _rows(digests)
        last = self._blocks(self._data.back, rows[:, :_BLOCK], self._second)
        stolen = np.concatenate([rows[:, _BLOCK:], last[:, _TAIL:]], axis=1)
        return _joined(self._blocks(self._data.back, stolen, self._first), last[:, :_TAIL])

    @staticmethod
    def _blocks(cipher: Callable[[bytes], bytes], blocks: _Bytes, tweak: _Bytes) -> _Bytes:
        made = np.frombuffer(cipher((blocks ^ tweak).tobytes()), np.uint8).reshape(-1, _BLOCK)
        return made ^ tweak


class _Blocks(threading.local):
    """The blocks that a mode is made of, both ways; each thread has its own, as a context bears one caller at a time.

    Args:
        secret: 32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        # A context of ECB keeps nothing between calls.
        cipher = Cipher(algorithms.AES(secret), modes.ECB())  # noqa: S305 - XTS is built on it, and held against OpenSSL's
        self.forth = cipher.encryptor().update
        self.back = cipher.decryptor().update


def encoded(digests: bytes) -> str:
    """The text of tokens behind their prefixes, 24 characters of each."""
    return base64.urlsafe_b64encode(digests).decode()


def decoded(text: str) -> bytes:
    """The bytes of the text of tokens; the letters of any such text are bytes of some token."""
    return base64.urlsafe_b64decode(text)


def _derived(key: Key, name: bytes) -> bytes:
    return hmac.digest(key.secret, b"shopkeeper rekey 1 " + name, "sha256")


def _rows(digests: bytes) -> _Bytes:
    return np.frombuffer(digests, np.uint8).reshape(-1, DIGEST)


def _joined(blocks: _Bytes, tails: _Bytes) -> bytes:
    return np.concatenate([blocks, tails], axis=1).tobytes()
