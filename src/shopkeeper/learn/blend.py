"""The response model: log odds of a scaled logistic regression and of small trees, averaged and calibrated."""

import io
import json
import zipfile
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from shopkeeper.base.errors import DataError
from shopkeeper.learn.boosted import Boosted, fit_boosted
from shopkeeper.learn.feature import FEATURES, Matrix
from shopkeeper.learn.scaled import Scaled, fit_scaled

__all__ = ["Blend", "fit_blends", "from_bytes", "platt"]

_FORMAT = "shopkeeper response model 1"
_FOLDS = 4
_WRITTEN = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Blend:
    """A fitted response model.

    Args:
        scaled: The regression.
        boosted: The trees.
        columns: The features in the order of its matrix.
        slope: Of the calibration, on log odds.
        intercept: Of the calibration.
    """

    scaled: Scaled
    boosted: Boosted
    columns: tuple[str, ...]
    slope: float = 1.0
    intercept: float = 0.0

    def log_odds(self, rows: Matrix) -> npt.NDArray[np.float64]:
        """Mean log odds of both parts before calibration, shape (n,)."""
        return (self.scaled.log_odds(rows) + self.boosted.log_odds(rows)) / 2

    def probability(self, rows: Matrix) -> npt.NDArray[np.float64]:
        """Calibrated probability of a response, shape (n,)."""
        return np.asarray(expit(self.slope * self.log_odds(rows) + self.intercept))

    def contributions(self, rows: Matrix) -> Matrix:
        """What each feature adds to the calibrated log odds, shape (n, columns)."""
        return self.slope * (self.scaled.contributions(rows) + self.boosted.contributions(rows)) / 2

    def to_bytes(self) -> bytes:
        """Its file: a zip of LightGBM's text and the regression as JSON; no code in it, the same bytes each time."""
        document = {
            "format": _FORMAT,
            "columns": list(self.columns),
            "slope": self.slope,
            "intercept": self.intercept,
            "scaled": self.scaled.to_json(),
        }
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(zipfile.ZipInfo("model.json", _WRITTEN), json.dumps(document))
            file.writestr(zipfile.ZipInfo("trees.txt", _WRITTEN), self.boosted.text)
        return buffer.getvalue()


def from_bytes(content: bytes) -> Blend:
    """Reads a model file.

    Raises:
        DataError: It is not such a file, or of another format.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            document, trees = json.loads(file.read("model.json")), file.read("trees.txt").decode()
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DataError(f"this is no model file: {error}", next_step="shopkeeper run response --force") from error
    if document.get("format") != _FORMAT:
        raise DataError(
            f"this model file is of the format '{document.get('format')}', not '{_FORMAT}'",
            next_step="shopkeeper run response --force",
        )
    return Blend(
        Scaled.from_json(document["scaled"]),
        Boosted.from_text(trees),
        tuple(document["columns"]),
        float(document["slope"]),
        float(document["intercept"]),
    )


def fit_blends(
    rows: Matrix,
    responded: npt.NDArray[np.int64],
    household: npt.NDArray[np.int64],
    columns: tuple[str, ...],
    seeds: tuple[int, ...],
) -> list[Blend]:
    """Fits one model a seed; what needs no seed, the regression and the calibration, is fitted once.

    Args:
        rows: Features, shape (n, columns).
        responded: 1 where the person responded, else 0.
        household: The household of each row as a number; rows of one household stay in one fold.
        columns: Names of the features.
        seeds: Seeds of the trees; the first also draws the folds.
    """
    scaled, boosted = _fit_parts(rows, responded, columns, seeds)
    honest = _cross_fitted(rows, responded, household, columns, seeds[0])
    slope, intercept = platt(honest, responded)
    return [Blend(scaled, trees, columns, slope, intercept) for trees in boosted]


def platt(log_odds: npt.NDArray[np.float64], responded: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Fits slope and intercept that make log odds honest (Platt 1999), on rows the model had not seen."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - seconds to import, only fitting needs it

    fitted = LogisticRegression(C=1.0).fit(log_odds[:, None], responded)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def _fit_parts(
    rows: Matrix, responded: npt.NDArray[np.int64], columns: tuple[str, ...], seeds: tuple[int, ...]
) -> tuple[Scaled, list[Boosted]]:
    direction = {feature.name: feature.direction for feature in FEATURES}
    directions = [direction.get(name, 0) for name in columns]
    return fit_scaled(rows, responded), [fit_boosted(rows, responded, directions, seed) for seed in seeds]


def _cross_fitted(
    rows: Matrix,
    responded: npt.NDArray[np.int64],
    household: npt.NDArray[np.int64],
    columns: tuple[str, ...],
    seed: int,
) -> npt.NDArray[np.float64]:
    """Log odds of each row by a model that saw nothing of its household."""
    people = np.unique(household, return_inverse=True)[1]
    fold = (np.random.default_rng(seed).permutation(people.max() + 1) % _FOLDS)[people]
    log_odds = np.empty(len(rows))
    for out in (fold == number for number in range(_FOLDS)):
        scaled, boosted = _fit_parts(rows[~out], responded[~out], columns, (seed,))
        log_odds[out] = Blend(scaled, boosted[0], columns).log_odds(rows[out])
    return log_odds
