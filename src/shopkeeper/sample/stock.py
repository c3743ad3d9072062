"""Stock of a made-up chain: planted stock-outs of the best sold products, and what is counted on the shelves."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopkeeper.sample.almanac import Almanac, Month
from shopkeeper.sample.goods import Goods
from shopkeeper.sample.parquet import money
from shopkeeper.sample.places import Places
from shopkeeper.sample.text import Ints, cut

__all__ = ["RISKY", "StockOuts", "inventory_columns", "stock_out_columns", "stock_outs"]

RISKY = 40
_CHANCE = 0.006
_LONGEST = 4
_COUNTED_DAYS = 14
_COUNTED_PRODUCTS = 300
_MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class StockOuts:
    """Which of the best sold products are missing where, in one month.

    Args:
        missing: By day of the month, store (the on-line ones too) and product.
        substitute: What is bought instead; never missing itself.
    """

    missing: npt.NDArray[np.bool_]
    substitute: Ints


def stock_outs(month: Month, stores: Places, made: Goods, rng: np.random.Generator) -> StockOuts:
    """Draws the stock-outs of a month: one to four days long."""
    shape = (month.days, stores.physical, RISKY)
    begins = rng.random(shape) < _CHANCE
    length = rng.integers(1, _LONGEST + 1, shape)
    missing = np.zeros((month.days, len(stores.ids), RISKY), bool)
    for later in range(_LONGEST):
        missing[later:, : stores.physical] |= (begins & (length > later))[: month.days - later]
    return StockOuts(missing, _never_missing(made))


def _never_missing(made: Goods) -> Ints:
    """The next substitute down the line that is not among the products at risk."""
    found = made.substitute.copy()
    for _ in range(RISKY):
        at_risk = found < RISKY
        if not at_risk.any():
            break
        found = np.where(at_risk, made.substitute[found], found)
    fallback = len(found) - 1 - np.arange(len(found)) % 3
    return np.where(found < RISKY, fallback, found)


def stock_out_columns(month: Month, days: Almanac, outs: StockOuts, stores: Places, made: Goods) -> dict[str, pa.Array]:
    """One row a store, product and day without stock: the truth."""
    day, store, product = np.nonzero(outs.missing)
    return {
        "store_id": cut(store, pa.array(stores.ids)).dictionary_decode(),
        "product_id": cut(product, pa.array(made.ids)).dictionary_decode(),
        "day": pa.array(days.epoch[month.first + day]).view(pa.date32()),
    }


def inventory_columns(
    month: Month, days: Almanac, outs: StockOuts, stores: Places, made: Goods, rng: np.random.Generator
) -> dict[str, pa.Array]:
    """The rows of `inventory`: counted at ten in the evening of the last days; 0 where out of stock."""
    counted = min(_COUNTED_DAYS, month.days)
    products = max(RISKY, min(_COUNTED_PRODUCTS, len(made.ids), _MOST_ROWS // (counted * stores.physical)))
    shape = (counted, stores.physical, products)
    on_hand = rng.poisson(np.broadcast_to(4 + 40_000 * made.popularity[:products] ** 1.1, shape).clip(1, 60)) + 1
    on_hand[:, :, :RISKY][outs.missing[-counted:, : stores.physical]] = 0
    day, store, product = (grid.ravel() for grid in np.indices(shape))
    instant = days.midnight[month.end - counted + day] + 22 * 3_600_000_000
    return {
        "store_id": cut(store, pa.array(stores.ids)).dictionary_decode(),
        "product_id": cut(product, pa.array(made.ids)).dictionary_decode(),
        "observed_at": pa.array(instant).cast(pa.timestamp("us", tz="UTC")),
        "on_hand": money(on_hand.ravel() * 100),
        "on_order": money(np.where(on_hand.ravel() < 4, 12, 0) * 100),
    }
