"""Walking through time: each campaign is scored by a model refitted on what was known the day before it began."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shopkeeper.learn.feature import Matrix
from shopkeeper.learn.pairs import Pairs

__all__ = ["MIN_RESPONDERS", "Fit", "Predictor", "walk"]

MIN_RESPONDERS = 30
"""With fewer, nothing is fitted and the campaign stays without a score."""

Numbers = npt.NDArray[np.float64]


class Predictor(Protocol):
    """Anything fitted that gives probabilities for rows."""

    def probability(self, rows: Matrix) -> Numbers:
        """Probability of a response, shape (n,)."""
        ...


Fit = Callable[[Matrix, npt.NDArray[np.int64], npt.NDArray[np.int64]], Sequence[Predictor]]
"""Fits one model a seed on rows, outcomes and the number of each row's household."""


def walk(pairs: Pairs, fit: Fit, seeds: int, first: date) -> Numbers:
    """Scores each campaign by a model that knows only campaigns ended and redemptions made by its eve.

    Args:
        pairs: Pairs of all campaigns.
        fit: Fits a model a seed.
        seeds: How many models `fit` gives.
        first: Campaigns that start on or after this day are scored.

    Returns:
        Probabilities of shape (seeds, pairs), NaN for pairs that were not or could not be scored.
    """
    probability = np.full((seeds, len(pairs.campaign)), np.nan)
    household = pairs.household()
    for start in np.unique(pairs.starts[pairs.starts >= np.datetime64(first)]):
        eve = start.astype(date) - timedelta(days=1)
        known, responded = pairs.learnable(eve), pairs.responded_by(eve)
        if responded[known].sum() < MIN_RESPONDERS:
            continue
        here = pairs.starts == start
        for seed, model in enumerate(fit(pairs.rows[known], responded[known], household[known])):
            probability[seed, here] = model.probability(pairs.rows[here])
    return probability
