"""Speed and memory of the mixtures of experts by EM, beside scikit-learn's GaussianMixture: part of the benchmark."""

import subprocess
import sys
import time
import warnings
from collections.abc import Callable

from experiments import runs


def iterations(dataset) -> dict[str, float]:
    """Seconds an iteration of the GMM-gated mixture of experts and of scikit-learn's GaussianMixture on the same x.

    Both with full covariances, from k-means, and each the difference between fits of four iterations and of two.
    """
    from sklearn.mixture import GaussianMixture

    from vae_moe.data import targets
    from vae_moe.em import GMMGatedRegressor

    x, y = dataset.train.x, targets.affine(dataset, 1, seed=0).train[:, 0]
    k = dataset.n_classes

    def ours(max_iter: int) -> None:
        GMMGatedRegressor(k, shrinkage=0.1, max_iter=max_iter, tol=0.0, random_state=0).fit(x, y)

    def sklearn(max_iter: int) -> None:
        GaussianMixture(k, reg_covar=1e-2, max_iter=max_iter, tol=0.0, random_state=0).fit(x)

    def seconds(fit: Callable[[int], None], max_iter: int) -> float:
        started = time.perf_counter()
        fit(max_iter)
        return time.perf_counter() - started

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that so few iterations do not converge
        found = {name: (seconds(fit, 4) - seconds(fit, 2)) / 2 for name, fit in (("em", ours), ("sklearn", sklearn))}
    return {"em_iteration_seconds": found["em"], "sklearn_iteration_seconds": found["sklearn"]}


def peak_memory() -> float:
    """GiB of a new process that fits the GMM-gated mixture of experts to MNIST, its libraries and the data included."""
    code = "from experiments import em_benchmark; print(em_benchmark.fit_memory())"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return float(output.split()[-1])


def fit_memory() -> float:
    """Fit two iterations of the GMM-gated mixture of experts to MNIST; returns the peak memory of this process, GiB."""
    from vae_moe.data import datasets, targets
    from vae_moe.em import GMMGatedRegressor

    dataset = datasets.load("mnist").without_validation()
    y = targets.affine(dataset, 1, seed=0).train[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that so few iterations do not converge
        GMMGatedRegressor(dataset.n_classes, shrinkage=0.1, max_iter=2, random_state=0).fit(dataset.train.x, y)
    return runs.peak_memory()
