"""What fills gaps, clusters tables of several kinds and predicts from rows with gaps, each with one setting."""

import importlib.util
from typing import Any

import numpy as np
import pandas as pd

from experiments.prepared import prepared
from vae_moe.estimators import DMVAEClustering, DVMoERegressor
from vae_moe.estimators._table import Table

METHODS = {
    "dmvae": "DMVAE",
    "prepared": "DMVAE, medians and one-hot columns",
    "median": "median, most frequent",
    "knn": "KNNImputer",
    "iterative": "IterativeImputer",
    "gmm": "GaussianMixture, medians and one-hot columns",
    "k-means": "KMeans, medians and one-hot columns",
    "k-prototypes": "k-prototypes, medians",
    "stepmix": "StepMix 3",
    "dvmoe": "DVMoE",
    "boosting": "IterativeImputer, HistGradientBoosting",
    "boosting-gaps": "HistGradientBoosting, its own gaps",
}
#: Which methods answer a question.
ANSWER = {
    "fill": ("dmvae", "median", "knn", "iterative"),
    "cluster": ("dmvae",),
    "mixed": ("dmvae", "prepared", "gmm", "k-means", "k-prototypes", "stepmix"),
    "predict": ("dvmoe", "boosting", "boosting-gaps"),
}
#: Methods of the extra ``bench``, and the libraries they are of.
BENCH = {"k-prototypes": "kmodes", "stepmix": "stepmix"}
#: Draws of each gap, and the share of them between the ends of an interval.
DRAWS, LEVEL = 100, 0.9


def can(method: str) -> bool:
    """Whether a method is installed."""
    return method not in BENCH or importlib.util.find_spec(BENCH[method]) is not None


def fill(method: str, frame: pd.DataFrame, seed: int, **short: Any) -> tuple[pd.DataFrame, Any]:
    """Fill the gaps of a frame; ours gives the fitted clustering too.

    Others fill what ours sees, standardised numbers and a column of 0 and 1 a level; the level with the most is taken.
    """
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

    if method == "dmvae":
        fitted = DMVAEClustering(random_state=seed, **short).fit(frame)
        return fitted.impute(frame), fitted
    imputer = {
        "median": SimpleImputer(strategy="median", keep_empty_features=True),
        "knn": KNNImputer(keep_empty_features=True),
        "iterative": IterativeImputer(random_state=seed, keep_empty_features=True),
    }[method]
    table = Table.fit(frame)
    entries = table.encode(frame)
    if method == "median":  # of levels the most frequent
        means = np.nanmean(entries, 0)
        middle = np.where(table.is_number, np.nanmedian(entries, 0), means)
        filled = np.where(np.isnan(entries), middle, entries)
    else:
        filled = imputer.fit_transform(entries)
    return table.fill(frame, filled), None


def clusters(method: str, frame: pd.DataFrame, n_clusters: int, seed: int, **short: Any) -> np.ndarray:
    """Cluster the rows of a frame of several kinds of columns with gaps, [N] integers."""
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture

    if method == "dmvae":
        return DMVAEClustering(n_clusters, random_state=seed, **short).fit_predict(frame)
    if method == "stepmix":
        return _stepmix(frame, n_clusters, seed)
    if method == "k-prototypes":
        return _k_prototypes(frame, n_clusters, seed)
    x = prepared(frame)
    if method == "prepared":
        return DMVAEClustering(n_clusters, random_state=seed, **short).fit_predict(x)
    if method == "gmm":
        return GaussianMixture(n_clusters, n_init=5, reg_covar=1e-3, random_state=seed).fit_predict(x)
    return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(x)


def _parts(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    numbers = [name for name in frame if frame[name].dtype.kind == "f"]
    return numbers, [name for name in frame if name not in numbers]


def _stepmix(frame: pd.DataFrame, n_clusters: int, seed: int) -> np.ndarray:
    """A mixture of Gaussians and categories, full information maximum likelihood on gaps."""
    from sklearn.preprocessing import StandardScaler
    from stepmix.stepmix import StepMix
    from stepmix.utils import get_mixed_descriptor

    numbers, categories = _parts(frame)
    data = frame.copy()
    data[numbers] = StandardScaler().fit_transform(frame[numbers]) if numbers else data[numbers]
    for name in categories:
        codes, _ = pd.factorize(frame[name], sort=True)
        data[name] = np.where(codes < 0, np.nan, codes)
    kinds = {"continuous_nan": numbers, "categorical_nan": categories}
    mixed, descriptor = get_mixed_descriptor(data.astype(float), **{kind: own for kind, own in kinds.items() if own})
    model = StepMix(n_clusters, measurement=descriptor, n_init=5, random_state=seed, progress_bar=0)
    return model.fit(mixed).predict(mixed)


def _k_prototypes(frame: pd.DataFrame, n_clusters: int, seed: int) -> np.ndarray:
    """Huang's (1998) k-means of numbers and modes; a category's gap is a level."""
    from kmodes.kmodes import KModes
    from kmodes.kprototypes import KPrototypes
    from sklearn.preprocessing import StandardScaler

    numbers, categories = _parts(frame)
    filled = frame[numbers].fillna(frame[numbers].median())
    scaled = pd.DataFrame(StandardScaler().fit_transform(filled), columns=numbers) if numbers else filled
    words = frame[categories].fillna("").astype(str).reset_index(drop=True)
    options = {"n_clusters": n_clusters, "n_init": 5, "random_state": seed}
    if not numbers:
        return KModes(**options).fit_predict(words.to_numpy())
    if not categories:
        from sklearn.cluster import KMeans

        return KMeans(n_clusters, n_init=5, random_state=seed).fit_predict(scaled)
    places = list(range(len(numbers), len(numbers) + len(categories)))
    return KPrototypes(**options).fit_predict(pd.concat([scaled, words], axis=1).to_numpy(), categorical=places)


def predict(method: str, frame: pd.DataFrame, y: np.ndarray, rows: np.ndarray, seed: int, **short: Any) -> np.ndarray:
    """Predict the y of all rows of a frame with gaps by what some rows, by their numbers, teach: [N]."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    learnt = frame.iloc[rows]
    if method == "dvmoe":
        return DVMoERegressor(random_state=seed, **short).fit(learnt, y[rows]).predict(frame)
    table = Table.fit(learnt)
    x, boosting = table.encode(frame), HistGradientBoostingRegressor(random_state=seed)
    if method == "boosting":
        x = IterativeImputer(random_state=seed, keep_empty_features=True).fit(x[rows]).transform(x)
    return boosting.fit(x[rows], y[rows]).predict(x)
