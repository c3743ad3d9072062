"""Where the socket of a log is: a short path in a runtime folder of this user, the same for each of their processes."""

import os
import stat
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Final

from shopkeeper.base.errors import UnavailableError, UsageError

__all__ = ["LONGEST_PATH", "socket_of"]

LONGEST_PATH: Final = 103
"""A socket's path may have so many bytes: 107 on Linux, 103 on macOS."""


def socket_of(log: Path, *, runtime: Path | None = None) -> Path:
    """Gives the path of a log's socket and makes its folder, which nobody else may enter.

    The log's own path may be longer than a socket's may be, and its folder on a disk that holds no sockets.

    Args:
        log: The log's file.
        runtime: The folder; else `$XDG_RUNTIME_DIR`, else one in the folder for temporary files.

    Raises:
        UsageError: The folder's path is too long.
        UnavailableError: The folder belongs to another user, or others may enter it.
    """
    name = f"log-{blake2b(str(log.resolve()).encode(), digest_size=8).hexdigest()}.sock"
    folder = runtime or _runtime()
    place = folder / name
    if len(os.fsencode(place)) > LONGEST_PATH:
        raise UsageError(
            f"the path of the log's socket is longer than {LONGEST_PATH} bytes",
            place=str(place),
            next_step="set XDG_RUNTIME_DIR to a shorter folder",
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise UnavailableError(
            "the folder of the log's socket is not this user's alone",
            place=str(folder),
            next_step=f"chmod 700 {folder}, or set XDG_RUNTIME_DIR",
        )
    return place


def _runtime() -> Path:
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if given and Path(given).is_dir():
        return Path(given)
    return Path(tempfile.gettempdir()) / f"shopkeeper-{os.geteuid()}"
