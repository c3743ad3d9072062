"""What a basket is like: how many lines, how many units, at what hour, for what occasion."""

import numpy as np
import numpy.typing as npt

from shopkeeper.sample.almanac import TRADE_AREAS

__all__ = ["FIRST_HOUR", "HOURS", "LINES", "MEAN_LINES", "OCCASION", "UNITS"]

_CARDS = 256
FIRST_HOUR, _LAST_HOUR = 6, 29


def _deck(shares: npt.ArrayLike, cards: int = _CARDS) -> npt.NDArray[np.uint8]:
    """A deck of places, as many cards of each as its share says."""
    weight = np.asarray(shares, float)
    edges = np.round(np.cumsum(weight / weight.sum()) * cards).astype(int)
    return np.repeat(np.arange(len(weight), dtype=np.uint8), np.diff(edges, prepend=0))


# Cards of how many lines a ticket has, by style: guest, impulsive, rational.
LINES = np.stack(
    [
        _deck([0, 40, 28, 16, 8, 5, 3]),
        _deck([0, 28, 26, 20, 12, 7, 4, 3]),
        _deck([0, 30, 28, 19, 12, 7, 4]),
    ]
)
MEAN_LINES = LINES.mean(axis=1)
# Cards of how many units a line has.
UNITS = _deck([0, 84, 12, 2, 2])

_PEAKS = {
    "office": ((8, 4.5, 0.9), (12, 5.0, 1.0), (15, 1.5, 1.5), (18, 2.0, 1.5)),
    "residential": ((8, 3.2, 1.2), (12, 2.0, 1.5), (18.5, 4.0, 2.0), (21, 2.5, 1.2)),
    "school": ((7.5, 4.0, 0.8), (12, 3.5, 0.8), (17, 4.5, 1.2), (21, 1.5, 1.0)),
    "transit": ((8, 5.5, 1.2), (12, 2.0, 1.5), (18, 4.5, 1.5), (22, 1.5, 1.5)),
}
_WEEKEND_SHIFT = 1.3
_HOUR_CARDS = 1_024


def _hours(area: str, weekend: bool, all_day: bool) -> npt.NDArray[np.uint8]:
    """Cards of the hour: peaks by trade area, breakfast later at the weekend; 24 to 29 are the small hours after."""
    hour = np.arange(_LAST_HOUR + 1)
    weight = np.full(len(hour), 0.5)
    for centre, height, width in _PEAKS[area]:
        late = _WEEKEND_SHIFT if weekend and centre < 10 else 0
        low = 0.55 if weekend and centre < 10 else 1.0
        weight += low * height * np.exp(-(((hour + 0.5 - centre - late) / width) ** 2) / 2)
    weight[24:] = 0.18
    weight[:FIRST_HOUR] = 0
    if not all_day:
        weight[: FIRST_HOUR + 1] = 0
        weight[23:] = 0
    return _deck(weight, _HOUR_CARDS)


# Cards of the hour, by trade area, weekend and whether the store is open round the clock.
HOURS = np.stack(
    [
        np.stack([np.stack([_hours(area, weekend, all_day) for all_day in (False, True)]) for weekend in (False, True)])
        for area in TRADE_AREAS
    ]
)

_BY_HOUR = {  # breakfast, meal, drink, snack, home, counter
    range(6, 10): [62, 8, 14, 4, 4, 8],
    range(10, 14): [6, 44, 22, 12, 8, 8],
    range(14, 17): [2, 10, 42, 28, 10, 8],
    range(17, 21): [2, 26, 22, 24, 18, 8],
    range(21, 30): [1, 20, 24, 30, 14, 11],
    range(6): [10, 20, 30, 20, 10, 10],
}
# Cards of the occasion, by hour.
OCCASION = np.stack(
    [_deck(next(shares for hours, shares in _BY_HOUR.items() if hour in hours)) for hour in range(_LAST_HOUR + 1)]
)
