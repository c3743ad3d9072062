"""Passwords: argon2id, re-hashed at sign-in when the parameters grew, few at a time."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from shopkeeper.base.errors import UnavailableError, UsageError

__all__ = ["Passwords"]

_SHORTEST, _LONGEST = 8, 1024


class Passwords:
    """Hashes and checks passwords.

    Args:
        memory_kib: Memory one hash takes, in KiB; at least 19 MiB is advised (OWASP password storage).
        passes: How often the memory is gone over.
        lanes: Lanes computed in parallel.
        at_once: How many hashes may run at one time in this process; each takes `memory_kib`.
        wait_seconds: How long one waits for its turn before the caller is told to come back.
    """

    def __init__(
        self,
        *,
        memory_kib: int = 19 * 1024,
        passes: int = 2,
        lanes: int = 1,
        at_once: int = 2,
        wait_seconds: float = 10,
    ) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes, type=Type.ID)
        self._turn = threading.BoundedSemaphore(at_once)
        self._wait_seconds = wait_seconds
        self._decoy: str | None = None

    def hash(self, password: str) -> str:
        """Hashes a password into argon2's text form, with its own salt.

        Raises:
            UsageError: It is shorter than 8 or longer than 1,024 characters.
            UnavailableError: Too many hash at once.
        """
        text = _prepared(password)
        if not _SHORTEST <= len(text) <= _LONGEST:
            raise UsageError(
                f"a password has {_SHORTEST} to {_LONGEST} characters, this one {len(text)}",
                next_step="choose another, four random words for instance",
            )
        with self._in_turn():
            return self._hasher.hash(text)

    def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the hashed one; without a hash it takes as long and says no.

        Raises:
            UnavailableError: Too many hash at once.
        """
        text = _prepared(password)
        if len(text) > _LONGEST:
            return False
        with self._in_turn():
            if self._decoy is None:
                self._decoy = self._hasher.hash("nobody has this password")
            try:
                return self._hasher.verify(password_hash or self._decoy, text) and password_hash is not None
            except (VerificationError, InvalidHashError):
                return False

    def outgrown(self, password_hash: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _in_turn(self) -> "_Turn":
        return _Turn(self._turn, self._wait_seconds)


class _Turn:
    def __init__(self, turn: threading.BoundedSemaphore, wait_seconds: float) -> None:
        self._turn, self._wait_seconds = turn, wait_seconds

    def __enter__(self) -> None:
        if not self._turn.acquire(timeout=self._wait_seconds):
            raise UnavailableError("too many sign-ins at once", next_step="try again in a few seconds")

    def __exit__(self, *_: object) -> None:
        self._turn.release()


def _prepared(password: str) -> str:
    # One password typed on two keyboards is one password: NFKC, as NIST SP 800-63B asks.
    return unicodedata.normalize("NFKC", password)
