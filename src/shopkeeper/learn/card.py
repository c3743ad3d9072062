"""The model card: what a model was made of and how well it did on the time it had not seen."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from shopkeeper.learn.measure import Bin, GainPoint, Metrics

__all__ = ["Card", "Interval", "Period", "code_hash"]

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time, and what lies in it.

    Args:
        first: First campaign day.
        last: Last day that outcomes are known for.
        campaigns: Number of campaigns.
        rows: Number of (campaign, person) pairs.
        people: Number of persons.
        responders: Number of pairs that responded.
    """

    first: date
    last: date
    campaigns: int
    rows: int
    people: int
    responders: int


@dataclass(frozen=True)
class Card:
    """A model card; `to_json` has the shape of `shopkeeper model show`.

    Args:
        name: The model.
        version: Day and code it was made of.
        trained_until: The last day the fitted model knows.
        train: What the fitted model learned from.
        test: What the metrics were measured on, each campaign by a model of its eve.
        features: Their names.
        metrics: Mean over the seeds.
        intervals: 95 % intervals of the first three metrics, bootstrapped over households.
        baselines: The same metrics of what one would do without the model.
        calibration: What was said and what came, tenth by tenth (mean probability of the seeds).
        gain: The gain chart's points (mean probability of the seeds).
        baseline_gain: The same points of each baseline.
        seeds: The seeds.
        code_hash: Hash of the room's code.
        notes: What a reader must know, by language (`en`, `zh`).
    """

    name: str
    version: str
    trained_until: date
    train: Period
    test: Period
    features: tuple[str, ...]
    metrics: Metrics
    intervals: Mapping[str, Interval]
    baselines: Mapping[str, Metrics]
    calibration: tuple[Bin, ...]
    gain: tuple[GainPoint, ...]
    baseline_gain: Mapping[str, tuple[GainPoint, ...]]
    seeds: tuple[int, ...]
    code_hash: str
    notes: Mapping[str, tuple[str, ...]]

    def to_json(self) -> dict[str, Any]:
        """Gives the card as JSON has it: days as ISO text, intervals as pairs, periods from `from` to `to`."""
        document = asdict(self)
        for name in ("train", "test"):
            period = document[name]
            document[name] = {"from": period.pop("first"), "to": period.pop("last"), **period}
        found: dict[str, Any] = json.loads(json.dumps(document, default=date.isoformat))
        return found


def code_hash() -> str:
    """Hash of every Python and SQL file of this room: another hash, another model."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted((*folder.glob("*.py"), *folder.glob("*.sql"))):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
