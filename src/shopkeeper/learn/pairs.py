"""Campaign and person pairs as arrays: when each campaign ran, what was known before it, who redeemed when."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shopkeeper.learn.feature import Matrix, matrix

__all__ = ["MIN_HISTORY_DAYS", "Flags", "Pairs", "read_pairs"]

Days = npt.NDArray[np.datetime64]
Flags = npt.NDArray[np.bool_]

MIN_HISTORY_DAYS = 28
"""A campaign that started with less history than this has no features to learn from."""


@dataclass(frozen=True)
class Pairs:
    """The rows of the feature table with their outcomes.

    Args:
        campaign: Campaign id of each pair.
        person: Person id of each pair.
        starts: First day of its campaign.
        ends: Last day of its campaign; NaT where it has none.
        redeemed: Day of the first redemption; NaT where there is none.
        history_days: Days of data before the campaign.
        rows: Features, shape (pairs, columns).
        columns: Their names.
    """

    campaign: npt.NDArray[np.str_]
    person: npt.NDArray[np.str_]
    starts: Days
    ends: Days
    redeemed: Days
    history_days: npt.NDArray[np.int64]
    rows: Matrix
    columns: tuple[str, ...]

    def responded_by(self, day: date) -> npt.NDArray[np.int64]:
        """1 for each pair that had redeemed by the end of a day, else 0."""
        return (self.redeemed <= np.datetime64(day)).astype(np.int64)

    def learnable(self, as_of: date) -> Flags:
        """The pairs whose campaign was over by the end of a day and had enough history."""
        return (self.ends <= np.datetime64(as_of)) & (self.history_days >= MIN_HISTORY_DAYS)

    def household(self) -> npt.NDArray[np.int64]:
        """Each pair's person as a number from 0."""
        return np.unique(self.person, return_inverse=True)[1].astype(np.int64)

    def select(self, columns: tuple[str, ...]) -> "Pairs":
        """The same pairs with only some of the features."""
        places = [self.columns.index(name) for name in columns]
        return Pairs(
            self.campaign,
            self.person,
            self.starts,
            self.ends,
            self.redeemed,
            self.history_days,
            self.rows[:, places],
            columns,
        )


def read_pairs(features: pa.Table, outcomes: pa.Table, columns: tuple[str, ...]) -> Pairs:
    """Joins the feature table with the outcome table.

    Args:
        features: Result of `response.features`.
        outcomes: Result of `response.outcomes`.
        columns: The features to take.

    Raises:
        DataError: A feature is missing.
    """
    first = {
        (row["campaign_id"], row["person_id"]): row["first_redeemed_on"]
        for row in outcomes.select(["campaign_id", "person_id", "first_redeemed_on"]).to_pylist()
    }
    campaign, person = features["campaign_id"].to_pylist(), features["person_id"].to_pylist()
    return Pairs(
        np.array(campaign, dtype=np.str_),
        np.array(person, dtype=np.str_),
        _days(features["starts_on"].to_pylist()),
        _days(features["ends_on"].to_pylist()),
        _days([first.get(pair) for pair in zip(campaign, person, strict=True)]),
        features["history_days"].to_numpy().astype(np.int64),
        matrix(features, columns),
        columns,
    )


def _days(values: list[date | None]) -> Days:
    return np.array(values, dtype="datetime64[D]")
