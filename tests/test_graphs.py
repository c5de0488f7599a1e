"""Graphs of neighbours and their clusters, against scikit-learn and known clusters."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_moons
from sklearn.manifold import spectral_embedding
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from vae_moe import datasets, graphs, metrics


def test_spectral_start_separates_what_is_not_round():
    z, y = make_moons(600, noise=0.05, random_state=0)
    neighbors = graphs.nearest_neighbors(z, 10)
    resp = graphs.spectral_start(neighbors, 2)
    assert metrics.clustering_accuracy(y, resp.argmax(-1)) == 1.0


def test_parts_without_a_link_are_clusters():
    """The graph of five spiral arms falls apart: eigenvalue 1 comes five times, which one iteration does not find."""
    split = datasets.spiral(n_train=400).train
    resp = graphs.spectral_start(graphs.nearest_neighbors(split.x, 10), 5)
    assert metrics.clustering_accuracy(split.y, resp.argmax(-1)) == 1.0


def test_spectral_start_agrees_with_scikit_learn(digits):
    x, _ = digits
    neighbors = graphs.nearest_neighbors(x, 10)
    graph = np.zeros((len(x), len(x)))
    graph[np.arange(len(x))[:, None], neighbors] = 0.5
    graph += graph.T
    ours = graphs.spectral_start(neighbors, 10, seed=0)
    theirs = []
    for n in (10, 12, 14, 16, 18):
        vectors = spectral_embedding(graph, n_components=n, drop_first=False, random_state=0)
        theirs.append(KMeans(10, n_init=10, random_state=0).fit_predict(normalize(vectors)))
    agreement = [metrics.clustering_accuracy(clusters, ours.argmax(-1)) for clusters in theirs]
    assert max(agreement) > 0.99
    best = max(graphs.modularity(graph, np.eye(10)[clusters]) for clusters in theirs)
    assert graphs.modularity(graph, ours) > best - 1e-3


def test_the_core_of_a_cluster_is_two_links_away_from_the_others():
    """A chain of ten rows, each linked to the next ones, the clusters 0-4 and 5-9; the last cluster is one row."""
    neighbors = np.array([[max(i - 1, 0), min(i + 1, 10)] for i in range(11)])
    clusters = np.array([0] * 5 + [1] * 5 + [2])
    expected = [True] * 3 + [False] * 2 + [False] * 2 + [True] + [False] * 2 + [True]
    np.testing.assert_array_equal(graphs.core(neighbors, np.eye(3)[clusters]), expected)


def test_the_core_of_a_start_is_purer_than_the_start(digits):
    x, y = digits
    neighbors = graphs.nearest_neighbors(x, 10)
    resp = KMeans(10, n_init=10, random_state=0).fit_predict(x)
    core = graphs.core(neighbors, np.eye(10)[resp])
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
    np.testing.assert_allclose(graphs.modularity(graph, np.eye(3)[clusters]), expected)


def test_neighbors_are_other_rows(rng):
    z = rng.normal(size=(50, 3))
    neighbors = graphs.nearest_neighbors(z, 5)
    assert neighbors.shape == (50, 5) and (neighbors != np.arange(50)[:, None]).all()
    distance = np.linalg.norm(z[:, None] - z, axis=-1)
    np.testing.assert_array_equal(np.sort(neighbors), np.sort(distance.argsort(1)[:, 1:6]))
    assert graphs.nearest_neighbors(z[:3], 10).shape == (3, 2)


def test_neighbor_distances_are_scikit_learns(rng):
    x = rng.normal(size=(50, 3)).astype("f")
    distances, _ = NearestNeighbors(n_neighbors=4).fit(x).kneighbors()
    ours = graphs.neighbor_distances(x, graphs.nearest_neighbors(x, 4))
    np.testing.assert_allclose(ours, distances.mean(1), rtol=1e-5)
