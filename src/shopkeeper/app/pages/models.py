"""Models: their newest cards, and what the pages draw of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shopkeeper.app.shop import Shop
from shopkeeper.base.errors import MissingError

__all__ = ["Figure", "ModelPage", "Tenth", "model_page", "models", "wilson"]

_Z95 = 1.959963984540054
_FIRST = ("auc", "average_precision", "top_tenth_rate")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure of a model beside what one would do without it.

    Args:
        name: The metric.
        value: The model's.
        low: Lower end of its 95 % interval, where it has one.
        high: Upper end.
        baselines: The same figure of each baseline.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    baselines: Mapping[str, float] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Tenth:
    """One row of the calibration table: what was said and what came, with its 95 % interval (Wilson)."""

    people: int
    predicted: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One version of one model.

    Args:
        name: The model.
        version: The version shown.
        versions: All versions, newest first.
        card: Its whole card.
        figures: What was measured.
        calibration: What was said and what came, tenth by tenth.
        gain: Points of the gain chart: share of people, share of responders found.
        baseline_gain: The same of each baseline, where the card has it.
        base_rate: Share of the test's rows that responded.
        stale_since: Since when it should be fitted anew, such as after an erasure; None where it need not.
    """

    name: str
    version: str
    versions: tuple[str, ...]
    card: Mapping[str, Any] = field(hash=False)
    figures: tuple[Figure, ...]
    calibration: tuple[Tenth, ...]
    gain: tuple[tuple[float, float], ...]
    baseline_gain: Mapping[str, tuple[tuple[float, float], ...]] = field(hash=False)
    base_rate: float | None
    stale_since: datetime | None = None


def models(shop: Shop) -> tuple[ModelPage, ...]:
    """Gives the newest version of every model, by name."""
    return tuple(model_page(shop, name) for name in sorted({entry.name for entry in shop.models.list()}))


def model_page(shop: Shop, name: str, version: str | None = None) -> ModelPage:
    """Gives one version of a model, the newest by default.

    Raises:
        MissingError: There is no such model or version.
    """
    entries = [entry for entry in shop.models.list() if entry.name == name]
    chosen = [entry for entry in entries if version in (None, entry.version)]
    if not chosen:
        wanted = name if version is None else f"{name} version {version}"
        raise MissingError(f"there is no model {wanted}", next_step="shopkeeper model list")
    card = chosen[-1].card
    test = card.get("test", {})
    return ModelPage(
        name=name,
        version=chosen[-1].version,
        versions=tuple(entry.version for entry in reversed(entries)),
        card=card,
        figures=_figures(card),
        calibration=tuple(_tenth(row) for row in card.get("calibration", ())),
        gain=_points(card.get("gain", ())),
        baseline_gain={key: _points(rows) for key, rows in card.get("baseline_gain", {}).items()},
        base_rate=test["responders"] / test["rows"] if test.get("rows") and "responders" in test else None,
        stale_since=shop.models.stale_since(name, chosen[-1].version),
    )


def wilson(share: float, count: int) -> tuple[float, float]:
    """Gives the 95 % interval of a share by Wilson's score.

    Args:
        share: The share seen, 0 to 1.
        count: Out of how many.

    Reference:
        E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    if count <= 0:
        return 0.0, 1.0
    square = _Z95**2 / count
    middle = (share + square / 2) / (1 + square)
    half = _Z95 / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def _figures(card: Mapping[str, Any]) -> tuple[Figure, ...]:
    intervals = card.get("intervals", {})
    figures = []
    for name, value in sorted(card.get("metrics", {}).items(), key=_place):
        low, high = intervals.get(name, (None, None))
        baselines = {key: row[name] for key, row in _baselines(card).items() if row.get(name) is not None}
        figures.append(Figure(name, value, low, high, baselines))
    return tuple(figures)


def _place(metric: tuple[str, float]) -> int:
    return _FIRST.index(metric[0]) if metric[0] in _FIRST else len(_FIRST)


def _baselines(card: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = card.get("baselines", {})
    return found


def _tenth(row: Mapping[str, Any]) -> Tenth:
    low, high = wilson(row["observed"], row["people"])
    return Tenth(row["people"], row["predicted"], row["observed"], low, high)


def _points(rows: Any) -> tuple[tuple[float, float], ...]:
    return tuple((row["share"], row["captured"]) for row in rows)
