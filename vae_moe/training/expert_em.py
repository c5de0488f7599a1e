"""Generalised EM for the Keras mixtures of experts: the experts by their M step, while ``fit`` trains the gate.

The report trains gate and experts by gradients alone. Affine experts have a closed form given the responsibilities
(Jordan & Jacobs 1994), which no number of gradient steps on 784 correlated columns comes near:

    fit_experts(model, x, y)                         from the gate's start
    model.experts.trainable = False
    model.fit(..., callbacks=[ExpertsMStep(x, y)])   the gate learns p(c|x) from the experts' posterior
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from scipy.special import log_softmax, logsumexp

from vae_moe.em import (
    CategoricalExperts,
    CategoricalTree,
    EvidenceExperts,
    GaussianExperts,
    GaussianTree,
    RidgeTree,
)
from vae_moe.engine import threads
from vae_moe.layers import Experts
from vae_moe.models.mixture_of_experts import MixtureOfExperts
from vae_moe.training.coordinates import Coordinates

#: Responsibilities below this are taken as 0: an expert is fitted to its own rows and not to all of them, which is most
#: of the cost where x has many columns.
NEGLIGIBLE = 1e-3
#: Steps of one M step of categorical experts, which has no closed form.
INNER_MAX_ITER = 50
#: Of one map's residuals, in units of the squared targets.
LEAST_VARIANCE = 1e-6
#: Steps of the fixed point of one map's ridge; it settles within a few.
EVIDENCE_STEPS = 20


def fit_experts(
    model: MixtureOfExperts,
    x: np.ndarray,
    y: np.ndarray,
    *,
    resume: bool = False,
    tied: bool = False,
    alphas: Sequence[float] = (1.0, 0.1),
    reg_variance: float = 1e-4,
    max_iter: int = 6,
    tol: float = 1e-2,
    center: np.ndarray | None = None,
    class_alpha: float = 1.0,
    sample_weight: np.ndarray | None = None,
) -> list[float]:
    """Set the experts to their best by EM with the gate held; rows without y are left out.

    Where the gate is a tree of several levels, each expert shrinks to its parent's, and those of the first level to
    what all shrink to elsewhere.

    Args:
        model: built; its experts are set.
        x: [N, D].
        y: as the model's ``fit`` takes it.
        resume: begin with the experts as they are, where they are good already; else with the gate alone.
        tied: all Gaussian experts have the same variances, their mean. Where a component holds rows of two maps, its
            expert would otherwise explain them, and others, by a large variance, and EM ends there.
        alphas: ridges of the experts' kernels, in units of the squared inputs, one stage of EM after the other. A row
            of another expert's bends the kernel at columns few rows have, and is then explained: a strong ridge at
            first keeps it out. Of classes only the first counts, 1/C of LogisticRegression.
        reg_variance: least variance of a Gaussian expert, in units of the squared targets; it bounds how sharply the
            experts tell the gate apart.
        max_iter: E and M steps of a stage at most.
        tol: ends them when log p(y|x), with ``center`` the prior's part too, gains less a row, in nats; the first step
            is held to it only if experts without ``center`` are resumed.
        center: [F, O], what the ridge shrinks all kernels towards, in place of 0 (:func:`shared_kernel`). The ridge of
            Gaussian experts is then moved by evidence, and ``alphas`` is only where it starts: experts that the rows
            do not tell apart become one. Ridges are then in units of each column's variance: a column's unit changes
            nothing.
        class_alpha: ridge of experts of classes towards ``center``, for which there is no evidence in closed form.
        sample_weight: [N], positive.

    Returns:
        The mean of log p(y|x) after each M step, nats.

    Raises:
        ValueError: if no row has a y, or y is not of the model's outputs or classes.
    """
    experts = model.experts
    y, known = experts.targets_of_rows(y, len(x))
    if not known.any():
        raise ValueError("no row has a y: give outputs (or classes from 0 on) for some rows at least.")
    x, y = x[known], y[known]
    weights = np.ones(len(x)) if sample_weight is None else sample_weight[known]
    log_weights = np.log(weights)[:, np.newaxis]  # [N, 1]
    log_gate = np.log(np.maximum(model.gate_proba(x), np.finfo(np.float32).tiny))  # [N, K]
    inputs = model.expert_inputs(x)
    if center is not None and not resume:
        experts.kernels.assign(np.broadcast_to(center, experts.kernels.shape))
    kernels, biases = (np.asarray(weight, np.float64) for weight in (experts.kernels, experts.biases))
    if center is None:
        fitted = _as_fitted(model, kernels, biases, reg_variance, resume)
    else:
        coordinates = Coordinates.of(inputs, weights)
        inputs, biases = coordinates.inputs(inputs), biases + coordinates.mean @ kernels
        kernels, shrunk_to = coordinates.kernels(kernels), coordinates.kernels(center)
        fitted = _as_fitted(model, kernels, biases, reg_variance, resume, shrunk_to)
        if isinstance(fitted, CategoricalExperts):
            fitted = replace(fitted, alpha=class_alpha)
        if resume or isinstance(fitted, CategoricalExperts):
            alphas = [fitted.alpha]
    log_resp = log_gate + fitted.log_prob(inputs, y) if resume else log_gate
    likelihoods: list[float] = []
    with threads.one_if(threads.few_moments(*inputs.shape)):
        for alpha in alphas if center is None and isinstance(fitted, GaussianExperts) else alphas[:1]:
            fitted = replace(fitted, alpha=alpha)
            before = _mean_likelihood(log_resp, weights) if resume and center is None else -np.inf
            for _ in range(max_iter):
                sparse = _sparse(log_softmax(log_resp, 1)) + log_weights
                fitted = fitted.fit(inputs, y, sparse)
                if tied and isinstance(fitted, GaussianExperts):
                    fitted = replace(fitted, variances=_tie(fitted.variances, np.exp(sparse).sum(0)))
                log_resp = log_gate + fitted.log_prob(inputs, y)
                likelihoods.append(_mean_likelihood(log_resp, weights))
                objective = likelihoods[-1] + (0.0 if center is None else fitted.log_penalty() / weights.sum())
                if objective - before < tol:
                    break
                before = objective
    kernels, biases = fitted.kernels, fitted.biases
    if center is not None:
        kernels = coordinates.kernels_of_x(kernels, center)
        biases = biases - coordinates.mean @ kernels
    experts.kernels.assign(kernels)
    experts.biases.assign(biases)
    if isinstance(fitted, GaussianExperts) and experts.learn_variance:
        experts.log_vars.assign(np.log(fitted.predictive_variances()))
    return likelihoods


def shared_kernel(
    experts: Experts, inputs: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None
) -> np.ndarray:
    """The kernel of one affine map for all rows, for ``fit_experts`` to shrink the experts towards.

    Args:
        experts: a mixture's; they tell regression from classification, and stay as they are.
        inputs: what they see, [N, F].
        y: [N, O] outputs, or [N] classes, of all rows.
        sample_weight: [N], positive.

    Returns:
        [F, O]: of least squares with the ridge of greatest evidence, or of a logistic regression with a ridge of 1;
        ridges are in units of each column's variance.
    """
    y, _ = experts.targets_of_rows(y, len(inputs))
    log_weights = np.log(np.ones(len(y)) if sample_weight is None else sample_weight)[:, np.newaxis]  # [N, 1]
    coordinates = Coordinates.of(inputs, sample_weight)
    inputs, center = coordinates.inputs(inputs), np.zeros((inputs.shape[1], experts.n_outputs))
    one: CategoricalExperts | EvidenceExperts
    with threads.one_if(threads.few_moments(*inputs.shape)):
        if experts.task == "classification":
            one = CategoricalExperts(experts.n_outputs, 1.0, INNER_MAX_ITER).fit(inputs, y, log_weights)
        else:
            one = EvidenceExperts(1.0, LEAST_VARIANCE)
            moments = one.moments(inputs, y, log_weights)
            for _ in range(EVIDENCE_STEPS):
                one = one.fit(inputs, y, log_weights, moments)
    return coordinates.kernels_of_x(one.kernels[0], center)


class ExpertsMStep(keras.callbacks.Callback):
    """Fits the experts anew after each epoch, as the gate gets better.

    Logs nothing; ``nll`` tells. Hold the experts meanwhile (``model.experts.trainable = False``).

    Args:
        x: [N, D].
        y: as ``fit_experts`` takes it.
        alpha: ridge, as the last of ``fit_experts``.
        max_iter: E and M steps an epoch at most.
        tied: whether the variances are tied until the last epoch.
        options: further arguments of ``fit_experts``.
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray, alpha: float = 0.1, max_iter: int = 2, tied: bool = True, **options
    ):
        super().__init__()
        self.x, self.y, self.tied, self._are_tied = x, y, tied, False
        self.options = {**options, "alphas": [alpha], "max_iter": max_iter}

    def on_epoch_end(self, epoch, logs=None):
        """Some steps from where the experts are."""
        self._fit(self.tied and epoch + 1 < self.params["epochs"])

    def on_train_end(self, logs=None):
        """Some steps with a variance for each expert, where training stopped before its last epoch."""
        if self._are_tied:
            self._fit(tied=False)

    def _fit(self, tied: bool):
        fit_experts(self.model, self.x, self.y, resume=True, tied=tied, **self.options)
        self._are_tied = tied


