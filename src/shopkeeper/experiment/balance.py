"""Entropy balancing: weights for those not targeted under which they look like the targeted before the campaign."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shopkeeper.base.errors import DataError

__all__ = ["Balanced", "balance"]

Numbers = npt.NDArray[np.float64]

_RIDGE = 1e-3
_STEPS = 200
_CLOSE = 1e-8


@dataclass(frozen=True)
class Balanced:
    """What balancing gave.

    Args:
        weights: One for each compared person, not negative, sum 1.
        imbalance: Largest difference of means left, in standard deviations of the targeted.
        effective: So many equally weighted persons the weights are worth (Kish): 1 / Σ w².
    """

    weights: Numbers
    imbalance: float
    effective: float


def balance(targeted: Numbers, compared: Numbers) -> Balanced:
    """Finds the weights nearest to equal ones under which the means of all covariates agree.

    Reference: Hainmueller (2012), Entropy Balancing for Causal Effects; solved in its dual by damped Newton steps,
    with a small ridge, so that it ends, with some imbalance left and told, where the groups do not overlap.

    Args:
        targeted: Covariates of the targeted, shape (n, k).
        compared: Covariates of the others, shape (m, k).

    Raises:
        DataError: One of the groups is empty.
    """
    if not len(targeted) or not len(compared):
        raise DataError(f"nothing to compare: {len(targeted)} targeted and {len(compared)} others")
    scale = targeted.std(axis=0)
    scale = np.where(scale > 0, scale, np.maximum(compared.std(axis=0), 1.0))
    distance = (compared - targeted.mean(axis=0)) / scale
    weights = _weights(_solve(distance), distance)
    return Balanced(weights, float(np.abs(weights @ distance).max()), float(1 / (weights**2).sum()))


def _solve(distance: Numbers) -> Numbers:
    """Minimises log Σ exp(distance · θ) + ridge / 2 · θ², which is convex."""
    theta = np.zeros(distance.shape[1])
    value = _objective(theta, distance)
    for _ in range(_STEPS):
        weights = _weights(theta, distance)
        mean = weights @ distance
        gradient = mean + _RIDGE * theta
        if np.abs(gradient).max() < _CLOSE:
            break
        spread = (distance * weights[:, None]).T @ distance - np.outer(mean, mean)
        step = np.linalg.solve(spread + _RIDGE * np.eye(len(theta)), gradient)
        length = 1.0
        while length > _CLOSE and _objective(theta - length * step, distance) > value - 1e-4 * length * gradient @ step:
            length /= 2
        theta = theta - length * step
        value = _objective(theta, distance)
    return theta


def _objective(theta: Numbers, distance: Numbers) -> float:
    score = distance @ theta
    top = score.max()
    return float(top + np.log(np.exp(score - top).sum()) + _RIDGE / 2 * theta @ theta)


def _weights(theta: Numbers, distance: Numbers) -> Numbers:
    score = distance @ theta
    weights = np.exp(score - score.max())
    return np.asarray(weights / weights.sum())
