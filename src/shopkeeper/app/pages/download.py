"""A query's rows as a file for a browser to take away."""

import tempfile
from pathlib import Path

from shopkeeper.app.shop import Shop
from shopkeeper.app.table import export_rows
from shopkeeper.base.errors import UsageError
from shopkeeper.schema.query import Query

__all__ = ["download_target", "downloaded"]

_ENDINGS = ("csv", "xlsx")


def downloaded(shop: Shop, query: Query, ending: str) -> tuple[Path, int]:
    """Writes the rows of a query to a temporary file that the caller removes.

    Texts that a spreadsheet would take for a formula are made harmless.

    Args:
        shop: The shop.
        query: What is written.
        ending: `csv` or `xlsx`.

    Returns:
        The file, and how many rows it holds.

    Raises:
        UsageError: The ending is another.
    """
    target = download_target(shop, ending)
    return target, export_rows(shop.duckdb.batches(query), target)


def download_target(shop: Shop, ending: str) -> Path:
    """Makes an empty temporary file for what will be taken away; the caller removes it.

    Raises:
        UsageError: The ending is neither `csv` nor `xlsx`.
    """
    if ending not in _ENDINGS:
        raise UsageError(f"nothing is written as '{ending}' here", next_step=f"one of {', '.join(_ENDINGS)}")
    shop.spill.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=shop.spill, suffix=f".{ending}", delete=False) as file:
        return Path(file.name)
