"""Several mixtures of experts, each fitted to a resample of the rows: their mixture is a mixture again."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import BaggingRegressor
from sklearn.utils.validation import check_is_fitted

from vae_moe.estimators.experts import DVMoERegressor
from vae_moe.estimators.intervals import Predictive

#: Fewer rows with a rank calibrate nothing.
LEAST_RANKS = 10


class EnsembleRegressor(BaggingRegressor):
    """Mean of mixtures of experts that are fitted to resamples of the rows (Breiman 1996), with a density.

    p(y | x) is the mean of the regressors' densities. Rows that a regressor's resample left out tell how that density
    errs: `predict_interval` is calibrated on their ranks, as conformal predictive systems are (Vovk, Shen, Manokhin &
    Xie 2017). For classes take scikit-learn's `BaggingClassifier(DVMoEClassifier())`, whose probabilities are the mean.

    Parameters
    ----------
    estimator : a regressor of vae_moe.estimators or None, default=None
        None: `DVMoERegressor()`.
    n_estimators : int, default=5
    max_samples : int, float or None, default=None
        Rows of a resample, as in scikit-learn; None: as many as there are.
    random_state : int, RandomState or None, default=None
        Of the resamples and of each regressor.
    verbose : int, default=0

    Attributes
    ----------
    estimators_ : list of regressors
    ranks_ : array [M] or [M, O]
        P(Y <= y | x) of each row's y, by the regressors that did not see it, ascending. Uniform where the density is
        right. Less than `LEAST_RANKS` such rows calibrate nothing: it is empty.
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

    def __init__(
        self,
        estimator: Any = None,
        n_estimators: int = 5,
        *,
        max_samples: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(estimator, n_estimators, max_samples=max_samples, random_state=random_state, verbose=verbose)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> EnsembleRegressor:
        """Fit to the inputs X [N, D] and the targets y [N] or [N, O], with weights [N] of rows."""
        super().fit(X, y, sample_weight)
        X, y = np.asarray(X), np.asarray(y, float)
        seen = np.zeros((len(X), self.n_estimators), bool)
        for number, rows in enumerate(self.estimators_samples_):
            seen[rows, number] = True
        below, count = np.zeros(y.shape), (~seen).sum(1)
        for number, each in enumerate(self.estimators_):
            rows = np.flatnonzero(~seen[:, number])
            if len(rows):
                below[rows] += Predictive.of(each, X[rows]).cdf(y[rows].reshape(len(rows), -1)).reshape(y[rows].shape)
        ranks = below[count > 0] / count[count > 0].reshape(-1, *[1] * (y.ndim - 1))
        self.ranks_ = np.sort(ranks, axis=0)[: len(ranks) if len(ranks) >= LEAST_RANKS else 0]
        return self

    def predict_distribution(self, X: Any) -> Predictive:
        """Return p(y | x) of X [N, D]: mean, variance, quantiles, log_prob."""
        check_is_fitted(self)
        return Predictive.mean_of([Predictive.of(each, np.asarray(X)) for each in self.estimators_])

    def predict_interval(self, X: Any, level: float = 0.9) -> np.ndarray:
        """Return low and high between which y lies with probability `level`, [N, 2], or [N, O, 2] as y was given.

        Rather more: a row's rank is told by the third of the regressors that did not see it, which err more than all.

        Raises
        ------
        ValueError
            If level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must be a number in (0, 1), got {level!r}. Choose one in that range.")
        found = self.predict_distribution(X)
        tails, last = np.array([(1 - level) / 2, (1 + level) / 2]), len(self.ranks_) - 1
        if last > 0:
            places = tails * (last + 2) - 1  # of as many rows and a new one
            places = np.clip([np.floor(places[0]), np.ceil(places[1])], 0, last)
            tails = self.ranks_[places.astype(int)]  # [2] or [2, O]
        bounds = np.stack([found.quantile(tail) for tail in tails], -1)  # [N, O, 2]
        return bounds if self.ranks_.ndim == 2 else bounds[:, 0]

    def _get_estimator(self) -> Any:
        return DVMoERegressor() if self.estimator is None else clone(self.estimator)
