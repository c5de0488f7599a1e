"""What several ways of clustering the same rows agree on.

No one way is best on all tables: a neighbour graph follows curved clusters and cuts off a handful of far rows, Gaussian
mixtures find clusters that lie across each other, k-means finds round ones. Where the graph alone tells the clusters
apart, or the graph and the most likely mixture do, they decide; elsewhere all ways do.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, pairwise_distances_argmin_min
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from vae_moe.engine import threads
from vae_moe.training import cuts
from vae_moe.training.graphs import Neighbors, adjacency, core, nearest_neighbors
from vae_moe.training.initialization import COVARIANCES, fit_mixture

#: Share of each cluster's links that leave it, on average, up to which the graph alone tells the clusters apart.
FEW_CUT = 0.005
#: Least gap around a cluster, in steps between neighbouring rows inside, from which on an unconnected part is apart.
GAP = 1.5
#: Share of the rows below which an unconnected part may be rows that are scattered.
FEW_ROWS = 0.05
#: Share of an equal part of the rows below which a cluster that hangs on a few links may be rows that are scattered.
LEAST_PART = 0.1
#: Quantile of the steps inside a cluster; a few far rows have longer ones.
USUAL_STEP = 0.95
#: Starts of each Gaussian mixture that begins with k-means.
MIXTURE_STARTS = 5
#: Least adjusted Rand index of one way's clusters with what all agree on, and with its own in resamples, to be taken.
ALIKE, STABLE = 0.7, 0.8
RESAMPLES, PART = 3, 0.8
#: Adjusted Rand index from which on two ways found the same clusters.
SAME = 0.95
#: Share of the votes from which on a row is surely of a cluster.
SURE = 0.5
#: Rows that a mixture is fitted to, at most; the others are told by it.
MOST_ROWS = 10_000


def agreed(
    x: np.ndarray, neighbors: Neighbors, cluster: Callable[[np.ndarray], np.ndarray], *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Choose clusters without labels.

    One way's clusters are taken where the neighbour graph tells them apart, and where they are found again in resamples
    and other ways find much the same; another's where the graph tells those, or also tells the likeliest mixture's
    (:func:`told_by_both`). Elsewhere it is what all ways agree on.

    Args:
        x: [N, D].
        neighbors: of the N rows.
        cluster: the one way; gives the responsibilities [n, K] of some rows, whose numbers [n] it is given.
        seed: of the others, and of resamples.

    Returns:
        Responsibilities [N, K], and their core [N]: rows that lie deep inside their cluster, and where all ways were
        asked those of which ``SURE`` of the votes is for it.
    """
    graph = adjacency(neighbors)
    rest = np.flatnonzero(~scattered(x, neighbors, graph))
    if len(rest) < len(x):
        near = nearest_neighbors(x[rest], neighbors.rows.shape[1])
        resp, inside = agreed(x[rest], near, lambda rows: cluster(rest[rows]), seed=seed)
        nearest, _ = pairwise_distances_argmin_min(x, x[rest])
        deep = np.zeros(len(x), bool)
        deep[rest] = inside
        return resp[nearest], deep
    first = _one_hot(cluster(np.arange(len(x))))
    if told_by_graph(x, neighbors, graph, first):
        return first, core(neighbors, first)
    others, likeliest = clusterings(x, first, seed=seed)
    found = [first, *others]
    told = [resp for resp in others if told_by_graph(x, neighbors, graph, resp)]
    if told_by_both(graph, likeliest, found) or told_by_graph(x, neighbors, graph, likeliest, seconded=True):
        told.append(likeliest)
    if told:
        resp = min(told, key=lambda resp: cuts.normalised_cut(graph, resp))
        return resp, core(neighbors, resp)
    resp = consensus(found, seed=seed)
    sure = resp.max(-1) >= SURE
    alike = adjusted_rand_score(first.argmax(-1), resp.argmax(-1)) >= ALIKE
    if alike and stability(cluster, first, seed=seed) >= STABLE:
        names = (_one_hot(resp).T @ first).argmax(-1)  # [K], what each agreed cluster is called in the first
        return first, core(neighbors, first) | sure & (names[resp.argmax(-1)] == first.argmax(-1))
    return resp, sure


