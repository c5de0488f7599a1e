"""The graph of nearest neighbours: its clusters, and which of their rows lie deep inside.

Rows are x or latents, [N, D]; images [N, H, W, C] are taken as their rows.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
from sklearn.cluster import KMeans
from sklearn.impute import KNNImputer
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.metrics.cluster import contingency_matrix
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from vae_moe.engine import threads
from vae_moe.training.cuts import SAME_CUT, best_clustering, normalised_cut

#: Up to this many, distances in x tell as much as an autoencoder's.
FEW_COLUMNS = 100
#: Eigenvectors beyond K that the spectral start tries.
EXTRA_EIGENVECTORS = (0, 2, 4, 6, 8)
#: Relative accuracy of their eigenvalues; k-means does not see finer.
EIGENVECTOR_TOLERANCE = 1e-3
#: Length of a link, in the scale of the rows it joins, from which on there is none.
FAR = 2.15
#: Share of the rows from which on an unconnected part of the graph is a cluster; smaller ones go with their nearest.
LEAST_PART = 0.005
#: Rows that gaps are filled from, at most, and how many of the nearest.
MOST_DONORS, NEAREST = 5_000, 10


class Neighbors(NamedTuple):
    """Each row's nearest other rows.

    Attributes:
        rows: their numbers, [N, M], the nearest first.
        distances: to them, Euclidean [N, M].
    """

    rows: np.ndarray
    distances: np.ndarray


def nearest_neighbors(z: np.ndarray, n_neighbors: int = 10) -> Neighbors:
    """Find each row's nearest rows; equal ones count as one, the first of them: copies do not stand in for neighbours.

    Args:
        z: [N, D].
        n_neighbors: M, at most; of few different rows, as many as the root of their number. Where all are equal, a
            row's one neighbour is the first.
    """
    z = _rows(z)
    first, group = distinct(z)
    n_wanted = min(n_neighbors, int(np.sqrt(len(first))), len(first) - 1)
    if n_wanted < 1:
        return Neighbors(np.zeros((len(z), 1), np.int32), np.zeros((len(z), 1), np.float32))
    with threads.one_if(threads.few_rows(len(first))):
        distances, rows = NearestNeighbors(n_neighbors=n_wanted, n_jobs=-1).fit(z[first]).kneighbors()
    return Neighbors(first[rows][group].astype(np.int32), distances[group].astype(np.float32))


def distinct(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the rows that differ.

    Args:
        z: [N, D].

    Returns:
        The number of the first row of each kind, ascending [F], and each row's kind [N], below F.
    """
    _, first, group = np.unique(np.ascontiguousarray(_rows(z)), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order], np.argsort(order)[group.ravel()]


def neighbor_distances(x: np.ndarray, neighbors: Neighbors) -> np.ndarray:
    """Mean Euclidean distance in x of each row to its neighbours, which may be those in other coordinates.

    Args:
        x: [N, D].
        neighbors: of the N rows.

    Returns:
        [N], in units of x.
    """
    x = _rows(x)
    return np.mean([np.linalg.norm(x[column] - x, axis=-1) for column in neighbors.rows.T], 0)


def core(neighbors: Neighbors, resp: np.ndarray) -> np.ndarray:
    """Which rows lie deep inside their cluster: their neighbours, and the neighbours of these, are all of it.

    Clusters of a graph are wrong near their borders first, so that a start's core holds far fewer mistakes than the
    start. A cluster without a core, a thin or a small one, has all its rows there.

    Args:
        neighbors: of the N rows (:func:`nearest_neighbors`).
        resp: responsibilities [N, K].

    Returns:
        [N] booleans.
    """
    clusters = resp.argmax(-1)
    inside = (clusters[neighbors.rows] == clusters[:, np.newaxis]).all(-1)  # [N]
    deep = inside & inside[neighbors.rows].all(-1)  # [N]
    return deep | ~np.isin(clusters, clusters[deep])


