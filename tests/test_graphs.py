"""Graphs of neighbours and their clusters, against scikit-learn and known clusters."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_moons
from sklearn.manifold import spectral_embedding
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize, scale

from vae_moe import metrics
from vae_moe.data import datasets
from vae_moe.training import cuts, graphs, warm_start


def test_spectral_start_separates_what_is_not_round():
    z, y = make_moons(600, noise=0.05, random_state=0)
    resp = graphs.spectral_start(z, graphs.nearest_neighbors(z), 2)
    assert metrics.clustering_accuracy(y, resp.argmax(-1)) == 1.0


def test_parts_without_a_link_are_clusters():
    """The graph of five spiral arms falls apart: eigenvalue 1 comes five times, which one iteration does not find."""
    split = datasets.spiral(n_train=400).train
    resp = graphs.spectral_start(split.x, graphs.nearest_neighbors(split.x), 5)
    assert metrics.clustering_accuracy(split.y, resp.argmax(-1)) == 1.0


def test_spectral_start_agrees_with_scikit_learn(digits):
    x, _ = digits
    neighbors = graphs.nearest_neighbors(x)
    graph = graphs.adjacency(neighbors).toarray()
    ours = graphs.spectral_start(x, neighbors, 10, seed=0)
    theirs = []
    for n in (10, 12, 14, 16, 18):
        vectors = spectral_embedding(graph, n_components=n, drop_first=False, random_state=0)
        theirs.append(KMeans(10, n_init=10, random_state=0).fit_predict(normalize(vectors)))
    agreement = [metrics.clustering_accuracy(clusters, ours.argmax(-1)) for clusters in theirs]
    assert max(agreement) > 0.99
    best = max(cuts.modularity(graph, np.eye(10)[clusters]) for clusters in theirs)
    assert cuts.modularity(graph, ours) > best - 1e-3


#: Rows of each group; their centres are ten deviations apart in every column.
UNEQUAL = [(700, 300), (850, 150), (950, 50), (990, 10), (800, 150, 50), (490, 490, 20), (600, 300, 100), (160, 40)]


def blobs(sizes, n_columns, seed=0):
    """Standardised normal groups of these sizes: x [N, D], y [N]."""
    y = np.repeat(np.arange(len(sizes)), sizes)
    return scale(np.random.RandomState(seed).randn(len(y), n_columns) + 10 * y[:, np.newaxis]), y


def start_of(x, k, kind="spectral"):
    """The clusters [N] from which a clustering of x [N, D] would start, the latents being x."""
    return warm_start.cluster(x, x, graphs.nearest_neighbors(x), k, start=kind)[0].argmax(-1)


@pytest.mark.parametrize("kind", warm_start.STARTS)
@pytest.mark.parametrize("n_columns", [1, 2, 10])
@pytest.mark.parametrize("sizes", UNEQUAL)
def test_groups_that_are_apart_are_found_however_unequal(sizes, n_columns, kind):
    x, y = blobs(sizes, n_columns)
    assert adjusted_rand_score(y, start_of(x, len(sizes), kind)) >= 0.95


def test_equal_rows_are_one_row_of_the_graph(rng):
    """Twelve different answers of a survey in three groups, each given many times."""
    y = np.repeat([0, 1, 2], 100)
    x = scale(np.array([[1.0, 1], [5, 5], [1, 5]])[y] + rng.integers(0, 2, (300, 2)))
    neighbors = graphs.nearest_neighbors(x)
    assert (neighbors.distances > 0).all() and neighbors.rows.shape == (300, 3)  # the root of twelve
    clusters = start_of(x, 3)
    assert adjusted_rand_score(y, clusters) == 1.0
    _, answers = np.unique(x, axis=0, return_inverse=True)
    assert all(len(np.unique(clusters[answers.ravel() == answer])) == 1 for answer in range(12))


def test_rows_that_are_all_equal_have_the_first_for_a_neighbour():
    neighbors = graphs.nearest_neighbors(np.ones((5, 2)))
    assert (neighbors.rows == 0).all() and (neighbors.distances == 0).all()
    assert graphs.spectral_start(np.ones((5, 2)), neighbors, 2).argmax(-1).tolist() == [0] * 5


@pytest.mark.parametrize("shape", [(40, 400), (100, 1000), (40, 2000)])
def test_two_groups_in_far_more_columns_than_rows(rng, shape):
    y = np.repeat([0, 1], shape[0] // 2)
    x = rng.normal(size=shape)
    x[y == 1, :60] += 2.5
    assert adjusted_rand_score(y, start_of(scale(x), 2)) >= 0.9


def test_parts_of_the_graph_are_joined_and_never_cut():
    """Four groups, two of them near each other, and K = 3 or 2: the nearest are joined."""
    y = np.repeat([0, 1, 2, 3], [300, 40, 100, 60])
    x = np.random.RandomState(0).randn(500, 2) + np.array([[0, 0], [12, 0], [100, 0], [200, 0]])[y]
    assert adjusted_rand_score(np.maximum(y, 1), start_of(x, 3)) == 1.0
    assert adjusted_rand_score(np.maximum(y, 1), start_of(x, 3, "gmm")) == 1.0
    assert len(np.unique(start_of(x, 2)[y < 2])) == 1


def test_a_far_part_of_few_rows_is_no_cluster_where_large_parts_are_more_than_clusters():
    """Twelve rows, the farthest of all, go with the nearer of two large groups."""
    y = np.repeat([0, 1, 2], [300, 250, 12])
    x = np.random.RandomState(0).randn(562, 2) + np.array([[0, 0], [15, 0], [40, 0]])[y]
    assert adjusted_rand_score(np.minimum(y, 1), start_of(x, 2)) == 1.0


def test_a_cluster_of_two_parts_is_told_where_another_part_is_cut():
    """Three groups apart: one of them cut in two and the others joined, or all whole, or two of them just joined."""
    x, y = blobs((100, 60, 40), 2)
    neighbors = graphs.nearest_neighbors(x)
    torn = np.where(y == 0, x[:, 0] > x[y == 0, 0].mean(), 2).astype(int)
    assert graphs.joined(neighbors, torn) == [2]
    assert graphs.joined(neighbors, (x[:, 0] > x[y == 0, 0].mean()).astype(int)) == []  # two clusters for three parts
    assert graphs.joined(neighbors, y) == [] and graphs.joined(neighbors, np.minimum(y, 1)) == []


def test_a_few_rows_far_off_are_no_cluster(rng):
    """Three rows of 1000 that no group is near go with the nearest one."""
    x, y = blobs((700, 300), 2)
    x[[0, 1, 800]] += [[40, -40], [-50, 60], [30, 90]]
    rest = np.delete(np.arange(1000), [0, 1, 800])
    assert adjusted_rand_score(y[rest], start_of(x, 2)[rest]) == 1.0


def test_the_core_of_a_cluster_is_two_links_away_from_the_others():
    """A chain of ten rows, each linked to the next ones, the clusters 0-4 and 5-9; the last cluster is one row."""
    rows = np.array([[max(i - 1, 0), min(i + 1, 10)] for i in range(11)])
    neighbors = graphs.Neighbors(rows, np.ones((11, 2)))
    clusters = np.array([0] * 5 + [1] * 5 + [2])
    expected = [True] * 3 + [False] * 2 + [False] * 2 + [True] + [False] * 2 + [True]
    np.testing.assert_array_equal(graphs.core(neighbors, np.eye(3)[clusters]), expected)


def test_the_core_of_a_start_is_purer_than_the_start(digits):
    x, y = digits
    neighbors = graphs.nearest_neighbors(x)
    resp = KMeans(10, n_init=10, random_state=0).fit_predict(x)
    core = graphs.core(neighbors, np.eye(10)[resp])
    accuracy = metrics.clustering_accuracy(y, resp)
    assert 0.2 < core.mean() < 0.9 and metrics.clustering_accuracy(y[core], resp[core]) > accuracy + 0.03


def test_the_normalised_cut_is_the_double_sum(rng):
    """sum_k sum_ij A_ij [c_i = k, c_j != k] / sum_ij A_ij [c_i = k], term by term."""
    graph = rng.integers(0, 3, (12, 12))
    graph = graph + graph.T
    clusters = rng.integers(0, 3, 12)
    expected = sum(graph[clusters == k][:, clusters != k].sum() / graph[clusters == k].sum() for k in range(3))
    np.testing.assert_allclose(cuts.normalised_cut(graph, np.eye(3)[clusters]), expected)


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
    np.testing.assert_allclose(cuts.modularity(graph, np.eye(3)[clusters]), expected)


def test_links_are_no_longer_than_the_scale_of_the_rows_they_join_allows(rng):
    """d_ij^2 <= FAR^2 s_i s_j, entry by entry; a link of which both are neighbours counts whole."""
    z = np.concatenate([rng.normal(size=(30, 2)), rng.normal(size=(6, 2)) + 20])
    neighbors = graphs.nearest_neighbors(z, 8)
    scales = np.median(neighbors.distances, 1)
    expected, n_far = np.zeros((36, 36)), 0
    for i in range(36):
        for j, distance in zip(neighbors.rows[i], neighbors.distances[i], strict=True):
            far = distance > graphs.FAR * np.sqrt(scales[i] * scales[j])
            expected[i, j] += 0.5 * (not far)
            n_far += far
    np.testing.assert_allclose(graphs.adjacency(neighbors).toarray(), expected + expected.T)
    assert n_far > 0


def test_neighbors_are_other_rows(rng):
    z = rng.normal(size=(50, 3))
    neighbors = graphs.nearest_neighbors(z, 5).rows
    assert neighbors.shape == (50, 5) and (neighbors != np.arange(50)[:, None]).all()
    distance = np.linalg.norm(z[:, None] - z, axis=-1)
    np.testing.assert_array_equal(np.sort(neighbors), np.sort(distance.argsort(1)[:, 1:6]))
    assert graphs.nearest_neighbors(z[:3], 10).rows.shape == (3, 1)


def test_neighbor_distances_are_scikit_learns(rng):
    x = rng.normal(size=(50, 3)).astype("f")
    distances, _ = NearestNeighbors(n_neighbors=4).fit(x).kneighbors()
    np.testing.assert_allclose(graphs.nearest_neighbors(x, 4).distances, distances, rtol=1e-5)
    ours = graphs.neighbor_distances(x, graphs.nearest_neighbors(x, 4))
    np.testing.assert_allclose(ours, distances.mean(1), rtol=1e-5)
