"""Gaussian experts shrunk towards one affine map, by as much as the data ask for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from vae_moe.em._experts import GaussianExperts
from vae_moe.em._numerics import Moments, inverse_root, row_blocks, times_triangle, unfitted
from vae_moe.validation import POSITIVE

# Of alpha. Beyond the upper end all experts are the center but for rounding.
ALPHA_RANGE = (1e-8, 1e8)


@dataclass(frozen=True)
class EvidenceExperts(GaussianExperts):
    """Gaussian experts of which `alpha` is only where to start: `fit` moves it to where the evidence is greater.

    The ridge is the log of a prior N(center, variances / alpha I) on the kernels, of which EM keeps the posterior
    N(kernels_k, variances_k A_k^-1), A_k = X_k^T X_k + alpha I with X_k about the expert's mean (Bishop 2006, sections
    9.3.4 and 10.3). `log_prob` is the mean of the log density under it, and `fit` takes the alpha that is best with it
    held,

        alpha = K D O / (sum_ko |kernels_ko - center_o|^2 / variances_ko + O sum_k tr(A_k^-1)),

    so that no step of EM lowers the free energy, a lower bound of the evidence. At a fixed point alpha is MacKay's
    (1992, Bayesian interpolation): the number of parameters that the data determine, over the squared distance. Where
    the data do not tell the experts apart alpha grows without end, and they all become the center (Waterhouse, MacKay &
    Robinson 1996, Bayesian methods for mixtures of experts).

    Attributes
    ----------
    counts : array [K]
        Rows of each.
    x_means : array [K, D]
    roots : array [K, D, D]
        Upper triangles U_k of A_k^-1 = U_k U_k^T.
    """

    counts: np.ndarray = field(default_factory=unfitted)
    x_means: np.ndarray = field(default_factory=unfitted)
    roots: np.ndarray = field(default_factory=unfitted)

    def fit(
        self, X: np.ndarray, Y: np.ndarray, log_resp: np.ndarray, moments: Moments | None = None
    ) -> EvidenceExperts:
        """Return the experts of the best fit under this alpha, and the next alpha; errors as of `GaussianExperts`."""
        moments = moments or self.moments(X, Y, log_resp)
        experts = super().fit(X, Y, log_resp, moments)
        ridge = self.alpha * np.eye(X.shape[1])
        roots = [
            inverse_root(scatter + ridge, f"The second moment of expert {k}", "scale the features")
            for k, scatter in enumerate(moments.x_scatter)
        ]
        fitted = replace(experts, counts=moments.counts, x_means=moments.x_means, roots=np.stack(roots))
        return fitted.with_best_alpha()

    def with_best_alpha(self) -> EvidenceExperts:
        """Return these experts with the alpha that is best with all else held; kernels never fitted have no spread."""
        n_experts, n_inputs, n_outputs = self.kernels.shape
        spread = (self._distances() / self.variances).sum() + n_outputs * np.square(self.roots).sum()
        with np.errstate(over="ignore"):  # at no distance, beyond the range
            alpha = n_experts * n_inputs * n_outputs / max(spread, POSITIVE)
        return replace(self, alpha=float(np.clip(alpha, *ALPHA_RANGE)))

    def predictive_variances(self) -> np.ndarray:
        """Return the variances [K, O] of y about its mean at another row like an expert's own, on average.

        They are variances (1 + (1 + gamma_k) / N_k): the map is known from N_k rows, which determine gamma_k = D -
        alpha tr(A_k^-1) of its kernel's entries (Bishop 2006, equations 3.59 and 3.91).
        """
        determined = self.kernels.shape[1] - self.alpha * np.square(self.roots).sum(axis=(1, 2))  # [K]
        return self.variances * (1 + (1 + determined) / np.maximum(self.counts, 1))[:, None]

    def log_prob(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return the mean of log p(y | x, k) over the kernels' posterior as [N, K] for X [N, D], Y [N, O]."""
        log_prob = super().log_prob(X, Y)
        for rows, block in row_blocks(X):
            for k, root in enumerate(self.roots):
                log_prob[rows, k] -= (
                    0.5 * Y.shape[1] * np.square(times_triangle(block - self.x_means[k], root)).sum(axis=1)
                )
        return log_prob

    def log_penalty(self) -> float:
        """Return the mean of the log prior over the kernels' posterior, and the entropy of that."""
        n_experts, n_inputs, n_outputs = self.kernels.shape
        log_dets = -2 * np.log(np.einsum("kdd->kd", self.roots)).sum()  # of A
        traces = np.square(self.roots).sum()  # of A^-1
        prior = n_experts * n_inputs * (1 + np.log(self.alpha)) - self.alpha * traces - log_dets
        return super().log_penalty() + 0.5 * n_outputs * float(prior)
