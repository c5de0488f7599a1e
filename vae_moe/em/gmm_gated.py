"""Mixtures of experts gated by a Gaussian mixture over the inputs: single-loop EM (Xu, Jordan & Hinton 1995)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vae_moe.em._base import MixtureOfClassifiers, MixtureOfExperts, MixtureOfRegressors
from vae_moe.em._gaussian_gate import COVARIANCE_TYPES, GaussianGate
from vae_moe.em._numerics import diagonal_scatter
from vae_moe.validation import check_option


@dataclass(eq=False, repr=False, kw_only=True)
class _GMMGated(MixtureOfExperts):
    """Abstract: the Gaussian gate, its parameters and its attributes."""

    n_experts: int = field(default=2, kw_only=False)
    covariance_type: str = "full"
    shrinkage: float = 0.0
    reg_covar: float = 1e-6
    y_weight: float = 1.0

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_option("covariance_type", self.covariance_type, COVARIANCE_TYPES)

    @property
    def _y_power(self) -> float:
        return self.y_weight

    def _make_gate(self, X: np.ndarray, log_resp: np.ndarray) -> GaussianGate:
        return GaussianGate.from_data(self.covariance_type, self.shrinkage, self.reg_covar, X, log_resp)

    def _limits(self, X: np.ndarray, Y: np.ndarray, resp: np.ndarray) -> dict[str, tuple[float, str]]:
        variance = diagonal_scatter(X, resp).max() / resp.sum()
        return {**super()._limits(X, Y, resp), "reg_covar": (variance, "the greatest variance of a feature")}

    def _publish(self) -> None:
        self.weights_, self.means_ = np.exp(self.gate_.log_weights), self.gate_.means
        tied = self.covariance_type == "tied"
        self.covariances_ = self.gate_.covariances[0] if tied else self.gate_.covariances
        super()._publish()

    def score_samples(self, X: Any) -> np.ndarray:
        """Return log p(x) under the Gaussian mixture of the gate as [N], inputs [N, D]."""
        return self.gate_.log_density(self._check_X(X))


@dataclass(eq=False, repr=False, kw_only=True)
class GMMGatedRegressor(_GMMGated, MixtureOfRegressors):
    """Linear Gaussian experts gated by a Gaussian mixture over the inputs, fitted by EM in log space.

    The model is p(x, y) = sum_k weights_k N(x | means_k, covariances_k) N(y | x kernels_k + biases_k, variances_k)
    (Xu, Jordan & Hinton 1995, An alternative model for mixtures of experts). The E step uses x and y, the gate of a
    prediction x alone: p(k | x) by Bayes.

    The objective is the log joint likelihood plus log priors, and never falls (but for rounding), because the M step
    is its exact maximiser under the constraint variances >= reg_variance:

    - with F = N/K (tied: N) samples as the fair share of a covariance, c = F shrinkage / (1 - shrinkage) and
      s = F (shrinkage target + reg_covar) / (1 - shrinkage), each distinct covariance adds the inverse Wishart term
      -1/2 (c log|Sigma| + s tr(Sigma^-1)). A component of the fair share gets (1 - shrinkage) S_k
      + shrinkage target I + reg_covar I (Ledoit & Wolf's form), a smaller one more of the prior. The target is the
      mean pooled variance about the initial components, fixed thereafter: a target that follows the responsibilities
      would maximise no fixed objective;
    - each expert adds -alpha/2 sum_o |kernels_ko|^2 / variances_ko, weighted by y_weight.

    Parameters
    ----------
    n_experts : int, default=2
    covariance_type : {'full', 'tied', 'diag'}, default='full'
    shrinkage : float in [0, 1), default=0
        Of each covariance towards a multiple of the identity.
    reg_covar : float, default=1e-6
        Added to the diagonal of the covariance of a component that holds its fair share; others as above. Constant
        features need it, or shrinkage, above 0.
    alpha : float, default=1e-3
        Ridge of the weighted least squares, in units of the squared features. Constant features need it above 0.
    variance : float, optional
        Fixes the noise variance of all experts; None learns one for each expert and output.
    reg_variance : float, default=1e-6
        Lower bound of the learned variances, in units of the squared targets; above 0.
    y_weight : float, default=1
        Power of p(y | x, k) in the E step and the objective; 0 fits the gate to x alone, as GaussianMixture does.
    init : {'kmeans', 'random'} or array [N, K], default='kmeans'
        Initial responsibilities; 'kmeans' and 'random' draw those of GaussianMixture from the same random_state.
    n_init : int, default=1
        Starts, of which the one of the best objective is kept.
    max_iter : int, default=100
    tol : float, default=1e-3
        EM has converged when the objective per sample gains less.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    weights_ : array [K]
    means_ : array [K, D]
    covariances_ : array [K, D, D] (full), [D, D] (tied) or [K, D] (diag)
    kernels_ : array [K, D, O]
    biases_ : array [K, O]
    variances_ : array [K, O]
    lower_bound_ : float
        The objective per sample at the end.
    lower_bounds_ : list [n_iter_ + 1]
        The objective per sample after the initial M step and after each iteration.
    converged_ : bool
    n_iter_ : int
    """


@dataclass(eq=False, repr=False, kw_only=True)
class GMMGatedClassifier(_GMMGated, MixtureOfClassifiers):
    """Multinomial logistic experts gated by a Gaussian mixture over the inputs, fitted by generalised EM in log space.

    The model is p(x, y) = sum_k weights_k N(x | means_k, covariances_k) softmax(x kernels_k + biases_k)_y
    (Xu, Jordan & Hinton 1995). Gate, covariance priors and prediction are those of `GMMGatedRegressor`; each expert
    adds -alpha/2 |kernels_k|^2 to the objective, weighted by y_weight. The M step of the experts takes a few
    safeguarded steps up from where they stand, so that the objective never falls (but for rounding).

    Parameters
    ----------
    n_experts, covariance_type, shrinkage, reg_covar, y_weight, init, n_init, max_iter, tol, random_state
        As for `GMMGatedRegressor`.
    alpha : float, default=1
        Ridge of the experts, 1/C of LogisticRegression.
    inner_max_iter : int, default=20
        Newton or L-BFGS steps of an expert in one M step, at most.

    Attributes
    ----------
    classes_ : array [C]
    weights_, means_, covariances_, lower_bound_, lower_bounds_, converged_, n_iter_
        As for `GMMGatedRegressor`.
    kernels_ : array [K, D, C]
    biases_ : array [K, C]
    """
