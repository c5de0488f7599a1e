"""Fits that end in an exception: the estimator is what it was before."""

import numpy as np
import pytest
from short_plans import SHORT
from sklearn.exceptions import NotFittedError

from vae_moe import em
from vae_moe.estimators import DeepMoEClassifier, DeepMoERegressor, DMVAEClustering, EnsembleClassifier
from vae_moe.estimators._base import KerasEstimator

pytestmark = pytest.mark.usefixtures("short_steps")
QUICK = SHORT | {"start": None}
ESTIMATORS = [
    DMVAEClustering(2, **QUICK),
    DeepMoERegressor(1, **QUICK),
    EnsembleClassifier(DeepMoEClassifier(1, **QUICK), 2, random_state=0),
    em.GMMGatedClassifier(2, random_state=0),
]


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
def test_an_interrupted_fit_changes_nothing(estimator, rng, monkeypatch):
    X, y = rng.normal(size=(40, 3)), np.arange(40) % 2

    def interrupted(X, y):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(KerasEstimator, "_backup", interrupt)  # when columns, scales and classes are learnt
            patch.setattr(em.GMMGatedClassifier, "_publish", interrupt)
            estimator.fit(X, y)

    interrupted(X, y)
    assert set(vars(estimator)) == set(estimator.get_params(deep=False))
    with pytest.raises(NotFittedError):
        estimator.predict(X)
    predictions = estimator.fit(X, y).predict(X)
    interrupted(X[:, :2] + 9, 5 - y)
    np.testing.assert_array_equal(estimator.predict(X), predictions)


def test_a_diverged_fit_leaves_the_former_one(rng):
    X = rng.normal(size=(60, 3))
    estimator = DeepMoERegressor(2, **QUICK).fit(X, X[:, 0])
    predictions = estimator.predict(X)
    with pytest.raises(FloatingPointError):
        estimator.set_params(learning_rate=1e38, epochs=3).fit(1000 * X, 1000 * X[:, 1])
    np.testing.assert_array_equal(estimator.predict(X), predictions)
