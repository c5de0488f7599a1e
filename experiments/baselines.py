"""What a user would pick instead: EM mixtures of experts, scikit-learn's regressors, classifiers and clusterings.

They are fitted to all rows that are not the test set's: they choose nothing by validation data.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import SelfTrainingClassifier

#: Iterations of EM where one takes many seconds (784 columns), and elsewhere.
EM_ITERATIONS_IMAGES, EM_ITERATIONS = 5, 200
#: Epochs of scikit-learn's network on images; its own 200 take five minutes an output and gain 15 % of the error.
MLP_EPOCHS_IMAGES = 60
#: Principal components that the Gaussian mixture of "gmm-pca" sees, and rows the spectral clustering sees.
PCA_COMPONENTS, SPECTRAL_ROWS = 50, 5000


def _gmm_em(n_classes: int, images: bool, seed: int) -> Any:
    from vae_moe.em import GMMGatedRegressor

    if images:  # border pixels are constant: the covariances need shrinkage
        return GMMGatedRegressor(n_classes, shrinkage=0.1, max_iter=EM_ITERATIONS_IMAGES, random_state=seed)
    return GMMGatedRegressor(n_classes, n_init=10, max_iter=EM_ITERATIONS, random_state=seed)


def _softmax_em(n_classes: int, images: bool, seed: int) -> Any:
    from vae_moe.em import SoftmaxGatedRegressor

    if images:
        return SoftmaxGatedRegressor(n_classes, alpha=1.0, max_iter=EM_ITERATIONS_IMAGES, random_state=seed)
    return SoftmaxGatedRegressor(n_classes, n_init=5, max_iter=EM_ITERATIONS, random_state=seed)


#: Name of a regression's column -> its estimator for (number of classes, whether x are images, seed).
REGRESSORS: dict[str, Callable[[int, bool, int], Any]] = {
    "gmm-em": _gmm_em,
    "softmax-em": _softmax_em,
    "ridge": lambda n_classes, images, seed: Ridge(),
    # With x and y on a scale it stops sooner, as its tolerance is absolute: 8 of the spiral's 9 errors were higher.
    "mlp": lambda n_classes, images, seed: MLPRegressor(
        hidden_layer_sizes=(512, 256), max_iter=MLP_EPOCHS_IMAGES if images else 200, random_state=seed
    ),
    "boosting": lambda n_classes, images, seed: MultiOutputRegressor(HistGradientBoostingRegressor(random_state=seed)),
    # All 784 columns at each split would take hours; the square root is the usual choice for that many.
    "forest": lambda n_classes, images, seed: RandomForestRegressor(
        max_features="sqrt" if images else 1.0, n_jobs=-1, random_state=seed
    ),
}


def regression(method: str, dataset, targets, seed: int) -> dict[str, Any]:
    """Fit a baseline and measure it on the test set.

    Args:
        method: a key of ``REGRESSORS``.
        dataset: a ``vae_moe.data.datasets.Dataset``.
        targets: a ``vae_moe.data.targets.Targets`` of it.
        seed: of the estimator.

    Returns:
        ``test_error``, the estimator as text, and for EM the bound: every value, and whether it converged.
    """
    estimator = REGRESSORS[method](dataset.n_classes, dataset.image_shape is not None, seed)
    x = np.concatenate([dataset.train.x, dataset.validation.x])
    y = np.concatenate([targets.train, targets.validation])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the record says it
        estimator.fit(x, y if y.shape[1] > 1 or method == "boosting" else y[:, 0])
    predicted = estimator.predict(dataset.test.x).reshape(len(dataset.test), -1)  # [N, O]
    figures = {
        "test_error": float(np.square(predicted - targets.test).mean(0).sum()),
        "estimator": str(estimator),
        "rows": len(x),
    }
    if method.endswith("-em"):
        figures |= {"lower_bounds": estimator.lower_bounds_, "converged": estimator.converged_}
    return figures


def _logistic(seed: int) -> LogisticRegression:
    return LogisticRegression(max_iter=100, tol=1e-3)


#: Name of a classification's column -> its estimator for a seed.
CLASSIFIERS: dict[str, Callable[[int], Any]] = {
    "logistic": _logistic,
    "mlp": lambda seed: MLPClassifier(hidden_layer_sizes=(512, 256), max_iter=30, random_state=seed),
    "self-training": lambda seed: SelfTrainingClassifier(_logistic(seed), threshold=0.9, max_iter=3),
}


def classification(method: str, dataset, targets, seed: int) -> dict[str, Any]:
    """Fit a baseline to the training rows that have a class, and self-training to all; measure it on the test set.

    Args:
        method: a key of ``CLASSIFIERS``.
        dataset: a ``vae_moe.data.datasets.Dataset``.
        targets: a ``vae_moe.data.targets.Classes`` of it.
        seed: of the estimator.

    Returns:
        ``accuracy``, the estimator as text, and ``n_labels``.
    """
    estimator = CLASSIFIERS[method](seed)
    known = targets.train >= 0
    rows = np.full_like(known, True) if method == "self-training" else known
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of steps that did not converge: the settings are in the record
        estimator.fit(dataset.train.x[rows], targets.train[rows])
    accuracy = float(estimator.score(dataset.test.x, dataset.test.y))
    return {"accuracy": accuracy, "estimator": str(estimator), "n_labels": int(known.sum())}


def _spectral(x: np.ndarray, k: int, seed: int) -> KNeighborsClassifier:
    """Of a subset; another row goes with the majority of its ten nearest rows."""
    rows = np.random.default_rng(seed).permutation(len(x))[:SPECTRAL_ROWS]
    spectral = SpectralClustering(k, affinity="nearest_neighbors", n_neighbors=10, random_state=seed)
    return KNeighborsClassifier(10).fit(x[rows], spectral.fit_predict(x[rows]))


def _gmm(k: int, seed: int, **options: Any) -> GaussianMixture:
    return GaussianMixture(k, n_init=3, reg_covar=1e-3, random_state=seed, **options)


#: Name of a clustering's row -> what predicts the component of a row, fitted to x with (K, seed).
CLUSTERINGS: dict[str, Callable[[np.ndarray, int, int], Any]] = {
    "k-means": lambda x, k, seed: KMeans(k, n_init=10, random_state=seed).fit(x),
    "gmm": lambda x, k, seed: _gmm(k, seed, covariance_type="diag").fit(x),
    "gmm-pca": lambda x, k, seed: make_pipeline(
        PCA(min(PCA_COMPONENTS, x.shape[1]), random_state=seed), _gmm(k, seed)
    ).fit(x),
    "spectral": _spectral,
}


def clustering(method: str, dataset, n_components: int, seed: int) -> tuple[dict[str, Any], np.ndarray]:
    """Fit a baseline to x and score it on the test set.

    Args:
        method: a key of ``CLUSTERINGS``.
        dataset: a ``vae_moe.data.datasets.Dataset``.
        n_components: K.
        seed: of the method.

    Returns:
        The scores (``vae_moe.metrics.clustering_scores``), and the components of the test rows [N].
    """
    from vae_moe import metrics

    x = dataset.without_validation().train.x
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a graph of several parts; a start that did not converge
        clusters = CLUSTERINGS[method](x, n_components, seed).predict(dataset.test.x)
    return metrics.clustering_scores(dataset.test.y, np.eye(n_components)[clusters]), clusters
