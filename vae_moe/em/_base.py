"""What the scikit-learn estimators of this package share: validation, restarts and the mixture of the experts."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from vae_moe import fitting
from vae_moe.em._em import EMResult, Experts, Gate, initial_log_resp, run_em
from vae_moe.em._experts import CategoricalExperts, GaussianExperts
from vae_moe.em._numerics import diagonal_scatter, row_blocks
from vae_moe.probabilities import normalised_logs
from vae_moe.validation import check_numbers, check_option, check_size, weighted_rows

DTYPES = [np.float64, np.float32]  # what X may be held in; all arithmetic is in float64


@dataclass(eq=False, repr=False, kw_only=True)
class MixtureOfExperts(BaseEstimator, ABC):
    """Abstract mixture p(y | x) = sum_k p(k | x) p(y | x, k), fitted by EM; subclasses make gate and experts.

    A dataclass of its parameters, each written once.
    """

    init: str | np.ndarray = "kmeans"
    n_init: int = 1
    max_iter: int = 100
    tol: float = 1e-3
    random_state: Any = None
    gate_: Any = field(init=False)
    experts_: Any = field(init=False)

    @property
    @abstractmethod
    def n_experts(self) -> int:
        """K."""

    @abstractmethod
    def _make_gate(self, X: np.ndarray, log_resp: np.ndarray) -> Gate:
        """Return the unfitted gate for the data X [N, D] and the first responsibilities log_resp [N, K]."""

    @abstractmethod
    def _make_experts(self) -> Experts:
        """Return the unfitted experts."""

    def _first_log_resp(
        self, init: str | np.ndarray, X: np.ndarray, random_state: np.random.RandomState, weight: np.ndarray | None
    ) -> np.ndarray:
        """Return the log responsibilities [N, K] to start from."""
        return initial_log_resp(init, X, self.n_experts, random_state, weight)

    def _publish(self) -> None:
        """Set the fitted attributes that subclasses document from `gate_` and `experts_`."""
        self.kernels_, self.biases_ = self.experts_.kernels, self.experts_.biases

    def _check_parameters(self) -> None:
        """Raise ValueError for a parameter out of its range."""
        check_numbers(self.get_params(deep=False))

    @property
    def _y_power(self) -> float:
        """Power of p(y | x, k) in the E step."""
        return 1.0

    def _fit(self, X: np.ndarray, Y: np.ndarray, sample_weight: Any) -> None:
        """Run EM from n_init starts on X [N, D], Y [N, O] or codes [N], and keep the best end."""
        self._check_parameters()
        init = self._check_init(len(X))
        check_size("X", X)
        check_size("y", Y)
        weight, rows = weighted_rows(sample_weight, X)
        if len(rows) < len(X):
            X, Y, init = X[rows], Y[rows], init if isinstance(init, str) else init[rows]
        self._check_count(len(X))
        self._warn_of_scale(X, Y, weight)
        random_state = check_random_state(self.random_state)
        gate: Gate | None = None
        best: EMResult | None = None
        for _ in range(self.n_init):
            log_resp = self._first_log_resp(init, X, random_state, weight)
            if gate is None:  # one prior for all starts, so that their ends compare
                gate = self._make_gate(X, log_resp if weight is None else log_resp + np.log(weight)[:, np.newaxis])
            result = run_em(
                X,
                Y,
                gate,
                self._make_experts(),
                log_resp,
                y_weight=self._y_power,
                max_iter=self.max_iter,
                tol=self.tol,
                sample_weight=weight,
            )
            if best is None or result.lower_bounds[-1] > best.lower_bounds[-1]:
                best = result
        assert best is not None  # n_init >= 1
        self.gate_, self.experts_, self.converged_ = best.gate, best.experts, best.converged
        self.lower_bounds_, self.n_iter_ = best.lower_bounds, len(best.lower_bounds) - 1
        self.lower_bound_ = best.lower_bounds[-1]
        self._publish()
        if not best.converged:
            gain = best.lower_bounds[-1] - best.lower_bounds[-2]
            warnings.warn(
                f"EM did not converge: after max_iter={self.max_iter} iterations the objective per sample still "
                f"gained {gain:.3g}, tol={self.tol:.3g}. Increase max_iter or tol, or scale the features.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _limits(self, X: np.ndarray, Y: np.ndarray, resp: np.ndarray) -> dict[str, tuple[float, str]]:
        """Return for names of parameters what they must not be above to leave anything, and what that is.

        From X [N, D], Y [N, O] or codes [N] and the weights resp [N, 1].
        """
        return {"alpha": (diagonal_scatter(X, resp).sum(), "the sum of all squared features about their means")}

    def _warn_of_scale(self, X: np.ndarray, Y: np.ndarray, weight: np.ndarray | None) -> None:
        """Warn of parameters in the features' or targets' units that leave nothing of them."""
        resp = np.ones((len(X), 1)) if weight is None else weight[:, np.newaxis]
        for name, (limit, what) in self._limits(X, Y, resp).items():
            value = getattr(self, name)
            if value > limit > 0:
                warnings.warn(
                    f"{name}={value:.3g} is above {limit:.3g}, {what}, and leaves next to nothing of it. Standardise "
                    f"the data (StandardScaler), or give a smaller {name}.",
                    stacklevel=5,
                )

    def _check_count(self, n_samples: int) -> None:
        if n_samples < self.n_experts:
            raise ValueError(
                f"n_samples={n_samples} is less than n_experts={self.n_experts}. Give more samples or fewer experts."
            )

    def _check_init(self, n_samples: int) -> str | np.ndarray:
        if isinstance(self.init, str):
            check_option("init", self.init, ("kmeans", "random"))
            return self.init
        resp = np.asarray(self.init, dtype=np.float64)
        expected = (n_samples, self.n_experts)
        if resp.shape != expected or not np.isfinite(resp).all() or (resp < 0).any() or not resp.sum(axis=1).all():
            raise ValueError(
                f"init must be 'kmeans', 'random' or responsibilities of shape {expected}, none negative and no row "
                f"zero; got an array of shape {resp.shape}. Give one row per sample and one column per expert."
            )
        return resp

    def _check_X(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=DTYPES)
        check_size("X", X)
        return X

    def _log_gate(self, X: np.ndarray) -> np.ndarray:
        """Return log p(k | x) as [N, K], by Bayes from whatever joint the gate models."""
        return normalised_logs(self.gate_.log_prob(X))

    def gate_proba(self, X: Any) -> np.ndarray:
        """Return p(k | x) as [N, K], inputs [N, D]."""
        return np.exp(self._log_gate(self._check_X(X)))

    def expert_predictions(self, X: Any) -> np.ndarray:
        """Return the mean of y (for a classifier: the class probabilities) of each expert as [N, K, O]."""
        return self.experts_.predict(self._check_X(X))

    def _log_likelihood(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return log sum_k p(k | x) p(y | x, k) as [N]."""
        return logsumexp(self._log_gate(X) + self.experts_.log_prob(X, Y), axis=1)


