"""Differences of money a person between two groups, each with its 95 % interval."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shopkeeper.experiment.balance import Balanced

__all__ = ["Estimate", "plain", "randomised", "weighted"]

Numbers = npt.NDArray[np.float64]
_Z = 1.959963984540054
_RIDGE = 1e-8


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0

    @property
    def error(self) -> float:
        """The standard error."""
        return (self.high - self.low) / (2 * _Z)


def plain(targeted: Numbers, others: Numbers) -> Estimate:
    """Difference of means with the standard error of Welch."""
    error = np.sqrt(targeted.var(ddof=1) / len(targeted) + others.var(ddof=1) / len(others))
    return _around(targeted.mean() - others.mean(), error)


def randomised(targeted: Numbers, held_out: Numbers, before: tuple[Numbers, Numbers]) -> Estimate:
    """Difference of means of a drawn holdout, less what the time before explains (CUPED).

    Reference: Deng, Xu, Kohavi, Walker (2013), Improving the Sensitivity of Online Controlled Experiments.

    Args:
        targeted: Money of each targeted person.
        held_out: Money of each person held out.
        before: The same persons' money before, in the same order.
    """
    money = np.concatenate([targeted - targeted.mean(), held_out - held_out.mean()])
    past = np.concatenate([before[0] - before[0].mean(), before[1] - before[1].mean()])
    spread = float(past @ past)
    slope = float(past @ money) / spread if spread > 0 else 0.0
    return plain(targeted - slope * before[0], held_out - slope * before[1])


def weighted(targeted: Numbers, others: Numbers, covariates: tuple[Numbers, Numbers], balanced: Balanced) -> Estimate:
    """Mean of the targeted less the balanced mean of the others, what imbalance is left taken out by regression.

    The standard error is that of the influence function: residuals of the regression, weighted (Zhao and Percival
    2017, Entropy Balancing is Doubly Robust).

    Args:
        targeted: Money of each targeted person.
        others: Money of each other person.
        covariates: Covariates of both groups, shapes (n, k) and (m, k).
        balanced: Weights of the others.
    """
    inside, outside = covariates
    middle, scale = outside.mean(axis=0), outside.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    inside, outside = (np.column_stack([np.ones(len(each)), (each - middle) / scale]) for each in (inside, outside))
    heavy = outside * balanced.weights[:, None]
    # The ridge only keeps columns apart that say the same; weights sum to 1, so it is small beside their squares.
    slopes = np.linalg.solve(heavy.T @ outside + _RIDGE * np.eye(outside.shape[1]), heavy.T @ others)
    residual_in, residual_out = targeted - inside @ slopes, others - outside @ slopes
    value = residual_in.mean() - balanced.weights @ residual_out
    freedom = max(balanced.effective / max(balanced.effective - inside.shape[1], 1.0), 1.0)
    variance = ((residual_in - residual_in.mean()) ** 2).sum() / len(targeted) ** 2
    variance += ((balanced.weights * residual_out) ** 2).sum() * freedom
    return _around(value, np.sqrt(variance))


def _around(value: float, error: float) -> Estimate:
    return Estimate(float(value), float(value - _Z * error), float(value + _Z * error))
