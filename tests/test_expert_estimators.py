"""The estimators of mixtures of experts on real tables, against scikit-learn."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from short_plans import CLASSIFIERS, REGRESSORS, SHORT
from sklearn.base import clone
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import vae_moe
from vae_moe import em, estimators
from vae_moe.training import fit
from vae_moe.training.plan import EXPERTS

pytestmark = pytest.mark.usefixtures("short_steps", "no_graphs")


@pytest.fixture(scope="module")
def regressors(diabetes):
    return [each(3, **SHORT).fit(*diabetes) for each in REGRESSORS]


@pytest.fixture(scope="module")
def classifiers(wine):
    names = np.array(["barolo", "grignolino", "barbera"])
    return [each(3, **SHORT).fit(wine[0], names[wine[1]]) for each in CLASSIFIERS]


@pytest.mark.parametrize("regressor", REGRESSORS)
def test_one_expert_is_ridge_regression(regressor, diabetes):
    """With one expert there is one affine map, and its ridge is the evidence's, as BayesianRidge's."""
    X, y = diabetes
    model = regressor(1, **SHORT).fit(X, y)
    ridge = make_pipeline(StandardScaler(), BayesianRidge()).fit(X, y)
    np.testing.assert_allclose(model.predict(X), ridge.predict(X), atol=0.02 * y.std())


def test_one_expert_of_many_columns_and_few_rows_is_ridge_regression(rng):
    X, X_new = (rng.normal(size=(40, 2000)) + rng.normal(size=(40, 1)) * (np.arange(2000) < 60) for _ in range(2))
    y = X[:, :60].mean(1) + 0.3 * rng.normal(size=40)
    model = estimators.DeepMoERegressor(1, **SHORT | {"start": None, "validation_fraction": 0.0}).fit(X, y)
    ridge = make_pipeline(StandardScaler(), BayesianRidge()).fit(X, y)
    for inputs in (X, X_new):
        np.testing.assert_allclose(model.predict(inputs), ridge.predict(inputs), atol=0.01 * y.std())


def test_predictions_are_the_experts_weighted_by_the_gate(regressors, classifiers, diabetes, wine):
    for each in regressors:
        gate, experts = each.gate_proba(diabetes[0]), each.expert_predictions(diabetes[0])
        np.testing.assert_allclose(gate.sum(1), 1, rtol=1e-5)
        np.testing.assert_allclose(each.predict(diabetes[0]), np.einsum("nk,nko->no", gate, experts)[:, 0], rtol=1e-5)
    for each in classifiers:
        gate, experts = each.gate_proba(wine[0]), each.expert_predictions(wine[0])
        probabilities = np.einsum("nk,nkc->nc", gate, experts)
        np.testing.assert_allclose(each.predict_proba(wine[0]), probabilities, atol=1e-6)
        np.testing.assert_array_equal(each.predict(wine[0]), each.classes_[probabilities.argmax(1)])
        assert set(each.classes_) == {"barolo", "grignolino", "barbera"}


def test_experts_are_affine_maps_of_x_in_units_of_y(regressors, diabetes):
    """Least squares finds each expert's map again without an error."""
    X, _ = diabetes
    for each in regressors:
        predictions = each.expert_predictions(X)[:, :, 0]  # [N, K]
        refitted = LinearRegression().fit(X, predictions).predict(X)
        np.testing.assert_allclose(refitted, predictions, rtol=1e-4)


def test_where_one_map_is_all_there_is_the_experts_become_one(diabetes):
    """A linear target: the evidence takes the experts together, and the prediction is linear regression's."""
    X, _ = diabetes
    y = StandardScaler().fit_transform(X) @ np.arange(10.0) + np.random.default_rng(0).normal(size=len(X))
    for regressor in REGRESSORS:
        model = regressor(4, **SHORT).fit(X, y)
        spread = model.expert_predictions(X)[:, :, 0].std(1)
        assert spread.mean() < 0.01 * y.std()
        assert np.abs(model.predict(X) - LinearRegression().fit(X, y).predict(X)).mean() < 0.01 * y.std()


