"""The experts: linear Gaussian for regression, multinomial logistic for classification. Both gates share them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from scipy.linalg import cho_solve
from scipy.special import log_softmax

from vae_moe.em._numerics import (
    MIN_COUNT,
    Moments,
    cholesky_factor,
    held_samples,
    row_blocks,
    unfitted,
    weighted_moments,
)
from vae_moe.em._softmax_regression import fit_softmax

GaussianT = TypeVar("GaussianT", bound="GaussianExperts")
CategoricalT = TypeVar("CategoricalT", bound="CategoricalExperts")


def _affine(block: np.ndarray, kernels: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Return x kernels_k + biases_k as [n, K, O] for the rows x of block [n, D]."""
    return np.einsum("nd,kdo->nko", block, kernels, optimize=True) + biases


@dataclass(frozen=True)
class GaussianExperts:
    """Linear experts p(y | x, k) = prod_o N(y_o | x kernels_k + biases_k, variances_ko).

    `fit` returns the experts that maximise sum_n resp_nk log p(y_n | x_n, k) - alpha/2 sum |kernels - center|^2 /
    variances, variances >= reg_variance: weighted least squares (Jordan & Jacobs 1994) with the conjugate
    normal-gamma ridge (Bishop 2006, equation 3.112), under which the best kernels do not depend on the variances, so
    that both have a closed form. Objects never change.

    Parameters
    ----------
    alpha : float
        Of the ridge penalty on the kernels, in units of the squared inputs; the biases have none.
    reg_variance : float
        Lower bound of the learned variances, in units of the squared targets.
    variance : float, optional
        Fixes all variances; None learns them.
    center : array [D, O] or [K, D, O]
        What the ridge shrinks the kernels towards; 0 if not given.

    Attributes
    ----------
    kernels : array [K, D, O]
    biases : array [K, O]
    variances : array [K, O]
    """

    alpha: float
    reg_variance: float
    variance: float | None = None
    kernels: np.ndarray = field(default_factory=unfitted)
    biases: np.ndarray = field(default_factory=unfitted)
    variances: np.ndarray = field(default_factory=unfitted)
    center: np.ndarray = field(default_factory=unfitted)

    def moments(self, X: np.ndarray, Y: np.ndarray, log_resp: np.ndarray) -> Moments:
        """Return the weighted moments that `fit` needs, for the gate to share."""
        return weighted_moments(X, Y, np.exp(log_resp))

    def fit(
        self: GaussianT, X: np.ndarray, Y: np.ndarray, log_resp: np.ndarray, moments: Moments | None = None
    ) -> GaussianT:
        """Return the experts of the best fit to X [N, D], Y [N, O] under log_resp [N, K].

        Raises
        ------
        ValueError
            If the normal equations of an expert are singular.
        """
        moments = moments or self.moments(X, Y, log_resp)
        alive = moments.counts >= MIN_COUNT  # [K]
        center = self.center if self.center.size else np.zeros(moments.xy_scatter.shape[1:])  # [D, O]
        kernels = np.zeros_like(moments.xy_scatter) + center if self.kernels.size == 0 else self.kernels.copy()
        biases = np.zeros_like(moments.y_means) if self.biases.size == 0 else self.biases.copy()
        for k in np.flatnonzero(alive):
            normal = moments.x_scatter[k] + self.alpha * np.eye(X.shape[1])  # [D, D]
            factor = cholesky_factor(normal, f"The second moment of expert {k}", "increase alpha or scale the features")
            right = moments.xy_scatter[k] + self.alpha * np.broadcast_to(center, kernels.shape)[k]
            kernels[k] = cho_solve((factor, True), right, check_finite=False)
            biases[k] = moments.y_means[k] - moments.x_means[k] @ kernels[k]
        experts = replace(self, kernels=kernels, biases=biases, center=center)
        if self.variance is not None:
            variances = np.full_like(biases, self.variance)
        else:
            squares = experts._residual_squares(X, Y, np.exp(log_resp)) + self.alpha * experts._distances()
            variances = np.maximum(squares / np.maximum(moments.counts, MIN_COUNT)[:, None], self.reg_variance)
            if self.variances.size:
                variances = np.where(alive[:, None], variances, self.variances)  # [K, O]
        return replace(experts, variances=variances)

    def _distances(self) -> np.ndarray:
        """Return the squared distances of the kernels from the center as [K, O]."""
        return np.square(self.kernels - self.center).sum(axis=1)

    def _residual_squares(self, X: np.ndarray, Y: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """Return the weighted sums of squared residuals [K, O], from the residuals: the moments would cancel."""
        squares = np.zeros_like(self.biases)
        for rows, block in row_blocks(X, self.biases.size):
            squares += np.einsum(
                "nk,nko->ko", resp[rows], np.square(Y[rows, None] - _affine(block, self.kernels, self.biases))
            )
        return squares

    def log_prob(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return log p(y | x, k) as [N, K] for X [N, D], Y [N, O]."""
        constants = -0.5 * np.log(2 * np.pi * self.variances).sum(axis=1)  # [K]
        log_prob = np.empty((len(X), len(constants)))
        for rows, block in row_blocks(X, self.biases.size):
            squares = np.square(Y[rows, None] - _affine(block, self.kernels, self.biases))  # [n, K, O]
            log_prob[rows] = constants - 0.5 * np.einsum("nko,ko->nk", squares, 1 / self.variances)
        return log_prob

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the mean of each expert as [N, K, O], inputs [N, D]."""
        return np.concatenate(
            [_affine(block, self.kernels, self.biases) for _, block in row_blocks(X, self.biases.size)]
        )

    def predictive_variances(self) -> np.ndarray:
        """Return the variances [K, O] of y about its mean at another row, where the maps are taken as known."""
        return self.variances

    def log_predictive(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return log p(y | x, k) with the `predictive_variances`, as [N, K] for X [N, D], Y [N, O]."""
        return GaussianExperts.log_prob(replace(self, variances=self.predictive_variances()), X, Y)

    def log_penalty(self) -> float:
        """Return the log of the ridge penalty (class docstring)."""
        return -0.5 * self.alpha * float((self._distances() / self.variances).sum())


@dataclass(frozen=True)
class CategoricalExperts:
    """Multinomial logistic experts p(y = c | x, k) = softmax(x kernels_k + biases_k)_c.

    `fit` climbs sum_n resp_nk log p(y_n | x_n, k) - alpha/2 |kernels_k - center|^2 for each expert from where it stands
    (the generalised M step of Jordan & Jacobs 1994), so that it never falls. Objects never change.

    Parameters
    ----------
    n_classes : int
    alpha : float
        Of the ridge penalty on the kernels, 1/C of scikit-learn's LogisticRegression; the biases have none.
    inner_max_iter : int
        Newton or L-BFGS steps of one M step, at most.
    center : array [D, C] or [K, D, C]
        What the ridge shrinks the kernels towards; 0 if not given.

    Attributes
    ----------
    kernels : array [K, D, C]
    biases : array [K, C]
    """

    n_classes: int
    alpha: float
    inner_max_iter: int
    kernels: np.ndarray = field(default_factory=unfitted)
    biases: np.ndarray = field(default_factory=unfitted)
    center: np.ndarray = field(default_factory=unfitted)

    def moments(self, X: np.ndarray, Y: np.ndarray, log_resp: np.ndarray) -> None:
        """Return None: the inner loop of `fit` needs the data, not their moments."""

    def fit(
        self: CategoricalT, X: np.ndarray, Y: np.ndarray, log_resp: np.ndarray, moments: Moments | None = None
    ) -> CategoricalT:
        """Return the experts a few steps up from these, for X [N, D], codes Y [N] and log_resp [N, K]."""
        resp = np.exp(log_resp)  # [N, K]
        shape = (resp.shape[1], X.shape[1], self.n_classes)
        center = self.center if self.center.size else np.zeros(shape[1:])  # [D, C]
        kernels = self.kernels.copy() if self.kernels.size else np.zeros(shape) + center  # [K, D, C]
        biases = self.biases.copy() if self.biases.size else np.zeros((shape[0], shape[2]))  # [K, C]
        centers = np.broadcast_to(center, shape)
        for k, held in enumerate(held_samples(resp).T):
            targets = np.eye(self.n_classes)[Y[held]]  # [n, C]
            kernels[k], biases[k] = fit_softmax(
                X[held],
                targets,
                resp[held, k],
                kernel=kernels[k],
                bias=biases[k],
                alpha=self.alpha,
                max_iter=self.inner_max_iter,
                center=centers[k],
            )
        return replace(self, kernels=kernels, biases=biases, center=center)

    def log_proba(self, X: np.ndarray) -> np.ndarray:
        """Return log p(y = c | x, k) as [N, K, C], inputs [N, D]."""
        log_proba = np.empty((len(X), *self.biases.shape))
        for rows, block in row_blocks(X, self.biases.size):
            log_proba[rows] = log_softmax(_affine(block, self.kernels, self.biases), axis=2)
        return log_proba

    def log_prob(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return log p(y | x, k) as [N, K] for X [N, D] and codes Y [N]."""
        return np.take_along_axis(self.log_proba(X), Y[:, None, None], axis=2)[:, :, 0]

    def log_predictive(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return what `log_prob` does: the maps are taken as known."""
        return self.log_prob(X, Y)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the class probabilities of each expert as [N, K, C], inputs [N, D]."""
        return np.exp(self.log_proba(X))

    def log_penalty(self) -> float:
        """Return the log of the ridge penalty (class docstring)."""
        return float(-0.5 * self.alpha * np.square(self.kernels - self.center).sum())
