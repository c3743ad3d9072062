"""Fills a shop with a sample: Complete Journey, or the made-up chain."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shopkeeper.app.consent import add_sample_consents
from shopkeeper.app.shop import Shop
from shopkeeper.sample import complete_journey
from shopkeeper.storage import warehouse

__all__ = ["COMPLETE_JOURNEY", "SAMPLES", "Loaded", "fill", "settings_of"]

COMPLETE_JOURNEY = "complete-journey"
CHAIN = "chain"
SAMPLES = (COMPLETE_JOURNEY, CHAIN)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came into one table: received = rows + duplicate + refused.

    Args:
        rows: Rows stored.
        received: Rows given.
        duplicate: Rows that repeat another.
        refused: Rows turned away.
    """

    rows: int
    received: int
    duplicate: int
    refused: int


def settings_of(sample: str, language: str) -> dict[str, Any]:
    """The settings a sample needs, by dotted name."""
    common = {"chain.language": language, "chain.sample": sample}
    if sample == COMPLETE_JOURNEY:
        return common | {
            "chain.name": "Complete Journey",
            "chain.currency": complete_journey.CURRENCY,
            "chain.time_zone": complete_journey.TIME_ZONE,
            "chain.country": "US",
        }
    return common | {"chain.name": "小店大连锁" if language == "zh" else "Little Shops, Large Chain"}


def fill(shop: Shop, sample: str, progress: Callable[[str, int, int], None] | None = None) -> dict[str, Loaded]:
    """Loads a sample into an empty shop, with consents that are marked as sample data."""
    if sample == COMPLETE_JOURNEY:
        loaded = _fill_complete_journey(shop, progress)
    else:
        from shopkeeper.app.chain import fill_chain  # noqa: PLC0415 - only for this sample

        loaded = {name: Loaded(rows, rows, 0, 0) for name, rows in fill_chain(shop, progress).items()}
    add_sample_consents(shop)
    return loaded


def _fill_complete_journey(shop: Shop, progress: Callable[[str, int, int], None] | None) -> dict[str, Loaded]:
    loaded = {}
    names = complete_journey.TABLES_GIVEN
    for place, name in enumerate(names, start=1):
        if progress:
            progress(f"load {name}", place, len(names))
        after = warehouse.replace(
            shop.lake,
            shop.duckdb,
            name,
            complete_journey.query(name),
            inputs=complete_journey.inputs(name),
            properties={"shopkeeper.source": complete_journey.SOURCE},
        )
        rows = after.rows if after else 0
        received = complete_journey.received(name) or rows
        loaded[name] = Loaded(rows, received, received - rows, 0)
    return loaded
