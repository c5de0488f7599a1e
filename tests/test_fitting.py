"""Fits as their users meet them: interrupted, of odd targets, NaN and values far away, and with rows left out."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from short_plans import SHORT
from sklearn.exceptions import NotFittedError

from vae_moe import em
from vae_moe.estimators import (
    DeepMoEClassifier,
    DeepMoERegressor,
    DMVAEClustering,
    EnsembleClassifier,
)
from vae_moe.estimators._base import KerasEstimator
from vae_moe.extremes import ExtremesWarning

pytestmark = pytest.mark.usefixtures("short_steps", "no_graphs")
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


def test_targets_that_are_numbers_in_other_words(rng, monkeypatch):
    """As scikit-learn's LinearRegression takes them."""
    X, y, fitted = rng.normal(size=(40, 3)), np.arange(40) % 2, []
    monkeypatch.setattr(DeepMoERegressor, "_fit_model", lambda self, x, y, *others: fitted.append(y))
    texts = np.where(y, "1.0", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for given in (y, y == 1, pd.Series(y == 1, dtype="boolean"), texts, texts.astype(object), y.astype("float16")):
            DeepMoERegressor(1).fit(X, given)
            np.testing.assert_array_equal(fitted[-1], fitted[0])


def test_targets_that_are_no_numbers_are_refused_as_by_scikit_learn(rng):
    with pytest.raises(ValueError, match="could not convert string to float"):
        DeepMoERegressor(1).fit(rng.normal(size=(4, 3)), ["1.5", "red", "2", "3"])


def test_nan_is_named_where_scikit_learn_does_not_look(rng):
    X, y = rng.normal(size=(40, 3)), np.arange(40.0)
    X[7, 1], y[3] = np.nan, np.nan
    with sklearn.config_context(assume_finite=True):
        with pytest.raises(ValueError, match=r"X has nan in row 7, column 1, counted from 0. Fill it"):
            em.SoftmaxGatedRegressor(2).fit(X, np.arange(40.0))
        with pytest.raises(ValueError, match="y has nan in row 3, counted from 0"):
            DeepMoERegressor(1).fit(np.ones((40, 3)), y)


def test_what_rules_a_column_is_warned_of(rng):
    X, y = rng.normal(size=(60, 3)), np.arange(60.0)
    X[7, 1] = 1e30
    with pytest.warns(ExtremesWarning, match=r"column 1 is ruled by row 7, which has 1e\+30 where half of the rows"):
        DeepMoERegressor(1, **QUICK).fit(X, y)
    robust = DMVAEClustering(2)
    X[:, 2] = np.arange(60) < 7
    X[9, 2] = 1e6  # of a column of which most are 0, so that the robust scale knows no limit
    robust._read(pd.DataFrame(X, columns=["a", "b", "c"]))
    with pytest.warns(ExtremesWarning, match=r"column 'c' is ruled by row 9") as caught:
        robust._learn(X, np.arange(4, 60), None)
    assert len(caught) == 1 and "more columns" not in str(caught[0].message)


def test_rows_of_weight_0_are_not_in_an_ensemble(rng):
    X, y, kept = rng.normal(size=(60, 3)), pd.Series(np.arange(60) % 3 == 0, dtype="boolean"), np.arange(60) % 4 > 0
    classifier = EnsembleClassifier(DeepMoEClassifier(1, **QUICK), 2, random_state=0)
    weighted = classifier.fit(X, y, sample_weight=3.0 * kept).predict_proba(X)
    np.testing.assert_array_equal(weighted, classifier.fit(X[kept], y[kept]).predict_proba(X))
