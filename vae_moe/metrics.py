"""Scores of a clustering against classes: functions of arrays. scikit-learn has NMI and ARI; accuracy is here."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, pairwise_distances_chunked
from sklearn.metrics.cluster import contingency_matrix
from sklearn.neighbors import NearestNeighbors


def best_assignment(y, clusters) -> dict[int, Any]:
    """The one-to-one map of clusters to classes that agrees on most points (Kuhn 1955, the Hungarian method).

    Args:
        y: [N] classes, numbers or text.
        clusters: [N] cluster numbers.

    Returns:
        {cluster: class}; with more clusters than classes, some clusters have none.
    """
    table = contingency_matrix(y, clusters)  # [C, K]
    rows, columns = linear_sum_assignment(table, maximize=True)
    classes, numbers = np.unique(y), np.unique(clusters)
    return {int(numbers[column]): classes[row].item() for row, column in zip(rows, columns, strict=True)}


def clustering_accuracy(y, clusters) -> float:
    """Share of points whose cluster's class, under the best one-to-one map, is theirs (Xie et al. 2016), in [0, 1].

    Args:
        y: [N] classes.
        clusters: [N] cluster numbers.
    """
    table = contingency_matrix(y, clusters)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / table.sum())


def agreement(clusterings: Sequence[Any]) -> np.ndarray:
    """How much each of several clusterings of the same rows agrees with the others: the mean adjusted Rand index.

    It needs no classes: runs that fell for a start of their own agree least.

    Args:
        clusterings: R, two or more, [N] cluster numbers each.

    Returns:
        [R].
    """
    alike = np.array([[adjusted_rand_score(one, other) for one in clusterings] for other in clusterings])
    return (alike.sum(0) - 1) / (len(clusterings) - 1)


def many_to_one_accuracy(y, clusters) -> float:
    """Share of points whose cluster's majority class is theirs, in [0, 1]; for more clusters than classes.

    It only rises as clusters are split: compare it at one K.

    Args:
        y: [N] classes.
        clusters: [N] cluster numbers.
    """
    table = contingency_matrix(y, clusters)
    return float(table.max(0).sum() / table.sum())


#: What it is called of the leaves of a tree (Mautz et al. 2020).
leaf_purity = many_to_one_accuracy


def dendrogram_purity(y, clusters, tree) -> float:
    """How pure the least branches are that hold two points of a class, on average over all such pairs, in [0, 1].

    Of the smallest cluster or branch that holds both points it is the share that is of their class (Heller & Ghahramani
    2005, Bayesian hierarchical clustering).

    Args:
        y: [N] classes, one of them of two points or more.
        clusters: [N] integers below K, the leaves.
        tree: [K - 1, 4], as SciPy's ``linkage`` or an estimator's ``tree_``; or its first two columns.
    """
    joined = np.asarray(tree)[:, :2].astype(int)  # [K - 1, 2]
    present = np.unique(clusters)
    counts = np.zeros((len(np.unique(y)), 2 * len(joined) + 1))  # of classes in leaves and branches, [C, 2 K - 1]
    counts[:, present] = contingency_matrix(y, clusters)
    pairs = counts * (counts - 1) / 2
    for branch, (one, other) in enumerate(joined, len(joined) + 1):
        counts[:, branch] = counts[:, one] + counts[:, other]
        pairs[:, branch] = counts[:, one] * counts[:, other]
    return float((pairs * counts / np.maximum(counts.sum(0), 1)).sum() / pairs.sum())


def majority_classes(y, clusters, n_components: int) -> list[int | None]:
    """The most frequent class of each component, None for one without points; names them in figures.

    Args:
        y: [N] classes.
        clusters: [N] integers below ``n_components``.
        n_components: K.
    """
    y, clusters = np.asarray(y), np.asarray(clusters)
    return [int(np.bincount(y[clusters == k]).argmax()) if (clusters == k).any() else None for k in range(n_components)]


def components_used(clusters, n_components: int) -> int:
    """Number of components that own at least a tenth of an equal share, N / (10 K), of the points."""
    counts = np.bincount(clusters, minlength=n_components)
    return int((counts >= len(clusters) / (10 * n_components)).sum())


def clustering_scores(y, c_probs) -> dict[str, float]:
    """All scores of a clustering.

    Args:
        y: [N] classes.
        c_probs: [N, K] probabilities.

    Returns:
        ``clustering_accuracy`` (one-to-one), ``many_to_one_accuracy``, ``nmi`` (arithmetic mean), ``ari``,
        ``components_used``.
    """
    clusters = c_probs.argmax(-1)
    return {
        "clustering_accuracy": clustering_accuracy(y, clusters),
        "many_to_one_accuracy": many_to_one_accuracy(y, clusters),
        "nmi": float(normalized_mutual_info_score(y, clusters)),
        "ari": float(adjusted_rand_score(y, clusters)),
        "components_used": components_used(clusters, c_probs.shape[1]),
    }


def gate_scores(y, gate_probs) -> dict[str, float]:
    """How a gate divides the rows among its experts, and whether it does so by class.

    Args:
        y: [N] classes.
        gate_probs: p(c|x), [N, K].

    Returns:
        ``gate_accuracy``: clustering accuracy of the most probable expert; ``gate_nmi``; ``gate_entropy``: mean entropy
        of p(c|x), nats; ``gate_use_entropy``: entropy of the mean of p(c|x), log K if all are used alike;
        ``experts_used``: as ``components_used``.
    """
    chosen = gate_probs.argmax(-1)
    return {
        "gate_accuracy": clustering_accuracy(y, chosen),
        "gate_nmi": float(normalized_mutual_info_score(y, chosen)),
        "gate_entropy": float(entropy(gate_probs, axis=-1).mean()),
        "gate_use_entropy": float(entropy(gate_probs.mean(0))),
        "experts_used": components_used(chosen, gate_probs.shape[1]),
    }


def generation_purities(y, clusters, judged) -> np.ndarray:
    """Part of each component's samples that are of the component's class, in [0, 1].

    Args:
        y: [N] classes of rows.
        clusters: [N] components of these rows; the best one-to-one map names the components' classes.
        judged: [K, n] classes of n samples of each component, told by a classifier.

    Returns:
        [K'], of the components that the map gives a class; 0 of those that it could give one, had they rows.
    """
    judged = np.asarray(judged)
    assigned = best_assignment(y, clusters)
    without = min(len(judged), len(np.unique(y))) - len(assigned)
    return np.array([*(np.mean(judged[k] == name) for k, name in assigned.items()), *[0.0] * without])


def share_near(points, others, n_neighbors: int = 3) -> float:
    """Part of points that are within reach of another set, each of whose points reaches to its k-th neighbour.

    Of generated points near real ones it is precision, of real ones near as many generated ones recall
    (Kynkaanniemi et al. 2019, equation 2).

    Args:
        points: [N, F] features.
        others: [M, F] features, M > k.
        n_neighbors: k.
    """
    near = NearestNeighbors(n_neighbors=n_neighbors + 1, algorithm="brute").fit(others)
    reach = near.kneighbors(others)[0][:, -1]  # [M]; the first neighbour is the point itself
    parts = pairwise_distances_chunked(points, others, reduce_func=lambda part, _: (part <= reach).any(1))
    return float(np.concatenate(list(parts)).mean())
