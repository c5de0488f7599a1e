"""Experts at the leaves of a tree, each shrunk towards its parent's expert, who has no rows of its own.

A tree is its branching numbers (b_1, ..., b_L), the root's first: level l has b_1 ... b_l nodes, the children of node j
are its b_l in turn from j b_l on, and the last level's are the leaves. The root has no expert: those of the first level
shrink towards 0. A first branching number of 1 is an expert that all others share.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import accumulate
from operator import mul

import numpy as np

from vae_moe.em._experts import GaussianExperts
from vae_moe.em._numerics import MIN_COUNT, Moments, inverse_and_log_det, row_blocks, unfitted
from vae_moe.validation import POSITIVE

# Of the precisions of a prior, in units of those of the data of all leaves together over the number of rows.
PRECISION_RANGE = (1e-8, 1e8)
# Rows that the variance which the leaves have in common counts for in each leaf's own.
PRIOR_ROWS = 10.0


def children(values: np.ndarray, branching: int) -> np.ndarray:
    """Return each node's value once for each of its children."""
    return np.repeat(values, branching, axis=0)


def sums(values: np.ndarray, branching: int) -> np.ndarray:
    """Return the sum over the children of each node."""
    return values.reshape(-1, branching, *values.shape[1:]).sum(axis=1)


@dataclass(frozen=True)
class TreePosterior:
    """What is known of the maps in a tree of Gaussians, of which those at the leaves have data; of one output.

    The prior is map_j ~ N(map_parent, 1 / precisions_l I), the data of leaf k are exp(-1/2 m G_k m + h_k m). The sums
    go up the tree and the maps down, an exact posterior at the cost of one inverse [D, D] a node.
    """

    means: np.ndarray  # [K, D], of the leaves
    covariances: np.ndarray  # [K, D, D]
    spreads: np.ndarray  # [L], sums of the mean squared distances of a level's maps from their parents'
    log_dets: np.ndarray  # [L], sums of the log determinants of their precisions given their parents'

    @classmethod
    def of(cls, G: np.ndarray, h: np.ndarray, precisions: np.ndarray, branching: tuple[int, ...]) -> TreePosterior:
        """Return the posterior of the data G [K, D, D], h [K, D] under precisions [L]."""
        n_inputs, n_levels = h.shape[1], len(branching)
        known = []
        log_dets = np.empty(n_levels)
        for level in reversed(range(n_levels)):
            given_parent = G + precisions[level] * np.eye(n_inputs)
            found = [inverse_and_log_det(each, "What is known of a map", "scale the features") for each in given_parent]
            inverse, log_dets[level] = np.stack([each for each, _ in found]), sum(log_det for _, log_det in found)
            known.append((inverse, h))
            gain = precisions[level] * inverse  # [nodes, D, D]; gain G is precision (1 - gain)
            G = precisions[level] * (branching[level] * np.eye(n_inputs) - sums(gain, branching[level]))
            h = sums(np.einsum("jde,je->jd", gain, h), branching[level])
        means, covariances = np.zeros((1, n_inputs)), np.zeros((1, n_inputs, n_inputs))
        spreads = np.empty(n_levels)
        for level, (inverse, h) in enumerate(reversed(known)):
            parents, doubts = children(means, branching[level]), children(covariances, branching[level])
            means = np.einsum("jde,je->jd", inverse, h + precisions[level] * parents)
            gain = precisions[level] * inverse
            followed = gain @ doubts if level else doubts  # the root is known
            covariances = inverse + followed @ gain if level else inverse
            apart = np.einsum("jdd->", inverse + doubts - 2 * followed) + np.vdot(followed, gain)
            spreads[level] = np.square(means - parents).sum() + apart
        return cls(means, covariances, spreads, log_dets)


