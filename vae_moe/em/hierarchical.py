"""Hierarchical mixtures of experts: a tree of multinomial logistic models over experts (Jordan & Jacobs 1994)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.special import logsumexp

from vae_moe.em._base import MixtureOfClassifiers, MixtureOfExperts, MixtureOfRegressors
from vae_moe.em._em import initial_log_resp
from vae_moe.em._experts import CategoricalExperts, GaussianExperts
from vae_moe.em._numerics import Moments, held_samples, weighted_means
from vae_moe.em._ridge_trees import CategoricalTree
from vae_moe.em._trees import GaussianTree
from vae_moe.em.softmax_gated import SoftmaxGate
from vae_moe.validation import AUTO, check_branching, check_numbers


@dataclass(frozen=True)
class HierarchicalGate:
    """Gate p(k | x) of a tree: the product of softmax gates from the root to the leaf k; objects never change.

    Parameters
    ----------
    branching : tuple of int
        Children of each node, level by level; the leaves of a node are next to each other.
    alpha, inner_max_iter
        Of each node's `SoftmaxGate`.
    levels : tuple of tuples of SoftmaxGate
        The nodes' gates, level by level.
    """

    branching: tuple[int, ...]
    alpha: float
    inner_max_iter: int
    levels: tuple[tuple[SoftmaxGate, ...], ...] = ()

    def fit(self, X: np.ndarray, log_resp: np.ndarray, moments: Moments | None = None) -> HierarchicalGate:
        """Return the gate a few steps up from this one, for X [N, D] and soft targets log_resp [N, K].

        Each node learns how the rows that come to it go on, weighted by how much of them comes to it.
        """
        levels = []
        for level, branching in enumerate(self.branching):
            n_nodes = math.prod(self.branching[:level])
            log_parts = logsumexp(log_resp.reshape(len(X), n_nodes, branching, -1), axis=3)  # [N, nodes, children]
            gates = self.levels[level] if self.levels else n_nodes * (SoftmaxGate(self.alpha, self.inner_max_iter),)
            held = held_samples(np.exp(log_parts).sum(axis=2))  # [N, nodes]
            nodes = zip(gates, held.T, np.moveaxis(log_parts, 1, 0), strict=True)
            levels.append(tuple(gate.fit(X[rows], parts[rows]) for gate, rows, parts in nodes))
        return replace(self, levels=tuple(levels))

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Return log p(k | x) as [N, K], inputs [N, D]."""
        log_prob = np.zeros((len(X), 1))
        for gates in self.levels:
            log_prob = np.hstack([above[:, None] + g.log_prob(X) for above, g in zip(log_prob.T, gates, strict=True)])
        return log_prob

    def log_penalty(self) -> float:
        """Return the log of the ridge penalty, which is that of all nodes."""
        return sum(gate.log_penalty() for gates in self.levels for gate in gates)


@dataclass(eq=False, repr=False, kw_only=True)
class _Hierarchical(MixtureOfExperts):
    """Abstract: the tree, its gate and its attributes."""

    branching: int | Sequence[int] = field(default=(2, 2), kw_only=False)
    alpha_gate: float = 3.0
    inner_max_iter: int = 20

    @property
    def _branching(self) -> tuple[int, ...]:
        return check_branching(self.branching)

    @property
    def n_experts(self) -> int:
        """K, leaves of the tree."""
        return math.prod(self._branching)

    def _make_gate(self, X: np.ndarray, log_resp: np.ndarray) -> HierarchicalGate:
        return HierarchicalGate(self._branching, self.alpha_gate, self.inner_max_iter)

    def _first_log_resp(
        self, init: str | np.ndarray, X: np.ndarray, random_state: np.random.RandomState, weight: np.ndarray | None
    ) -> np.ndarray:
        """Return the responsibilities [N, K] to start from; near clusters of k-means are next to each other."""
        log_resp = initial_log_resp(init, X, self.n_experts, random_state, weight)
        if not isinstance(init, str) or init == "random" or self.n_experts == max(self._branching):
            return log_resp
        return log_resp[:, leaves_list(linkage(weighted_means(X, np.exp(log_resp)), "ward"))]

    def _limits(self, X: np.ndarray, Y: np.ndarray, resp: np.ndarray) -> dict[str, tuple[float, str]]:
        limits = super()._limits(X, Y, resp)
        limits["alpha_gate"] = limits["alpha"]
        return {name: limit for name, limit in limits.items() if getattr(self, name) != AUTO}

    def _publish(self) -> None:
        self.gate_kernels_ = [np.stack([gate.kernel for gate in gates]) for gates in self.gate_.levels]
        self.gate_biases_ = [np.stack([gate.bias for gate in gates]) for gates in self.gate_.levels]
        super()._publish()


