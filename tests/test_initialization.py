"""The warm start's stages against scikit-learn, least squares and known clusters."""

import keras
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs, make_moons
from sklearn.manifold import spectral_embedding
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from vae_moe import DMVAE, VaDE, datasets, initialization, metrics
from vae_moe.layers import MixturePrior


def test_spectral_start_separates_what_is_not_round():
    z, y = make_moons(600, noise=0.05, random_state=0)
    neighbors = initialization.nearest_neighbors(z, 10)
    resp = initialization.spectral_start(neighbors, 2)
    assert metrics.clustering_accuracy(y, resp.argmax(-1)) == 1.0


def test_parts_without_a_link_are_clusters():
    """The graph of five spiral arms falls apart: eigenvalue 1 comes five times, which one iteration does not find."""
    split = datasets.spiral(n_train=400).train
    resp = initialization.spectral_start(initialization.nearest_neighbors(split.x, 10), 5)
    assert metrics.clustering_accuracy(split.y, resp.argmax(-1)) == 1.0


def test_spectral_start_agrees_with_scikit_learn(digits):
    x, _ = digits
    neighbors = initialization.nearest_neighbors(x, 10)
    graph = np.zeros((len(x), len(x)))
    graph[np.arange(len(x))[:, None], neighbors] = 0.5
    graph += graph.T
    ours = initialization.spectral_start(neighbors, 10, seed=0)
    theirs = []
    for n in (10, 12, 14, 16, 18):
        vectors = spectral_embedding(graph, n_components=n, drop_first=False, random_state=0)
        theirs.append(KMeans(10, n_init=10, random_state=0).fit_predict(normalize(vectors)))
    agreement = [metrics.clustering_accuracy(clusters, ours.argmax(-1)) for clusters in theirs]
    assert max(agreement) > 0.99
    best = max(initialization.modularity(graph, np.eye(10)[clusters]) for clusters in theirs)
    assert initialization.modularity(graph, ours) > best - 1e-3


def test_the_core_of_a_cluster_is_two_links_away_from_the_others():
    """A chain of ten rows, each linked to the next ones, the clusters 0-4 and 5-9; the last cluster is one row."""
    neighbors = np.array([[max(i - 1, 0), min(i + 1, 10)] for i in range(11)])
    clusters = np.array([0] * 5 + [1] * 5 + [2])
    expected = [True] * 3 + [False] * 2 + [False] * 2 + [True] + [False] * 2 + [True]
    np.testing.assert_array_equal(initialization.core(neighbors, np.eye(3)[clusters]), expected)


def test_the_core_of_a_start_is_purer_than_the_start(digits):
    x, y = digits
    neighbors = initialization.nearest_neighbors(x, 10)
    resp = KMeans(10, n_init=10, random_state=0).fit_predict(x)
    core = initialization.core(neighbors, np.eye(10)[resp])
    accuracy = metrics.clustering_accuracy(y, resp)
    assert 0.2 < core.mean() < 0.9 and metrics.clustering_accuracy(y[core], resp[core]) > accuracy + 0.03


def test_modularity_is_the_double_sum(rng):
    """(1 / 2m) sum_ij (A_ij - d_i d_j / 2m) [c_i = c_j], term by term."""
    graph = rng.integers(0, 2, (12, 12))
    graph = graph + graph.T
    clusters = rng.integers(0, 3, 12)
    degrees, total = graph.sum(1), graph.sum()
    expected = sum(
        (graph[i, j] - degrees[i] * degrees[j] / total) / total
        for i in range(12)
        for j in range(12)
        if clusters[i] == clusters[j]
    )
    np.testing.assert_allclose(initialization.modularity(graph, np.eye(3)[clusters]), expected)


def test_gmm_start_is_scikit_learns():
    z, _ = make_blobs(300, 3, centers=4, random_state=0)
    expected = GaussianMixture(4, covariance_type="diag", n_init=5, random_state=1).fit(z).predict_proba(z)
    np.testing.assert_allclose(initialization.gmm_start(z, 4, n_init=5, seed=1), expected)


