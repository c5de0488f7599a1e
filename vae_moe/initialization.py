"""A start for the mixture: autoencoder, clusters of its latents, prior, and the network of q(c|x).

Each stage stands alone and takes what the one before gives:

    pretrain_autoencoder(mixture, x)            encoder and decoder from reconstruction alone
    z = model.encode(x)
    resp = gmm_start(z, K) or spectral_start(z, K)
    assign_prior(mixture.prior, z, resp)        means, variances and weights of the components
    distill(mixture, x, resp)                   the network of q(c|x) learns the responsibilities

Images [N, H, W, C] are taken as their rows [N, D].
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
import tensorflow as tf
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from vae_moe.backup import Backup
from vae_moe.distribution import DistributedModel, batch_mean
from vae_moe.divergence import StopOnNaN
from vae_moe.layers import LatentMixture, MixturePrior, SoftmaxGate
from vae_moe.models.base import map_batches
from vae_moe.pipelines import batches, compile_options

#: Least variance given to the prior, as a share of the mean variance of the latents: a component of equal points has 0.
VARIANCE_FLOOR = 1e-3
#: Least variance where all latents are equal.
LEAST_VARIANCE = 1e-6
#: Of rows in a component that has any.
LEAST_COUNT = 1e-6
#: Variances of q(z|x) at first, as a share of the components'.
POSTERIOR_SHARE = 0.1
#: Eigenvectors beyond K that the spectral start tries.
EXTRA_EIGENVECTORS = (0, 2, 4, 6, 8)
#: Relative accuracy of their eigenvalues; k-means does not see finer.
EIGENVECTOR_TOLERANCE = 1e-3


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
        return mixture.decoder(mixture.z_mean(inputs))

    data = batches(_rows(x), batch_size=batch_size, seed=seed, least_steps=least_steps)
    data = data.map(lambda batch: (batch, batch))

    def loss(x_true, params):
        return -mixture.x_likelihood.log_prob(params, x_true)  # [B]

    stage = _Stage("autoencoder", [mixture.trunk, mixture.z_encoder, mixture.decoder], reconstruct, loss)
    return _fit_stage(stage, data, epochs, learning_rate, backup, **fit_options)


def gmm_start(z: np.ndarray, n_components: int, *, n_init: int = 20, seed: int = 0) -> np.ndarray:
    """Responsibilities of scikit-learn's Gaussian mixture of diagonal covariances (VaDE, Jiang et al. 2017).

    Args:
        z: latents [N, L].
        n_components: K.
        n_init: starts; the best likelihood is kept.
        seed: of the starts.

    Returns:
        [N, K] probabilities.
    """
    mixture = GaussianMixture(n_components, covariance_type="diag", n_init=n_init, random_state=seed)
    return mixture.fit(z).predict_proba(z)


def spectral_start(neighbors: np.ndarray, n_components: int, *, seed: int = 0) -> np.ndarray:
    """One-hot responsibilities by normalised spectral clustering of a nearest-neighbour graph (Ng et al. 2002).

    The graph is made symmetric, the leading eigenvectors of its normalised adjacency are taken as coordinates, their
    rows scaled to length 1 and clustered by k-means. How many eigenvectors separate the clusters best differs from
    data set to data set (K alone often joins two), so several numbers are tried, and the clustering of greatest
    modularity on the graph (Newman & Girvan 2004) is kept: no labels are needed.

    scikit-learn's SpectralClustering factorises the Laplacian to get the same vectors, which does not finish in
    reasonable time on 60000 points.

    Args:
        neighbors: [N, M] row numbers of each row's nearest neighbours (:func:`nearest_neighbors`).
        n_components: K.
        seed: of the eigenvector iteration and of k-means.

    Returns:
        [N, K] of zeros and ones.
    """
    n_rows, n_neighbors = neighbors.shape
    rows = np.repeat(np.arange(n_rows), n_neighbors)
    graph = scipy.sparse.csr_array((np.ones(rows.size), (rows, neighbors.ravel())), (n_rows, n_rows))
    adjacency = 0.5 * (graph + graph.T)
    vectors = _leading_eigenvectors(adjacency, min(n_components + EXTRA_EIGENVECTORS[-1], n_rows), seed)  # [N, E]
    k_means = KMeans(n_components, n_init=10, random_state=seed)
    clusterings = [k_means.fit_predict(normalize(vectors[:, : n_components + n])) for n in EXTRA_EIGENVECTORS]
    one_hot = [np.eye(n_components)[clusters] for clusters in clusterings]
    return max(one_hot, key=lambda resp: modularity(adjacency, resp))


def _leading_eigenvectors(adjacency, n_eigenvectors: int, seed: int) -> np.ndarray:
    """Eigenvectors of the normalised adjacency, [N, N] -> [N, n_eigenvectors], of greatest eigenvalue first.

    Each connected part of the graph is solved alone: each has an eigenvalue 1, and the iteration from one start vector
    finds one eigenvector of a repeated eigenvalue. A part's first eigenvector is known, the roots of its degrees.
    """
    rng = np.random.default_rng(seed)
    n_parts, parts = scipy.sparse.csgraph.connected_components(adjacency)
    root_degrees = np.sqrt(adjacency.sum(1))  # [N]
    scale = scipy.sparse.diags_array(1.0 / root_degrees)
    normalised = (scale @ adjacency @ scale).tocsr()
    values, vectors = [], []
    for part in range(n_parts):
        rows = np.flatnonzero(parts == part)
        n_wanted = min(n_eigenvectors - n_parts + 1, len(rows) - 1)
        if n_wanted > 1:
            block = normalised[rows][:, rows]
            found = scipy.sparse.linalg.eigsh(
                block, n_wanted, which="LA", v0=rng.standard_normal(len(rows)), tol=EIGENVECTOR_TOLERANCE
            )
        else:
            found = np.ones(1), root_degrees[rows, np.newaxis] / np.linalg.norm(root_degrees[rows])
        for value, vector in zip(found[0], found[1].T, strict=True):
            values.append(value)
            vectors.append(np.zeros(len(parts)))
            vectors[-1][rows] = vector
    order = np.argsort(values)[::-1][:n_eigenvectors]
    return np.stack([vectors[i] for i in order], -1)


def modularity(adjacency, resp: np.ndarray) -> float:
    """Share of a graph's edge weight inside clusters, less what a random graph of equal degrees has there.

    Args:
        adjacency: [N, N], symmetric.
        resp: one-hot clusters [N, K].

    Returns:
        Newman & Girvan's (2004) modularity, below 1.
    """
    within = np.sum(resp * (adjacency @ resp), 0)  # [K]
    degrees = resp.T @ adjacency.sum(1)  # [K]
    return float(np.sum(within / degrees.sum() - np.square(degrees / degrees.sum())))


def nearest_neighbors(z: np.ndarray, n_neighbors: int = 10) -> np.ndarray:
    """Row numbers of each row's nearest other rows, Euclidean, z [N, L] -> [N, M] with M = min(n_neighbors, N - 1)."""
    index = NearestNeighbors(n_neighbors=min(n_neighbors, len(z) - 1), n_jobs=-1).fit(_rows(z))
    return index.kneighbors(return_distance=False).astype(np.int32)


