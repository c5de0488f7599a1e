"""What predicts a number or a class of a table's rows, ours and others', each with one setting; and how well.

A regression's rows are scored by the density that it gives them. That of a method which gives none is Gaussian, with
its prediction as mean and the variance of its errors on a fifth of the rows, fitted to the others, for all; so is its
interval. Probabilities of classes below one in as many as there are rows to learn from count as that.
"""

import importlib.util
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import norm

from experiments import recipes

#: Share of the rows that an interval is to hold, and of those that a point's errors are measured on.
LEVEL, SPARE = 0.9, 0.2
#: Rows of the tables by their key: what they are called.
METHODS = {
    "ensemble": "DVMoE, ensemble",
    **{model: recipes.TITLES[model] for model in recipes.EXPERTS},
    "dvmoe-16": "DVMoE, 16 experts",
    "hmoe": "HMoE, 16 experts as (4, 4)",
    "gmm-em": "GMM-EM",
    "softmax-em": "softmax-EM",
    "softmax-em-16": "softmax-EM, 16 experts",
    "hmoe-em": "HMoE-EM, 16 experts as (4, 4)",
    "linear": "linear",
    "forest": "RandomForest",
    "boosting": "HistGradientBoosting",
    "mlp": "MLP",
    "linear-tree": "LightGBM, linear trees",
    "ngboost": "NGBoost",
    "ebm": "EBM",
    "cubist": "Cubist",
}
#: Cubist has no classifier; NGBoost's ends in numbers that are not finite where classes are far apart, as wine's.
REGRESSORS_ALONE = ("ngboost", "cubist")
#: Methods of the extra ``bench``, and the libraries they are of.
BENCH = {"linear-tree": "lightgbm", "ngboost": "ngboost", "ebm": "interpret", "cubist": "cubist"}


def can(method: str, classification: bool) -> bool:
    """Whether a method is installed and has the task."""
    there = method not in BENCH or importlib.util.find_spec(BENCH[method]) is not None
    return there and not (method in REGRESSORS_ALONE and classification)


def estimator(method: str, n_classes: int | None, seed: int) -> Any:
    """A method for standardised columns; y is scaled for those that depend on its scale and do not scale it.

    Args:
        method: of ``METHODS``.
        n_classes: C; None: a regression.
        seed: of the method.
    """
    from sklearn import ensemble, linear_model, neural_network
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    from vae_moe import em, estimators

    task = "Classifier" if n_classes else "Regressor"
    mlp = {"early_stopping": True, "max_iter": 1000, "random_state": seed}
    made: dict[str, Callable[[], Any]] = {
        "ensemble": lambda: getattr(estimators, f"Ensemble{task}")(random_state=seed),
        "dvmoe": lambda: getattr(estimators, f"DVMoE{task}")(random_state=seed),
        "dvmoe-16": lambda: getattr(estimators, f"DVMoE{task}")(16, random_state=seed),
        "vademoe": lambda: getattr(estimators, f"VaDEMoE{task}")(random_state=seed),
        "deepmoe": lambda: getattr(estimators, f"DeepMoE{task}")(random_state=seed),
        "hmoe": lambda: getattr(estimators, f"HMoE{task}")(16, branching=(4, 4), random_state=seed),
        "gmm-em": lambda: getattr(em, f"GMMGated{task}")(random_state=seed),
        "softmax-em": lambda: getattr(em, f"SoftmaxGated{task}")(random_state=seed),
        "softmax-em-16": lambda: getattr(em, f"SoftmaxGated{task}")(16, random_state=seed),
        "hmoe-em": lambda: getattr(em, f"HMoE{task}")((4, 4), random_state=seed),
        "linear": lambda: linear_model.LogisticRegression(max_iter=1000) if n_classes else linear_model.Ridge(),
        "forest": lambda: getattr(ensemble, f"RandomForest{task}")(random_state=seed),
        "boosting": lambda: getattr(ensemble, f"HistGradientBoosting{task}")(random_state=seed),
        "mlp": lambda: getattr(neural_network, f"MLP{task}")(**mlp),
        "linear-tree": lambda: _linear_tree(task, seed),
        "ngboost": lambda: _ngboost(seed),
        "ebm": lambda: _ebm(task, seed),
        "cubist": lambda: _cubist(seed),
    }
    model = made[method]()
    if method == "mlp" and not n_classes:
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    return model