@dataclass(frozen=True)
class GaussianTree(GaussianExperts):
    """Linear Gaussian experts at the leaves of a tree, each as near its parent's as the evidence says.

    The kernels are those of `TreePosterior`, whose precisions, of each level and output, `fit` moves to where the
    evidence is greater, so that nothing has to be chosen and few rows borrow from their branch. The variances have a
    prior, too: -n/2 (log variances_ko - log s_o + s_o / variances_ko), n = PRIOR_ROWS, with the common variance s_o
    that is best. `log_prob` is the mean of the log density under the kernels' posterior, as for `EvidenceExperts`, and
    no step of EM lowers the free energy. The first level's parent is `center`; `alpha` is not used.

    Attributes
    ----------
    counts : array [K]
        Rows of each.
    x_means : array [K, D]
    covariances : array [O, K, D, D]
        Of the kernels.
    doubts : array [K, O]
        Sums over an expert's rows of the variances of the mean of y that come from these.
    precisions : array [L, O]
        Of the prior.
    spreads, log_dets : array [L, O]
        As of `TreePosterior`.
    """

    branching: tuple[int, ...] = ()
    counts: np.ndarray = field(default_factory=unfitted)
    x_means: np.ndarray = field(default_factory=unfitted)
    covariances: np.ndarray = field(default_factory=unfitted)
    doubts: np.ndarray = field(default_factory=unfitted)
    precisions: np.ndarray = field(default_factory=unfitted)
    spreads: np.ndarray = field(default_factory=unfitted)
    log_dets: np.ndarray = field(default_factory=unfitted)

    def fit(self, X: np.ndarray, Y: np.ndarray, log_resp: np.ndarray, moments: Moments | None = None) -> GaussianTree:
        """Return the posterior of the maps under these variances and precisions, and then the next of both."""
        moments = moments or self.moments(X, Y, log_resp)
        resp, counts = np.exp(log_resp), moments.counts
        kernels, biases, variances = self.kernels, self.biases, self.variances
        if not variances.size:
            flat = replace(self, kernels=np.zeros_like(moments.xy_scatter), biases=moments.y_means)
            variances = flat._best_variances(flat._residual_squares(X, Y, resp), counts)
        in_units = np.einsum("kdd->k", moments.x_scatter) @ (1 / variances) / (X.shape[1] * counts.sum())  # [O]
        in_units[in_units == 0] = 1.0  # of constant features alone
        precisions = self.precisions if self.precisions.size else np.tile(in_units, (len(self.branching), 1))
        precisions = np.clip(precisions, *(limit * in_units for limit in PRECISION_RANGE))
        center = self.center if self.center.size else np.zeros(moments.xy_scatter.shape[1:])  # [D, O]
        steps = moments.xy_scatter - moments.x_scatter @ center
        found = [
            TreePosterior.of(moments.x_scatter / v[:, None, None], xy / v[:, None], precision, self.branching)
            for v, xy, precision in zip(variances.T, np.moveaxis(steps, 2, 0), precisions.T, strict=True)
        ]
        kernels = np.stack([each.means for each in found], axis=2) + center  # [K, D, O]
        centred = moments.y_means - np.einsum("kd,kdo->ko", moments.x_means, kernels)
        biases = np.where(counts[:, None] < MIN_COUNT, biases if biases.size else 0.0, centred)
        fitted = replace(
            self,
            kernels=kernels,
            biases=biases,
            counts=counts,
            x_means=moments.x_means,
            covariances=np.stack([each.covariances for each in found]),
            spreads=np.stack([each.spreads for each in found], axis=1),
            log_dets=np.stack([each.log_dets for each in found], axis=1),
        )
        doubts = np.einsum("okde,ked->ko", fitted.covariances, moments.x_scatter)
        variances = fitted._best_variances(fitted._residual_squares(X, Y, resp) + doubts, counts)
        n_maps = X.shape[1] * np.array(list(accumulate(self.branching, mul)))[:, None]
        best = n_maps / np.maximum(fitted.spreads, POSITIVE)
        precisions = np.clip(best, *(limit * in_units for limit in PRECISION_RANGE))
        return replace(fitted, variances=variances, doubts=doubts, precisions=precisions)

    def from_kernels(self) -> GaussianTree:
        """Return these experts with the precisions that their distances ask for, a node being where its children are.

        Nothing is known of their doubts here: it is where to go on from kernels alone.
        """
        n_inputs, nodes, precisions = self.kernels.shape[1], self.kernels, []
        for level, branching in reversed([*enumerate(self.branching)]):
            parents = sums(nodes, branching) / branching if level else self.center[None]
            spreads = np.square(nodes - children(parents, branching)).sum(axis=(0, 1))  # [O]
            free = n_inputs * max(len(nodes) - len(parents) * bool(level), 1)
            precisions.append(free / np.maximum(spreads, POSITIVE))
            nodes = parents
        return replace(self, precisions=np.stack(precisions[::-1]))

    def predictive_variances(self) -> np.ndarray:
        """Return the variances [K, O] of y about its mean at another row like an expert's own, on average."""
        return self.variances + (self.variances + self.doubts) / np.maximum(self.counts, 1)[:, None]

    def _best_variances(self, squares: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return the variances [K, O] of sums of squares [K, O] over rows [K], near the one they have in common."""
        if self.variance is not None:
            return np.full_like(squares, self.variance)
        common = _common(self.variances) if self.variances.size else squares.sum(axis=0) / max(counts.sum(), MIN_COUNT)
        best = (squares + PRIOR_ROWS * common) / (counts[:, None] + PRIOR_ROWS)
        return np.maximum(best, self.reg_variance)

    def _doubts(self, block: np.ndarray) -> np.ndarray:
        """Return the variances of the means of y that come from what is not known of the kernels, [n, K, O]."""
        doubts = np.zeros((len(block), *self.variances.shape))
        for k, mean in enumerate(self.x_means):
            centred = block - mean
            for o, covariance in enumerate(self.covariances[:, k]):
                doubts[:, k, o] = np.einsum("nd,nd->n", centred @ covariance, centred)
        return doubts

    def log_prob(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return the mean of log p(y | x, k) over the kernels' posterior as [N, K] for X [N, D], Y [N, O]."""
        log_prob = super().log_prob(X, Y)
        for rows, block in row_blocks(X, self.biases.size):
            log_prob[rows] -= 0.5 * np.einsum("nko,ko->nk", self._doubts(block), 1 / self.variances)
        return log_prob

    def log_predictive(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return log of the mean of p(y | x, k) over the posterior of kernels and biases as [N, K]."""
        log_prob = np.empty((len(X), len(self.biases)))
        bias_doubt = self.variances / np.maximum(self.counts, 1)[:, None]
        for rows, block in row_blocks(X, self.biases.size):
            variances = self.variances + bias_doubt + self._doubts(block)  # [n, K, O]
            squares = np.square(Y[rows, None] - self.predict(block))
            log_prob[rows] = -0.5 * (np.log(2 * np.pi * variances) + squares / variances).sum(axis=2)
        return log_prob

    def log_penalty(self) -> float:
        """Return the means of the log priors over the posterior, and the entropy of that."""
        nodes = np.array(list(accumulate(self.branching, mul)))[:, None] * self.kernels.shape[1]
        maps = nodes * (1 + np.log(self.precisions)) - self.log_dets - self.precisions * self.spreads
        if self.variance is not None:
            return 0.5 * float(maps.sum())
        log_ratios = np.log(_common(self.variances) / self.variances)  # the ratios sum to K
        return 0.5 * float(maps.sum() + PRIOR_ROWS * log_ratios.sum())


def _common(variances: np.ndarray) -> np.ndarray:
    """Return the variance [O] that experts' variances [K, O] have in common: of the best prior, their harmonic mean."""
    return 1 / (1 / variances).mean(axis=0)