def test_neighbors_are_other_rows(rng):
    z = rng.normal(size=(50, 3))
    neighbors = initialization.nearest_neighbors(z, 5)
    assert neighbors.shape == (50, 5) and (neighbors != np.arange(50)[:, None]).all()
    distance = np.linalg.norm(z[:, None] - z, axis=-1)
    np.testing.assert_array_equal(np.sort(neighbors), np.sort(distance.argsort(1)[:, 1:6]))
    assert initialization.nearest_neighbors(z[:3], 10).shape == (3, 2)


def test_assigned_prior_has_the_moments_of_its_points(rng):
    z, resp = rng.normal(size=(40, 3)), rng.dirichlet(np.ones(2), 40)
    prior = MixturePrior(2, 3, learn_weights=True)
    prior.build()
    initialization.assign_prior(prior, z, resp)
    for k in range(2):
        np.testing.assert_allclose(prior.means[k], np.average(z, 0, resp[:, k]), rtol=1e-5)
        expected = np.cov(z.T, aweights=resp[:, k], ddof=0).diagonal()
        np.testing.assert_allclose(np.exp(prior.log_vars[k]), expected, rtol=1e-5)
    np.testing.assert_allclose(np.exp(prior.log_weights()), resp.mean(0), rtol=1e-5)


def test_an_empty_component_is_named():
    prior = MixturePrior(2, 1)
    prior.build()
    with pytest.raises(ValueError, match=r"components \[1\] have no points"):
        initialization.assign_prior(prior, np.zeros((3, 1)), np.array([[1.0, 0.0]] * 3))


def test_autoencoder_trains_encoder_and_decoder_alone(digits):
    x, _ = digits
    model = DMVAE(64, n_components=10, latent_dim=5, z_encoder_sizes=(32,), c_encoder_sizes=(8,), decoder_sizes=(32,))
    before = [np.array(w) for w in model.mixture.c_encoder.weights + model.mixture.prior.weights]
    history = initialization.pretrain_autoencoder(model.mixture, x, epochs=8, learning_rate=0.01, verbose=0)
    assert history.history["loss"][-1] < 0.85 * history.history["loss"][0]
    after = model.mixture.c_encoder.weights + model.mixture.prior.weights
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_distillation_teaches_the_c_network_alone(digits):
    x, y = digits
    model = DMVAE(64, n_components=10, latent_dim=5, trunk_sizes=(32,), z_encoder_sizes=(8,), c_encoder_sizes=(32,))
    trunk = [np.array(w) for w in model.mixture.trunk.weights]
    initialization.distill(model.mixture, x, np.eye(10)[y], epochs=20, learning_rate=0.01, batch_size=100, verbose=0)
    assert (model.cluster(x) == y).mean() > 0.85
    assert all(np.array_equal(a, b) for a, b in zip(trunk, model.mixture.trunk.weights, strict=True))


def test_bayes_has_no_network_to_distill_into(digits):
    model = VaDE(64, n_components=10, latent_dim=5)
    with pytest.raises(ValueError, match="Bayes' rule on z: it has no network"):
        initialization.distill(model.mixture, digits[0], np.eye(10)[digits[1]], epochs=1)


def test_the_whole_start_clusters_digits(digits):
    """Real data, in seconds: autoencoder, spectral start, prior, c-network."""
    x, y = digits
    keras.utils.set_random_seed(0)
    model = DMVAE(64, n_components=10, trunk_sizes=(128,), z_encoder_sizes=(128,), c_encoder_sizes=(128,))
    initialization.pretrain_autoencoder(model.mixture, x, epochs=40, batch_size=100, verbose=0)
    z = model.encode(x)
    resp = initialization.spectral_start(initialization.nearest_neighbors(z), 10)
    initialization.assign_prior(model.mixture.prior, z, resp)
    initialization.distill(model.mixture, x, resp, epochs=20, batch_size=100, verbose=0)
    assert metrics.clustering_accuracy(y, model.cluster(x)) > 0.75


def test_neighbor_distances_are_scikit_learns(rng):
    x = rng.normal(size=(50, 3)).astype("f")
    distances, _ = NearestNeighbors(n_neighbors=4).fit(x).kneighbors()
    ours = initialization.neighbor_distances(x, initialization.nearest_neighbors(x, 4))
    np.testing.assert_allclose(ours, distances.mean(1), rtol=1e-5)
