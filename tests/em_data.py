"""What the tests of EM share: data, the estimators by kind, and what each is fitted to."""

import numpy as np

from vae_moe.em import (
    GMMGatedClassifier,
    GMMGatedRegressor,
    HMoEClassifier,
    HMoERegressor,
    SoftmaxGatedClassifier,
    SoftmaxGatedRegressor,
)

GMM = (GMMGatedRegressor, GMMGatedClassifier)
SOFTMAX = (SoftmaxGatedRegressor, SoftmaxGatedClassifier)
HMOE = (HMoERegressor, HMoEClassifier)
ALL = GMM + SOFTMAX + HMOE
REGRESSORS = ALL[::2]
CLASSIFIERS = ALL[1::2]


def spiral(n=300, seed=0):
    """Three arms with a map each: X [N, 2], Y [N, 2], arms [N]."""
    rng = np.random.default_rng(seed)
    arm, turn = rng.integers(3, size=n), rng.uniform(0.5, 3, size=n)
    angle = turn + 2 * np.pi / 3 * arm
    X = np.column_stack([turn * np.cos(angle), turn * np.sin(angle)]) + 0.1 * rng.normal(size=(n, 2))
    Y = np.column_stack([np.sin(X[:, 0]) + arm, X[:, 1] ** 2]) + 0.05 * rng.normal(size=(n, 2))
    return X, Y, arm


def blobs(n=400, seed=0, n_features=4, n_outputs=3):
    """Well-separated clusters with a noiseless affine target of their own."""
    rng = np.random.default_rng(seed)
    centres, kernels = 10 * rng.normal(size=(3, n_features)), rng.normal(size=(3, n_features, n_outputs))
    cluster = rng.integers(3, size=n)
    X = centres[cluster] + rng.normal(size=(n, n_features))
    return X, np.einsum("nd,ndo->no", X, kernels[cluster]) + 5 * cluster[:, None], cluster


def spiral_for(estimator, n=300):
    """The spiral with what an estimator predicts: X [N, 2], and Y [N, 2] or classes [N]."""
    X, Y, labels = spiral(n)
    return X, Y if estimator in REGRESSORS else labels


def assert_monotone(model):
    """The bounds of a fitted estimator never fall, and end at its own."""
    bounds = np.array(model.lower_bounds_)
    assert np.isfinite(bounds).all()
    assert len(bounds) == model.n_iter_ + 1 and model.lower_bound_ == bounds[-1]
    assert np.diff(bounds).min() >= -1e-9 * max(1.0, np.abs(bounds).max())
