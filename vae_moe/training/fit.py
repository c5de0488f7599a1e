"""How a model is fitted, for all who fit one: estimators, the command and recipes make a :class:`Plan`, and ask here.

1. The start: an autoencoder, clusters of its latents, the prior, the gate's network (:mod:`.warm_start`).
2. Of mixtures of experts: EM moves the clusters to where y differs; the experts by EM (:mod:`.expert_em`).
3. The loss, by gradients; the experts by EM after each epoch; the plan's epoch is kept.
4. Of clusterings: the prior is fitted to what training made of z (:mod:`.generation`), and z moves to it.
"""

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vae_moe.engine import pipelines
from vae_moe.engine.resume import Backup
from vae_moe.layers import LatentMixture
from vae_moe.training import augmentation, callbacks, expert_em, generation, graphs, held_experts, linear_mixture
from vae_moe.training.plan import ExpertsByEM, Plan
from vae_moe.training.stop_on_nan import StopOnNaN
from vae_moe.training.warm_start import Latents, StartCache, start_gate

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """What a training gives.

    Attributes:
        model: trained.
        history: Keras', of the loss.
        best_epoch: whose weights the model has, counted from 0; -1 is the start.
        seconds: of all that was carried out, less what was lost when a process was killed.
        warm_start_seconds: of these, before the loss was trained.
        shared_seconds: of the stages that were read from the cache: they come on top.
        ridge: of experts of classes, as rows held out chose it.
    """

    model: Any
    history: dict[str, list[float]]
    best_epoch: int
    seconds: float
    warm_start_seconds: float
    shared_seconds: float
    ridge: float = 1.0


def fit_clustering(
    model,
    x: np.ndarray,
    plan: Plan,
    *,
    seed: int = 0,
    filled: np.ndarray | None = None,
    validation: np.ndarray | None = None,
    image_shape: Sequence[int] | None = None,
    sample_weight: np.ndarray | None = None,
    cache: StartCache | None = None,
    backup: Backup | None = None,
    observers: Sequence[keras.callbacks.Callback] = (),
    verbose: Any = 0,
) -> Fitted:
    """Fit a VAE, VaDE or DMVAE.

    Args:
        model: untrained.
        x: [N, D].
        plan: what to do.
        seed: of clusters, orders and views.
        filled: x with its gaps filled, for what compares rows; None: it has none.
        validation: [M, D], whose loss is logged, and chooses the epoch where the plan wants the best.
        image_shape: (H, W) or (H, W, C) of the images that rows are, where the plan augments them.
        sample_weight: [N], of each row's loss.
        cache: of starts.
        backup: from which a training that was killed goes on; None keeps nothing.
        observers: callbacks that look on.
        verbose: of Keras' ``fit``.

    Raises:
        FloatingPointError: a term of the loss is no longer finite.
    """
    backup, filled = backup or Backup(), x if filled is None else filled
    latents, components = None, None
    if plan.warm_start is not None:
        latents, components = start_gate(
            model, model.mixture, x, plan, seed=seed, filled=filled, cache=cache, backup=backup, verbose=verbose
        )
    warm_start_seconds = backup.seconds
    radius = _radius(model, filled, plan, latents)
    inputs = {"radius": radius, "components": components, "sample_weight": sample_weight}
    data = batches(x, None, plan, seed, image_shape=image_shape, **inputs)
    best = "val_loss" if plan.checkpoint == "best" and validation is not None else None
    seen = None if validation is None else pipelines.in_order(validation)
    history = _train(model, filled, data, plan, best, observers, backup, validation_data=seen, verbose=verbose)
    if plan.refit_prior and model.mixture.prior.trainable:
        generation.refit_prior(model, x, sample_weight)
    if plan.settle_epochs:
        data = batches(x, None, replace(plan, augmentation=None), seed, sample_weight=sample_weight)
        generation.settle(model, data, plan, backup, [StopOnNaN(filled)], verbose)
    return Fitted(model, history.history, history.best_epoch, backup.seconds, warm_start_seconds, _shared(latents))


