"""Mixtures of experts gated by a multinomial logistic model: double-loop EM (Jordan & Jacobs 1994)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import log_softmax

from vae_moe.em._base import MixtureOfClassifiers, MixtureOfExperts, MixtureOfRegressors
from vae_moe.em._numerics import Moments, row_blocks, unfitted
from vae_moe.em._softmax_regression import fit_softmax


@dataclass(frozen=True)
class SoftmaxGate:
    """Gate p(k | x) = softmax(x kernel + bias)_k; `fit` climbs from this gate, objects never change.

    Parameters
    ----------
    alpha : float
        Of the ridge penalty -alpha/2 |kernel|^2; the bias has none.
    inner_max_iter : int
        Newton or L-BFGS steps of one M step, at most.
    kernel : array [D, K]
    bias : array [K]
    """

    alpha: float
    inner_max_iter: int
    kernel: np.ndarray = field(default_factory=unfitted)
    bias: np.ndarray = field(default_factory=unfitted)

    def fit(self, X: np.ndarray, log_resp: np.ndarray, moments: Moments | None = None) -> SoftmaxGate:
        """Return the gate a few steps up from this one, for X [N, D] and soft targets log_resp [N, K]."""
        resp = np.exp(log_resp)  # [N, K]
        weights, n_experts = resp.sum(axis=1), log_resp.shape[1]
        kernel = self.kernel if self.kernel.size else np.zeros((X.shape[1], n_experts))  # [D, K]
        bias = self.bias if self.bias.size else np.zeros(n_experts)  # [K]
        kernel, bias = fit_softmax(
            X,
            resp / weights[:, np.newaxis],
            weights,
            kernel=kernel,
            bias=bias,
            alpha=self.alpha,
            max_iter=self.inner_max_iter,
        )
        return replace(self, kernel=kernel, bias=bias)

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Return log p(k | x) as [N, K], inputs [N, D]."""
        log_prob = [log_softmax(block @ self.kernel + self.bias, axis=1) for _, block in row_blocks(X, len(self.bias))]
        return np.concatenate(log_prob)

    def log_penalty(self) -> float:
        """Return the log of the ridge penalty."""
        return float(-0.5 * self.alpha * np.square(self.kernel).sum())


@dataclass(eq=False, repr=False, kw_only=True)
class _SoftmaxGated(MixtureOfExperts):
    """Abstract: the softmax gate, its parameters and its attributes."""

    n_experts: int = field(default=2, kw_only=False)
    alpha_gate: float = 1.0
    inner_max_iter: int = 20

    def _make_gate(self, X: np.ndarray, log_resp: np.ndarray) -> SoftmaxGate:
        return SoftmaxGate(self.alpha_gate, self.inner_max_iter)

    def _limits(self, X: np.ndarray, Y: np.ndarray, resp: np.ndarray) -> dict[str, tuple[float, str]]:
        limits = super()._limits(X, Y, resp)
        return {**limits, "alpha_gate": limits["alpha"]}

    def _publish(self) -> None:
        self.gate_kernel_, self.gate_bias_ = self.gate_.kernel, self.gate_.bias
        super()._publish()


@dataclass(eq=False, repr=False, kw_only=True)
class SoftmaxGatedRegressor(_SoftmaxGated, MixtureOfRegressors):
    """Linear Gaussian experts gated by a multinomial logistic model, fitted by generalised EM in log space.

    The model is p(y | x) = sum_k softmax(x gate_kernel + gate_bias)_k N(y | x kernels_k + biases_k, variances_k)
    (Jordan & Jacobs 1994, Hierarchical mixtures of experts and the EM algorithm, with one level). The objective is
    the log-likelihood plus -alpha_gate/2 |gate_kernel|^2 - alpha/2 sum_ko |kernels_ko|^2 / variances_ko. The M step
    of the experts is exact under variances >= reg_variance; that of the gate, the inner loop, takes Newton steps
    (iteratively reweighted least squares) or, where it has many parameters, L-BFGS steps, and is refused where it
    does not climb: the objective never falls (but for rounding).

    Parameters
    ----------
    n_experts : int, default=2
    alpha_gate : float, default=1
        Ridge of the gate, in units of the squared features.
    inner_max_iter : int, default=20
        Steps of the inner loop in one M step, at most.
    alpha, variance, reg_variance
        Of the experts, as for `GMMGatedRegressor`.
    init, n_init, max_iter, tol, random_state
        As for `GMMGatedRegressor`.

    Attributes
    ----------
    gate_kernel_ : array [D, K]
    gate_bias_ : array [K]
    kernels_, biases_, variances_, lower_bound_, lower_bounds_, converged_, n_iter_
        As for `GMMGatedRegressor`.
    """


@dataclass(eq=False, repr=False, kw_only=True)
class SoftmaxGatedClassifier(_SoftmaxGated, MixtureOfClassifiers):
    """Multinomial logistic experts gated by a multinomial logistic model, fitted by generalised EM in log space.

    The model is p(y | x) = sum_k softmax(x gate_kernel + gate_bias)_k softmax(x kernels_k + biases_k)_y (Jordan &
    Jacobs 1994). The objective is the log-likelihood plus -alpha_gate/2 |gate_kernel|^2 - alpha/2 |kernels|^2; both
    M steps take safeguarded steps up from where they stand, so that it never falls (but for rounding).

    Parameters
    ----------
    n_experts, alpha_gate, inner_max_iter, init, n_init, max_iter, tol, random_state
        As for `SoftmaxGatedRegressor`; inner_max_iter holds for the experts, too.
    alpha : float, default=1
        Ridge of the experts, 1/C of LogisticRegression.

    Attributes
    ----------
    classes_ : array [C]
    gate_kernel_ : array [D, K]
    gate_bias_ : array [K]
    kernels_ : array [K, D, C]
    biases_ : array [K, C]
    lower_bound_, lower_bounds_, converged_, n_iter_
        As for `GMMGatedRegressor`.
    """
