"""How many clusters rows are in, before any network is trained."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from vae_moe.training import graphs

#: The numbers that are compared.
MOST_COMPONENTS = 15
#: Rows that are looked at, at most: a silhouette compares each with each.
MOST_ROWS = 2_000


def silhouettes(x: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Return the mean silhouette (Rousseeuw 1987) of k-means' clusters, for each number of clusters.

    It is how much nearer a row is to the rows of its cluster than to those of the next, from -1 to 1.

    Args:
        x: [N, D].
        seed: of k-means, and of the rows looked at where there are many.

    Returns:
        [M] of 2, 3, ... clusters, up to ``MOST_COMPONENTS``; none where fewer than three rows differ.
    """
    x = np.reshape(x, (len(x), -1))
    if len(x) > MOST_ROWS:
        x = x[np.random.default_rng(seed).choice(len(x), MOST_ROWS, replace=False)]
    most = min(MOST_COMPONENTS, len(graphs.distinct(x)[0]) - 1)
    alone = KMeans(max(most, 1), n_init=10, random_state=seed).fit_predict(x)
    x = x[np.bincount(alone)[alone] > graphs.LEAST_PART * len(x)]  # else the far rows would be a cluster
    k_means = [KMeans(k, n_init=10, random_state=seed) for k in range(2, most + 1)]
    return np.array([silhouette_score(x, each.fit_predict(x)) for each in k_means])
