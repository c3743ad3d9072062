"""Charts as values: what is drawn, and the same as the table behind it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Chart", "Curve", "FlowChart", "MatrixChart", "Series", "XyChart"]


@dataclass(frozen=True, slots=True)
class Series:
    """One row of values along the labels.

    Args:
        name: What it is called.
        values: A number a label; None where there is none.
        texts: The numbers as they are written.
        colour: Which of the six chart colours, from 1.
        kind: `bar` or `line`.
        low: Lower ends of intervals, if it has any.
        high: Upper ends.
    """

    name: str
    values: Sequence[float | None]
    texts: Sequence[str]
    colour: int = 1
    kind: str = "bar"
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """Values along labels.

    Args:
        key: Its name on the page.
        title: What it shows, read out in place of the picture.
        label_title: What the labels are.
        labels: The labels, as drawn.
        series: The rows of values.
        unit: `currency`, `share` or `count`: how the axis is written.
        currency: The currency, where the unit is.
        stacked: Whether bars stand on each other.
        whole: Whether each label's values are complete; the others are drawn paler.
    """

    key: str
    title: str
    label_title: str
    labels: Sequence[str]
    series: Sequence[Series]
    unit: str = "count"
    currency: str = ""
    stacked: bool = False
    whole: Sequence[bool] = ()

    def __post_init__(self) -> None:
        for each in self.series:
            if not len(each.values) == len(each.texts) == len(self.labels):
                raise ValueError(f"chart {self.key}: {each.name} has not one value a label")

    def spec(self) -> dict[str, Any]:
        """What the drawing script is given."""
        return {
            "kind": "labelled",
            "title": self.title,
            "labels": list(self.labels),
            "unit": self.unit,
            "currency": self.currency,
            "stacked": self.stacked,
            "whole": list(self.whole),
            "series": [
                {
                    "name": each.name,
                    "values": [_finite(value) for value in each.values],
                    "texts": list(each.texts),
                    "colour": each.colour,
                    "kind": each.kind,
                }
                for each in self.series
            ],
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows of the table behind it."""
        rows = [[label, *(each.texts[place] for each in self.series)] for place, label in enumerate(self.labels)]
        return [self.label_title, *(each.name for each in self.series)], rows


@dataclass(frozen=True, slots=True)
class Curve:
    """Points joined by a line, with the area between `low` and `high` shaded where they are given."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 1
    dashed: bool = False
    dots: bool = False
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class XyChart:
    """Curves over two shares of 0 to 1 (calibration, gain).

    Args:
        key: Its name on the page.
        title: What it shows.
        x_title: What is to the right.
        y_title: What is upwards.
        curves: The curves.
        headings: Headings of the table behind it.
        rows: Its rows.
        x_most: Where the axis to the right ends.
        y_most: Where the axis upwards ends.
    """

    key: str
    title: str
    x_title: str
    y_title: str
    curves: Sequence[Curve]
    headings: Sequence[str]
    rows: Sequence[Sequence[str]] = field(default=())
    x_most: float = 1.0
    y_most: float = 1.0

    def spec(self) -> dict[str, Any]:
        """What the drawing script is given."""
        return {
            "kind": "curves",
            "title": self.title,
            "x": self.x_title,
            "y": self.y_title,
            "xMost": self.x_most,
            "yMost": self.y_most,
            "curves": [
                {
                    "name": each.name,
                    "points": [list(point) for point in each.points],
                    "colour": each.colour,
                    "dashed": each.dashed,
                    "dots": each.dots,
                    "low": list(each.low),
                    "high": list(each.high),
                }
                for each in self.curves
            ],
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows of the table behind it."""
        return list(self.headings), [list(row) for row in self.rows]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class FlowChart:
    """Things that flow into others (lineage).

    Args:
        key: Its name on the page.
        title: What it shows.
        headings: What stands left and right.
        nodes: Each thing with the number of its colour.
        links: From which to which; never in a circle.
    """

    key: str
    title: str
    headings: tuple[str, str]
    nodes: Sequence[tuple[str, int]]
    links: Sequence[tuple[str, str]]

    def spec(self) -> dict[str, Any]:
        """What the drawing script is given."""
        return {
            "kind": "flow",
            "title": self.title,
            "nodes": [{"name": name, "colour": colour} for name, colour in self.nodes],
            "links": [{"source": source, "target": target, "value": 1} for source, target in self.links],
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows of the table behind it."""
        return list(self.headings), [list(link) for link in self.links]


@dataclass(frozen=True, slots=True)
class MatrixChart:
    """Shares of 0 to 1 of each thing in each other (overlap).

    Args:
        key: Its name on the page.
        title: What it shows.
        labels: The things, along both sides.
        values: One row a thing.
        texts: The same as written.
    """

    key: str
    title: str
    labels: Sequence[str]
    values: Sequence[Sequence[float]]
    texts: Sequence[Sequence[str]]

    def spec(self) -> dict[str, Any]:
        """What the drawing script is given."""
        return {
            "kind": "matrix",
            "title": self.title,
            "labels": list(self.labels),
            "values": [list(row) for row in self.values],
            "texts": [list(row) for row in self.texts],
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and rows of the table behind it."""
        rows = [[label, *row] for label, row in zip(self.labels, self.texts, strict=True)]
        return ["", *self.labels], rows
