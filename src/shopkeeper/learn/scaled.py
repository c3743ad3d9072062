"""Quantile-scaled logistic regression: columns are put on the normal curve by rank, so that long tails do not rule."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from shopkeeper.learn.feature import Matrix

__all__ = ["Scaled", "Scaler", "fit_scaled", "fit_scaler"]

_KNOTS = 101
_EDGE = 3.0


@dataclass(frozen=True)
class Scaler:
    """Maps each column onto normal scores by its training quantiles; empty cells take the median.

    Args:
        knots: Shape (101, columns): the training quantiles of each column.
    """

    knots: Matrix

    def __call__(self, rows: Matrix) -> Matrix:
        """Scales rows of shape (n, columns) to normal scores, cut at ±3."""
        shares = np.linspace(0.0, 1.0, len(self.knots))
        scaled = np.empty_like(rows)
        for place in range(rows.shape[1]):
            knots = self.knots[:, place]
            values = np.where(np.isnan(rows[:, place]), knots[len(knots) // 2], rows[:, place])
            # Equal values fill a stretch of quantiles: the mean of its two ends is their rank.
            low = np.interp(values, knots, shares)
            high = -np.interp(-values, -knots[::-1], -shares[::-1])
            scaled[:, place] = np.clip(ndtri((low + high) / 2), -_EDGE, _EDGE)
        return scaled


def fit_scaler(rows: Matrix) -> Scaler:
    """Takes the quantiles of each column; a column without any value is treated as zero."""
    filled = np.where(np.isnan(rows).all(axis=0), 0.0, rows)
    return Scaler(np.nanquantile(filled, np.linspace(0.0, 1.0, _KNOTS), axis=0))


@dataclass(frozen=True)
class Scaled:
    """A fitted quantile-scaled logistic regression.

    Args:
        scaler: The scaler.
        weights: One for each column.
        intercept: Log odds of the middle person.
    """

    scaler: Scaler
    weights: npt.NDArray[np.float64]
    intercept: float

    def contributions(self, rows: Matrix) -> Matrix:
        """What each column adds to the log odds, shape (n, columns)."""
        return self.scaler(rows) * self.weights

    def log_odds(self, rows: Matrix) -> npt.NDArray[np.float64]:
        """Log odds of a response, shape (n,)."""
        return np.asarray(self.contributions(rows).sum(axis=1) + self.intercept)

    def probability(self, rows: Matrix) -> npt.NDArray[np.float64]:
        """Probability of a response, shape (n,)."""
        return np.asarray(expit(self.log_odds(rows)))

    def to_json(self) -> dict[str, Any]:
        """Its numbers, as JSON has them."""
        return {
            "knots": self.scaler.knots.tolist(),
            "weights": self.weights.tolist(),
            "intercept": self.intercept,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Scaled":
        """Reads what `to_json` gave."""
        return cls(Scaler(np.array(document["knots"])), np.array(document["weights"]), float(document["intercept"]))


def fit_scaled(rows: Matrix, responded: npt.NDArray[np.int64], penalty: float = 0.003) -> Scaled:
    """Fits the regression.

    Args:
        rows: Shape (n, columns), NaN where empty.
        responded: 1 where the person responded, else 0; both must occur.
        penalty: Inverse strength of the L2 penalty (`C` of scikit-learn); small because rows are few and columns alike.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - seconds to import, only fitting needs it

    scaler = fit_scaler(rows)
    fitted = LogisticRegression(C=penalty, max_iter=1000).fit(scaler(rows), responded)
    return Scaled(scaler, fitted.coef_[0].astype(np.float64), float(fitted.intercept_[0]))
