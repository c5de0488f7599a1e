"""The graph of nearest neighbours: its clusters, and which of their rows lie deep inside.

Rows are x or latents, [N, D]; images [N, H, W, C] are taken as their rows.
"""

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

#: Eigenvectors beyond K that the spectral start tries.
EXTRA_EIGENVECTORS = (0, 2, 4, 6, 8)
#: Relative accuracy of their eigenvalues; k-means does not see finer.
EIGENVECTOR_TOLERANCE = 1e-3


def nearest_neighbors(z: np.ndarray, n_neighbors: int = 10) -> np.ndarray:
    """Row numbers of each row's nearest other rows, Euclidean, z [N, L] -> [N, M] with M = min(n_neighbors, N - 1)."""
    index = NearestNeighbors(n_neighbors=min(n_neighbors, len(z) - 1), n_jobs=-1).fit(_rows(z))
    return index.kneighbors(return_distance=False).astype(np.int32)


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


def _rows(x: np.ndarray) -> np.ndarray:
    return np.reshape(x, (len(x), -1))
