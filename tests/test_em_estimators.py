"""EM's estimators: what they learn, numbers at their limits, and the interface."""

import pickle
import warnings

import numpy as np
import pytest
from em_data import ALL, CLASSIFIERS, GMM, REGRESSORS, assert_monotone, blobs, spiral, spiral_for
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split

from vae_moe.em import (
    CategoricalExperts,
    GaussianExperts,
    GMMGatedClassifier,
    GMMGatedRegressor,
    HMoERegressor,
    SoftmaxGatedClassifier,
    SoftmaxGatedRegressor,
    _numerics,
)
from vae_moe.em._gaussian_gate import COVARIANCE_TYPES, GaussianGate

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RIDGES = {"alpha", "alpha_gate"}


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_gmm_gate_learns_cluster_wise_affine_targets(covariance_type):
    X, Y, _ = blobs(600)
    model = GMMGatedRegressor(3, covariance_type=covariance_type, random_state=0, alpha=1e-8).fit(X[:400], Y[:400])
    assert np.abs(model.predict(X[400:]) - Y[400:]).max() < 1e-4


def test_softmax_gate_learns_cluster_wise_affine_targets():
    X, Y, _ = blobs(600)
    model = SoftmaxGatedRegressor(3, alpha_gate=1e-4, alpha=1e-8, random_state=0).fit(X[:400], Y[:400])
    assert np.square(model.predict(X[400:]) - Y[400:]).mean() < 1e-4 * Y.var()


# ---------------------------------------------------------------- numbers at their limits


@pytest.mark.parametrize("estimator", ALL)
def test_what_is_too_small_for_the_parameters_is_warned_of(estimator):
    """Features and targets in another unit: nothing was left of them, without a word."""
    X, y = spiral_for(estimator, 100)
    model = estimator(2, random_state=0, max_iter=3)
    with pytest.warns(UserWarning) as caught:
        clone(model).fit(1e-8 * X, 1e-8 * y if estimator in REGRESSORS else y)
    named = {str(w.message).split("=")[0] for w in caught if "Standardise the data" in str(w.message)}
    in_y = {"reg_variance"} if estimator in REGRESSORS else set()
    ridge = {"alpha"} if estimator is not HMoERegressor else set()  # which the evidence finds
    assert named == ridge | {"reg_covar" if estimator in GMM else "alpha_gate"} | in_y
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        clone(model).fit(X, y)
        clone(model).fit(1e8 * X, y)


@pytest.mark.parametrize("estimator", ALL)
def test_far_points_have_finite_log_probabilities(estimator):
    X, y = spiral_for(estimator)
    model, far = estimator(3, random_state=0, max_iter=5).fit(X, y), 1e3 * X
    assert np.isfinite(model.log_likelihood(far, y)).all()
    np.testing.assert_allclose(model.gate_proba(far).sum(axis=1), 1)
    if isinstance(model, GMM):
        assert np.isfinite(model.score_samples(far)).all()
    if isinstance(model, CLASSIFIERS):
        np.testing.assert_allclose(model.predict_proba(far).sum(axis=1), 1)


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("start", ["repeated columns", "an empty expert"])
def test_a_fit_is_finite(start, estimator):
    X, y = spiral_for(estimator)
    if start == "repeated columns":  # and constant ones
        X = np.column_stack([X, np.zeros(len(X)), np.full(len(X), 7.0), X[:, 0]])
    init = "kmeans" if start == "repeated columns" else np.eye(3)[np.zeros(len(X), int)]
    model = estimator(3, init=init, random_state=0, max_iter=8, tol=0.0)
    assert_monotone(model.fit(X, y))
    assert np.isfinite(model.log_likelihood(X, y)).all()


def test_a_feature_that_is_zero_but_for_negligible_samples_stays_zero():
    """Else means and covariances hold numbers whose products are denormal, and the E step takes many times as long."""
    X, _, _ = spiral()
    X = np.column_stack([X, np.arange(len(X)) < 9])  # 0 in all but 9 rows, of which the second expert has none
    resp = np.column_stack([np.ones(len(X)), np.full(len(X), 0.5)])
    resp[:9, 1] = 1e-200
    gate = GaussianGate.from_data("full", 0.1, 1e-6, X, np.log(resp)).fit(X, np.log(resp))
    assert gate.means[1, -1] == 0.0 and gate.means[0, -1] > 0.0
    off_diagonal = gate.precisions_cholesky[1, :-1, -1]
    np.testing.assert_array_equal(off_diagonal, 0.0)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_a_component_that_dies_keeps_its_parameters(covariance_type):
    X, Y, labels = spiral()
    alive = np.log(np.random.default_rng(0).dirichlet(np.ones(2), size=len(X)))
    dead = np.column_stack([np.zeros(len(X)), np.full(len(X), -np.inf)])
    gate = GaussianGate.from_data(covariance_type, 0.0, 1e-6, X, alive).fit(X, alive)
    after = gate.fit(X, dead)
    np.testing.assert_array_equal(after.means[1], gate.means[1])
    if covariance_type != "tied":
        np.testing.assert_array_equal(after.covariances[1], gate.covariances[1])
    assert np.isneginf(after.log_prob(X)[:, 1]).all() and np.isfinite(after.log_prob(X)[:, 0]).all()
    for experts, y in ((GaussianExperts(1e-3, 1e-6), Y), (CategoricalExperts(3, 1.0, 5), labels)):
        before = experts.fit(X, y, alive)
        np.testing.assert_array_equal(before.fit(X, y, dead).kernels[1], before.kernels[1])
        np.testing.assert_array_equal(before.fit(X, y, dead).biases[1], before.biases[1])
        if isinstance(before, GaussianExperts):
            np.testing.assert_array_equal(before.fit(X, y, dead).variances[1], before.variances[1])


