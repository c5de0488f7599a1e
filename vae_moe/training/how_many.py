"""How many clusters rows are in, and how many experts their y asks for, before any network is trained."""

import numpy as np
from scipy.special import logsumexp
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.model_selection import KFold

from vae_moe.engine import threads
from vae_moe.layers import Experts
from vae_moe.training import expert_em, graphs

#: The numbers that are compared.
MOST_COMPONENTS = 15
#: Rows that are looked at, at most: a silhouette compares each with each.
MOST_ROWS = 2_000
#: Parts of the rows in which the number is looked for again, the share of the rows in each, and these at most.
RESAMPLES, PART, MOST_RESAMPLED = 10, 0.8, 1_000
#: Starts of k-means, and fewer in resamples.
STARTS, STARTS_AGAIN = 10, 3
#: Numbers of experts that are compared, from the first on, and how many that are no better end it.
EXPERTS, NO_BETTER = (1, 2, 4, 8, 16, 32), 2
#: Parts of the rows, each held out once; of more rows than ``FEW_ROWS`` one part alone is.
FOLDS, FEW_ROWS = 5, 1_000
#: Least log density of a row, in nats: one row does not decide.
LEAST_LOG_DENSITY = -10.0


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
    with threads.one_if(threads.few_rows(len(x))):
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


def experts_by_likelihood(
    experts: Experts, x: np.ndarray, y: np.ndarray, weights: np.ndarray, *, reg_variance: float, seed: int = 0
) -> dict[int, float]:
    """Return what mixtures of so many experts with a linear gate leave untold of rows held out.

    Args:
        experts: a mixture's layer; it tells regression from classification, and stays as it is.
        x: [N, D].
        y: [N, O] outputs, or [N] classes.
        weights: [N], positive.
        reg_variance: least variance of an expert, in units of the squared targets.
        seed: of the parts, and of the k-means that EM begins with.

    Returns:
        The mean of -log p(y|x) of rows held out, in nats, for each number of experts, ascending; they end where more
        are no better. Rows too few to hold some out tell nothing: there is none.
    """
    if len(x) > MOST_ROWS:
        rows = np.random.default_rng(seed).choice(len(x), MOST_ROWS, replace=False)
        x, y, weights = x[rows], y[rows], weights[rows]
    if len(x) < 2 * FOLDS:
        return {}
    folds = list(KFold(FOLDS, shuffle=True, random_state=seed).split(x))[: FOLDS if len(x) <= FEW_ROWS else 1]
    found: dict[int, float] = {}
    for n_experts in EXPERTS:
        if n_experts * FOLDS > len(x):
            break
        with threads.one_if(threads.few_rows(len(x))):
            resp = np.eye(n_experts)[KMeans(n_experts, n_init=1, random_state=seed).fit_predict(x)]
        untold, counted = 0.0, 0.0
        for rows, held_out in folds:
            gate, maps, inputs = expert_em.linear_mixture(experts, x, y, weights, rows, resp, reg_variance)
            log_density = logsumexp(gate.log_prob(inputs[held_out]) + maps.log_prob(inputs[held_out], y[held_out]), 1)
            untold -= weights[held_out] @ np.maximum(log_density, LEAST_LOG_DENSITY)
            counted += weights[held_out].sum()
        found[n_experts] = float(untold / counted)
        tried = list(found.values())
        if len(tried) - 1 - int(np.argmin(tried)) >= NO_BETTER:
            break
    return found
