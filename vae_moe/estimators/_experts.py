"""How a mixture of affine experts is fitted to a table, whatever gates it.

Affine experts overfit small tables easily. Here they are shrunk towards one affine map of all rows, by as much as the
rows ask for (`vae_moe.em.EvidenceExperts`), and the gate's networks are trained for as long as held-out rows gain. The
stages, of which start=None has the last three:

1. X is clustered, without y.
2. EM with a linear softmax gate on x moves the clusters to where one affine map does not do; the model's gate learns
   them.
3. The experts are fitted by EM.
4. Gradients train the gate, EM the experts after each epoch; the best epoch on held-out rows is kept, the start too.
5. The experts are fitted to all rows.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from vae_moe.em import CategoricalExperts, EvidenceExperts, SoftmaxGate, run_em
from vae_moe.engine import pipelines
from vae_moe.estimators._base import KerasEstimator
from vae_moe.estimators._persistence import in_float32
from vae_moe.estimators._training import KeepBest, hold_out, train
from vae_moe.training import expert_em

#: Ridge of the linear gate of stage 2, and steps of its inner loop.
ALPHA_GATE, INNER_MAX_ITER = 1.0, 20
#: E and M steps of EM at most, and the gain in nats a row that ends it.
MAX_ITER, TOL = 50, 1e-3
#: Least variance of an expert, in units of y's, in every stage: it bounds how sharply y tells the experts apart.
REG_VARIANCE = 1e-3
#: Each expert's part of a row in the start: none begins without rows.
SMOOTHING = 1e-3


class KerasMixtureOfExperts(KerasEstimator):
    """Abstract: gate and affine experts; subclasses give the gate, and what y is."""

    n_experts: int
    start: str | None
    validation_fraction: float
    patience: int
    epochs: int
    learning_rate: float

    @abstractmethod
    def _make_model(self, n_columns: int, n_outputs: int, task: str, seed: int) -> Any:
        """Return the untrained Keras model."""

    @abstractmethod
    def _scale(self, X: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray:
        """Set the scaling of X [N, D], and return x."""

    @abstractmethod
    def _clusters(self, x: np.ndarray, seed: int) -> np.ndarray:
        """Return the start's responsibilities [N, K], from x [N, D] alone."""

    @abstractmethod
    def _teach_gate(self, x: np.ndarray, resp: np.ndarray, seed: int) -> None:
        """Let the model's gate learn responsibilities [N, K]."""

    def _batch_inputs(self, x: np.ndarray) -> dict[str, Any]:
        """Return what the gate's terms want of each row beside x [N, D]: arrays [N] for `pipelines.batches`."""
        del x
        return {}

    @in_float32()
    @pipelines.own_seeds
    def _fit_model(self, x: np.ndarray, y: np.ndarray, n_outputs: int, weight: np.ndarray | None) -> None:
        """Fit to x [N, D], y [N, O] or codes [N] and positive weights [N]."""
        if len(x) < self.n_experts:
            raise ValueError(
                f"n_samples={len(x)} is less than n_experts={self.n_experts}. Give more rows or fewer experts."
            )
        seed = self._seed()
        task = "regression" if y.ndim == 2 else "classification"
        self.model_ = self._make_model(x.shape[1], n_outputs, task, seed)
        rows, held_out = hold_out(y, self.validation_fraction, seed)
        weights = np.ones(len(x)) if weight is None else weight

        if self.start is not None:
            resp = self._linear_gate(x, y, rows, weights, _smooth(self._clusters(x, seed)))
            self._teach_gate(x, _smooth(resp), seed)
            self.model_.component_shares = _smooth(resp).mean(0).tolist()
        center = expert_em.shared_kernel(self.model_.experts, x[rows], y[rows], weights[rows])  # [D, O]
        options = {"center": center, "reg_variance": REG_VARIANCE, "sample_weight": weights[rows]}
        expert_em.fit_experts(self.model_, x[rows], y[rows], max_iter=MAX_ITER, tol=TOL, **options)
        self.history_: dict[str, list[float]] = {}
        self.best_epoch_ = 0
        if len(held_out):
            best = KeepBest(lambda: self._nll(x[held_out], y[held_out], weights[held_out]), self.patience)
            self.model_.experts.trainable = False
            self.history_ = train(
                self.model_,
                pipelines.batches(
                    x[rows],
                    y[rows],
                    sample_weight=None if weight is None else weights[rows],
                    **self._batch_inputs(x[rows]),
                    **self._batch_options(seed),
                ),
                epochs=self.epochs,
                learning_rate=self.learning_rate,
                callbacks=[expert_em.ExpertsMStep(x[rows], y[rows], tied=False, **options), best],
                verbose=self.verbose,
            )
            self.model_.experts.trainable = True
            self.best_epoch_ = best.best_epoch + 1
        self.n_iter_ = len(self.history_.get("loss", []))
        options["center"] = expert_em.shared_kernel(self.model_.experts, x, y, weights)
        options["sample_weight"] = weights
        expert_em.fit_experts(self.model_, x, y, resume=True, max_iter=MAX_ITER, tol=TOL, **options)

    def _linear_gate(self, x, y, rows, weights, resp) -> np.ndarray:
        """Return p(c | x) [N, K] of a linear gate that EM fits to some rows, from responsibilities [N, K] on."""
        x = StandardScaler().set_output(transform="default").fit_transform(x.astype(np.float64))
        center = expert_em.shared_kernel(self.model_.experts, x[rows], y[rows], weights[rows])
        if y.ndim == 2:
            experts: Any = EvidenceExperts(1.0, REG_VARIANCE, center=center)
        else:
            experts = CategoricalExperts(center.shape[1], 1.0, INNER_MAX_ITER, center=center)
        gate, log_resp = SoftmaxGate(ALPHA_GATE, INNER_MAX_ITER), np.log(resp[rows])
        result = run_em(x[rows], y[rows], gate, experts, log_resp, y_weight=1.0, max_iter=MAX_ITER, tol=TOL)
        return np.exp(result.gate.log_prob(x))

    def _nll(self, x, y, weights) -> float:
        return float(np.average(self.model_.nll(x, y), weights=weights))

    def gate_proba(self, X: Any) -> np.ndarray:
        """Return p(c | x) of X [N, D] as [N, K]."""
        x = self._check_X(X)
        return self.model_.gate_proba(x)


def _smooth(resp: np.ndarray) -> np.ndarray:
    return (1 - SMOOTHING) * resp + SMOOTHING / resp.shape[1]