def core(neighbors: np.ndarray, resp: np.ndarray) -> np.ndarray:
    """Which rows lie deep inside their cluster: their neighbours, and the neighbours of these, are all of it.

    Clusters of a graph are wrong near their borders first, so that a start's core holds far fewer mistakes than the
    start. A cluster without a core, a thin or a small one, has all its rows there.

    Args:
        neighbors: [N, M] row numbers (:func:`nearest_neighbors`).
        resp: responsibilities [N, K].

    Returns:
        [N] booleans.
    """
    clusters = resp.argmax(-1)
    inside = (clusters[neighbors] == clusters[:, np.newaxis]).all(-1)  # [N]
    deep = inside & inside[neighbors].all(-1)  # [N]
    return deep | ~np.isin(clusters, clusters[deep])


def neighbor_distances(x: np.ndarray, neighbors: np.ndarray) -> np.ndarray:
    """Mean Euclidean distance of each row to its neighbours.

    Args:
        x: [N, D].
        neighbors: [N, M] row numbers.

    Returns:
        [N], in units of x.
    """
    x = _rows(x)
    return np.mean([np.linalg.norm(x[column] - x, axis=-1) for column in neighbors.T], 0)


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
    floor = max(VARIANCE_FLOOR * z.var(0).mean(), LEAST_VARIANCE)
    prior.assign(counts / counts.sum(), means, np.maximum(variances, floor))


def sharpen_posterior(mixture: LatentMixture) -> None:
    """Let the variances of q(z|x), which an autoencoder leaves untrained, begin at ``POSTERIOR_SHARE`` of the prior's.

    Where they are much wider than the components, the first steps have a KL of hundreds of nats to get rid of, and the
    components that the start found go with it.

    Args:
        mixture: built, with an assigned prior; the last layer's half that gives log-variances becomes constant.
    """
    kernel, bias = (np.array(weight) for weight in mixture.z_encoder.layers[-1].weights)
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
        epochs: passes over x.
        batch_size: rows a step.
        learning_rate: of Adam, falling to 0 along a cosine.
        seed: of the order of the rows.
        least_steps: of an epoch; fewer rows are gone through several times.
        backup: where the stage is kept after each epoch, to go on from there if it is killed.
        fit_options: ``callbacks``, ``verbose`` and the like, as in Keras' ``fit``.

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
        hidden = map_batches(tf.function(gate.trunk, reduce_retracing=True), _rows(x))  # [N, H]: the trunk stays
        inputs, layers, network = hidden, [gate.c_encoder], gate.c_encoder
    resp = resp.astype(np.float32)
    data = batches(inputs, resp, batch_size=batch_size, seed=seed, least_steps=least_steps)
    stage = _Stage("distillation", layers, network, tf.nn.softmax_cross_entropy_with_logits)
    return _fit_stage(stage, data, epochs, learning_rate, backup, **fit_options)


def _rows(x: np.ndarray) -> np.ndarray:
    return np.reshape(x, (len(x), -1))


class _Stage(DistributedModel):
    """Some built layers of a mixture, a map [B, ...] -> [B, P] through them, and a loss (y, map of x) -> [B]."""

    def __init__(self, name: str, layers: Sequence[keras.layers.Layer], network: Callable, loss: Callable):
        super().__init__(name=name)
        self.stage_layers, self.network, self.example_loss = list(layers), network, loss
        self.built = True

    def call(self, inputs, training=False):
        del training  # Keras tells the layers, some of which behave otherwise in training
        return self.network(inputs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return batch_mean(self.example_loss(y, y_pred))


def _fit_stage(stage: _Stage, data, epochs, learning_rate, backup, callbacks=(), **fit_options):
    """Fit with Adam, its rate falling to 0 along a cosine."""
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * len(data))
    stage.compile(keras.optimizers.Adam(rate), **compile_options(stage, data, epochs))
    callbacks = [StopOnNaN(), *callbacks]
    return (backup or Backup()).fit(stage.name, stage, data, epochs=epochs, callbacks=callbacks, **fit_options)
