"""The Gaussian mixture over the inputs that gates the experts of Xu, Jordan & Hinton (1995)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import logsumexp

from vae_moe.em._numerics import (
    MIN_COUNT,
    Moments,
    diagonal_scatter,
    inverse_root,
    row_blocks,
    times_triangle,
    unfitted,
    weighted_means,
    weighted_moments,
)

COVARIANCE_TYPES = ("full", "tied", "diag")


@dataclass(frozen=True)
class GaussianGate:
    """Gaussian mixture p(x) = sum_k weights_k N(x | means_k, covariances_k) with a conjugate penalty.

    The log posterior of the parameters holds, for each of the C distinct covariances (K, or 1 if tied), the log of
    an inverse Wishart density up to a constant (Fraley & Raftery 2007, Bayesian regularization for normal mixture
    estimation, section 4), -1/2 (prior_count log|Sigma| + prior_scale tr(Sigma^-1)), with

        prior_count = N/C shrinkage / (1 - shrinkage),  prior_scale = N/C (shrinkage target + reg_covar)/(1 - shrinkage)

    so that a component that holds its fair share N/C of the samples gets exactly the Ledoit-Wolf form
    (1 - shrinkage) S_k + shrinkage target I + reg_covar I. `fit` returns the maximiser; objects never change.
    """

    covariance_type: str
    prior_count: float
    prior_scale: float
    log_weights: np.ndarray = field(default_factory=unfitted)  # [K]
    means: np.ndarray = field(default_factory=unfitted)  # [K, D]
    covariances: np.ndarray = field(default_factory=unfitted)  # full [K, D, D], tied [1, D, D], diag [K, D]
    # U, upper triangular, of the precisions U U^T (diag: their roots), as covariances; x U has unit covariance
    precisions_cholesky: np.ndarray = field(default_factory=unfitted)

    @classmethod
    def from_data(
        cls, covariance_type: str, shrinkage: float, reg_covar: float, X: np.ndarray, log_resp: np.ndarray
    ) -> GaussianGate:
        """Return an unfitted gate; the target of the shrinkage is the mean pooled variance under log_resp [N, K]."""
        resp = np.exp(log_resp)  # [N, K]
        n_samples = resp.sum()
        fair_count = n_samples if covariance_type == "tied" else n_samples / resp.shape[1]
        target = diagonal_scatter(X, resp).sum() / (n_samples * X.shape[1]) if shrinkage else 0.0
        return cls(
            covariance_type,
            prior_count=fair_count * shrinkage / (1 - shrinkage),
            prior_scale=fair_count * (shrinkage * target + reg_covar) / (1 - shrinkage),
        )

    def fit(self, X: np.ndarray, log_resp: np.ndarray, moments: Moments | None = None) -> GaussianGate:
        """Return the gate that maximises the expected log joint likelihood of (x, component), plus the penalty.

        Parameters
        ----------
        X : array [N, D]
        log_resp : array [N, K]
        moments : Moments, optional
            The weighted moments of X, if the experts have them already.

        Raises
        ------
        ValueError
            If a covariance is not positive definite.
        """
        resp = np.exp(log_resp)  # [N, K]
        counts = resp.sum(axis=0)  # [K]
        with np.errstate(divide="ignore"):  # an empty component has the weight 0
            log_weights = np.log(counts) - np.log(counts.sum())
        means = moments.x_means if moments else weighted_means(X, resp)  # [K, D]
        if self.covariance_type == "diag":
            scatter = np.einsum("kdd->kd", moments.x_scatter) if moments else diagonal_scatter(X, resp)  # [K, D]
            identity: np.ndarray = np.ones(X.shape[1])
        else:
            scatter = (moments or weighted_moments(X, X[:, :0], resp)).x_scatter  # [K, D, D]
            identity = np.eye(X.shape[1])
        held = counts
        if self.covariance_type == "tied":
            scatter, held = scatter.sum(axis=0, keepdims=True), counts.sum(keepdims=True)  # [1, D, D], [1]
        alive = held >= MIN_COUNT
        total = np.where(alive, held + self.prior_count, 1.0).reshape(-1, *[1] * (scatter.ndim - 1))
        covariances = (scatter + self.prior_scale * identity) / total
        if not alive.all():
            covariances[~alive] = self.covariances[~alive]
        if self.means.size:
            means = np.where(counts[:, None] >= MIN_COUNT, means, self.means)
        return replace(
            self,
            log_weights=log_weights,
            means=means,
            covariances=covariances,
            precisions_cholesky=np.stack(
                [_precision_cholesky(k, covariance) for k, covariance in enumerate(covariances)]
            ),
        )

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Return log weights_k + log N(x | means_k, covariances_k) as [N, K], inputs [N, D]."""
        n_experts, n_features = self.means.shape
        cholesky = np.broadcast_to(self.precisions_cholesky, (n_experts, *self.precisions_cholesky.shape[1:]))
        distances = np.empty((len(X), n_experts))  # squared, of Mahalanobis
        for rows, block in row_blocks(X):
            for k in range(n_experts):
                whitened = _whiten(block - self.means[k], cholesky[k])  # [n, D]
                distances[rows, k] = np.einsum("nd,nd->n", whitened, whitened)
        roots = cholesky if cholesky.ndim == 2 else np.einsum("kdd->kd", cholesky)  # [K, D]
        constants = self.log_weights + np.log(roots).sum(axis=1) - 0.5 * n_features * np.log(2 * np.pi)  # [K]
        return constants - 0.5 * distances

    def log_density(self, X: np.ndarray) -> np.ndarray:
        """Return log p(x) as [N], inputs [N, D]."""
        return logsumexp(self.log_prob(X), axis=1)

    def log_penalty(self) -> float:
        """Return the log of the conjugate penalty (class docstring) at the covariances."""
        total = 0.0
        for cholesky in self.precisions_cholesky:
            roots = cholesky if cholesky.ndim == 1 else np.diagonal(cholesky)  # [D]
            total += self.prior_scale * np.square(cholesky).sum() - self.prior_count * 2 * np.log(roots).sum()
        return -0.5 * total


def _precision_cholesky(k: int, covariance: np.ndarray) -> np.ndarray:
    """Return U of the precision U U^T of component k, upper triangular [D, D]; of variances [D] their inverse roots."""
    cure = "increase reg_covar or shrinkage, scale the features or use fewer experts"
    if covariance.ndim == 2:
        return inverse_root(covariance, f"Covariance {k}", cure)
    if not covariance.min() > 0:
        raise ValueError(f"Covariance {k} has the variance {covariance.min():.3g}, which is not positive: {cure}.")
    return 1 / np.sqrt(covariance)


def _whiten(rows: np.ndarray, cholesky: np.ndarray) -> np.ndarray:
    """Return the rows [n, D] times the triangle [D, D], or the roots [D]; the rows may be overwritten."""
    return rows * cholesky if cholesky.ndim == 1 else times_triangle(rows, cholesky)