def _linear_tree(task: str, seed: int) -> Any:
    import lightgbm

    return getattr(lightgbm, f"LGBM{task}")(linear_tree=True, random_state=seed, verbose=-1, n_jobs=1)


def _ngboost(seed: int) -> Any:
    from ngboost import NGBRegressor

    return NGBRegressor(random_state=seed, verbose=False)


def _ebm(task: str, seed: int) -> Any:
    from interpret import glassbox

    return getattr(glassbox, f"ExplainableBoosting{task}")(random_state=seed, n_jobs=1)


def _cubist(seed: int) -> Any:
    from cubist import Cubist

    return Cubist(random_state=seed)


def regression(make: Callable[[], Any], x, y, test_x, test_y, seed: int) -> dict[str, float]:
    """Fit a regression and score it on rows held out.

    Args:
        make: gives a new estimator.
        x, y: rows [N, D] to learn from, and their numbers [N].
        test_x, test_y: those held out.
        seed: of the rows on which the errors of a method without a density are measured.

    Returns:
        ``error``, root mean square; ``nll``, mean -log p(y|x) in nats; ``coverage`` and ``width`` of the intervals, the
        width in standard deviations of y; ``seconds``, of a processor, for the fit.
    """
    model, seconds = _fitted(make, x, y)
    log_density, low, high = _density(model, test_x, test_y) or _gaussian(make, model, x, y, test_x, test_y, seed)
    if hasattr(model, "log_likelihood"):  # a mixture by EM, which has a density and no interval
        log_density = model.log_likelihood(test_x, test_y)
    return {
        "error": float(np.sqrt(np.mean(np.square(model.predict(test_x) - test_y)))),
        "nll": float(-np.mean(log_density)),
        "coverage": float(np.mean((low <= test_y) & (test_y <= high))),
        "width": float(np.mean(high - low) / np.std(y)),
        "seconds": seconds,
    }


def classification(make: Callable[[], Any], x, y, test_x, test_y, seed: int) -> dict[str, float]:
    """Fit a classification and score it on rows held out: ``error`` in %, ``nll`` and ``seconds``.

    Args: as of ``regression``; y are classes numbered from 0.
    """
    model, seconds = _fitted(make, x, y)
    probabilities = np.asarray(model.predict_proba(test_x), float)
    of_class = probabilities[np.arange(len(test_y)), np.searchsorted(model.classes_, test_y)]
    return {
        "error": float(100 * np.mean(model.classes_[probabilities.argmax(1)] != test_y)),
        "nll": float(-np.mean(np.log(np.maximum(of_class, 1 / len(x))))),
        "seconds": seconds,
    }


def _fitted(make: Callable[[], Any], x, y) -> tuple[Any, float]:
    started = sum(os.times()[:4])
    model = make().fit(x, y)
    return model, sum(os.times()[:4]) - started


def _density(model: Any, x, y) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """log p(y|x) [N], and below and above of the interval, of a model that has a density."""
    tails = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    if hasattr(model, "pred_dist"):  # NGBoost's
        found = model.pred_dist(x)
        return found.logpdf(y), *(found.ppf(np.full(len(y), tail)) for tail in tails)
    if hasattr(model, "predict_interval"):  # ours
        low, high = np.moveaxis(model.predict_interval(x, LEVEL), -1, 0)
        return model.predict_distribution(x).log_prob(y), low, high
    return None


def _gaussian(make: Callable[[], Any], model: Any, x, y, test_x, test_y, seed: int):
    """As ``_density``: of a Gaussian about a model's prediction, as wide as the errors of its like on a spare fifth."""
    from sklearn.model_selection import train_test_split

    fit_x, spare_x, fit_y, spare_y = train_test_split(x, y, test_size=SPARE, random_state=seed)
    stddev = np.sqrt(np.mean(np.square(_fitted(make, fit_x, fit_y)[0].predict(spare_x) - spare_y)))
    found = norm(model.predict(test_x), stddev)
    return found.logpdf(test_y), found.ppf((1 - LEVEL) / 2), found.ppf((1 + LEVEL) / 2)
