"""Who has a shop open: whoever uses it, together, or the one who changes all of it."""

import fcntl
import os
from pathlib import Path

from shopkeeper.base.errors import ConflictError, StorageError

__all__ = ["ShopLock"]


class ShopLock:
    """The right to use a shop; the system takes it back when the process ends, however it does.

    It is a lock on the folder itself, so nothing is made, and a folder that cannot be written can be read.

    Args:
        folder: The shop's folder.
        alone: Whether nobody else may have it meanwhile.

    Raises:
        ConflictError: Somebody has it whom this would disturb.
        StorageError: Nobody can have it alone, since the file system locks no folders.
    """

    def __init__(self, folder: Path, *, alone: bool = False) -> None:
        self._handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise _held(folder, alone=alone) from error
        except OSError as error:
            # Some file systems of other machines lock no folders: there nobody can have it alone.
            if alone:
                self.release()
                raise StorageError(
                    f"the folder cannot be locked: {error.strerror}",
                    place=str(folder),
                    next_step="do it on the machine whose disk it is",
                ) from error

    def release(self) -> None:
        """Gives the right back; again it does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _held(folder: Path, *, alone: bool) -> ConflictError:
    if not alone:
        return ConflictError(
            "the shop is being rekeyed", place=str(folder), next_step="wait until shopkeeper token rekey ends"
        )
    return ConflictError(
        "somebody has the shop open: the service, a run, a load, a notebook",
        place=str(folder),
        next_step="stop shopkeeper serve and whatever else uses it, on every machine, then do the same again",
    )
