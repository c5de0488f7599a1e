"""From a table X to what the networks see, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

#: Standard deviation of a Gaussian p(x | z), as a share of a column's: what varies less is noise to the model.
NOISE = 0.3
#: Of a mixed table's cells, hidden from the encoder in training, on average.
HIDDEN_CELLS = 0.05
#: Deviations from which on a value is as far as any, and a standard normal's interquartile range.
FAR, NORMAL_QUARTILES = 10.0, 1.349
LIKELIHOODS = ("auto", "bernoulli", "gaussian", "mixed")
#: What it may say of a row that a cell has no value: nothing beside the row's other cells, or something of its own.
MISSING = ("random", "informative")


@dataclass(frozen=True)
class Scaling:
    """Columns' means and scales: x = (X - mean) / scale, held between -limit and limit.

    Attributes
    ----------
    mean : array [D]
    scale : array [D]
        1 for a constant column.
    limit : float
        Of x.
    """

    mean: np.ndarray
    scale: np.ndarray
    limit: float = np.inf

    @classmethod
    def of(cls, X: np.ndarray, sample_weight: np.ndarray | None = None) -> Scaling:
        """Return the standardisation of X [N, D], with weights [N]."""
        scaler = StandardScaler().fit(X, sample_weight=sample_weight)
        return cls(scaler.mean_, scaler.scale_)

    @classmethod
    def of_inputs(cls, X: np.ndarray, sample_weight: np.ndarray | None = None) -> Scaling:
        """Return the standardisation of X [N, D], with weights [N], in which columns of 0 and 1 keep their scale.

        Such columns are the levels of a category. By their own deviations the rarest would be worth most, and a
        category as much as it has levels.
        """
        scaling = cls.of(X, sample_weight)
        return cls(scaling.mean, np.where(np.isin(X, (0, 1)).all(0), 1.0, scaling.scale))

    @classmethod
    def robust(cls, X: np.ndarray, sample_weight: np.ndarray | None = None) -> Scaling:
        """Return `of_inputs` of X [N, D] with values brought within `FAR` deviations, which limit x too.

        A deviation is the interquartile range over that of a standard normal, from the median; a column of which half
        the values are the same keeps them. So a few far rows do not set the scale of all.
        """
        low, middle, high = np.quantile(X, (0.25, 0.5, 0.75), axis=0)
        reach = np.where(high > low, FAR * (high - low) / NORMAL_QUARTILES, np.inf)
        scaling = cls.of_inputs(np.clip(X, middle - reach, middle + reach), sample_weight)
        return cls(scaling.mean, scaling.scale, FAR)

    @classmethod
    def none(cls, n_columns: int) -> Scaling:
        """Return what leaves n_columns columns as they are."""
        return cls(np.zeros(n_columns), np.ones(n_columns))

    @classmethod
    def to_unit(cls, X: np.ndarray) -> Scaling:
        """Return what takes each column of X [N, D] to from 0 to 1, and leaves a constant one as it is."""
        least, extent = X.min(axis=0).astype(np.float64), np.ptp(X, axis=0).astype(np.float64)
        return cls(np.where(extent > 0, least, 0.0), np.where(extent > 0, extent, 1.0))

    def apply(self, X: np.ndarray) -> np.ndarray:
        """Return x as float32, as X [N, D]."""
        return np.clip((X - self.mean) / self.scale, -self.limit, self.limit).astype(np.float32)

    def undo(self, x: np.ndarray) -> np.ndarray:
        """Return X as float64 from x [..., D]."""
        return x.astype(np.float64) * self.scale + self.mean


def choose_likelihood(likelihood: Any, X: np.ndarray) -> str:
    """Return the likelihood of X [N, D]: as given, or of "auto" the one that its range asks for.

    Raises
    ------
    ValueError
        If "bernoulli" is asked for and X is not in [0, 1].
    """
    least, most = float(X.min()), float(X.max())
    unit = least >= 0 and most <= 1
    if likelihood == "bernoulli" and not unit:
        raise ValueError(
            f"likelihood='bernoulli' needs X in [0, 1], got values from {least:.3g} to {most:.3g}. Scale X, or take "
            "likelihood='gaussian'."
        )
    if likelihood == "auto":
        return "bernoulli" if unit else "gaussian"
    return likelihood
