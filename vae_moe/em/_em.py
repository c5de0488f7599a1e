"""Generalised expectation-maximisation in log space: one loop for every gate and every kind of experts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from scipy.special import logsumexp
from sklearn.cluster import KMeans

from vae_moe.em._numerics import MIN_COUNT, Moments
from vae_moe.engine import threads

logger = logging.getLogger(__name__)

GateT = TypeVar("GateT", bound="Gate")
ExpertsT = TypeVar("ExpertsT", bound="Experts")


class Gate(Protocol):
    """What gates the experts; immutable, `fit` returns a gate whose expected objective is no lower."""

    def fit(self: GateT, X: np.ndarray, log_resp: np.ndarray, moments: Moments | None = None) -> GateT:
        """Return the M step from this gate; as those of the experts, log_resp may include the log weights of rows."""

    def log_prob(self, X: np.ndarray) -> np.ndarray:
        """Return log p(k, x) or log p(k | x) as [N, K]."""

    def log_penalty(self) -> float:
        """Return the log prior of the parameters, up to a constant."""


class Experts(Protocol):
    """Conditional densities of the targets; immutable, `fit` returns experts whose expected objective is no lower."""

    def moments(self, X: np.ndarray, Y: np.ndarray, log_resp: np.ndarray) -> Moments | None:
        """Return the weighted moments that `fit` needs and the gate may share."""

    def fit(
        self: ExpertsT, X: np.ndarray, Y: np.ndarray, log_resp: np.ndarray, moments: Moments | None = None
    ) -> ExpertsT:
        """Return the M step from these experts."""

    def log_prob(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return log p(y | x, k) as [N, K]."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the mean of y under each expert as [N, K, O]."""

    def log_penalty(self) -> float:
        """Return the log prior of the parameters, up to a constant."""


@dataclass(frozen=True)
class EMResult:
    """Where one run of EM ended; `lower_bounds` holds the objective per sample after every M step."""

    gate: Gate
    experts: Experts
    lower_bounds: list[float]
    converged: bool


def initial_log_resp(
    init: str | np.ndarray,
    X: np.ndarray,
    n_experts: int,
    random_state: np.random.RandomState,
    sample_weight: np.ndarray | None = None,
) -> np.ndarray:
    """Return the log responsibilities [N, K] to start from: k-means, random or given, as in GaussianMixture."""
    if isinstance(init, np.ndarray):
        resp = init
    elif init == "kmeans":
        k_means = KMeans(n_experts, n_init=1, random_state=random_state)
        with threads.one_if(threads.few_rows(len(X))):
            labels = k_means.fit(X, sample_weight=sample_weight).labels_
        resp = np.eye(n_experts)[labels]
    else:
        resp = random_state.uniform(size=(len(X), n_experts))
    resp = resp / resp.sum(axis=1, keepdims=True)
    empty = resp.sum(axis=0) < MIN_COUNT
    if empty.any():  # k-means found fewer clusters: an empty expert gets one sample's worth, spread over all
        resp = (1 - 1 / len(X)) * resp + (1 / len(X)) * empty / empty.sum()
    with np.errstate(divide="ignore"):
        return np.log(resp)


def run_em(
    X: np.ndarray,
    Y: np.ndarray,
    gate: Gate,
    experts: Experts,
    log_resp: np.ndarray,
    *,
    y_weight: float,
    max_iter: int,
    tol: float,
    sample_weight: np.ndarray | None = None,
) -> EMResult:
    """Climb the penalised log-likelihood from the responsibilities log_resp [N, K] on.

    The objective, of which `lower_bounds` holds the mean over the samples, with w_n = 1 unless given, is

        sum_n w_n log sum_k gate_k(x_n) p(y_n | x_n, k)^y_weight + log_penalty(gate) + y_weight log_penalty(experts)

    It is the free energy of Neal & Hinton (1998) at its maximum over the responsibilities, and neither M step lowers
    the free energy, so it never falls but for rounding.

    Parameters
    ----------
    X : array [N, D]
    Y : array [N, O] or codes [N]
    gate, experts
        Where to start; unfitted ones are fitted to log_resp.
    y_weight : float
        Power of p(y | x, k).
    max_iter : int
        M steps at most, after the one that fits log_resp.
    tol : float
        Converged when the objective per sample gains less.
    sample_weight : array [N], optional
        Positive: a row of weight 2 counts as two rows.
    """
    weights = np.ones(len(X)) if sample_weight is None else sample_weight
    log_weights = np.log(weights)[:, np.newaxis]  # [N, 1]
    lower_bounds: list[float] = []
    with threads.one_if(threads.few_moments(*X.shape)):
        for iteration in range(max_iter + 1):
            weighted = log_resp + log_weights
            moments = experts.moments(X, Y, weighted)
            gate = gate.fit(X, weighted, moments)
            experts = experts.fit(X, Y, weighted, moments)
            log_joint = gate.log_prob(X) + y_weight * experts.log_prob(X, Y)  # [N, K]
            log_evidence = logsumexp(log_joint, axis=1, keepdims=True)  # [N, 1]
            log_resp = log_joint - log_evidence
            penalty = gate.log_penalty() + y_weight * experts.log_penalty()
            lower_bounds.append(float(weights @ log_evidence[:, 0] + penalty) / weights.sum())
            logger.debug("EM iteration %d: objective per sample %.9g", iteration, lower_bounds[-1])
            if iteration and abs(lower_bounds[-1] - lower_bounds[-2]) < tol:
                return EMResult(gate, experts, lower_bounds, converged=True)
    return EMResult(gate, experts, lower_bounds, converged=False)
