"""Reasons in words: the features that moved a score most, with the value and how it stands among the others."""

import numpy as np
import numpy.typing as npt

from shopkeeper.learn.blend import Blend
from shopkeeper.learn.feature import FEATURES, Feature, Matrix

__all__ = ["reasons"]

_BY_NAME = {feature.name: feature for feature in FEATURES}
_SAYABLE = 0.02


def reasons(model: Blend, rows: Matrix, most: int = 3) -> tuple[list[list[str]], list[list[str]]]:
    """Says why each person has their score.

    The contributions are log odds: SHAP values of the trees and weight × scaled value of the regression, each counted
    from the mean of the people scored together. Who scores above the mean is told what raised it, the others what
    lowered it.

    Args:
        model: The model.
        rows: Features of the people scored together, shape (n, columns).
        most: At most so many reasons a person.

    Returns:
        Sentences in English and in Chinese, one list a person.
    """
    contributions = model.contributions(rows)
    contributions = contributions - contributions.mean(axis=0)
    sign = np.where(contributions.sum(axis=1) >= 0, 1.0, -1.0)
    pushed = contributions * sign[:, None]
    order = np.argsort(-pushed, axis=1, kind="stable")[:, :most]
    below, above = _shares(rows)
    english, chinese = [], []
    for person, places in enumerate(order):
        said = [int(place) for place in places if pushed[person, place] >= _SAYABLE]
        words = [
            _say(_BY_NAME[model.columns[place]], rows[person, place], below[person, place], above[person, place])
            for place in said
        ]
        english.append([one for one, _ in words])
        chinese.append([other for _, other in words])
    return english, chinese


def _shares(rows: Matrix) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """For each cell the share of people with a smaller and with a larger value, of those who have one."""
    below, above = np.zeros_like(rows), np.zeros_like(rows)
    for place in range(rows.shape[1]):
        known = np.sort(rows[:, place][~np.isnan(rows[:, place])])
        if len(known):
            below[:, place] = np.searchsorted(known, rows[:, place], side="left") / len(known)
            above[:, place] = 1 - np.searchsorted(known, rows[:, place], side="right") / len(known)
    return below, above


def _say(feature: Feature, value: float, below: float, above: float) -> tuple[str, str]:
    if np.isnan(value):
        return f"{feature.english}: none yet", f"{feature.chinese}：暂无"
    number = f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:.2g}"  # noqa: PLR2004 - digits
    if below >= above:
        return (
            f"{feature.english}: {number}, more than {below:.0%} of those targeted",
            f"{feature.chinese}：{number}，高于{below:.0%}的目标会员",
        )
    return (
        f"{feature.english}: {number}, less than {above:.0%} of those targeted",
        f"{feature.chinese}：{number}，低于{above:.0%}的目标会员",
    )
