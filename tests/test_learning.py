"""The estimators learn real tables better than what is simpler."""

import numpy as np
import pytest
from short_plans import REGRESSORS, SHORT
from sklearn.cluster import KMeans
from sklearn.datasets import make_friedman1
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import adjusted_rand_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vae_moe import estimators


def test_digits_are_clustered_better_than_by_k_means(digits):
    X, y = digits[0][:600], digits[1][:600]
    model = estimators.DMVAEClustering(10, start_epochs=10, epochs=10, random_state=0).fit(X)
    assert model.likelihood_ == "bernoulli" and (model.x_mean_ == 0).all() and (model.x_scale_ == 1).all()
    k_means = KMeans(10, n_init=10, random_state=0).fit_predict(X)
    assert adjusted_rand_score(y, model.labels_) > adjusted_rand_score(y, k_means)
    assert model.n_iter_ == 10 == len(model.history_["kl_z"])


def test_a_gate_sees_a_column_of_small_numbers_among_others(rng):
    """A column in [0, 0.01] decides the slope in a column in [0, 1]."""
    X = rng.uniform(size=(400, 3)) * np.array([1e-2, 1, 1])
    y = np.where(X[:, 0] > 0.005, X[:, 1], -X[:, 1]) + 0.05 * rng.normal(size=400)
    model = estimators.DeepMoERegressor(2, epochs=10, random_state=0).fit(X[:300], y[:300])
    assert model.score(X[300:], y[300:]) > 0.8


@pytest.mark.parametrize("regressor", REGRESSORS)
def test_friedmans_function_is_learned_better_than_by_one_map(regressor):
    X, y = make_friedman1(400, noise=0.5, random_state=0)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    model = regressor(4, start_epochs=20, epochs=20, random_state=0).fit(X, y)
    linear = LinearRegression().fit(X, y)
    assert 1 - model.score(X_test, y_test) < 0.9 * (1 - linear.score(X_test, y_test))


@pytest.mark.parametrize("classifier", [estimators.DVMoEClassifier, estimators.DeepMoEClassifier])
def test_clusters_with_classes_of_their_own(classifier, rng):
    """Whether the sign of the first column means 1 or 0 differs between two clusters: no one map tells."""
    cluster = rng.integers(2, size=400)
    X = rng.normal(size=(400, 3)) + 6 * cluster[:, None] * [0, 1, 0]
    y = (X[:, 0] > 0) ^ (cluster == 1)
    model = classifier(2, start_epochs=20, epochs=5, random_state=0).fit(X[:300], y[:300])
    assert model.score(X[300:], y[300:]) > 0.9
    assert LogisticRegression().fit(X[:300], y[:300]).score(X[300:], y[300:]) < 0.7


def test_held_out_rows_choose_the_epoch(diabetes):
    model = estimators.DeepMoERegressor(2, hidden_layer_sizes=(8,), start_epochs=1, patience=2, random_state=0)
    model.fit(*diabetes)
    losses = model.history_["val_nll"]
    assert len(losses) == model.n_iter_ < 100
    assert model.n_iter_ == model.best_epoch_ + 2
    assert model.best_epoch_ == 0 or np.argmin(losses) + 1 == model.best_epoch_
    for each in (model, estimators.DeepMoERegressor(1, **SHORT)):  # of 40 rows none are held out
        each.fit(diabetes[0][:40], diabetes[1][:40])
        assert each.best_epoch_ == each.n_iter_ == 0 and each.history_ == {}


def test_ridge_is_not_far_from_the_default(diabetes):
    """Of each kind of gate on diabetes, with a short training: no worse than Ridge by more than 5 %."""
    X, X_test, y, y_test = train_test_split(*diabetes, random_state=0)
    ridge = make_pipeline(StandardScaler(), Ridge()).fit(X, y)
    error = np.sqrt(np.square(ridge.predict(X_test) - y_test).mean())
    for regressor in (estimators.DVMoERegressor, estimators.DeepMoERegressor):
        model = regressor(epochs=5, start_epochs=10, random_state=0).fit(X, y)
        assert np.sqrt(np.square(model.predict(X_test) - y_test).mean()) < 1.05 * error


def test_where_one_logistic_regression_is_all_the_classifier_is_that_one(rng):
    """Ten columns and a noisy linear rule, of which four maps would learn the noise."""
    X = rng.normal(size=(2300, 10))
    y = rng.random(2300) < 1 / (1 + np.exp(-X @ np.linspace(0, 1, 10)))
    model = estimators.DeepMoEClassifier(epochs=5, random_state=0).fit(X[:300], y[:300])
    linear = LogisticRegression().fit(X[:300], y[:300])
    ours, best = (log_loss(y[300:], each.predict_proba(X[300:])) for each in (model, linear))
    assert ours < 1.05 * best


def test_a_gate_is_as_sharp_as_the_regimes_of_y():
    """Adversarial changes of one fixed length once blurred it, to an error of 0.54; the noise is 0.1."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, (400, 1))
    y = np.choose(np.digitize(x[:, 0], [-1, 1]), [2 * x[:, 0] + 3, -x[:, 0], 3 * x[:, 0] - 5]) + rng.normal(0, 0.1, 400)
    fitted = estimators.DVMoERegressor(3, epochs=20, start_epochs=5, random_state=0).fit(x[:300], y[:300])
    assert np.sqrt(np.mean((fitted.predict(x[300:]) - y[300:]) ** 2)) < 0.2