def fit_experts(
    model,
    x: np.ndarray,
    y: np.ndarray,
    plan: Plan,
    *,
    seed: int = 0,
    filled: np.ndarray | None = None,
    held_out: np.ndarray | None = None,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    start_mixture: LatentMixture | None = None,
    image_shape: Sequence[int] | None = None,
    sample_weight: np.ndarray | None = None,
    cache: StartCache | None = None,
    backup: Backup | None = None,
    observers: Sequence[keras.callbacks.Callback] = (),
    verbose: Any = 0,
) -> Fitted:
    """Fit a mixture of experts.

    Args:
        model: untrained.
        x: [N, D].
        y: [N, O] outputs, NaN where there are none, or [N] classes, -1 where there is none.
        plan: what to do.
        seed: of clusters, orders and views.
        filled: as of :func:`fit_clustering`; the experts see what the gate's own model fills gaps with.
        held_out: [M] numbers of rows whose y chooses the epoch and nothing else, the start's clusters excepted.
        validation: further rows and their y, whose loss is logged, and chooses the epoch where no rows are held out
            and the plan wants the best.
        start_mixture: whose autoencoder the start is of, if the gate has none; None: x itself is clustered.
        image_shape, sample_weight, cache, backup, observers, verbose: as of :func:`fit_clustering`.

    Raises:
        FloatingPointError: a term of the loss is no longer finite.
    """
    backup, filled = backup or Backup(), x if filled is None else filled
    by_em = plan.experts
    rows = np.delete(np.arange(len(x)), [] if held_out is None else held_out)
    weights = np.ones(len(x)) if sample_weight is None else sample_weight
    latents, components = None, None
    if plan.warm_start is not None:
        move: Callable[[np.ndarray], np.ndarray] | None = None
        if by_em is not None and by_em.moved_start:
            ridges = by_em.reg_variance, by_em.gate_ridge

            def move(resp: np.ndarray) -> np.ndarray:
                return linear_mixture.fit(model.experts, filled, y, weights, rows, resp, *ridges).gate_proba()

        mixture: Any = getattr(model, "mixture", start_mixture)
        latents, components = start_gate(
            model, mixture, x, plan, seed=seed, filled=filled, move=move, cache=cache, backup=backup, verbose=verbose
        )
    if plan.gate_epochs:
        _train_gate(model, x, plan, seed, backup, verbose)
    judge: Callable[[], float] | None = None
    if held_out is not None and len(held_out):
        judge = functools.partial(_nll, model, x[held_out], y[held_out], weights[held_out])
    m_steps: list[keras.callbacks.Callback] = []
    if by_em is not None:
        options = held_experts.options(model, x[rows], y[rows], weights[rows], by_em)
        options |= held_experts.fit(model, x[rows], y[rows], by_em, options, backup, judge)
        m_steps = [expert_em.ExpertsMStep(x[rows], y[rows], (by_em.ridges or (1.0,))[-1], tied=by_em.tied, **options)]
    warm_start_seconds = backup.seconds
    history, best_epoch = {}, -1
    if held_out is None or len(held_out):  # without rows that choose the epoch, the gate stays as it started
        radius = _radius(model, filled, plan, latents)
        data = batches(
            x[rows],
            y[rows],
            plan,
            seed,
            radius=None if radius is None else radius[rows],
            components=None if components is None else components[rows],
            image_shape=image_shape,
            sample_weight=None if sample_weight is None else sample_weight[rows],
        )
        best: str | Callable[[], float] | None = "val_nll" if plan.checkpoint == "best" and validation else None
        best = judge or best
        seen = validation and pipelines.in_order(*validation)
        observers = [*m_steps, *observers]
        kept = _train(model, filled, data, plan, best, observers, backup, validation_data=seen, verbose=verbose)
        history, best_epoch = kept.history, kept.best_epoch
    model.experts.trainable = True
    if by_em is not None and history:  # compiled anew for whoever trains it further
        pipelines.compile_model(model, data, plan.epochs, plan.learning_rate, plan.learning_rate_schedule)
    seconds = backup.seconds, warm_start_seconds, _shared(latents)
    return Fitted(model, history, best_epoch, *seconds, 1.0 if by_em is None else options["class_alpha"])