@dataclass(eq=False, repr=False, kw_only=True)
class HMoERegressor(_Hierarchical, MixtureOfRegressors):
    """Hierarchical mixture of linear Gaussian experts, each as near its parent's as the data say, by EM in log space.

    The model is p(y | x) = sum_k p(k | x) N(y | x kernels_k + biases_k, variances_k), the sum over the leaves of a
    tree, p(k | x) the product of the softmax gates on the way to the leaf (Jordan & Jacobs 1994, Hierarchical mixtures
    of experts and the EM algorithm). The kernels of an expert are drawn about those of its parent, which has no rows of
    its own, those of the first level about 0, with precisions of each level that maximise the evidence (MacKay 1992);
    leaves of few rows have variances near the common one, too. The objective is a lower bound of the evidence less
    alpha_gate/2 the squares of the gates' kernels, and never falls (but for rounding).

    Parameters
    ----------
    branching : int or tuple of int, default=(2, 2)
        Children of each node, the root's first; a number is one level. (1, 4, 4) is (4, 4) with a map that all share.
    alpha_gate : float, default=3
        Ridge of each node's gate, in units of the squared features.
    inner_max_iter : int, default=20
        Steps of a gate's inner loop in one M step, at most.
    alpha : float or 'auto', default='auto'
        A number is the ridge of each expert towards 0, alone, as for `SoftmaxGatedRegressor`, which one level is then.
    variance, reg_variance
        Of the experts, as for `GMMGatedRegressor`.
    init, n_init, max_iter, tol, random_state
        As for `GMMGatedRegressor`; the clusters of 'kmeans' are put in the tree by how near they are.

    Attributes
    ----------
    gate_kernels_ : list of arrays [nodes, D, children]
        Level by level, the root's first.
    gate_biases_ : list of arrays [nodes, children]
    kernels_, biases_, variances_, lower_bound_, lower_bounds_, converged_, n_iter_
        As for `GMMGatedRegressor`, of the leaves in turn.
    """

    alpha: Any = AUTO

    def _check_parameters(self) -> None:
        check_numbers(self.get_params(deep=False), found=("alpha",))

    def _make_experts(self) -> GaussianExperts:
        if self.alpha != AUTO:
            return super()._make_experts()
        return GaussianTree(0.0, self.reg_variance, self.variance, branching=self._branching)

    def _log_likelihood(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        if not isinstance(self.experts_, GaussianTree):
            return super()._log_likelihood(X, Y)
        return logsumexp(self._log_gate(X) + self.experts_.log_predictive(X, Y), axis=1)


@dataclass(eq=False, repr=False, kw_only=True)
class HMoEClassifier(_Hierarchical, MixtureOfClassifiers):
    """Hierarchical mixture of multinomial logistic experts, each shrunk to its parent's, by EM in log space.

    The model is that of `HMoERegressor` with experts softmax(x kernels_k + biases_k)_y. The objective is the
    log-likelihood plus -alpha_gate/2 |gates' kernels|^2 - alpha/2 sum_j |kernels_j - kernels_parent(j)|^2, j all nodes
    but the root, whose children shrink to 0: one level is `SoftmaxGatedClassifier`. It never falls (but for rounding).

    Parameters
    ----------
    branching, alpha_gate, inner_max_iter, init, n_init, max_iter, tol, random_state
        As for `HMoERegressor`; inner_max_iter holds for the experts, too.
    alpha : float, default=1
        Ridge of the experts, 1/C of LogisticRegression.

    Attributes
    ----------
    classes_ : array [C]
    gate_kernels_, gate_biases_
        As for `HMoERegressor`.
    kernels_ : array [K, D, C]
    biases_ : array [K, C]
    lower_bound_, lower_bounds_, converged_, n_iter_
        As for `GMMGatedRegressor`.
    """

    def _make_experts(self) -> CategoricalExperts:
        return CategoricalTree(len(self.classes_), self.alpha, self.inner_max_iter, branching=self._branching)
