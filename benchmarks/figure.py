"""One measured figure beside what it is held against, in the shape of `benchmarks/latest.json`."""

from typing import Any

__all__ = ["Figure", "Figures", "figure"]

Figure = dict[str, Any]
Figures = dict[str, Figure]


def figure(
    value: float,
    unit: str,
    *,
    against: float | None = None,
    bar: float | None = None,
    at_least: bool = False,
    of_ratio: bool = False,
) -> Figure:
    """Makes one figure.

    Args:
        value: What was measured.
        unit: What it counts.
        against: What it is held against, in the same unit.
        bar: What the value may be at most; the ratio, if `of_ratio`.
        at_least: The bar is what it must be at least.
        of_ratio: The bar is one of the ratio.
    """
    ratio = value / against if against else None
    held = ratio if of_ratio else value
    ok = None if bar is None or held is None else (held >= bar if at_least else held <= bar)
    return {
        "value": _rounded(value),
        "unit": unit,
        "against": _rounded(against),
        "ratio": _rounded(ratio),
        "bar": bar,
        "ok": ok,
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.4g}")
