"""Regression and classification by a mixture of experts: what y is, and what is predicted."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from vae_moe import fitting, validation
from vae_moe.estimators._experts import KerasMixtureOfExperts
from vae_moe.estimators._inputs import Scaling
from vae_moe.estimators.intervals import Predictive, calibrated


class Regressor(RegressorMixin, KerasMixtureOfExperts):
    """Abstract: Gaussian experts, of one output or several."""

    _TARGET: ClassVar[dict[str, bool]] = {"multi_output": True, "y_numeric": True}
    y_mean_: np.ndarray
    y_scale_: np.ndarray
    ranks_: np.ndarray

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Regressor:
        """Fit to the inputs X [N, D] and the targets y [N] or [N, O]; an output that is constant is predicted so.

        sample_weight [N] are weights of the rows' losses, without a unit: their mean is made 1. Rows of weight 0 are
        left out. The start sees all others alike.

        Raises
        ------
        ValueError
            If the data or a parameter is not usable; the message says which and what to do.
        FloatingPointError
            If a term of the loss is no longer finite.
        """
        return self._fit(X, y, sample_weight)

    @fitting.whole
    def _fit(self, X: Any, y: Any, sample_weight: Any = None, held_out: np.ndarray | None = None) -> Regressor:
        """Do what `fit` does, with the rows numbered held_out [M] in place of some that are drawn."""
        self._check_parameters()
        X, y = self._read(X, y, **self._TARGET)
        y = np.asarray(y, dtype=np.float64)
        validation.check_size("y", y)
        weight, rows = validation.weighted_rows(sample_weight, X)
        Y = y[rows].reshape(len(rows), -1)  # [N, O]
        scaling = Scaling.of(Y, weight)
        shape = () if y.ndim == 1 else (-1,)
        self.y_mean_, self.y_scale_ = scaling.mean.reshape(shape), scaling.scale.reshape(shape)
        held_out = None if held_out is None else np.flatnonzero(np.isin(rows, held_out))
        self._fit_model(self._learn(X, rows, weight), scaling.apply(Y), Y.shape[1], weight, held_out)
        return self

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

    def expert_predictions(self, X: Any) -> np.ndarray:
        """Return the mean of y of each expert, X [N, D] -> [N, K, O]."""
        return self._expert_predictions(self._check_X(X))

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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Classifier:
        """Fit to the inputs X [N, D] and the class labels y [N].

        sample_weight [N] are weights of the rows' losses, without a unit: their mean is made 1. Rows of weight 0 are
        left out. The start sees all others alike.

        Raises
        ------
        ValueError
            If the data or a parameter is not usable; the message says which and what to do.
        FloatingPointError
            If a term of the loss is no longer finite.
        """
        return self._fit(X, y, sample_weight)

    @fitting.whole
    def _fit(self, X: Any, y: Any, sample_weight: Any = None, held_out: np.ndarray | None = None) -> Classifier:
        """Do what `fit` does, with the rows numbered held_out [M] in place of some that are drawn."""
        self._check_parameters()
        X, y = self._read(X, y)
        check_classification_targets(y)
        weight, rows = validation.weighted_rows(sample_weight, X)
        self.classes_, codes = np.unique(column_or_1d(y, warn=True)[rows], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class, {self.classes_.tolist()[0]!r}. Give rows of two classes at least.")
        held_out = None if held_out is None else np.flatnonzero(np.isin(rows, held_out))
        self._fit_model(self._learn(X, rows, weight), codes.astype(np.int32), len(self.classes_), weight, held_out)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return p(y = c | x) as [N, C], columns as `classes_`."""
        x = self._check_X(X)
        return self.model_.predict_proba(x)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class as [N]."""
        probabilities = self.predict_proba(X)  # checks the fit before classes_ is read
        return self.classes_[probabilities.argmax(axis=1)]

    def expert_predictions(self, X: Any) -> np.ndarray:
        """Return the class probabilities of each expert, X [N, D] -> [N, K, C]."""
        return self._expert_predictions(self._check_X(X))

    def _expert_predictions(self, x: np.ndarray) -> np.ndarray:
        return self.model_.expert_predictions(x)