@pytest.mark.parametrize("estimator", ALL)
def test_row_blocks_do_not_change_the_fit(estimator, monkeypatch):
    X, y = spiral_for(estimator, 100)
    model = estimator(3, random_state=0, max_iter=3, tol=0.0)
    whole = clone(model).fit(X, y)
    monkeypatch.setattr(_numerics, "BLOCK_ELEMENTS", 64)
    blocks = clone(model).fit(X, y)
    np.testing.assert_allclose(whole.lower_bounds_, blocks.lower_bounds_, rtol=1e-9)
    np.testing.assert_allclose(whole.log_likelihood(X, y), blocks.log_likelihood(X, y), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("estimator", ALL)
def test_float32_inputs_are_computed_in_float64(estimator):
    X, y = spiral_for(estimator, 100)
    X = X.astype(np.float32)
    model = estimator(3, init=np.eye(3)[np.arange(100) % 3], max_iter=3)
    single, double = clone(model).fit(X, y), clone(model).fit(X.astype(np.float64), y)
    np.testing.assert_array_equal(single.lower_bounds_, double.lower_bounds_)


# ---------------------------------------------------------------- real data


LEARNERS = (
    GMMGatedRegressor(10, reg_covar=1e-2, max_iter=8),
    SoftmaxGatedRegressor(10, max_iter=8),
    GMMGatedClassifier(10, reg_covar=1e-2, max_iter=4, inner_max_iter=10),
    SoftmaxGatedClassifier(5, max_iter=4, inner_max_iter=10),
)


@pytest.mark.parametrize("model", LEARNERS, ids=lambda model: type(model).__name__)
def test_digits_are_learned_better_than_by_ridge_and_as_well_as_by_logistic_regression(digits, model, rng):
    """Targets of a regression are affine in each class."""
    X, labels = digits
    Y = np.einsum("nd,ndo->no", X, rng.normal(size=(10, 64, 2))[labels]) + 3 * rng.normal(size=(10, 2))[labels]
    peer, gain, y = LogisticRegression(max_iter=200), -0.01, labels
    if isinstance(model, REGRESSORS):
        peer, gain, y = Ridge(1e-3), 0.1, Y
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    model = clone(model).set_params(random_state=0, tol=0.0).fit(X, y)
    assert_monotone(model)
    assert model.score(X_test, y_test) > peer.fit(X, y).score(X_test, y_test) + gain


# ---------------------------------------------------------------- the interface


@pytest.mark.parametrize("estimator", ALL)
def test_pickle_clone_and_random_state(estimator):
    X, y = spiral_for(estimator, 100)
    model = estimator(3, init="random", random_state=7, max_iter=5)
    model.fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).log_likelihood(X, y), model.log_likelihood(X, y))
    again = clone(model).fit(X, y)
    assert again.lower_bounds_ == model.lower_bounds_
    assert clone(model).set_params(random_state=8).fit(X, y).lower_bounds_ != model.lower_bounds_