def adjacency(neighbors: Neighbors) -> scipy.sparse.csr_array:
    """Make the symmetric graph of neighbours: of each link half from either side, none where it is too long.

    A link is too long at ``FAR`` times the scale of the rows it joins, the geometric mean of their median distances to
    their neighbours (Zelnik-Manor & Perona 2004): a small cluster's links to the next one are, however dense either is.

    Args:
        neighbors: of the N rows.

    Returns:
        [N, N].
    """
    n_rows, n_neighbors = neighbors.rows.shape
    scale = np.median(neighbors.distances, -1, keepdims=True)  # [N, 1]
    links = np.square(neighbors.distances) <= FAR**2 * scale * scale[neighbors.rows, 0]  # [N, M]
    starts = np.arange(0, links.size + 1, n_neighbors)
    graph = scipy.sparse.csr_array((links.ravel().astype(float), neighbors.rows.ravel(), starts), (n_rows, n_rows))
    graph.eliminate_zeros()
    return 0.5 * (graph + graph.T)


def spectral_start(z: np.ndarray, neighbors: Neighbors, n_components: int, *, seed: int = 0) -> np.ndarray:
    """Cluster the rows by normalised spectral clustering of their neighbour graph (Ng et al. 2002).

    Where the graph has K unconnected parts or more, they are the clusters, or K-means of them are: no part is cut.
    Otherwise the leading eigenvectors of the normalised adjacency are taken as coordinates,
    their rows scaled to length 1 and clustered by k-means. How many eigenvectors separate the clusters best differs
    from data set to data set (K alone often joins two), so several numbers are tried
    (:func:`vae_moe.training.cuts.best_clustering` chooses). Rows of length 1 hide a small cluster: where K eigenvectors
    that are not scaled so, but by the roots of the degrees (Shi & Malik 2000), cut by far fewer links, these are taken.
    Parts of less than ``LEAST_PART`` of the rows go with their nearest row.

    scikit-learn's SpectralClustering factorises the Laplacian to get the same vectors, which does not finish in
    reasonable time on 60000 points.

    Args:
        z: [N, D]; equal rows come into the same cluster.
        neighbors: of the N rows (:func:`nearest_neighbors`).
        n_components: K.
        seed: of the eigenvector iteration and of k-means.

    Returns:
        [N, K] of zeros and ones.
    """
    first, group = distinct(z)
    counts = np.bincount(group)  # [F]
    weights = scipy.sparse.diags_array(counts.astype(float))
    of_first = Neighbors(group[neighbors.rows[first]], neighbors.distances[first])
    graph = (weights @ adjacency(of_first) @ weights).tocsr()  # [F, F]
    _, parts = scipy.sparse.csgraph.connected_components(graph)
    sizes = np.bincount(parts, counts)
    large = np.isin(parts, np.flatnonzero(sizes >= min(LEAST_PART * len(z), sizes.max())))
    rows = _rows(z)[first]
    if large.sum() <= n_components:
        clusters = np.arange(large.sum())
    elif len(np.unique(parts[large])) < n_components:
        clusters = _cut(graph[large][:, large], n_components, seed)
    else:
        clusters = _join(rows[large], parts[large], counts[large], n_components, seed)
    nearest, _ = pairwise_distances_argmin_min(rows[~large], rows[large]) if not large.all() else ([], [])
    every = np.zeros(len(first), int)
    every[large], every[~large] = clusters, clusters[nearest]
    return np.eye(n_components)[every[group]]


def joined(neighbors: Neighbors, clusters: np.ndarray) -> list[int]:
    """Find clusters that hold several unconnected parts of the graph while another part is cut, though each could have
    a cluster of its own.

    Args:
        neighbors: of the N rows.
        clusters: [N] integers.

    Returns:
        The numbers of these clusters, ascending; none where the parts, without those of less than ``LEAST_PART`` of the
        rows, are more than the clusters.
    """
    _, parts = scipy.sparse.csgraph.connected_components(adjacency(neighbors))
    table = contingency_matrix(parts, clusters) / len(clusters)  # [P, C], shares of the rows
    table = table[table.sum(1) >= LEAST_PART] >= LEAST_PART
    if len(table) > table.shape[1] or not (table.sum(1) > 1).any():
        return []
    return np.unique(clusters)[table.sum(0) > 1].tolist()


