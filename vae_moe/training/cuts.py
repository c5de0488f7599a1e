"""How well a clustering cuts a graph, and which of several cuts it best.

A graph is given by its adjacency, [N, N], symmetric.
"""

from collections.abc import Sequence

import numpy as np

#: Normalised cuts up to so many times the least are as good.
SAME_CUT = 2.0
#: Difference of normalised cuts that is rounding.
CUT_TOLERANCE = 1e-3


def normalised_cut(graph, resp: np.ndarray) -> float:
    """Share of each cluster's links that leave it, summed over the clusters (Shi & Malik 2000).

    Args:
        graph: adjacency [N, N], symmetric.
        resp: one-hot clusters [N, K]; one without a link counts as cut off whole.

    Returns:
        From 0, where no link is cut, to K.
    """
    within = np.sum(resp * (graph @ resp), 0)  # [K]
    degrees = resp.T @ graph.sum(1)  # [K]
    return float(np.sum(1 - within / np.maximum(degrees, np.finfo(float).tiny)))


def best_clustering(graph, candidates: Sequence[np.ndarray]) -> np.ndarray:
    """Choose, without labels, the clustering that cuts the fewest links.

    A normalised cut has no preferred size. Of those that cut up to ``SAME_CUT`` times the least, which a sample does
    not tell apart, the one of the greatest modularity is taken; that alone would cut a large cluster for equal ones.

    Args:
        graph: adjacency [N, N], symmetric.
        candidates: responsibilities, [N, K] each.

    Returns:
        One of them.
    """
    hard = [np.eye(resp.shape[1])[resp.argmax(-1)] for resp in candidates]
    cuts = np.array([normalised_cut(graph, resp) for resp in hard])
    modularities = np.array([modularity(graph, resp) for resp in hard])
    as_good = cuts <= SAME_CUT * cuts.min() + CUT_TOLERANCE
    return candidates[int(np.where(as_good, modularities, -1).argmax())]


def modularity(graph, resp: np.ndarray) -> float:
    """Share of a graph's edge weight inside clusters, less what a random graph of equal degrees has there.

    Args:
        graph: adjacency [N, N], symmetric.
        resp: one-hot clusters [N, K].

    Returns:
        Newman & Girvan's (2004) modularity, from -1/2 to 1.
    """
    within = np.sum(resp * (graph @ resp), 0)  # [K]
    degrees = resp.T @ graph.sum(1)  # [K]
    return float(np.sum(within / degrees.sum() - np.square(degrees / degrees.sum())))