@pytest.mark.parametrize("estimator", ALL)
def test_weights_are_repetitions(estimator, rng):
    """Penalties are those of as many rows as there are: over the repeated rows they are as many times as large."""
    X, y = spiral_for(estimator, 100)
    model = estimator(2, init=rng.dirichlet([1, 1], 100), max_iter=10)
    model.set_params(**({"shrinkage": 0.2} if estimator in GMM else {"alpha": 0.1}))
    weight = rng.integers(4, size=100)
    rows = np.repeat(np.arange(100), weight)
    weighted = clone(model).fit(X, y, sample_weight=weight)
    ridges = {name: len(rows) / (weight > 0).sum() * getattr(model, name) for name in RIDGES & set(model.get_params())}
    repeated = clone(model).set_params(init=model.init[rows], **ridges).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.lower_bounds_, repeated.lower_bounds_, rtol=1e-8)
    np.testing.assert_allclose(weighted.log_likelihood(X, y), repeated.log_likelihood(X, y), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("estimator", ALL)
def test_weights_have_no_unit(estimator, rng):
    X, y = spiral_for(estimator, 100)
    model, weight = estimator(2, max_iter=3, tol=0.0, random_state=0), rng.uniform(0.5, 2, size=100)
    known = clone(model).fit(X, y, weight)
    for unit in (1e-6, 1e4, 1e308):
        np.testing.assert_allclose(clone(model).fit(X, y, unit * (weight / 2)).lower_bounds_, known.lower_bounds_)
    alike = clone(model).fit(X, y, np.full(100, 0.01))  # 1 / N
    assert alike.lower_bounds_ == clone(model).fit(X, y).lower_bounds_
    some = np.where(np.arange(100) < 60, 7.0, 0.0)
    assert clone(model).fit(X, y, some).lower_bounds_ == clone(model).fit(X[:60], y[:60]).lower_bounds_


def test_restarts_keep_the_best_bound_under_one_prior():
    X, Y, _ = spiral()
    one, six = (GMMGatedRegressor(3, init="random", shrinkage=0.1, n_init=n, random_state=1).fit(X, Y) for n in (1, 6))
    assert six.lower_bound_ > one.lower_bound_
    assert six.gate_.prior_scale == one.gate_.prior_scale


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_targets_and_predictions_have_one_shape(estimator):
    X, Y, _ = spiral(100)
    for y in (Y, Y[:, :1], Y[:, 0]):
        model = estimator(2, random_state=0, max_iter=3).fit(X, y)
        assert model.predict(X).shape == y.shape
        assert model.log_likelihood(X, y).shape == (100,)
        assert model.expert_predictions(X).shape == (100, 2, 1 if y.ndim == 1 else y.shape[1])


def test_labels_of_any_kind():
    X, _, labels = spiral(100)
    names = np.array(["one", "two", "three"])[labels]
    model = GMMGatedClassifier(2, random_state=0, max_iter=3).fit(X, names)
    assert set(model.predict(X)) <= set(names) and model.expert_predictions(X).shape == (100, 2, 3)
    with pytest.raises(ValueError, match=r"labels \['four'\].*did not see"):
        model.log_likelihood(X[:2], ["four", "one"])


def test_not_converged_names_the_cure():
    X, Y, _ = spiral()
    with pytest.warns(ConvergenceWarning, match="Increase max_iter or tol"):
        GMMGatedRegressor(4, max_iter=1, tol=0.0, random_state=0).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert GMMGatedRegressor(2, random_state=0).fit(X, Y).converged_


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_experts": 0}, "n_experts must be an integer in"),
        ({"n_experts": 2.5}, "n_experts must be an integer in"),
        ({"n_experts": "auto"}, "n_experts must be an integer in"),
        ({"n_experts": 1000}, "n_samples=100 is less than n_experts=1000"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"tol": -1.0}, "tol must be a number"),
        ({"tol": np.nan}, "tol must be a number"),
        ({"shrinkage": 1.0}, r"shrinkage must be a number in \[0, 1.0\)"),
        ({"reg_variance": 0.0}, "reg_variance must be"),
        ({"variance": -1.0}, "variance must be"),
        ({"covariance_type": "round"}, "covariance_type must be one of full, tied, diag, got 'round'"),
        ({"init": "best"}, "init must be one of kmeans, random, got 'best'"),
        ({"init": np.ones((3, 2))}, r"init must be .* of shape \(100, 2\).*got an array of shape \(3, 2\)"),
        ({"init": -np.ones((100, 2))}, "none negative"),
    ],
    ids=str,
)
def test_wrong_parameters_are_named(parameters, message):
    X, Y, _ = spiral(100)
    with pytest.raises(ValueError, match=message):
        GMMGatedRegressor(**parameters).fit(X, Y)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_a_singular_covariance_names_the_cure(covariance_type):
    X, Y, _ = spiral(100)
    X[:, 1] = 1.0
    with pytest.raises(ValueError, match=r"Covariance 0 .*increase reg_covar or shrinkage"):
        GMMGatedRegressor(covariance_type=covariance_type, reg_covar=0.0, random_state=0).fit(X, Y)


def test_singular_normal_equations_name_the_cure():
    X, Y, _ = spiral(100)
    with pytest.raises(ValueError, match=r"second moment of expert 0 .*increase alpha"):
        SoftmaxGatedRegressor(alpha=0.0, random_state=0).fit(np.column_stack([X, np.ones(100)]), Y)


@pytest.mark.parametrize("estimator", ALL)
def test_wrong_data_are_refused(estimator):
    X, y = spiral_for(estimator, 100)
    model = estimator(2, random_state=0, max_iter=3)
    with pytest.raises(NotFittedError):
        model.log_likelihood(X, y)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            model.fit(np.where(X[0, 0] == X, bad, X), y)
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit(X[:-1], y)
    model.fit(X, y)
    with pytest.raises(ValueError, match="1 features"):
        model.predict(X[:, :1])
    with pytest.raises(ValueError, match=r"NaN"):
        model.gate_proba(np.full_like(X, np.nan))
    if isinstance(model, REGRESSORS):
        with pytest.raises(ValueError, match="y has 1 outputs, but fit saw 2"):
            model.log_likelihood(X, y[:, 0])