@dataclass(eq=False, repr=False, kw_only=True)
class MixtureOfRegressors(RegressorMixin, MixtureOfExperts):
    """Abstract mixture of experts for regression, of one output or several."""

    alpha: float = 1e-3
    variance: float | None = None
    reg_variance: float = 1e-6

    def _make_experts(self) -> GaussianExperts:
        return GaussianExperts(self.alpha, self.reg_variance, self.variance)

    def _publish(self) -> None:
        super()._publish()
        self.variances_ = self.experts_.variances

    def _limits(self, X: np.ndarray, Y: np.ndarray, resp: np.ndarray) -> dict[str, tuple[float, str]]:
        variance = diagonal_scatter(Y - Y[0], resp).max() / resp.sum()  # 0 of a constant, without rounding
        return {**super()._limits(X, Y, resp), "reg_variance": (variance, "the greatest variance of an output")}

    @fitting.whole
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MixtureOfRegressors":
        """Fit to the inputs X [N, D] and the targets y [N] or [N, O]; an output that is constant is predicted so.

        A row of weight 2 in sample_weight [N] counts as two of weight 1, one of weight 0 as none. Weights have no
        unit: their mean is made 1, as the penalties are for so many rows as there are.

        Raises
        ------
        ValueError
            If the data or a parameter is not usable; the message says which and what to do.
        """
        X, y = validate_data(self, X, y, dtype=DTYPES, multi_output=True, y_numeric=True, ensure_min_samples=2)
        Y = np.asarray(y, dtype=np.float64)
        self._flat_targets = Y.ndim == 1
        self._fit(X, Y[:, None] if self._flat_targets else Y, sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the mean E[y | x] = sum_k p(k | x) E[y | x, k] as [N] or [N, O], as y was given."""
        X = self._check_X(X)
        prediction = np.empty((len(X), self.experts_.biases.shape[1]))  # [N, O]
        for rows, block in row_blocks(X, self.experts_.biases.size):
            gate = np.exp(self._log_gate(block))  # [n, K]
            prediction[rows] = np.einsum("nk,nko->no", gate, self.experts_.predict(block))
        return prediction[:, 0] if self._flat_targets else prediction

    def log_likelihood(self, X: Any, y: Any) -> np.ndarray:
        """Return log p(y | x) as [N] for X [N, D] and y [N] or [N, O]."""
        check_is_fitted(self)
        X, y = validate_data(self, X, y, reset=False, dtype=DTYPES, multi_output=True, y_numeric=True)
        Y = np.asarray(y, dtype=np.float64).reshape(len(X), -1)  # [N, O]
        if Y.shape[1] != self.experts_.biases.shape[1]:
            raise ValueError(
                f"y has {Y.shape[1]} outputs, but fit saw {self.experts_.biases.shape[1]}. Give the same outputs."
            )
        return self._log_likelihood(X, Y)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags


@dataclass(eq=False, repr=False, kw_only=True)
class MixtureOfClassifiers(ClassifierMixin, MixtureOfExperts):
    """Abstract mixture of experts for classification."""

    alpha: float = 1.0
    inner_max_iter: int = 20
    classes_: np.ndarray = field(init=False)

    def _make_experts(self) -> CategoricalExperts:
        return CategoricalExperts(len(self.classes_), self.alpha, self.inner_max_iter)

    @fitting.whole
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MixtureOfClassifiers":
        """Fit to the inputs X [N, D] and the class labels y [N].

        A row of weight 2 in sample_weight [N] counts as two of weight 1, one of weight 0 as none. Weights have no
        unit: their mean is made 1, as the penalties are for so many rows as there are.

        Raises
        ------
        ValueError
            If the data or a parameter is not usable; the message says which and what to do.
        """
        X, y = validate_data(self, X, y, dtype=DTYPES, ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._fit(X, codes, sample_weight)
        return self

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return log p(y = c | x) = log sum_k p(k | x) p(c | x, k) as [N, C]."""
        X = self._check_X(X)
        log_proba = np.empty((len(X), len(self.classes_)))
        for rows, block in row_blocks(X, self.experts_.biases.size):
            log_joint = self._log_gate(block)[:, :, None] + self.experts_.log_proba(block)  # [n, K, C]
            log_proba[rows] = logsumexp(log_joint, axis=1)
        return normalised_logs(log_proba)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return p(y = c | x) as [N, C], columns as `classes_`."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class as [N]."""
        log_proba = self.predict_log_proba(X)  # checks the fit before classes_ is read
        return self.classes_[log_proba.argmax(axis=1)]

    def log_likelihood(self, X: Any, y: Any) -> np.ndarray:
        """Return log p(y | x) as [N] for X [N, D] and labels y [N]."""
        check_is_fitted(self)
        X, y = validate_data(self, X, y, reset=False, dtype=DTYPES)
        unknown = np.setdiff1d(y, self.classes_)
        if unknown.size:
            raise ValueError(f"y holds the labels {unknown.tolist()}, which fit did not see. Remove them or fit again.")
        return self._log_likelihood(X, np.searchsorted(self.classes_, y))
