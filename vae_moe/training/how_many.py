"""How many clusters rows are in, before any network is trained."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from vae_moe.training import graphs

#: The numbers that are compared.
MOST_COMPONENTS = 15
#: Rows that are looked at, at most: a silhouette compares each with each.
MOST_ROWS = 2_000
#: Parts of the rows in which the number is looked for again, the share of the rows in each, and these at most.
RESAMPLES, PART, MOST_RESAMPLED = 10, 0.8, 1_000
#: Starts of k-means, and fewer in resamples.
STARTS, STARTS_AGAIN = 10, 3


def silhouettes(x: np.ndarray, *, seed: int = 0, starts: int = STARTS) -> np.ndarray:
    """Return the mean silhouette (Rousseeuw 1987) of k-means' clusters, for each number of clusters.

    It is how much nearer a row is to the rows of its cluster than to those of the next, from -1 to 1.

    Args:
        x: [N, D].
        seed: of k-means, and of the rows looked at where there are many.
        starts: of k-means.

    Returns:
        [M] of 2, 3, ... clusters, up to ``MOST_COMPONENTS``; none where fewer than three rows differ.
    """
    x = np.reshape(x, (len(x), -1))
    if len(x) > MOST_ROWS:
        x = x[np.random.default_rng(seed).choice(len(x), MOST_ROWS, replace=False)]
    most = min(MOST_COMPONENTS, len(graphs.distinct(x)[0]) - 1)
    alone = KMeans(max(most, 1), n_init=starts, random_state=seed).fit_predict(x)
    x = x[np.bincount(alone)[alone] > graphs.LEAST_PART * len(x)]  # else the far rows would be a cluster
    k_means = [KMeans(k, n_init=starts, random_state=seed) for k in range(2, most + 1)]
    return np.array([silhouette_score(x, each.fit_predict(x)) for each in k_means])


def number(silhouettes: np.ndarray) -> int:
    """Return the number of clusters of the greatest of :func:`silhouettes` [M]; 1 where there are none."""
    return 2 + int(silhouettes.argmax()) if len(silhouettes) else 1


def in_resamples(x: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Look for the number of clusters again in parts of the rows: one that changes with them is not to be relied on.

    Args:
        x: [N, D].
        seed: of the parts, ``PART`` of the rows each, ``MOST_RESAMPLED`` at most, and of k-means.

    Returns:
        The number found in each part, [RESAMPLES].
    """
    rng = np.random.default_rng(seed)
    size = min(max(int(PART * len(x)), 1), MOST_RESAMPLED)
    parts = [x[rng.choice(len(x), size, replace=False)] for _ in range(RESAMPLES)]
    return np.array([number(silhouettes(part, seed=seed, starts=STARTS_AGAIN)) for part in parts])
