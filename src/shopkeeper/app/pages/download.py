"""A file for a browser to take away."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import UsageError

__all__ = ["downloaded"]

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
    shop.spill.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=shop.spill, suffix=f".{ending}", delete=False) as made:
        file = Path(made.name)
    try:
        write(file)
    except BaseException:
        file.unlink()
        raise
    return file
