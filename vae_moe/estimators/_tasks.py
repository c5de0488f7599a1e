"""Regression and classification by a mixture of experts: what y is, and what is predicted."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from vae_moe import validation
from vae_moe.estimators._experts import KerasMixtureOfExperts
from vae_moe.estimators._inputs import Scaling
from vae_moe.estimators.intervals import Predictive, calibrated


class Regressor(RegressorMixin, KerasMixtureOfExperts):
    """Abstract: Gaussian experts, of one output or several."""

    _TARGET: ClassVar[dict[str, bool]] = {"multi_output": True, "y_numeric": True}
    y_mean_: np.ndarray
    y_scale_: np.ndarray
    ranks_: np.ndarray

    def _targets(self, y: np.ndarray, rows: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, int]:
        y = np.asarray(y, dtype=np.float64)
        validation.check_size("y", y)
        Y = y[rows].reshape(len(rows), -1)  # [N, O]
        scaling = Scaling.of(Y, weight)
        shape = () if y.ndim == 1 else (-1,)
        self.y_mean_, self.y_scale_ = scaling.mean.reshape(shape), scaling.scale.reshape(shape)
        return scaling.apply(Y), Y.shape[1]

    def _calibrate(self, x: np.ndarray, y: np.ndarray) -> None:
        ranks = Predictive.of_model(self.model_, x).cdf(y) if len(x) else y  # [M, O]
        self.ranks_ = np.sort(ranks if self.y_mean_.ndim else ranks[:, 0], axis=0)

    def predict(self, X: Any) -> np.ndarray:
        """Return E[y | x] = sum_k p(c=k | x) E[y | x, k] as [N] or [N, O], as y was given."""
        x = self._check_X(X)
        mean = self.model_.predict_mean(x)  # [N, O]
        return Scaling(self.y_mean_, self.y_scale_).undo(mean if self.y_mean_.ndim else mean[:, 0])

    def predict_interval(self, X: Any, level: float = 0.9) -> np.ndarray:
        """Return low and high between which y lies with probability `level`, [N, 2], or [N, O, 2] as y was given.

        They are quantiles of p(y | x), a mixture of the experts' Gaussians, at the levels that hold as many of the rows
        held out (`ranks_`). `predict_distribution` has all quantiles, and the cdf.

        Raises
        ------
        ValueError
            If level is not between 0 and 1.
        """
        return Predictive.of(self, X).between(calibrated(self.ranks_, level))

    def predict_distribution(self, X: Any) -> Predictive:
        """Return p(y | x) of X [N, D], a mixture of Gaussians: its mean, variance, quantile, cdf and log_prob."""
        return Predictive.of(self, X)

    def _expert_predictions(self, x: np.ndarray) -> np.ndarray:
        return Scaling(self.y_mean_, self.y_scale_).undo(self.model_.expert_predictions(x))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags


class Classifier(ClassifierMixin, KerasMixtureOfExperts):
    """Abstract: experts that are logistic regressions."""

    classes_: np.ndarray

    def _targets(self, y: np.ndarray, rows: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, int]:
        check_classification_targets(y)
        self.classes_, codes = np.unique(column_or_1d(y, warn=True)[rows], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class, {self.classes_.tolist()[0]!r}. Give rows of two classes at least.")
        return codes.astype(np.int32), len(self.classes_)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return p(y = c | x) as [N, C], columns as `classes_`."""
        x = self._check_X(X)
        return self.model_.predict_proba(x)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class as [N]."""
        probabilities = self.predict_proba(X)  # checks the fit before classes_ is read
        return self.classes_[probabilities.argmax(axis=1)]
