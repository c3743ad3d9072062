"""Checks the quality of every table and keeps the outcome."""

from collections.abc import Callable
from datetime import date

from shopkeeper.app.shop import Shop, now
from shopkeeper.base.errors import MissingError
from shopkeeper.collect.quality import Outcome, check_rows, checks, run_checks
from shopkeeper.schema.table import TableKind
from shopkeeper.schema.tables import TABLES
from shopkeeper.storage import warehouse

__all__ = ["Outcome", "check"]


def check(shop: Shop, progress: Callable[[str, int, int], None] | None = None) -> list[Outcome]:
    """Runs the checks of every table in the lake and keeps how they came out in `quality_check`."""
    tables = [name for name in shop.lake.tables() if TABLES[name].kind is not TableKind.DERIVED]
    wanted = checks(tables, _last_day(shop))
    outcomes: list[Outcome] = []
    for place, one in enumerate(wanted, start=1):
        if progress:
            progress(f"{one.table} {one.name}", place, len(wanted))
        outcomes += run_checks(shop.duckdb, [one])
    warehouse.replace_rows(shop.lake, shop.duckdb, "quality_check", check_rows(outcomes, now(shop)))
    return outcomes


def _last_day(shop: Shop) -> date | None:
    try:
        return shop.last_day()
    except MissingError:
        return None
