"""A small LightGBM: shallow trees that may only push the way their feature's direction allows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shopkeeper.learn.feature import Matrix

__all__ = ["Boosted", "fit_boosted"]

_SETTINGS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 7,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "num_threads": 1,  # the rows are few: more threads cost more than they give, and one is reproducible
    "deterministic": True,
    "force_col_wise": True,
    "verbose": -1,
}
_ROUNDS = 60


@dataclass(frozen=True, eq=False)
class Boosted:
    """Fitted trees.

    Args:
        booster: LightGBM's own object.
    """

    booster: Any

    @property
    def text(self) -> str:
        """The model as LightGBM writes it."""
        return str(self.booster.model_to_string())

    @classmethod
    def from_text(cls, text: str) -> "Boosted":
        """Reads what `text` gave."""
        import lightgbm  # noqa: PLC0415 - seconds to import, and only models need it

        return cls(lightgbm.Booster(model_str=text))

    def log_odds(self, rows: Matrix) -> npt.NDArray[np.float64]:
        """Log odds of a response, shape (n,)."""
        return np.asarray(self.booster.predict(rows, raw_score=True, num_threads=1), dtype=np.float64)

    def contributions(self, rows: Matrix) -> Matrix:
        """What each column adds to the log odds (SHAP values of the trees), shape (n, columns)."""
        return np.asarray(self.booster.predict(rows, pred_contrib=True, num_threads=1), dtype=np.float64)[:, :-1]


def fit_boosted(rows: Matrix, responded: npt.NDArray[np.int64], directions: list[int], seed: int) -> Boosted:
    """Fits the trees.

    Args:
        rows: Shape (n, columns), NaN where empty.
        responded: 1 where the person responded, else 0.
        directions: For each column 1, -1 or 0: which way it may push.
        seed: Of the bagging.
    """
    import lightgbm  # noqa: PLC0415 - seconds to import, and only models need it

    settings = {**_SETTINGS, "seed": seed, "monotone_constraints": directions}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, responded, params={"verbose": -1}), _ROUNDS)
    return Boosted(booster)
