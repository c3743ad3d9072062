"""Prices by week, promotions, and the decks that order lines are drawn from: demand follows price as planted."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shopkeeper.sample.almanac import Almanac
from shopkeeper.sample.goods import OCCASIONS, Goods

__all__ = ["DECK_BITS", "STYLE_POWER", "Decks", "Prices", "base_decks", "decks", "prices"]

DECK_BITS = 16
STYLE_POWER = np.array([1.0, 0.6, 1.35])
_ACCEPT = np.array([1.0, 1.7, 2.9])
_DEPTHS = np.array([0.1, 0.15, 0.2, 0.25])
_PROMOTED = 0.13
_OFF_OCCASION = 0.08


@dataclass(frozen=True)
class Prices:
    """Prices by week and product, in hundredths.

    Args:
        shelf: What one unit costs before discount; it moves by a few per cent a quarter.
        discount: What is taken off while the product is on promotion.
        ratio: Price paid over list price.
    """

    shelf: npt.NDArray[np.int32]
    discount: npt.NDArray[np.int32]
    ratio: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Decks:
    """Product places to draw from with 16 random bits, for a few weeks.

    Args:
        fresh: Flat over week, style (0 guest, 1 impulsive, 2 rational), occasion and card.
        accept: Flat over week, style and product: chance, of 65,536, that a habit is kept at this week's price.
    """

    fresh: npt.NDArray[np.int16]
    accept: npt.NDArray[np.int32]


def prices(made: Goods, weeks: int, rng: np.random.Generator) -> Prices:
    """Draws prices; promotions are drawn without regard to demand, so price is exogenous."""
    count = len(made.ids)
    elastic = made.elasticity < 0
    quarters = np.clip(1 + rng.normal(0, 0.03, (weeks // 13 + 1, count)), 0.94, 1.06)
    drift = np.where(elastic, np.repeat(quarters, 13, axis=0)[:weeks], 1.0)
    shelf = np.maximum(10, np.round(made.cents * drift / 10) * 10).astype(np.int32)
    shelf[:, ~elastic] = made.cents[~elastic]
    depth = np.where(rng.random((weeks, count)) < _PROMOTED, rng.choice(_DEPTHS, (weeks, count)), 0) * elastic
    discount = (np.round(shelf * depth / 10) * 10).astype(np.int32)
    return Prices(shelf, discount, (shelf - discount) / made.cents)


def decks(made: Goods, asked: Prices, days: Almanac, first: int, end: int) -> Decks:
    """Makes the decks of some weeks: weight = popularity × occasion × season × (price / list price)^elasticity."""
    weeks, styles, occasions, count = end - first, len(STYLE_POWER), len(OCCASIONS), len(made.ids)
    fresh = np.empty((weeks, styles, occasions, 1 << DECK_BITS), np.int16)
    accept = np.empty((weeks, styles, count), np.int32)
    affinity = _affinity(made)
    for week in range(weeks):
        pull = np.log(asked.ratio[first + week]) * made.elasticity
        on_sale = _on_sale(made, days, first + week)
        for style, power in enumerate(STYLE_POWER):
            kept = np.exp(pull * power) * on_sale
            accept[week, style] = np.minimum(kept / _ACCEPT[style], 1) * 65_536
            for occasion in range(occasions):
                fresh[week, style, occasion] = _deck(affinity[occasion] * kept)
    return Decks(fresh.ravel(), accept.ravel())


def base_decks(made: Goods) -> npt.NDArray[np.int16]:
    """The decks that people's habits are drawn from: popularity and occasion only; flat over occasion and card."""
    return np.concatenate([_deck(weight) for weight in _affinity(made)])


def _affinity(made: Goods) -> npt.NDArray[np.float64]:
    own = made.occasion == np.arange(len(OCCASIONS))[:, None]
    return np.where(own, 1.0, _OFF_OCCASION) * made.popularity


def _deck(weight: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    """Systematic sampling: each product gets its share of the cards, rounded by less than one card."""
    cards = 1 << DECK_BITS
    edges = np.floor(np.cumsum(weight) * (cards / weight.sum()) + 0.5).astype(np.int64)
    edges[-1] = cards
    return np.repeat(np.arange(len(weight), dtype=np.int16), np.diff(edges, prepend=0))


def _on_sale(made: Goods, days: Almanac, week: int) -> npt.NDArray[np.float64]:
    """Season of each product in a week, nothing before the Monday after its launch."""
    first = int(np.searchsorted(days.weeks, week))
    day = days.days[first]
    warm = np.cos((day.timetuple().tm_yday - 205) / 365.25 * 2 * np.pi)
    month, moon = days.lunar[min(first + 3, len(days.lunar) - 1)]
    festive = (month, moon >= 15) == (12, True) or (month, moon <= 3) == (1, True)
    by_season = {
        "even": 1.0,
        "summer": np.exp(0.7 * warm),
        "winter": np.exp(-0.5 * warm),
        "festival": 2.2 if festive else 1.0,
    }
    season = np.array([by_season[c.season] for c in made.categories])[made.category]
    launch_week = np.where(made.launched < 0, -1, days.weeks[np.clip(made.launched, 0, len(days.weeks) - 1)])
    result: npt.NDArray[np.float64] = season * (launch_week < week)
    return result
