"""Which components are near each other: a tree of them, from how much they share their rows."""

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.special import log_softmax, logsumexp


def tree(log_probs: np.ndarray, branching: Sequence[int] = ()) -> np.ndarray:
    """Join the components that share most rows, two at a time, until one is left.

    A component k is the distribution q(c=k|x_n) / sum_m q(c=k|x_m) over the rows. Two overlap by the coefficient of
    Bhattacharyya (1943), sum_n sqrt(p_n q_n), from 0, no row of both, to 1; their distance is minus its log. Joined
    ones are as far from others as their members are on average.

    Args:
        log_probs: log q(c|x), [N, K].
        branching: of a tree that the components have: those of a branch are joined before others are, at no less.

    Returns:
        [K - 1, 4] as SciPy's ``linkage``: the two joined, their distance in nats, the components below.
    """
    n_components = log_probs.shape[1]
    if n_components == 1:
        return np.zeros((0, 4))
    of_rows = 0.5 * log_softmax(np.asarray(log_probs, np.float64), 0)  # [N, K]
    first, second = np.triu_indices(n_components, 1)
    distances = [-logsumexp(of_rows[:, i] + of_rows[:, j]) for i, j in zip(first, second, strict=True)]
    within, beyond = np.maximum(distances, 0), np.zeros(len(distances))
    span = within.max() + 1
    for level in range(1, len(branching)):
        branch = np.arange(n_components) // np.prod(branching[level:])
        beyond += span * (branch[first] != branch[second])
    joined = linkage(within + beyond, "average")
    joined[:, 2] -= span * np.floor(joined[:, 2] / span + 1e-9)
    joined[:, 2] = np.maximum.accumulate(np.maximum(joined[:, 2], 0))
    return joined


def order(z: np.ndarray, resp: np.ndarray) -> np.ndarray:
    """The clusters in an order in which near ones are next to each other, that of the leaves of Ward's tree.

    Args:
        z: latents, [N, L].
        resp: responsibilities, [N, K], no cluster without rows.

    Returns:
        [K] numbers of clusters.
    """
    return leaves_list(linkage(resp.T @ z / resp.sum(0)[:, np.newaxis], "ward"))