def stability(cluster: Callable[[np.ndarray], np.ndarray], resp: np.ndarray, *, seed: int = 0) -> float:
    """Return the mean adjusted Rand index of clusters with those of ``RESAMPLES`` parts of their rows.

    Args:
        cluster: as of :func:`agreed`.
        resp: what it gives for all rows, [N, K].
        seed: of the parts, ``PART`` of the rows each.
    """
    rng = np.random.default_rng(seed)
    indices = []
    for _ in range(RESAMPLES):
        rows = np.sort(rng.choice(len(resp), int(PART * len(resp)), replace=False))
        indices.append(adjusted_rand_score(resp[rows].argmax(-1), cluster(rows).argmax(-1)))
    return float(np.mean(indices))


def _one_hot(resp: np.ndarray) -> np.ndarray:
    return np.eye(resp.shape[1])[resp.argmax(-1)]


def scattered(x: np.ndarray, neighbors: Neighbors, graph) -> np.ndarray:
    """Find rows that are far from all others, and not near each other: no cluster, however few they are.

    They are single rows that no link of the neighbour graph joins to others, and unconnected parts of less than
    ``FEW_ROWS`` of the rows, and no more than a row has neighbours, that are not apart (``GAP``) from the rest.

    Args:
        x: [N, D].
        neighbors: of the N rows.
        graph: their adjacency, [N, N].

    Returns:
        [N] booleans; all false where this would leave less than half.
    """
    _, parts = scipy.sparse.csgraph.connected_components(graph)
    sizes = np.bincount(parts)
    found = np.zeros(len(x), bool)
    for part in np.flatnonzero((sizes < FEW_ROWS * len(x)) & (sizes <= neighbors.rows.shape[1])):
        inside = parts == part
        found |= inside & (sizes[part] == 1 or not _is_apart(x, neighbors, inside))
    return found if found.mean() < 0.5 else np.zeros(len(x), bool)


def told_by_both(graph, likeliest: np.ndarray, found: Sequence[np.ndarray]) -> bool:
    """Whether the graph, too, tells the clusters of the mixture of most evidence from all others that were found.

    So it does where they cut by far fewer links (``cuts.SAME_CUT``): densities and neighbours, neither of which has a
    preferred size, say the same.

    Args:
        graph: adjacency [N, N], symmetric.
        likeliest: one-hot clusters [N, K].
        found: these and others, [N, K] each; those much the same (``SAME``) do not count.
    """
    clusters = likeliest.argmax(-1)
    others = [resp for resp in found if adjusted_rand_score(resp.argmax(-1), clusters) < SAME]
    least = min((cuts.normalised_cut(graph, resp) for resp in others), default=0.0)
    return cuts.SAME_CUT * cuts.normalised_cut(graph, likeliest) < least


def told_by_graph(x: np.ndarray, neighbors: Neighbors, graph, resp: np.ndarray, seconded: bool = False) -> bool:
    """Whether the neighbour graph tells clusters apart beyond doubt.

    It does where hardly a link is cut (``FEW_CUT``), but not none, and no cluster is tiny (``LEAST_PART``); and where
    the gap around each cluster is longer than the steps of the least spanning tree inside. It does not where a cluster
    has no more rows than a row has neighbours, unless another way found the same: a few rows of many equal values, or
    far ones, are unconnected, too.

    Args:
        x: [N, D].
        neighbors: of the N rows.
        graph: their adjacency, [N, N].
        resp: one-hot clusters [N, K].
        seconded: whether a way that knows nothing of the graph found these clusters.
    """
    masks = resp.T[resp.sum(0) > 0] > 0  # [clusters with rows, N]
    least = masks.sum(1).min()
    if least <= neighbors.rows.shape[1] and not seconded:
        return False
    cut = cuts.normalised_cut(graph, resp) / resp.shape[1]
    if cuts.CUT_TOLERANCE < cut <= FEW_CUT and least >= LEAST_PART * len(x) / resp.shape[1]:
        return True
    return len(masks) == 1 or all(_is_apart(x, neighbors, inside) for inside in masks)