def _cut(graph, n_components: int, seed: int) -> np.ndarray:
    """Clusters [N] of a graph [N, N] of fewer parts than K."""
    vectors = _leading_eigenvectors(graph, min(n_components + EXTRA_EIGENVECTORS[-1], graph.shape[0]), seed)  # [N, E]
    k_means = KMeans(n_components, n_init=10, random_state=seed)
    with threads.one_if(threads.few_rows(graph.shape[0])):
        clusterings = [k_means.fit_predict(normalize(vectors[:, : n_components + n])) for n in EXTRA_EIGENVECTORS]
    best = best_clustering(graph, [np.eye(n_components)[clusters] for clusters in clusterings])
    root_degrees = np.sqrt(np.maximum(graph.sum(1), np.finfo(float).eps))[:, np.newaxis]  # [N, 1]
    with threads.one_if(threads.few_rows(graph.shape[0])):
        unscaled = np.eye(n_components)[k_means.fit_predict(vectors[:, :n_components] / root_degrees)]
    by_far = SAME_CUT * normalised_cut(graph, unscaled) < normalised_cut(graph, best)
    return (unscaled if by_far else best).argmax(-1)


def _join(rows: np.ndarray, parts: np.ndarray, counts: np.ndarray, n_components: int, seed: int) -> np.ndarray:
    """Clusters [F] of rows [F, D] in K parts or more: k-means of the parts' means, each weighing as many as its rows.

    Joining the nearest parts would leave a few far rows as a cluster, and the others as one.
    """
    numbers, parts = np.unique(parts, return_inverse=True)
    inside = counts * np.eye(len(numbers))[:, parts]  # [P, F]
    sizes = inside.sum(1)
    means = inside @ rows / sizes[:, np.newaxis]  # [P, D]
    with threads.one_if(threads.few_rows(len(means))):
        return KMeans(n_components, n_init=10, random_state=seed).fit_predict(means, sample_weight=sizes)[parts]


def _leading_eigenvectors(adjacency, n_eigenvectors: int, seed: int) -> np.ndarray:
    """Eigenvectors of the normalised adjacency, [N, N] -> [N, n_eigenvectors], of greatest eigenvalue first.

    Each connected part of the graph is solved alone: each has an eigenvalue 1, and the iteration from one start vector
    finds one eigenvector of a repeated eigenvalue. A part's first eigenvector is known, the roots of its degrees.
    """
    rng = np.random.default_rng(seed)
    n_parts, parts = scipy.sparse.csgraph.connected_components(adjacency)
    degrees = adjacency.sum(1)  # [N]
    root_degrees = np.sqrt(np.where(degrees > 0, degrees, 1))  # a row without a link is a part by itself
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


def _rows(x: np.ndarray) -> np.ndarray:
    return np.reshape(x, (len(x), -1))


def filled(x: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Fill each gap of x [N, D] from the nearest rows, as told by the entries that both have.

    It is scikit-learn's KNNImputer, of `MOST_DONORS` rows at most: for what compares rows.
    """
    if not np.isnan(x).any():
        return x
    x = np.where(np.isnan(x).all(0), 0.0, x).astype(np.float32)
    donors = np.arange(len(x))
    if len(x) > MOST_DONORS:
        donors = np.sort(np.random.default_rng(seed).choice(len(x), MOST_DONORS, replace=False))
    imputer = KNNImputer(n_neighbors=NEAREST, weights="distance", keep_empty_features=True).fit(x[donors])
    return imputer.transform(x).astype(np.float32)
