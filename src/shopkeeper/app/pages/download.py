"""A file for a browser to take away."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import UsageError

__all__ = ["downloaded", "temporary"]

_ENDINGS = ("csv", "xlsx")


def downloaded(shop: Shop, ending: str, write: Callable[[Path], object]) -> Path:
    """Makes a temporary file that the caller removes; when writing fails, nothing stays.

    Args:
        shop: The shop.
        ending: `csv` or `xlsx`.
        write: Writes what is taken away, and whatever is noted of it, to the file it is given.

    Raises:
        UsageError: The ending is another.
    """
    if ending not in _ENDINGS:
        raise UsageError(f"nothing is written as '{ending}' here", next_step=f"one of {', '.join(_ENDINGS)}")
    return temporary(shop, ending, write)


def temporary(shop: Shop, ending: str, write: Callable[[Path], object]) -> Path:
    """Makes a temporary file of any ending that the caller removes; when writing fails, nothing stays.

    Args:
        shop: The shop.
        ending: Its ending.
        write: Writes the file, which is not there yet.
    """
    shop.spill.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=shop.spill, suffix=f".{ending}") as made:
        file = Path(made.name)
    try:
        write(file)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return file
