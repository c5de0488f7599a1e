"""Which components are near each other: a tree of them, from how much they share their rows."""

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.special import log_softmax, logsumexp


def tree(log_probs: np.ndarray) -> np.ndarray:
    """Join the components that share most rows, two at a time, until one is left.

    A component k is the distribution q(c=k|x_n) / sum_m q(c=k|x_m) over the rows. Two overlap by the coefficient of
    Bhattacharyya (1943), sum_n sqrt(p_n q_n), from 0, no row of both, to 1; their distance is minus its log. Joined
    ones are as far from others as their members are on average.

    Args:
        log_probs: log q(c|x), [N, K].

    Returns:
        [K - 1, 4] as SciPy's ``linkage``: the two joined, their distance in nats, the components below.
    """
    n_components = log_probs.shape[1]
    if n_components == 1:
        return np.zeros((0, 4))
    of_rows = 0.5 * log_softmax(np.asarray(log_probs, np.float64), 0)  # [N, K]
    first, second = np.triu_indices(n_components, 1)
    distances = [-logsumexp(of_rows[:, i] + of_rows[:, j]) for i, j in zip(first, second, strict=True)]
    return linkage(np.maximum(distances, 0), "average")