def _as_fitted(
    model: MixtureOfExperts,
    kernels: np.ndarray,
    biases: np.ndarray,
    reg_variance: float,
    resume: bool,
    center: np.ndarray | None = None,
) -> GaussianExperts | CategoricalExperts:
    """The model's experts, with these kernels and biases, as those of :mod:`vae_moe.em`."""
    experts, branching = model.experts, getattr(model.gate, "branching", ())
    shrunk_to: dict[str, Any] = {} if center is None else {"center": center}
    tree: CategoricalTree | RidgeTree | GaussianTree
    if experts.task == "classification":
        of_classes = (experts.n_outputs, 1.0, INNER_MAX_ITER, kernels, biases)
        if len(branching) < 2:
            return CategoricalExperts(*of_classes, **shrunk_to)
        tree = CategoricalTree(*of_classes, **shrunk_to, branching=branching)
        tree = tree if center is None else replace(tree, root=center)
        return tree.from_kernels() if resume else tree
    variance = None if experts.learn_variance else 1.0
    variances = np.exp(np.asarray(experts.log_vars, np.float64)) if experts.learn_variance else np.ones_like(biases)
    known = (1.0, reg_variance, variance, kernels, biases, np.maximum(variances, reg_variance))
    if len(branching) < 2:
        return GaussianExperts(*known) if center is None else EvidenceExperts(*known, **shrunk_to).with_best_alpha()
    tree = (RidgeTree if center is None else GaussianTree)(*known, **shrunk_to, branching=branching)
    return tree.from_kernels() if resume else tree


def _mean_likelihood(log_joint: np.ndarray, weights: np.ndarray) -> float:
    """The mean over rows of log sum_k exp(log_joint [N, K])."""
    return float(np.average(logsumexp(log_joint, 1), weights=weights))


def _tie(variances: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Every expert's variances [K, O] replaced by the mean over all rows."""
    return np.broadcast_to(counts @ variances / counts.sum(), variances.shape)


def _sparse(log_resp: np.ndarray) -> np.ndarray:
    """Log responsibilities [N, K] without the negligible ones, normalised again."""
    return log_softmax(np.where(log_resp < np.log(NEGLIGIBLE), -np.inf, log_resp), 1)