def refit_experts(
    model, x: np.ndarray, y: np.ndarray, by_em: ExpertsByEM, ridge: float, sample_weight: np.ndarray | None = None
) -> None:
    """Fit a trained mixture's experts to all rows, those that were held out too; the gate stays as it is.

    Args:
        model: trained.
        x, y, sample_weight: as of :func:`fit_experts`.
        by_em: of the plan.
        ridge: as it was found.
    """
    weights = np.ones(len(x)) if sample_weight is None else sample_weight
    options = {**held_experts.options(model, x, y, weights, by_em), "class_alpha": ridge}
    expert_em.fit_experts(model, x, y, resume=True, max_iter=by_em.max_iter, tol=by_em.tol, **options)


def batches(
    x: np.ndarray,
    y: np.ndarray | None,
    plan: Plan,
    seed: int = 0,
    *,
    image_shape: Sequence[int] | None = None,
    **inputs: np.ndarray | None,
) -> tf.data.Dataset:
    """Return the training batches of a plan.

    Args:
        x: [N, D].
        y: targets, or None.
        plan: whose batches.
        seed: of orders and views.
        image_shape: of the images that rows are, where the plan augments them.
        inputs: ``radius``, ``components`` and ``sample_weight`` of each row, as of ``engine.pipelines.batches``.
    """
    augment, labelled = None, None
    if plan.augmentation is not None:
        augment = augmentation.small_affine(tuple(image_shape or ()), **plan.augmentation, seed=seed)
    if plan.n_labelled and y is not None:
        labelled = np.flatnonzero(y >= 0)
    return pipelines.batches(
        x,
        y,
        batch_size=plan.batch_size,
        seed=seed,
        augment=augment,
        labelled=labelled,
        n_labelled=plan.n_labelled,
        least_steps=plan.least_steps,
        **inputs,
    )


def _nll(model, x, y, weights) -> float:
    return float(np.average(model.nll(x, y), weights=weights))


def _radius(model, x, plan: Plan, latents: Latents | None) -> np.ndarray | None:
    """Return how far adversarial changes of each row go, [N]; None: as far as the model says, or there are none."""
    if plan.adversarial_reach is None or not model.term_weights["adversarial"]:
        return None
    neighbors = graphs.nearest_neighbors(x) if latents is None else latents.neighbors
    return plan.adversarial_reach * graphs.neighbor_distances(x, neighbors)


def _train_gate(model, x, plan: Plan, seed: int, backup: Backup, verbose) -> None:
    """Train the bound of a mixture of experts' gate, without y."""
    logger.info("the gate's bound alone, %d epochs", plan.gate_epochs)
    model.experts.trainable = False  # they have no gradient without y
    rate = plan.learning_rate, plan.learning_rate_schedule
    data, stop = batches(x, None, plan, seed), StopOnNaN(x)
    backup.fit("gate", model, data, plan.gate_epochs, *rate, callbacks=[stop], verbose=verbose)
    model.experts.trainable = True


def _train(model, x, data, plan: Plan, best, observers, backup: Backup, **options):
    """Train the loss, and keep the weights that the plan wants."""
    logger.info("%s, %d epochs", type(model).__name__, plan.epochs)
    schedules: list[keras.callbacks.Callback] = []
    if hasattr(model, "mixture"):
        temperature = float(model.mixture.config.temperature)
        schedules = [
            callbacks.TemperatureAnnealing(temperature, plan.temperature_decay, plan.temperature_floor),
            callbacks.KLWarmUp(plan.kl_warm_up_epochs),
        ]
    last_good = backup.folder and backup.folder / "last_good.keras"
    return backup.fit(
        "fit",
        model,
        data,
        plan.epochs,
        plan.learning_rate,
        plan.learning_rate_schedule,
        best=best,
        patience=plan.patience,
        callbacks=[StopOnNaN(x, last_good), *schedules, *observers],
        **options,
    )


def _shared(latents: Latents | None) -> float:
    return latents.seconds if latents is not None and latents.cached else 0.0
