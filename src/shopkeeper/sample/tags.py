"""Price tags and promotions as tables, and the planted elasticities beside them."""

import numpy as np
import pyarrow as pa

from shopkeeper.sample.almanac import Almanac
from shopkeeper.sample.goods import Goods
from shopkeeper.sample.parquet import money
from shopkeeper.sample.places import Places
from shopkeeper.sample.prices import Prices
from shopkeeper.sample.text import Ints, cut

__all__ = ["elasticity_columns", "price_columns", "promotion_columns", "week_price_columns"]

_MOST_ROWS = 1_000_000
_PRICE_WEEKS = 8
_RIVAL = {"zh": "邻家便利", "en": "Neighbour Mart"}
_RIVAL_PRODUCTS = 100
_DISPLAYS = ("endcap", "checkout", "aisle")


def _monday(days: Almanac, week: Ints) -> Ints:
    first = np.searchsorted(days.weeks, np.arange(int(days.weeks[-1]) + 1))
    found: Ints = days.epoch[first][week]
    return found


def promotion_columns(asked: Prices, made: Goods, days: Almanac, stores: Places) -> dict[str, pa.Array]:
    """The rows of `promotion`: the newest million of product × week × store; every store takes part."""
    week, product = np.nonzero(asked.discount)
    keep = max(1, _MOST_ROWS // stores.physical)
    week, product = week[-keep:], product[-keep:]
    count = len(week)
    store = np.repeat(np.arange(stores.physical), count)
    week, product = np.tile(week, stores.physical), np.tile(product, stores.physical)
    begins = _monday(days, week)
    lasts = np.minimum(_monday(days, np.minimum(week + 1, days.weeks[-1])) - 1, days.epoch[-1])
    lasts = np.where(week == days.weeks[-1], days.epoch[-1], lasts)
    display = (product * 7 + week) % 4
    return {
        "store_id": cut(store, pa.array(stores.ids)).dictionary_decode(),
        "product_id": cut(product, pa.array(made.ids)).dictionary_decode(),
        "starts_on": pa.array(begins.astype(np.int32)).view(pa.date32()),
        "ends_on": pa.array(lasts.astype(np.int32)).view(pa.date32()),
        "display_location": cut(np.minimum(display, 2), pa.array(_DISPLAYS), display == 3).dictionary_decode(),
        "promo_price": money((asked.shelf - asked.discount)[week, product]),
    }


def price_columns(
    asked: Prices, made: Goods, days: Almanac, stores: Places, language: str, rng: np.random.Generator
) -> dict[str, pa.Array]:
    """The rows of `price`: own prices that changed in the last eight weeks, and a rival's prices of the best sold."""
    paid = asked.shelf - asked.discount
    first = max(1, len(paid) - _PRICE_WEEKS)
    week, product = np.nonzero(paid[first:] != paid[first - 1 : -1])
    week += first
    keep = max(1, _MOST_ROWS // 2 // stores.physical)
    week, product = week[-keep:], product[-keep:]
    own = len(week) * stores.physical
    rivals = min(_RIVAL_PRODUCTS, len(made.ids))
    store = np.concatenate([np.repeat(np.arange(stores.physical), len(week)), np.zeros(rivals, np.int64)])
    cents = np.concatenate(
        [
            np.tile(paid[week, product], stores.physical),
            np.round(made.cents[:rivals] * rng.uniform(0.93, 1.08, rivals) / 10).astype(np.int64) * 10,
        ]
    )
    day = np.concatenate([np.tile(_monday(days, week), stores.physical), np.full(rivals, days.epoch[-1])])
    place = np.concatenate([np.tile(product, stores.physical), np.arange(rivals)])
    instant = days.midnight[day - days.epoch[0]] + 6 * 3_600_000_000
    return {
        "product_id": cut(place, pa.array(made.ids)).dictionary_decode(),
        "store_id": cut(store, pa.array(stores.ids)).dictionary_decode(),
        "seller": cut(np.arange(len(cents)) >= own, pa.array(["own", _RIVAL[language]])).dictionary_decode(),
        "observed_at": pa.array(instant).cast(pa.timestamp("us", tz="UTC")),
        "price": money(cents),
    }


def elasticity_columns(made: Goods) -> dict[str, pa.Array]:
    """The planted elasticity of each product; demand is proportional to (price / list price)^elasticity."""
    return {
        "product_id": pa.array(made.ids),
        "category": pa.array([made.categories[c].name for c in made.category]),
        "elasticity": pa.array(made.elasticity),
        "popularity": pa.array(made.popularity),
        "season": pa.array([made.categories[c].season for c in made.category]),
    }


def week_price_columns(asked: Prices, made: Goods, days: Almanac) -> dict[str, pa.Array]:
    """What each product cost in each week, promotion included: the truth behind the lines."""
    weeks, count = asked.ratio.shape
    begins = np.repeat(_monday(days, np.arange(weeks)), count).astype(np.int32)
    return {
        "week_from": pa.array(begins).view(pa.date32()),
        "product_id": cut(np.tile(np.arange(count), weeks), pa.array(made.ids)),
        "price": pa.array(((asked.shelf - asked.discount) / 100).ravel()),
        "price_to_list": pa.array(asked.ratio.ravel()),
    }
