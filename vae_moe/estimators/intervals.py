"""Predictive intervals of a regression: p(y|x) is a mixture of Gaussians, one an expert, for each output."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri
from scipy.stats import norm

MOST_STEPS = 100
FAR = 10.0  # standard deviations of a component beyond which nothing is looked for
CLOSE = 1e-10  # a last step, in the least standard deviation of a mixture


def calibrated(ranks: np.ndarray, level: float) -> np.ndarray:
    """The levels of the quantiles between which y lies with a probability, by how p(y|x) errs on rows held out.

    Conformal predictive systems have them so (Vovk, Shen, Manokhin & Xie 2017).

    Args:
        ranks: P(Y <= y | x) of each row's y, ascending, [M] or [M, O]; of none the density is trusted.
        level: the probability.

    Returns:
        [2] or [2, O].

    Raises:
        ValueError: if the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be a number in (0, 1), got {level!r}. Choose one in that range.")
    tails, last = np.array([(1 - level) / 2, (1 + level) / 2]), len(ranks) - 1
    if last < 1:
        return tails
    places = tails * (last + 2) - 1  # of as many rows and a new one
    places = np.clip([np.floor(places[0]), np.ceil(places[1])], 0, last)
    return ranks[places.astype(int)]


def stddevs_of(model: Any) -> np.ndarray:
    """The standard deviations of a Keras model's Gaussian experts, [K, O]."""
    return np.exp(0.5 * np.asarray(model.experts.log_vars, float))


@dataclass(frozen=True, eq=False)
class Predictive:
    """p(y|x) of each row and output.

    Attributes:
        gate: p(c|x), [N, K].
        means: [N, K, O].
        stddevs: [K, O].
        one_output: whether y is [N], so that what is told of it is [N] too.
    """

    gate: np.ndarray
    means: np.ndarray
    stddevs: np.ndarray
    one_output: bool = False

    @classmethod
    def of_model(cls, model: Any, x: np.ndarray) -> "Predictive":
        """Of a Keras mixture of Gaussian experts at x [N, D]."""
        means = np.asarray(model.expert_predictions(x), float)
        return cls(model.gate_proba(x), means, stddevs_of(model))

    @classmethod
    def of(cls, estimator: Any, x: np.ndarray) -> "Predictive":
        """Of a fitted regressor at x [N, D]."""
        stddevs = stddevs_of(estimator.model_) * estimator.y_scale_  # [K, O]
        means = np.asarray(estimator.expert_predictions(x), float)
        return cls(estimator.gate_proba(x), means, stddevs, not estimator.y_mean_.ndim)

    @classmethod
    def mean_of(cls, several: Sequence["Predictive"]) -> "Predictive":
        """The mean of several densities of the same rows: the mixture of all their experts."""
        gates, means, stddevs = ([getattr(each, name) for each in several] for name in ("gate", "means", "stddevs"))
        joined = np.concatenate(gates, 1) / len(several), np.concatenate(means, 1), np.concatenate(stddevs)
        return cls(*joined, several[0].one_output)

    @property
    def mean(self) -> np.ndarray:
        """E[y|x], as y is."""
        return self._as_y(np.einsum("nk,nko->no", self.gate, self.means))

    @property
    def variance(self) -> np.ndarray:
        """Var[y|x], as y is."""
        mean = np.einsum("nk,nko->no", self.gate, self.means)
        squares = np.square(self.means - mean[:, np.newaxis]) + np.square(self.stddevs)  # [N, K, O]
        return self._as_y(np.einsum("nk,nko->no", self.gate, squares))

    def log_prob(self, y: np.ndarray) -> np.ndarray:
        """log p(y|x) of each row, of all outputs together, y [N] or [N, O] -> [N] nats."""
        y = np.reshape(y, (len(self.means), 1, -1))
        terms = norm.logpdf(y, self.means, self.stddevs).sum(-1)  # [N, K]
        with np.errstate(divide="ignore"):
            return logsumexp(terms + np.log(self.gate), axis=1)

    def _as_y(self, values: np.ndarray) -> np.ndarray:
        return values[:, 0] if self.one_output else values

    def cdf(self, y: np.ndarray) -> np.ndarray:
        """P(Y <= y | x), y [N, O] -> [N, O]."""
        below = ndtr((y[:, np.newaxis] - self.means) / self.stddevs)  # [N, K, O], norm.cdf without its checks
        return np.einsum("nk,nko->no", self.gate, below)

    def between(self, tails: np.ndarray) -> np.ndarray:
        """The quantiles of two levels, [2] or [2, O]: [N, 2] or [N, O, 2], as y is."""
        found = np.stack([self.quantile(tail) for tail in tails], -1)  # [N, O, 2]
        return found[:, 0] if self.one_output else found

    def quantile(self, level: float | np.ndarray) -> np.ndarray:
        """The y below which that share lies, or those shares [O], [N, O]: by Newton's steps, or by bisection."""
        levels = np.broadcast_to(level, (len(self.means), self.means.shape[2])).ravel()
        gate = np.repeat(self.gate, self.means.shape[2], 0)  # a row for each row's outputs, [M, K]
        means = self.means.swapaxes(1, 2).reshape(gate.shape)
        stddevs = np.tile(self.stddevs.T, (len(self.means), 1))
        return _quantiles(levels, gate, means, stddevs).reshape(len(self.means), -1)


def _quantiles(levels: np.ndarray, gate: np.ndarray, means: np.ndarray, stddevs: np.ndarray) -> np.ndarray:
    """The quantiles of levels [M] of M mixtures of K Gaussians, [M, K] each, [M].

    A mixture's quantile lies between the least and the greatest of its components'. It is looked for by Newton's
    method, from the most probable component's, in the interval that remains; and in its middle where a step leaves it,
    or is more than half as long as the one before.
    """
    alone = means + stddevs * ndtri(levels)[:, np.newaxis]
    alone = np.clip(alone, means - FAR * stddevs, means + FAR * stddevs)
    low, high = alone.min(1), alone.max(1)
    found = np.take_along_axis(alone, gate.argmax(1)[:, np.newaxis], 1)[:, 0]
    rows, moved = np.flatnonzero(high > low), high - low
    for _ in range(MOST_STEPS):
        if not len(rows):
            break
        scores = (found[rows, np.newaxis] - means[rows]) / stddevs[rows]
        surplus = (gate[rows] * ndtr(scores)).sum(1) - levels[rows]
        density = (gate[rows] * np.exp(-scores * scores / 2) / stddevs[rows]).sum(1) / math.sqrt(2 * math.pi)
        low[rows] = np.where(surplus <= 0, found[rows], low[rows])
        high[rows] = np.where(surplus >= 0, found[rows], high[rows])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            stepped = found[rows] - surplus / density
        trusted = (stepped >= low[rows]) & (stepped <= high[rows])
        trusted &= np.abs(stepped - found[rows]) <= moved[rows] / 2
        stepped = np.where(trusted, stepped, (low[rows] + high[rows]) / 2)
        moved[rows] = np.abs(stepped - found[rows])
        found[rows] = stepped
        rows = rows[moved[rows] > CLOSE * stddevs[rows].min(1) + np.spacing(np.abs(stepped))]
    return found
