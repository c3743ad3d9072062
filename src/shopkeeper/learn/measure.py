"""How good a ranking and its probabilities are: AUC, average precision, best tenth, Brier, calibration, gain."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shopkeeper.base.errors import DataError

__all__ = ["Bin", "GainPoint", "Metrics", "calibration", "gain", "intervals", "measure"]

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metrics:
    """What is measured of one set of predictions.

    Args:
        auc: Chance that a responder ranks above one who did not, ties counting half.
        average_precision: Mean precision at each responder.
        top_tenth_rate: Share of responders in the best tenth, ties shared evenly.
        brier: Mean squared difference of probability and outcome.
        ece: Expected calibration error over ten equal groups.
    """

    auc: float
    average_precision: float
    top_tenth_rate: float
    brier: float
    ece: float

    @classmethod
    def mean(cls, several: "list[Metrics]") -> "Metrics":
        """The mean of each figure."""
        return cls(*(float(np.mean([getattr(one, name) for one in several])) for name in cls.__slots__))


@dataclass(frozen=True, slots=True)
class Bin:
    """One row of a calibration table: people of like probability, what was said and what came."""

    people: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class GainPoint:
    """One point of a gain chart: so large a share of people, best first, holds so large a share of responders."""

    share: float
    captured: float


def measure(responded: npt.NDArray[np.int64], probability: Numbers) -> Metrics:
    """Measures predictions.

    Args:
        responded: 1 where the person responded, else 0; shape (n,).
        probability: Predicted probabilities, shape (n,).

    Raises:
        DataError: Nobody or everybody responded, so no ranking can be judged.
    """
    if responded.min() == responded.max():
        raise DataError(f"all {len(responded)} outcomes are {responded[0]}: nothing can be ranked")
    auc, precision, top = _ranked(responded, probability, np.ones((1, len(responded))))
    error = float(np.mean((probability - responded) ** 2))
    bins = calibration(responded, probability)
    ece = sum(each.people * abs(each.predicted - each.observed) for each in bins) / len(responded)
    return Metrics(float(auc[0]), float(precision[0]), float(top[0]), error, ece)


def calibration(responded: npt.NDArray[np.int64], probability: Numbers, groups: int = 10) -> tuple[Bin, ...]:
    """Sorts people by probability into groups of equal size and compares what was said with what came."""
    order = np.argsort(probability, kind="stable")
    parts = (part for part in np.array_split(order, groups) if len(part))
    return tuple(Bin(len(part), float(probability[part].mean()), float(responded[part].mean())) for part in parts)


def gain(responded: npt.NDArray[np.int64], probability: Numbers, points: int = 20) -> tuple[GainPoint, ...]:
    """Gives the share of responders found in the best 5 %, 10 % … of people, ties shared evenly."""
    order = np.argsort(-probability, kind="stable")
    ends = np.flatnonzero(np.diff(probability[order], append=-np.inf)) + 1
    captured = np.concatenate([[0.0], np.cumsum(responded[order])[ends - 1]])
    places = np.linspace(0, len(responded), points + 1)
    shares = np.interp(places, np.concatenate([[0], ends]), captured) / max(captured[-1], 1)
    return tuple(
        GainPoint(float(place / len(responded)), float(share)) for place, share in zip(places, shares, strict=True)
    )


def intervals(
    responded: npt.NDArray[np.int64],
    probabilities: list[Numbers],
    unit: npt.NDArray[np.int64],
    *,
    draws: int,
    seed: int,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Bootstraps the mean figures over seeds, drawing whole households with replacement.

    Args:
        responded: Outcomes, shape (n,).
        probabilities: One set of predictions a seed, each of shape (n,).
        unit: The household of each row as a number from 0, shape (n,): its rows are drawn together.
        draws: How many bootstrap samples.
        seed: Of the draws.
        level: Share of samples within the interval.

    Returns:
        For `auc`, `average_precision` and `top_tenth_rate` the percentile interval.
    """
    households = int(unit.max()) + 1
    random = np.random.default_rng(seed)
    counts = random.multinomial(households, np.full(households, 1 / households), size=draws)
    weights = counts[:, unit].astype(np.float64)
    ranked = [_ranked(responded, probability, weights) for probability in probabilities]
    names = ("auc", "average_precision", "top_tenth_rate")
    edges = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for place, name in enumerate(names):
        low, high = np.quantile(np.mean([one[place] for one in ranked], axis=0), edges)
        found[name] = (float(low), float(high))
    return found


def _ranked(
    responded: npt.NDArray[np.int64], probability: Numbers, weights: Numbers
) -> tuple[Numbers, Numbers, Numbers]:
    """AUC, average precision and best-tenth rate for each row of weights, shape (draws, n); ties are one threshold."""
    order = np.argsort(-probability, kind="stable")
    starts = np.flatnonzero(np.diff(probability[order], prepend=np.inf))
    all_of = np.add.reduceat(weights[:, order], starts, axis=1)
    hits = np.add.reduceat(weights[:, order] * responded[order], starts, axis=1)
    people, found = np.cumsum(all_of, axis=1), np.cumsum(hits, axis=1)
    total, responders = people[:, -1], found[:, -1]
    misses = all_of - hits
    above = found - hits / 2
    auc = (above * misses).sum(axis=1) / (responders * (total - responders))
    precision = (hits * found / np.maximum(people, 1e-12)).sum(axis=1) / responders
    tenth = total / 10
    share = np.clip((tenth[:, None] - (people - all_of)) / np.maximum(all_of, 1e-12), 0, 1)
    return auc, precision, (share * hits).sum(axis=1) / tenth