def _is_apart(x: np.ndarray, neighbors: Neighbors, inside: np.ndarray) -> bool:
    """Whether the gap between some rows [N] and the others is longer than the steps among them."""
    gap = NearestNeighbors(n_neighbors=1).fit(x[~inside]).kneighbors(x[inside])[0].min()
    return gap > GAP * _usual_step(neighbors, inside)


def _usual_step(neighbors: Neighbors, inside: np.ndarray) -> float:
    """Return a high quantile of the edges of the least spanning trees of some rows [N] among themselves."""
    links = inside[neighbors.rows] & inside[:, np.newaxis]  # [N, M]
    starts = np.concatenate([[0], np.cumsum(links.sum(1))])
    edges = scipy.sparse.csr_array((neighbors.distances[links], neighbors.rows[links], starts), (len(inside),) * 2)
    steps = scipy.sparse.csgraph.minimum_spanning_tree(edges).data
    return float(np.quantile(steps, USUAL_STEP)) if len(steps) else 0.0


def clusterings(x: np.ndarray, first: np.ndarray, *, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Cluster rows by k-means and by Gaussian mixtures of several shapes.

    A mixture of each shape begins with scikit-learn's own starts, with k-means' clusters, and with those given.

    Args:
        x: [N, D].
        first: one-hot clusters [N, K] that mixtures begin with.
        seed: of k-means, of the mixtures' starts and of the rows they are fitted to, ``MOST_ROWS`` at most.

    Returns:
        One-hot clusters, [N, K] each, and among them those of the mixture of least BIC.
    """
    n_components = first.shape[1]
    rows = np.arange(len(x))
    if len(x) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    with threads.one_if(threads.few_rows(len(rows))):
        k_means = KMeans(n_components, n_init=10, random_state=seed).fit(x[rows])
    of_k_means = k_means.predict(x)
    mixtures: list[GaussianMixture] = []
    for shape in COVARIANCES:
        if shape == "full" and len(rows) <= 2 * n_components * x.shape[1]:
            continue
        fit = functools.partial(fit_mixture, x[rows], n_components, covariance_type=shape, seed=seed)
        begun = (fit(begin=begin[rows]) for begin in (np.eye(n_components)[of_k_means], first))
        mixtures += [fit(n_init=MIXTURE_STARTS), *begun]
    found = [np.eye(n_components)[clusters] for clusters in (of_k_means, *(each.predict(x) for each in mixtures))]
    return found, found[1 + int(np.argmin([each.bic(x[rows]) for each in mixtures]))]


def consensus(found: Sequence[np.ndarray], *, seed: int = 0) -> np.ndarray:
    """Cluster rows by what several clusterings say of them.

    Each row is described by its cluster in each, and these descriptions are clustered by k-means (Wu, Liu, Xiong, Cao
    & Chen, "K-means-based consensus clustering", IEEE TKDE 2015). Then each clustering has a vote for each row: the
    share of its cluster's rows that are in each of the new ones.

    Args:
        found: one-hot clusters, [N, K] each.
        seed: of k-means.

    Returns:
        Responsibilities [N, K], the mean of the votes; the new clusters themselves, if by votes one has no rows.
    """
    n_components = found[0].shape[1]
    described = np.concatenate(found, -1)  # [N, K * clusterings]
    with threads.one_if(threads.few_rows(len(described))):
        agreed = np.eye(n_components)[KMeans(n_components, n_init=10, random_state=seed).fit_predict(described)]
    votes = [resp @ (resp.T @ agreed / np.maximum(resp.sum(0), 1)[:, np.newaxis]) for resp in found]
    resp = np.mean(votes, 0)
    return resp if np.isin(agreed.argmax(-1), resp.argmax(-1)).all() else agreed
