"""A start for the mixture: autoencoder, clusters of its latents, prior, and the network of q(c|x).

Each stage stands alone and takes what the one before gives:

    pretrain_autoencoder(mixture, x)            encoder and decoder from reconstruction alone
    z = model.encode(x)
    resp = gmm_start(z, K)                      or spectral_start of the neighbours (vae_moe.training.graphs)
    assign_prior(mixture.prior, z, resp)        means, variances and weights of the components
    distill(mixture, x, resp)                   the network of q(c|x) learns the responsibilities

Images [N, H, W, C] are taken as their rows [N, D].
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from sklearn.mixture import GaussianMixture

from vae_moe.engine import shared_steps
from vae_moe.engine.pipelines import batches, map_batches
from vae_moe.engine.resume import Backup
from vae_moe.engine.steps import LoopingModel, batch_mean, replicas_share
from vae_moe.layers import LatentMixture, MixturePrior, SoftmaxGate
from vae_moe.training.stop_on_nan import StopOnNaN

#: Least variance given to the prior, as a share of the mean variance of the latents: a component of equal points has 0.
VARIANCE_FLOOR = 1e-3
#: Least variance where all latents are equal.
LEAST_VARIANCE = 1e-6
#: Of rows in a component that has any.
LEAST_COUNT = 1e-6
#: Shapes that Gaussians of x may have.
COVARIANCES = ("diag", "tied", "full")
#: Variances of q(z|x) at first, as a share of the components'.
POSTERIOR_SHARE = 0.1


def pretrain_autoencoder(
    mixture: LatentMixture,
    x: np.ndarray,
    *,
    epochs: int,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 0,
    least_steps: int = 1,
    backup: Backup | None = None,
    **fit_options,
) -> keras.callbacks.History:
    """Train encoder and decoder to reconstruct x from the mean of q(z|x), without sampling and without a prior.

    Args:
        mixture: built; its trunk, z-encoder and decoder are trained.
        x: [N, D].
        epochs: passes over x.
        batch_size: rows a step.
        learning_rate: of Adam, falling to 0 along a cosine.
        seed: of the order of the rows.
        least_steps: of an epoch; fewer rows are gone through several times.
        backup: where the stage is kept after each epoch, to go on from there if it is killed.
        fit_options: ``callbacks``, ``verbose`` and the like, as in Keras' ``fit``.

    Returns:
        Keras' history, of ``loss`` in nats per example.
    """

    def reconstruct(inputs):
        return mixture.decoder(mixture.z_mean(inputs, mixture.config.hidden_cells))

    x = x.reshape(len(x), -1)
    data = batches(x, batch_size=batch_size, seed=seed, least_steps=least_steps)
    data = data.map(lambda batch: (batch, batch))

    def loss(x_true, params):
        return -mixture.x_likelihood.log_prob(params, x_true)  # [B]

    layers = [mixture.trunk, mixture.z_encoder, mixture.decoder]
    stage = shared_steps.stage("autoencoder", lambda: _Stage("autoencoder", layers, reconstruct, loss))
    return _fit_stage(stage, data, epochs, learning_rate, backup, **fit_options)


def gmm_start(z: np.ndarray, n_components: int, *, n_init: int = 20, seed: int = 0) -> np.ndarray:
    """Responsibilities of a Gaussian mixture of diagonal covariances, as in VaDE (Jiang et al. 2017).

    Args:
        z: latents, [N, L].
        n_components: K.
        n_init: starts; the best likelihood is kept.
        seed: of the starts.

    Returns:
        [N, K] probabilities.
    """
    return fit_mixture(z, n_components, n_init=n_init, seed=seed).predict_proba(z.astype(np.float64))


def fit_mixture(
    x: np.ndarray,
    n_components: int,
    *,
    covariance_type: str = "diag",
    begin: np.ndarray | None = None,
    n_init: int = 1,
    seed: int = 0,
) -> GaussianMixture:
    """Fit scikit-learn's Gaussian mixture.

    Args:
        x: [N, D].
        n_components: K.
        covariance_type: "diag", "tied" or "full".
        begin: responsibilities [N, K] that EM begins with; None: those of k-means.
        n_init: starts of k-means; the best likelihood is kept.
        seed: of k-means.
    """
    x = x.astype(np.float64)
    floor = _least_variance(x)
    options = {"covariance_type": covariance_type, "reg_covar": floor, "n_init": n_init, "random_state": seed}
    if begin is not None:
        counts = begin.sum(0) + LEAST_COUNT  # [K]
        means = (begin.T @ x + LEAST_COUNT * x.mean(0)) / counts[:, np.newaxis]  # [K, D]
        options |= {"weights_init": counts / counts.sum(), "means_init": means}
        options["precisions_init"] = _precisions(x, begin, means, covariance_type, floor)
    return GaussianMixture(n_components, **options).fit(x)


def _precisions(x, resp, means, covariance_type: str, floor: float) -> np.ndarray:
    """Inverse covariances of rows [N, D] in clusters, in the shape that scikit-learn takes."""
    counts = resp.sum(0)[:, np.newaxis] + LEAST_COUNT  # [K, 1]
    if covariance_type == "diag":
        return 1 / (np.maximum(resp.T @ np.square(x) / counts - np.square(means), 0) + floor)
    deviations = x[np.newaxis] - means[:, np.newaxis]  # [K, N, D]
    scatter = np.einsum("nk,knd,kne->kde", resp, deviations, deviations, optimize=True)  # [K, D, D]
    ridge = floor * np.eye(x.shape[1])
    return np.linalg.inv(
        (scatter.sum(0) / len(x) if covariance_type == "tied" else scatter / counts[..., None]) + ridge
    )


def assign_prior(prior: MixturePrior, z: np.ndarray, resp: np.ndarray) -> None:
    """Set the prior to the weighted moments of the latents in each component.

    Args:
        prior: of K components.
        z: latents [N, L].
        resp: responsibilities [N, K].

    Raises:
        ValueError: if a component has no point.
    """
    counts = resp.sum(0)  # [K]
    if (counts < LEAST_COUNT).any():
        empty = np.flatnonzero(counts < LEAST_COUNT).tolist()
        raise ValueError(f"components {empty} have no points: use fewer components or another start.")
    means = resp.T @ z / counts[:, np.newaxis]  # [K, L]
    variances = resp.T @ np.square(z) / counts[:, np.newaxis] - np.square(means)  # [K, L]
    prior.assign(counts / counts.sum(), means, np.maximum(variances, _least_variance(z)))


def _least_variance(z: np.ndarray) -> float:
    """Of a component of rows z [N, L], whatever rows it has."""
    return max(VARIANCE_FLOOR * float(z.var(0).mean()), LEAST_VARIANCE)


def sharpen_posterior(mixture: LatentMixture) -> None:
    """Let the variances of q(z|x), which an autoencoder leaves untrained, begin at ``POSTERIOR_SHARE`` of the prior's.

    Where they are much wider than the components, the first steps have a KL of hundreds of nats to get rid of, and the
    components that the start found go with it.

    Args:
        mixture: built, with an assigned prior; the last layer's half that gives log-variances becomes constant.
    """
    kernel, bias = (np.array(weight) for weight in mixture.z_encoder.layers[-1].get_weights())
    kernel[:, mixture.latent_dim :] = 0.0
    bias[mixture.latent_dim :] = np.asarray(mixture.prior.log_vars).mean(0) + np.log(POSTERIOR_SHARE)
    mixture.z_encoder.layers[-1].set_weights([kernel, bias])


def distill(
    gate: LatentMixture | SoftmaxGate,
    x: np.ndarray,
    resp: np.ndarray,
    *,
    epochs: int,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 0,
    least_steps: int = 1,
    backup: Backup | None = None,
    **fit_options,
) -> keras.callbacks.History:
    """Train the network of q(c|x), and nothing else, to give the responsibilities.

    Args:
        gate: a mixture with a c-encoder, whose trunk, z-encoder, decoder and prior stay as they are; or a softmax gate.
        x: [N, D].
        resp: [N, K].
        epochs, batch_size, learning_rate, seed, least_steps, backup, fit_options: as of :func:`pretrain_autoencoder`.

    Returns:
        Keras' history, of ``loss``: the cross-entropy in nats.

    Raises:
        ValueError: if q(c|x) is Bayes' rule, which has no network to train.
    """
    if isinstance(gate, SoftmaxGate):
        inputs, layers, network = x, [gate.hidden, gate.output_layer], gate.logits
    elif gate.c_encoder is None:
        raise ValueError(
            "this mixture's q(c|x) is Bayes' rule on z: it has no network to distill into; skip this step."
        )
    else:
        hidden = map_batches(
            tf.function(gate.hidden, reduce_retracing=True), x.reshape(len(x), -1)
        )  # [N, H]: the trunk stays
        inputs, layers, network = hidden, [gate.c_encoder], gate.c_encoder
    resp = resp.astype(np.float32)
    data = batches(inputs, resp, batch_size=batch_size, seed=seed, least_steps=least_steps)
    loss = tf.nn.softmax_cross_entropy_with_logits
    stage = shared_steps.stage("distillation", lambda: _Stage("distillation", layers, network, loss))
    return _fit_stage(stage, data, epochs, learning_rate, backup, **fit_options)


class _Stage(LoopingModel):
    """Some built layers of a mixture, a map [B, ...] -> [B, P] through them, and a loss (y, map of x) -> [B]."""

    def __init__(self, name: str, layers: Sequence[keras.layers.Layer], network: Callable, loss: Callable):
        super().__init__(name=name)
        self.stage_layers, self.network, self.example_loss = list(layers), network, loss
        self.built = True

    def call(self, inputs, training=False):
        del training  # Keras tells the layers, some of which behave otherwise in training
        return self.network(inputs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return batch_mean(self.example_loss(y, y_pred)) + replicas_share(sum(self.losses))


def _fit_stage(stage: LoopingModel, data, epochs, learning_rate, backup, callbacks=(), **fit_options):
    callbacks = [StopOnNaN(), *callbacks]
    return (backup or Backup()).fit(stage.name, stage, data, epochs, learning_rate, callbacks=callbacks, **fit_options)
