"""Mixtures of experts with a linear gate, by EM alone: they move a start's clusters, and tell how many are needed."""

from typing import Any, NamedTuple

import numpy as np

from vae_moe.em import CategoricalExperts, EvidenceExperts, SoftmaxGate, run_em
from vae_moe.layers import Experts
from vae_moe.training import expert_em
from vae_moe.training.coordinates import Coordinates

#: Where a start's clusters are moved: E and M steps at most, the gain in nats a row that ends them, each expert's part
#: of every row, and steps of the inner loops.
MOVES, LEAST_MOVE, SMOOTHING = 50, 1e-3, 1e-3
MOVES_INNER = {"regression": 2, "classification": 20}


class LinearMixture(NamedTuple):
    """A mixture with a linear gate.

    Attributes:
        gate, experts: as of :mod:`vae_moe.em`.
        inputs: what they see of x, [N, F].
    """

    gate: Any
    experts: Any
    inputs: np.ndarray

    def gate_proba(self) -> np.ndarray:
        """Return p(c|x) [N, K]; no component is without rows."""
        return _smooth(np.exp(self.gate.log_prob(self.inputs)))


def fit(
    experts: Experts,
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    resp,
    reg_variance: float,
    gate_ridge: float,
) -> LinearMixture:
    """Fit a mixture with a linear gate by EM: it moves a start's clusters to where one affine map does not do.

    Args:
        experts: a mixture's; they tell regression from classification, and stay as they are.
        x: [N, D].
        y: [N, O] outputs, or [N] classes.
        weights: [N], positive.
        rows: the numbers of those whose y is seen.
        resp: of the clusters, [N, K].
        reg_variance: as of :func:`vae_moe.training.expert_em.fit_experts`.
        gate_ridge: of the linear gate, in units of each column's variance.
    """
    inputs = Coordinates.of(x.astype(np.float64)).inputs(x)
    center = expert_em.shared_kernel(experts, inputs[rows], y[rows], weights[rows])
    inner = MOVES_INNER[experts.task]
    maps: CategoricalExperts | EvidenceExperts
    if experts.task == "regression":
        maps = EvidenceExperts(1.0, reg_variance, center=center)
    else:
        maps = CategoricalExperts(center.shape[1], 1.0, inner, center=center)
    gate, log_resp = SoftmaxGate(gate_ridge, inner), np.log(_smooth(resp)[rows])
    result = run_em(inputs[rows], y[rows], gate, maps, log_resp, y_weight=1.0, max_iter=MOVES, tol=LEAST_MOVE)
    return LinearMixture(result.gate, result.experts, inputs)


def _smooth(resp: np.ndarray) -> np.ndarray:
    """Return responsibilities [N, K] in which no component is without rows."""
    return (1 - SMOOTHING) * resp + SMOOTHING / resp.shape[1]
