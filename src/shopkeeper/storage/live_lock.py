"""Who has the live state: those who write into its file together, or the one who puts another file in its place."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shopkeeper.base.errors import ConflictError

__all__ = ["live_lock"]


@contextmanager
def live_lock(file: Path, *, alone: bool = False) -> Iterator[None]:
    """Holds the live state for as long as the block lasts; the system takes it back when the process ends.

    Args:
        file: Its file; the lock stands beside it.
        alone: Whether nobody else may have it meanwhile.

    Raises:
        ConflictError: Somebody has it whom this would disturb.
    """
    handle = os.open(file.with_name(f"{file.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            raise ConflictError(
                "the worker writes live state" if alone else "live state is being rebuilt",
                place=str(file),
                next_step="stop shopkeeper serve, and try again"
                if alone
                else "wait until shopkeeper live rebuild ends",
            ) from error
        yield
    finally:
        os.close(handle)
