"""Several mixtures of experts, each with other rows held out: their mixture is a mixture again."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from vae_moe import fitting, validation
from vae_moe.estimators import _persistence
from vae_moe.estimators._base import SEEDS
from vae_moe.estimators._experts import LEAST_HELD_OUT, KerasMixtureOfExperts
from vae_moe.estimators._tasks import Classifier, Regressor
from vae_moe.estimators.experts import DVMoEClassifier, DVMoERegressor
from vae_moe.estimators.explanations import Explanation, explained
from vae_moe.estimators.intervals import Predictive, calibrated


class _Ensemble(_persistence.Saved, BaseEstimator):
    """Abstract: mixtures of experts whose densities or probabilities are averaged."""

    _MEMBER: type[KerasMixtureOfExperts]
    _DEFAULT: type
    _SPLITTER: type

    def __init__(self, estimator: Any = None, n_estimators: int = 5, *, random_state: Any = None) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.random_state = random_state

    def _members(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Fit the members to X and y, each with its part of the rows held out."""
        template = self._DEFAULT() if self.estimator is None else self.estimator
        if not isinstance(template, self._MEMBER):
            raise TypeError(
                f"estimator must be a {self._MEMBER.__name__.lower()} of vae_moe.estimators, got {template!r}. Give "
                f"one, such as {self._DEFAULT.__name__}(), or None. scikit-learn's Bagging takes others."
            )
        if not isinstance(self.n_estimators, (int, np.integer)) or self.n_estimators < 2:
            raise ValueError(f"n_estimators must be an integer in [2, inf), got {self.n_estimators!r}. Give 2 or more.")
        seeds = check_random_state(self.random_state).randint(SEEDS, size=self.n_estimators + 1)
        _, target = clone(template)._read(X, y, **template._TARGET)
        rows = validation.weighted_rows(sample_weight, target)[1]
        parts = [rows[:0]] * self.n_estimators
        if len(rows) >= LEAST_HELD_OUT * self.n_estimators:
            splitter = self._SPLITTER(self.n_estimators, shuffle=True, random_state=int(seeds[-1]))
            parts = [rows[part] for _, part in splitter.split(rows, target[rows])]
        self.estimators_: list[Any] = []
        for part, seed in zip(parts, seeds, strict=False):
            member = clone(template).set_params(random_state=int(seed))
            if self.estimators_:  # as the first has found it
                member.set_params(n_experts=self.estimators_[0].n_experts_)
            self.estimators_.append(member._fit(X, y, sample_weight, part))
        self.n_features_in_ = self.estimators_[0].n_features_in_
        if hasattr(self.estimators_[0], "feature_names_in_"):
            self.feature_names_in_ = self.estimators_[0].feature_names_in_

    def explain(self, X: Any) -> Explanation:
        """Return the mean over the members of what each column of X [N, D] has to do with what is predicted.

        Parts are in units of y, whose prediction is the mean of the members'; or the mean of their log-odds of the
        class that they predict together.
        """
        check_is_fitted(self)
        classes = self.predict(X) if hasattr(self, "classes_") else None
        return Explanation.mean_of([explained(each, X, classes) for each in self.estimators_])


class EnsembleRegressor(RegressorMixin, _Ensemble):
    """Mean of mixtures of experts that hold out different rows, with a density.

    p(y | x) is the mean of the regressors' densities. Each regressor chooses when its training ends by a part of the
    rows of its own, and learns from all others; its errors there calibrate the intervals (cross-conformal, Vovk 2015).

    Parameters
    ----------
    estimator : a regressor of vae_moe.estimators or None, default=None
        None: `DVMoERegressor()`.
    n_estimators : int, default=5
        As many parts the rows are in.
    random_state : int, RandomState or None, default=None
        Of the parts and of each regressor.

    Attributes
    ----------
    estimators_ : list of regressors
    ranks_ : array [N] or [N, O]
        P(Y <= y | x) of each row's y, by the regressor that held it out, ascending. Uniform where the density is right.
        Empty where the parts would have fewer than 10 rows.
    n_features_in_ : int
    feature_names_in_ : array [D]
        If X had names that are text.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from vae_moe.estimators import EnsembleRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> low, high = EnsembleRegressor(random_state=0).fit(X, y).predict_interval(X).T
    """

    _MEMBER, _DEFAULT, _SPLITTER = Regressor, DVMoERegressor, KFold

    @fitting.whole
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> EnsembleRegressor:
        """Fit to the inputs X [N, D] and the targets y [N] or [N, O], with weights [N], rows of 0 left out."""
        self._members(X, y, sample_weight)
        self.ranks_ = np.sort(np.concatenate([each.ranks_ for each in self.estimators_]), axis=0)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return E[y | x] as [N] or [N, O], as y was given."""
        return self.predict_distribution(X).mean

    def predict_distribution(self, X: Any) -> Predictive:
        """Return p(y | x) of X [N, D]: mean, variance, quantiles, log_prob."""
        check_is_fitted(self)
        return Predictive.mean_of([Predictive.of(each, X) for each in self.estimators_])

    def predict_interval(self, X: Any, level: float = 0.9) -> np.ndarray:
        """Return low and high between which y lies with probability `level`, [N, 2], or [N, O, 2] as y was given.

        Raises
        ------
        ValueError
            If level is not between 0 and 1.
        """
        check_is_fitted(self)
        return self.predict_distribution(X).between(calibrated(self.ranks_, level))


class EnsembleClassifier(ClassifierMixin, _Ensemble):
    """Mean of the class probabilities of mixtures of experts that hold out different rows.

    Parameters and attributes are those of `EnsembleRegressor`, with `DVMoEClassifier()` in place of `DVMoERegressor()`,
    and `classes_` [C] in place of `ranks_`.
    """

    _MEMBER, _DEFAULT, _SPLITTER = Classifier, DVMoEClassifier, StratifiedKFold

    @fitting.whole
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> EnsembleClassifier:
        """Fit to the inputs X [N, D] and the class labels y [N], with weights [N], rows of 0 left out."""
        self._members(X, y, sample_weight)
        self.classes_ = self.estimators_[0].classes_
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return p(y = c | x) as [N, C], columns as `classes_`."""
        check_is_fitted(self)
        return np.mean([each.predict_proba(X) for each in self.estimators_], axis=0)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class as [N]."""
        probabilities = self.predict_proba(X)  # checks the fit before classes_ is read
        return self.classes_[probabilities.argmax(1)]