@pytest.mark.parametrize("estimator", [*REGRESSORS, *CLASSIFIERS])
def test_a_column_of_small_numbers_is_seen_among_others(estimator, rng):
    """All columns are in [0, 1], as the likelihood "bernoulli" has them; the one that tells y is in [0, 0.01]."""
    X = rng.uniform(size=(200, 5)) * np.array([1e-2, 1, 1, 1, 1])
    y = 100 * X[:, 0] + 0.01 * rng.normal(size=200)
    peer: Any = LinearRegression()
    if estimator in CLASSIFIERS:
        y, peer = (y > np.median(y)).astype(int), make_pipeline(StandardScaler(), LogisticRegression())
    model = estimator(2, **{**SHORT, "start": None, "validation_fraction": 0}).fit(X, y)
    assert model.score(X, y) > peer.fit(X, y).score(X, y) - 0.01
    np.testing.assert_allclose(model.x_scale_, np.ptp(X, 0))  # nor is it small to the gate


def test_several_outputs_are_predicted_together(diabetes):
    X, y = diabetes
    Y = np.column_stack([y, -1000 * y + 1e5])
    model = estimators.DeepMoERegressor(2, **SHORT).fit(X, Y)
    predicted = model.predict(X)
    assert predicted.shape == Y.shape and model.expert_predictions(X).shape == (len(X), 2, 2)
    np.testing.assert_allclose(predicted[:, 1], -1000 * predicted[:, 0] + 1e5, rtol=1e-3)
    assert estimators.DeepMoERegressor(2, **SHORT).fit(X, y[:, None]).predict(X).shape == (len(X), 1)


def test_weights_of_experts_are_repetitions(diabetes):
    """An expert by EM alone, as training holds nothing out of 48 rows: doubled rows and doubled weights are alike.

    y has little noise, so that the ridge, which is that of 32 rows in one fit and of 48 in the other, decides nothing.
    """
    X = StandardScaler().fit_transform(diabetes[0][:32])
    y = 150 + X @ np.arange(10.0) + 0.1 * np.random.default_rng(0).normal(size=32)
    model = estimators.DeepMoERegressor(1, **SHORT)
    weight = np.where(np.arange(32) < 16, 2.0, 1.0)
    weighted, repeated = clone(model).fit(X, y, weight), clone(model).fit(np.vstack([X, X[:16]]), np.r_[y, y[:16]])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-3)


@pytest.mark.parametrize("regressor", [*REGRESSORS, em.GMMGatedRegressor, em.SoftmaxGatedRegressor])
def test_a_constant_target_is_predicted(regressor, rng):
    X, y = rng.normal(size=(60, 3)), np.full(60, 1e6 + 0.1)
    model = regressor(
        2, **({**SHORT, "start": None, "validation_fraction": 0.0} if regressor in REGRESSORS else {"random_state": 0})
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        np.testing.assert_allclose(model.fit(X, y).predict(X), y, rtol=1e-12)
    both = model.fit(X, np.column_stack([y, X[:, 0]])).predict(X)
    np.testing.assert_allclose(both, np.column_stack([y, X[:, 0]]), rtol=1e-12, atol=0.01)


def test_the_gates_terms_reach_as_far_as_the_neighbours(diabetes):
    """Rows twice as far apart have changes twice as long; without regularization there are none."""
    x = diabetes[0][:60]
    held, free = (
        vae_moe.DVMoE(10, 2, 1, regularization={"adversarial": weight}, z_encoder_sizes=(2,), decoder_sizes=(2,))
        for weight in (1.0, 0.0)
    )
    plan = replace(EXPERTS, adversarial_reach=0.5)
    distances, _ = NearestNeighbors(n_neighbors=7).fit(x).kneighbors()  # the root of 60
    np.testing.assert_allclose(fit._radius(held, x, plan, None), 0.5 * distances.mean(1), rtol=1e-5)
    np.testing.assert_allclose(fit._radius(held, 2 * x, plan, None), distances.mean(1), rtol=1e-5)
    assert fit._radius(free, x, plan, None) is None
