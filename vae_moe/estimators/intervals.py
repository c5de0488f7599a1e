"""Predictive intervals of a regression: p(y|x) is a mixture of Gaussians, one an expert, for each output."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

BISECTIONS = 60
FAR = 10.0  # standard deviations beyond which nothing is looked for


@dataclass(frozen=True, eq=False)
class Predictive:
    """p(y|x) of each row and output.

    Attributes:
        gate: p(c|x), [N, K].
        means: [N, K, O].
        stddevs: [K, O].
    """

    gate: np.ndarray
    means: np.ndarray
    stddevs: np.ndarray

    @classmethod
    def of(cls, estimator: Any, x: np.ndarray) -> "Predictive":
        """Of a fitted regressor at x [N, D]."""
        stddevs = np.exp(0.5 * np.asarray(estimator.model_.experts.log_vars, float)) * estimator.y_scale_  # [K, O]
        return cls(estimator.gate_proba(x), np.asarray(estimator.expert_predictions(x), float), stddevs)

    def cdf(self, y: np.ndarray) -> np.ndarray:
        """P(Y <= y | x), y [N, O] -> [N, O]."""
        below = norm.cdf(y[:, np.newaxis], self.means, self.stddevs)  # [N, K, O]
        return np.einsum("nk,nko->no", self.gate, below)

    def interval(self, level: float) -> np.ndarray:
        """Low and high between which y lies with a probability, and below and above them alike: [N, O, 2]."""
        return np.stack([self.quantile((1 - level) / 2), self.quantile((1 + level) / 2)], -1)

    def quantile(self, level: float) -> np.ndarray:
        """The y below which that share lies, by bisection, [N, O]."""
        low = (self.means - FAR * self.stddevs).min(1)
        high = (self.means + FAR * self.stddevs).max(1)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            below = self.cdf(middle) < level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (low + high) / 2
