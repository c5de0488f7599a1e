"""What is generated, and of which component it is, seen to when the bound is trained."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np

from vae_moe.engine.pipelines import compile_model
from vae_moe.engine.resume import Backup
from vae_moe.training.plan import Plan

logger = logging.getLogger(__name__)


def refit_prior(model, x: np.ndarray, sample_weight: np.ndarray | None = None) -> None:
    """Fit p(z|c), and p(c) where it is learned, to q(z|x) q(c|x): the M step of EM on the bound.

    Gradients bring z to the components more slowly than they find the classes: a component's rows are then elsewhere in
    z than its Gaussian, and samples of this are of no class. Each component has L more rows as it was, so that one of
    few rows, or none, does not run off.

    Args:
        model: trained, with a latent mixture; only its prior changes.
        x: [N, D].
        sample_weight: [N], of each row.
    """
    prior = model.mixture.prior
    z_mean, z_log_var, c_log_probs = (array.astype(np.float64) for array in model.posterior(x))
    resp = np.exp(c_log_probs) if sample_weight is None else np.exp(c_log_probs) * sample_weight[:, np.newaxis]
    means, covariances = np.asarray(prior.means, np.float64), prior.covariances()  # [K, L], [K, L, L]
    more = prior.latent_dim
    counts = resp.sum(0) + more  # [K]
    new_means = (resp.T @ z_mean + more * means) / counts[:, np.newaxis]
    pairs = zip(resp.T, new_means, strict=True)
    scatters = np.stack([(z_mean - mean).T * weights @ (z_mean - mean) for weights, mean in pairs])  # [K, L, L]
    moved = means - new_means
    scatters += more * (covariances + moved[..., np.newaxis] * moved[:, np.newaxis])
    scatters[:, range(more), range(more)] += resp.T @ np.exp(z_log_var)
    covariances = scatters / counts[:, np.newaxis, np.newaxis]
    if prior.covariance == "diag":
        covariances = np.diagonal(covariances, axis1=1, axis2=2)
    prior.assign(resp.sum(0) / resp.sum(), new_means, covariances)


def settle(model, data, plan: Plan, backup: Backup, callbacks: Sequence[keras.callbacks.Callback], verbose) -> None:
    """Train q(z|x), p(x|z) and the prior of a DMVAE with its q(c|x) held, by the bound and what q(c|x) tells them.

    Args:
        model: trained; others have no network of q(c|x) and stay as they are.
        data: batches of x.
        plan: its epochs, weights and rate; the terms that hold q(c|x) have no weight.
        backup: that keeps the stage.
        callbacks, verbose: of Keras' ``fit``.
    """
    mixture = model.mixture
    if mixture.c_encoder is None:
        return
    logger.info("z to its components, %d epochs", plan.settle_epochs)
    layers = [layer for layer in (mixture.trunk, mixture.c_encoder) if layer.trainable]
    former, weights = model.regularization, model.term_weights
    agreement, samples = plan.settle_weights
    model.regularization = replace(former, weights={"agreement": agreement, "samples": samples})
    model.term_weights = {**weights, **model.regularization.weights}
    for layer in layers:
        layer.trainable = False
    rate, schedule = plan.learning_rate / 2, plan.learning_rate_schedule
    try:
        backup.fit("settle", model, data, plan.settle_epochs, rate, schedule, callbacks=callbacks, verbose=verbose)
    finally:
        model.regularization, model.term_weights = former, weights
        for layer in layers:
            layer.trainable = True
    compile_model(model, data, plan.epochs, plan.learning_rate, schedule)  # for whoever trains it further
