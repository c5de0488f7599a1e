"""Scores of predictions on held-out rows, and whether one is better than another: functions of arrays."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn import metrics

from vae_moe.estimators.intervals import calibrated

LEVELS = tuple(np.linspace(0.1, 0.9, 9).round(1).tolist())
RESAMPLES = 2000
COMPARED_ROWS = 5000  # drawn of more: the resamples are in memory at once
TINY = 1e-12  # loss: of a method that is right in every row


def of_regression(y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Scores of one output, y and predicted [N]: root mean squared error, mean absolute error, R^2."""
    return {
        "rmse": float(metrics.root_mean_squared_error(y, predicted)),
        "mae": float(metrics.mean_absolute_error(y, predicted)),
        "r2": float(metrics.r2_score(y, predicted)),
    }


def of_classification(codes: np.ndarray, probs: np.ndarray) -> dict[str, float]:
    """Scores of classes [N] below C and probabilities [N, C]: accuracy, its mean over classes, log-loss in nats."""
    return {
        "accuracy": float(metrics.accuracy_score(codes, probs.argmax(-1))),
        "balanced_accuracy": float(metrics.balanced_accuracy_score(codes, probs.argmax(-1))),
        "log_loss": float(metrics.log_loss(codes, probs, labels=np.arange(probs.shape[1]))),
    }


@dataclass(frozen=True)
class Comparison:
    """By how much one's losses are below another's, as a share of the other's, with a 95 % interval."""

    gain: float
    low: float
    high: float

    @property
    def words(self) -> str:
        """A sentence's end: better, worse, or not to be told."""
        if self.low > 0:
            span = f"(95 % interval: {self.low:.0%} to {self.high:.0%} below)"
            return f"{self.gain:.0%} below the linear model's {span}"
        if self.high < 0:
            span = f"(95 % interval: {-self.high:.0%} to {-self.low:.0%} above)"
            return f"{-self.gain:.0%} above the linear model's {span}: the linear model predicts better"
        span = f"(95 % interval: {abs(self.high):.0%} below to {abs(self.low):.0%} above)"
        return f"not told apart from the linear model's {span}: so many rows do not decide which predicts better"


def compare(losses: np.ndarray, others: np.ndarray) -> Comparison:
    """Compare two methods on the same rows by the paired bootstrap (Efron & Tibshirani 1993, chapter 16).

    Args:
        losses: [N] of each row.
        others: [N] of the other method.
    """
    rng = np.random.default_rng(0)
    if len(losses) > COMPARED_ROWS:
        rows = rng.choice(len(losses), COMPARED_ROWS, replace=False)
        losses, others = losses[rows], others[rows]
    drawn = rng.integers(0, len(losses), (RESAMPLES, len(losses)), np.int32)
    gains = 1 - losses[drawn].mean(1) / np.maximum(others[drawn].mean(1), TINY)
    low, high = np.quantile(gains, [0.025, 0.975]).tolist()
    return Comparison(1 - float(losses.mean()) / max(float(others.mean()), TINY), low, high)


def expected_calibration_error(probabilities: np.ndarray, correct: np.ndarray) -> float:
    """Mean gap of confidence and accuracy over ten bins of equally many rows (Naeini et al. 2015), in [0, 1]."""
    parts = np.array_split(np.argsort(probabilities, kind="stable"), min(10, len(probabilities)))
    gaps = [abs(probabilities[part].mean() - correct[part].mean()) * len(part) for part in parts]
    return float(sum(gaps) / len(probabilities))


def coverage(cdf: np.ndarray, ranks: np.ndarray) -> Mapping[float, float]:
    """Share of rows inside their predictive interval of each level.

    Args:
        cdf: F(y|x) of each row, [N].
        ranks: those that the intervals are calibrated on, [M], ascending.
    """
    tails = {level: calibrated(ranks, level) for level in LEVELS}
    return {level: float(((low <= cdf) & (cdf <= high)).mean()) for level, (low, high) in tails.items()}
