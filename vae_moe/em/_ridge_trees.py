"""Experts at the leaves of a tree, each shrunk towards its parent's by a ridge; trees as of :mod:`._trees`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from vae_moe.em._experts import CategoricalExperts, GaussianExperts
from vae_moe.em._numerics import MIN_COUNT, Moments, unfitted
from vae_moe.em._trees import children, sums


def _inner(kernels: np.ndarray, branching: tuple[int, ...], root: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the kernels of root and inner nodes, level by level, at which the ridge of a tree is least.

    Parameters
    ----------
    kernels : array [K, D, C]
        Of the leaves.
    branching : tuple of int
    root : array [D, C]
        What the first level shrinks to.
    """
    upward, means, weight = [], kernels, 1.0  # what the children ask of a node, and how strongly each
    for number in reversed(branching[1:]):
        asked, weight = sums(weight * means, number), weight * number
        upward.append((asked, weight))
        means, weight = asked / weight, weight / (weight + 1)
    levels = [root[None]]
    for number, (asked, weight) in zip(branching, reversed(upward), strict=False):
        levels.append((asked + children(levels[-1], number)) / (weight + 1))
    return tuple(levels)


def _at_parents(experts: GaussianExperts | CategoricalExperts, counts: np.ndarray | None) -> np.ndarray:
    """Return the experts' kernels, of those without rows what they shrink to: the ridge is all that they feel."""
    return (
        experts.kernels
        if counts is None
        else np.where(counts[:, None, None] < MIN_COUNT, experts.center, experts.kernels)
    )


@dataclass(frozen=True)
class RidgeTree(GaussianExperts):
    """Linear Gaussian experts at the leaves of a tree, each shrunk towards its parent's by the ridge `alpha`.

    `fit` takes the best kernels of the leaves under their parents, and then the inner nodes' best kernels under these,
    as of experts with one variance. The first level shrinks to 0.
    """

    branching: tuple[int, ...] = ()

    def fit(self, X: np.ndarray, Y: np.ndarray, log_resp: np.ndarray, moments: Moments | None = None) -> RidgeTree:
        """Return the experts of the best fit to X [N, D], Y [N, O] under log_resp [N, K]; errors as above."""
        return super().fit(X, Y, log_resp, moments).from_kernels(np.exp(log_resp).sum(axis=0))

    def from_kernels(self, counts: np.ndarray | None = None) -> RidgeTree:
        """Return these experts with their parents at their best; those without rows, of counts [K], are these."""
        kernels = _at_parents(self, counts)
        inner = _inner(kernels, self.branching, np.zeros(kernels.shape[1:]))
        return replace(self, kernels=kernels, center=children(inner[-1], self.branching[-1]))


@dataclass(frozen=True)
class CategoricalTree(CategoricalExperts):
    """Multinomial logistic experts at the leaves of a tree, each shrunk towards its parent's.

    The objective's ridge is -alpha/2 sum_j |kernels_j - kernels_parent(j)|^2 over all nodes; with one level it is that
    of `CategoricalExperts`. `fit` takes their steps for the leaves, and then the inner nodes' best kernels, in closed
    form.

    Parameters
    ----------
    root : array [D, C]
        What the first level shrinks to; 0 if not given.

    Attributes
    ----------
    levels : tuple of arrays [nodes, D, C]
        Kernels of the root and the inner nodes of each level, the root first.
    """

    branching: tuple[int, ...] = ()
    root: np.ndarray = field(default_factory=unfitted)
    levels: tuple[np.ndarray, ...] = ()

    def fit(
        self, X: np.ndarray, Y: np.ndarray, log_resp: np.ndarray, moments: Moments | None = None
    ) -> CategoricalTree:
        """Return the experts a few steps up from these, for X [N, D], codes Y [N] and log_resp [N, K]."""
        return super().fit(X, Y, log_resp, moments).from_kernels(np.exp(log_resp).sum(axis=0))

    def from_kernels(self, counts: np.ndarray | None = None) -> CategoricalTree:
        """Return these experts with their parents at their best; those without rows, of counts [K], are these."""
        kernels = _at_parents(self, counts)
        levels = _inner(kernels, self.branching, self.root if self.root.size else np.zeros(kernels.shape[1:]))
        return replace(self, kernels=kernels, center=children(levels[-1], self.branching[-1]), levels=levels)

    def log_penalty(self) -> float:
        """Return the log of the ridge penalty (class docstring)."""
        apart = [
            np.square(own - children(above, branching)).sum()
            for own, above, branching in zip([*self.levels[1:], self.kernels], self.levels, self.branching, strict=True)
        ]
        return -0.5 * self.alpha * float(sum(apart))
