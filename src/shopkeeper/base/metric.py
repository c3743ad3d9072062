"""Metrics: names with numbers that a monitor reads, and their text form (Prometheus, version 0.0.4)."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["BOUNDS", "Histogram", "Metric", "Sample", "exposition"]

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of a histogram's buckets, in seconds."""

_NAME = re.compile(r"shopkeeper_[a-z][a-z0-9_]*")
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One number.

    Args:
        value: The number.
        labels: What it is of; few values each, and none that tells of a person.
        ending: What follows the metric's name, such as `_bucket`.
    """

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    ending: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric with its samples.

    Args:
        name: Its name; a counter's ends with `_total`, one with a unit bears it.
        kind: What it does: only grow, go up and down, or count in buckets.
        sentence: What it is.
        samples: Its numbers.

    Raises:
        ValueError: The name is none of ours.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    sentence: str
    samples: Sequence[Sample]

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(f"no name of a metric: {self.name}")


class Histogram:
    """Durations, counted by `BOUNDS`.

    Args:
        counts: How many fell into each bucket, the last one being that above all bounds.
        seconds: Their sum.
    """

    def __init__(self, counts: Sequence[int] = (), seconds: float = 0.0) -> None:
        self.counts = list(counts) or [0] * (len(BOUNDS) + 1)
        self.seconds = seconds

    def add(self, seconds: float) -> None:
        """Counts one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def samples(self, labels: Mapping[str, str]) -> Iterator[Sample]:
        """Gives its numbers as a metric of kind `histogram` has them."""
        through = 0
        for bound, count in zip((*map(_number, BOUNDS), "+Inf"), self.counts, strict=True):
            through += count
            yield Sample(through, {**labels, "le": bound}, "_bucket")
        yield Sample(self.seconds, labels, "_sum")
        yield Sample(through, labels, "_count")


def exposition(metrics: Iterable[Metric]) -> str:
    """Gives the text that Prometheus reads; a metric without a sample is left out."""
    return "".join(f"{line}\n" for metric in metrics if metric.samples for line in _lines(metric))


def _lines(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.sentence.translate(_ESCAPED)}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for sample in metric.samples:
        labels = ",".join(f'{name}="{value.translate(_ESCAPED)}"' for name, value in sample.labels.items())
        yield f"{metric.name}{sample.ending}{f'{{{labels}}}' if labels else ''} {_number(sample.value)}"


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) else repr(value)
