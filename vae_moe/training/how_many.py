"""How many clusters rows are in, and how many experts their y asks for, before any network is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.model_selection import KFold

from vae_moe.engine import threads
from vae_moe.layers import Experts
from vae_moe.training import graphs, linear_mixture

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
#: Parts of the rows, each held out once; of more rows than ``FEW_ROWS`` some of them are.
FOLDS, FEW_ROWS = 5, 1_000
#: Least log density of a row, in nats: one row does not decide.
LEAST_LOG_DENSITY = -10.0


@dataclass(frozen=True)
class Search:
    """How the number of experts is looked for.

    Attributes:
        ridges: of the linear gate: the first where the number is looked for, all for the numbers that are best.
        standard_errors: of the difference to the best: fewer experts that lose no more are taken.
        rows: an expert, at least.
        folds: parts of many rows that are held out.
    """

    ridges: tuple[float, ...]
    standard_errors: float
    rows: int
    folds: int


SEARCHES = {"regression": Search((3.0, 1.0, 10.0), 1.0, 20, 2), "classification": Search((1.0,), 0.0, FOLDS, 1)}


class Found(NamedTuple):
    """What :func:`experts_by_likelihood` finds.

    Attributes:
        n_experts: K.
        gate_ridge: of the linear gate.
        untold: the mean of -log p(y|x) of rows held out, in nats, for each number of experts that was tried, ascending;
            none where rows are too few to hold some out.
    """

    n_experts: int
    gate_ridge: float
    untold: dict[int, float]


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
    experts: Experts,
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    *,
    reg_variance: float,
    numbers: Sequence[int] = EXPERTS,
    seed: int = 0,
) -> Found:
    """Find how many experts, and which ridge of a linear gate, leave least of rows held out untold.

    Of those that these rows do not tell from the best, the fewest experts with the strongest ridge are found.

    Args:
        experts: a mixture's layer; it tells regression from classification, and stays as it is.
        x: [N, D].
        y: [N, O] outputs, or [N] classes.
        weights: [N], positive.
        reg_variance: least variance of an expert, in units of the squared targets.
        numbers: of experts, ascending; they end where more are no better, or rows are too few. One alone is taken, with
            the first ridge.
        seed: of the parts, and of the k-means that EM begins with.
    """
    search = SEARCHES[experts.task]
    if len(x) > MOST_ROWS:
        rows = np.random.default_rng(seed).choice(len(x), MOST_ROWS, replace=False)
        x, y, weights = x[rows], y[rows], weights[rows]
    if len(x) < 2 * FOLDS or len(numbers) == 1:
        return Found(numbers[0], search.ridges[0], {})
    folds = list(KFold(FOLDS, shuffle=True, random_state=seed).split(x))[
        : FOLDS if len(x) <= FEW_ROWS else search.folds
    ]

    def log_density(n_experts: int, gate_ridge: float) -> np.ndarray:
        with threads.one_if(threads.few_rows(len(x))):
            resp = np.eye(n_experts)[KMeans(n_experts, n_init=1, random_state=seed).fit_predict(x)]
        log_densities = []
        for rows, held_out in folds:
            how = reg_variance, gate_ridge
            gate, maps, inputs = linear_mixture.fit(experts, x, y, weights, rows, resp, *how)
            of_each = gate.log_prob(inputs[held_out]) + maps.log_predictive(inputs[held_out], y[held_out])
            log_densities.append(logsumexp(of_each, 1))
        return np.maximum(np.concatenate(log_densities), LEAST_LOG_DENSITY)

    held_weights = weights[np.concatenate([held_out for _, held_out in folds])]
    densities: dict[tuple[int, float], np.ndarray] = {}
    found: dict[int, float] = {}

    def look(n_experts: int, gate_ridge: float) -> None:
        densities[n_experts, gate_ridge] = log_density(n_experts, gate_ridge)
        mean = -float(np.average(densities[n_experts, gate_ridge], weights=held_weights))
        found[n_experts] = min(mean, found.get(n_experts, mean))

    for n_experts in numbers:
        if n_experts > max(len(x) // search.rows, 1):
            break
        look(n_experts, search.ridges[0])
        if list(found).index(n_experts) - int(np.argmin(list(found.values()))) >= NO_BETTER:
            break
    if not found:
        return Found(numbers[0], search.ridges[0], {})
    best = list(found)[int(np.argmin(list(found.values()))) :][:2]  # and the next, which another ridge may make better
    for n_experts in best if best[0] > 1 else []:
        for ridge in search.ridges[1:]:
            look(n_experts, ridge)
    return Found(*_simplest(densities, held_weights, search.standard_errors), found)


def _simplest(
    densities: dict[tuple[int, float], np.ndarray], weights: np.ndarray, standard_errors: float
) -> tuple[int, float]:
    """Return the fewest experts, with the strongest ridge, whose log densities [N] are not told from the best's.

    That is, within so many standard errors of the difference, one in Breiman et al. (1984, Classification and
    regression trees).
    """
    best = max(densities.values(), key=lambda each: float(np.average(each, weights=weights)))
    for key in sorted(densities, key=lambda key: (key[0], -key[1])):
        lost = best - densities[key]
        mean = float(np.average(lost, weights=weights))
        variance = float(np.average(np.square(lost - mean), weights=weights))
        if mean <= standard_errors * np.sqrt(variance / len(lost)):
            return key
    raise AssertionError("the best is as good as itself.")
