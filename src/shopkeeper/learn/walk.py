"""Walking through time: each campaign is scored by a model refitted on what was known the day before it began."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from shopkeeper.learn.blend import platt
from shopkeeper.learn.feature import Matrix
from shopkeeper.learn.pairs import Pairs

__all__ = ["Fit", "Ranker", "Walk", "calibration_on", "walk"]

_MIN_RESPONDERS = 30
_MIN_TO_CALIBRATE = 100
Numbers = npt.NDArray[np.float64]


class Ranker(Protocol):
    """Anything fitted that gives log odds for rows."""

    def log_odds(self, rows: Matrix) -> Numbers:
        """Log odds of a response, shape (n,)."""
        ...


Fit = Callable[[Matrix, npt.NDArray[np.int64]], Sequence[Ranker]]
"""Fits one model a seed on rows and outcomes."""


@dataclass(frozen=True)
class Walk:
    """What a walk gave, NaN for pairs that no model could be fitted for in time.

    Args:
        log_odds: Before calibration, shape (seeds, pairs).
        probability: Calibrated on earlier campaigns only, shape (seeds, pairs).
        refits: The eves of the campaigns, on which models were refitted.
    """

    log_odds: Numbers
    probability: Numbers
    refits: tuple[date, ...]


def walk(pairs: Pairs, fit: Fit, seeds: int) -> Walk:
    """Scores each campaign by a model that knows only campaigns ended by the eve of its first day.

    Args:
        pairs: Pairs of all campaigns.
        fit: Fits a model a seed.
        seeds: How many models `fit` gives.
    """
    log_odds = np.full((seeds, len(pairs.campaign)), np.nan)
    probability = np.full_like(log_odds, np.nan)
    refits = []
    for start in np.unique(pairs.starts):
        eve = start.astype(date) - timedelta(days=1)
        known, responded = pairs.learnable(eve), pairs.responded_by(eve)
        if responded[known].sum() < _MIN_RESPONDERS:
            continue
        here = pairs.starts == start
        for seed, model in enumerate(fit(pairs.rows[known], responded[known])):
            slope, intercept = calibration_on(pairs, log_odds[seed], eve)
            log_odds[seed, here] = model.log_odds(pairs.rows[here])
            probability[seed, here] = expit(slope * log_odds[seed, here] + intercept)
        refits.append(eve)
    return Walk(log_odds, probability, tuple(refits))


def calibration_on(pairs: Pairs, log_odds: Numbers, as_of: date) -> tuple[float, float]:
    """Slope and intercept from the campaigns that were scored before they began and were over by a day.

    Args:
        pairs: The pairs.
        log_odds: What they were scored, NaN where they were not; shape (pairs,).
        as_of: The day.

    Returns:
        (1, 0), no change, while too few had responded.
    """
    judged = pairs.learnable(as_of) & ~np.isnan(log_odds)
    responded = pairs.responded_by(as_of)[judged]
    if responded.sum() < _MIN_TO_CALIBRATE:
        return 1.0, 0.0
    return platt(log_odds[judged], responded)
