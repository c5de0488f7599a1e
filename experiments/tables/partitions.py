"""Rows in clusters, with their number given or hidden: ours, and what a user would pick instead.

Each method has one setting for every table. Where the number is hidden, each finds it in its own way, and none sees a
label.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.cluster import HDBSCAN, KMeans, SpectralClustering
from sklearn.metrics import silhouette_score
from sklearn.mixture import GaussianMixture

from experiments import peers

#: Numbers of clusters that are tried where it is hidden, by methods that have to be told.
TRIED = range(1, 16)
#: What is added to variances of standardised columns, so that a column of one value in a cluster has a density.
REG_COVAR = 1e-3


def _ours(name: str) -> Callable[..., np.ndarray]:
    def cluster(x: np.ndarray, k: int | None, seed: int, quick: bool) -> np.ndarray:
        from vae_moe import estimators

        options: dict[str, Any] = {"epochs": 1, "start_epochs": 1} if quick else {}
        components: Any = "auto" if k is None else k
        return getattr(estimators, name)(components, random_state=seed, **options).fit_predict(x)

    return cluster


def _k_means(x: np.ndarray, k: int | None, seed: int, quick: bool) -> np.ndarray:
    """The number of the highest mean silhouette (Rousseeuw 1987), where it is hidden."""

    def cluster(n: int) -> np.ndarray:
        return KMeans(n, n_init=10, random_state=seed).fit_predict(x)

    if k is not None:
        return cluster(k)
    return max((cluster(n) for n in TRIED if 1 < n < len(x)), key=lambda clusters: silhouette_score(x, clusters))


def _gmm(x: np.ndarray, k: int | None, seed: int, quick: bool) -> np.ndarray:
    """The number of the least BIC (Schwarz 1978), where it is hidden."""

    def fit(n: int) -> Any:
        return GaussianMixture(n, n_init=3, reg_covar=REG_COVAR, random_state=seed).fit(x)

    numbers = [n for n in TRIED if n < len(x)] if k is None else [k]
    return min(map(fit, numbers), key=lambda mixture: mixture.bic(x)).predict(x)


def _peer(name: str) -> Callable[..., np.ndarray]:
    return lambda x, k, seed, quick: peers.clusters(name, x, k, seed)


#: Rows of the tables by their key: what they are called.
METHODS = {
    "dmvae": "DMVAE",
    "vade": "VaDE",
    "k-means": "KMeans",
    "gmm": "GaussianMixture",
    "spectral": "SpectralClustering",
    "hdbscan": "HDBSCAN",
    "dec": "DEC",
    "n2d": "N2D",
}
_CLUSTER: dict[str, Callable[..., np.ndarray]] = {
    "dmvae": _ours("DMVAEClustering"),
    "vade": _ours("VaDEClustering"),
    "k-means": _k_means,
    "gmm": _gmm,
    "spectral": lambda x, k, seed, quick: SpectralClustering(
        k, affinity="nearest_neighbors", n_neighbors=10, random_state=seed
    ).fit_predict(x),
    "hdbscan": lambda x, k, seed, quick: HDBSCAN(copy=True).fit_predict(x),
    "dec": _peer("DEC"),
    "n2d": _peer("N2D"),
}
_NEEDS_K, _FINDS_K = ("spectral", "dec", "n2d"), ("hdbscan",)


def can(method: str, given: bool) -> bool:
    """Whether a method is installed and takes a number of clusters, where it is given, or finds it, where not."""
    if method in ("dec", "n2d") and not peers.installed(METHODS[method]):
        return False
    return method not in (_FINDS_K if given else _NEEDS_K)


def clusters(method: str, x: np.ndarray, k: int | None, seed: int, quick: bool = False) -> np.ndarray:
    """Clusters [N] of rows, -1 of a row in none.

    Args:
        method: of ``METHODS``.
        x: standardised rows [N, D].
        k: their number; None: hidden.
        seed: of the method.
        quick: a training of one epoch.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a graph of several parts, a start that did not converge: as it comes
        return _CLUSTER[method](x, k, seed, quick)
