"""EM for the mixtures of affine experts: its objective, and what it finds against what is known."""

from dataclasses import replace

import numpy as np
import pytest
from em_data import ALL, CLASSIFIERS, GMM, HMOE, REGRESSORS, SOFTMAX, assert_monotone, blobs, spiral, spiral_for
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture

from vae_moe.em import (
    CategoricalExperts,
    GaussianExperts,
    GMMGatedClassifier,
    GMMGatedRegressor,
    SoftmaxGatedClassifier,
    _softmax_regression,
)
from vae_moe.em._em import run_em
from vae_moe.em._gaussian_gate import COVARIANCE_TYPES, GaussianGate
from vae_moe.em._softmax_regression import fit_softmax

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# ---------------------------------------------------------------- the objective


@pytest.mark.parametrize("init", ["kmeans", "random"])
@pytest.mark.parametrize(
    "model",
    [
        *(cls(3, covariance_type=c) for cls in GMM for c in COVARIANCE_TYPES),
        *(cls(3, covariance_type=c, shrinkage=0.2, reg_covar=0.1, alpha=2.0) for cls in GMM for c in COVARIANCE_TYPES),
        *(cls(3, y_weight=0.3, alpha=0.5) for cls in GMM),
        *(cls(3, variance=0.1) for cls in REGRESSORS),
        *(cls(3, alpha_gate=a) for cls in SOFTMAX for a in (0.0, 0.01, 10.0)),
        *(cls(tree) for cls in HMOE for tree in ((2, 2), (1, 3), (2, 1, 2))),
    ],
    ids=repr,
)
def test_the_objective_never_falls(model, init):
    X, y = spiral_for(type(model), 150)
    model = clone(model).set_params(init=init, tol=0.0, max_iter=12, random_state=0)
    assert_monotone(model.fit(X, y))


@pytest.mark.parametrize("estimator", ALL)
def test_the_objective_never_falls_with_lbfgs_inner_loops(estimator, monkeypatch):
    monkeypatch.setattr(_softmax_regression, "NEWTON_MAX_PARAMETERS", 0)
    X, y = spiral_for(estimator, 150)
    model = estimator(3, tol=0.0, max_iter=12, random_state=0)
    assert_monotone(model.fit(X, y))


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_the_objective_stays_finite_at_the_variance_floor(estimator):
    X, Y, _ = blobs()
    model = estimator(3, alpha=1e-9, reg_variance=1e-8, tol=0.0, max_iter=10, random_state=0).fit(X, Y)
    assert_monotone(model)
    np.testing.assert_allclose(model.variances_, 1e-8)
    assert np.isfinite(model.log_likelihood(X, Y + 100)).all()


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_covariance_of_one_component_is_shrunk_as_documented(covariance_type):
    X, Y, _ = spiral()
    model = GMMGatedRegressor(1, covariance_type=covariance_type, shrinkage=0.3, reg_covar=0.05).fit(X, Y)
    S = np.cov(X.T, bias=True)
    expected = 0.7 * S + 0.3 * np.trace(S) / 2 * np.eye(2) + 0.05 * np.eye(2)
    covariance = model.covariances_ if covariance_type == "tied" else model.covariances_[0]
    np.testing.assert_allclose(
        covariance, np.diag(expected) if covariance_type == "diag" else expected, rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_gaussian_gate_m_step_is_a_stationary_point_of_its_penalised_likelihood(covariance_type):
    X, _, _ = spiral(60)
    log_resp = np.log(np.random.default_rng(0).dirichlet(np.ones(2), size=len(X)))
    gate = GaussianGate.from_data(covariance_type, 0.2, 0.1, X, log_resp).fit(X, log_resp)

    def objective(scale, shift):
        root = np.sqrt(scale)
        moved = replace(
            gate,
            covariances=gate.covariances * scale,
            precisions_cholesky=gate.precisions_cholesky / root,
            means=gate.means + shift,
        )
        return (np.exp(log_resp) * moved.log_prob(X)).sum() + moved.log_penalty()

    for scale, shift in ((0.99, 0.0), (1.01, 0.0), (1.0, 1e-2), (1.0, -1e-2)):
        assert objective(1.0, 0.0) > objective(scale, shift)


# ---------------------------------------------------------------- agreement with what is known


@pytest.mark.parametrize(
    ("estimator", "covariance_type", "reg_covar"),
    [*((GMMGatedRegressor, c, r) for c in COVARIANCE_TYPES for r in (0.0, 1e-6)), (GMMGatedClassifier, "full", 1e-6)],
)
def test_ignoring_y_is_the_gaussian_mixture_of_scikit_learn(estimator, covariance_type, reg_covar):
    X, y = spiral_for(estimator)
    common = {"covariance_type": covariance_type, "reg_covar": reg_covar, "tol": 1e-9, "max_iter": 1000}
    reference = GaussianMixture(4, random_state=3, **common).fit(X)
    model = estimator(4, random_state=3, y_weight=0.0, **common)
    model.fit(X, y)
    assert model.converged_ and reference.converged_
    np.testing.assert_allclose(model.score_samples(X).mean(), reference.score(X), atol=1e-6)
    np.testing.assert_allclose(model.means_, reference.means_, atol=1e-3)
    np.testing.assert_allclose(model.gate_proba(X), reference.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_ignoring_y_follows_scikit_learn_step_by_step(covariance_type):
    X, Y, _ = spiral()
    for max_iter in (1, 3):
        common = {"covariance_type": covariance_type, "reg_covar": 0.0, "tol": 0.0, "max_iter": max_iter}
        reference = GaussianMixture(4, random_state=3, **common).fit(X)
        model = GMMGatedRegressor(4, random_state=3, y_weight=0.0, **common).fit(X, Y)
        np.testing.assert_allclose(model.score_samples(X), reference.score_samples(X), atol=1e-9)


def test_given_responsibilities_replace_k_means():
    X, Y, _ = spiral()
    labels = KMeans(4, n_init=1, random_state=np.random.RandomState(3)).fit(X).labels_
    given = GMMGatedRegressor(4, init=np.eye(4)[labels]).fit(X, Y)
    drawn = GMMGatedRegressor(4, random_state=3).fit(X, Y)
    np.testing.assert_array_equal(given.predict(X), drawn.predict(X))


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_one_expert_is_least_squares(estimator):
    X, Y, _ = spiral()
    model = estimator(1, alpha=1e-12).fit(X, Y)
    solution, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), Y, rcond=None)
    np.testing.assert_allclose(np.vstack([model.kernels_[0], model.biases_]), solution, rtol=1e-8)
    residual = Y - model.predict(X)
    np.testing.assert_allclose(model.variances_[0], np.square(residual).mean(axis=0), rtol=1e-8)
    ridge = Ridge(alpha=7.0).fit(X, Y)
    np.testing.assert_allclose(estimator(1, alpha=7.0).fit(X, Y).predict(X), ridge.predict(X), rtol=1e-8)


def test_gaussian_experts_are_weighted_least_squares():
    X, Y, _ = spiral()
    resp = np.random.default_rng(0).dirichlet(np.ones(3), size=len(X))
    experts = GaussianExperts(alpha=0.5, reg_variance=1e-6).fit(X, Y, np.log(resp))
    for k in range(3):
        ridge = Ridge(alpha=0.5).fit(X, Y, sample_weight=resp[:, k])
        np.testing.assert_allclose(experts.kernels[k], ridge.coef_.T, rtol=1e-8)
        np.testing.assert_allclose(experts.predict(X)[:, k], ridge.predict(X), rtol=1e-8)


def test_a_row_of_weight_2_is_two_rows():
    """Weights of any mean, where the estimators' have the mean 1."""
    X, Y, _ = spiral(60)
    log_resp = np.log(np.random.default_rng(0).dirichlet(np.ones(2), size=len(X)))
    repeated = [np.repeat(each, 2, axis=0) for each in (X, Y, log_resp)]
    once = GaussianGate.from_data("full", 0.2, 0.1, X, log_resp + np.log(2))
    twice = GaussianGate.from_data("full", 0.2, 0.1, repeated[0], repeated[2])
    assert (once.prior_count, once.prior_scale) == pytest.approx((twice.prior_count, twice.prior_scale))
    bounds = [
        run_em(x, y, twice, GaussianExperts(0.5, 1e-6), resp, y_weight=1.0, max_iter=3, tol=0.0, sample_weight=w)
        for x, y, resp, w in ((X, Y, log_resp, np.full(len(X), 2.0)), (*repeated, None))
    ]
    np.testing.assert_allclose(bounds[0].lower_bounds, bounds[1].lower_bounds)


@pytest.mark.parametrize("newton_max", [0, 512])
@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_one_expert_is_logistic_regression(estimator, newton_max, monkeypatch):
    monkeypatch.setattr(_softmax_regression, "NEWTON_MAX_PARAMETERS", newton_max)
    X, _, labels = spiral()
    reference = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(X, labels)
    model = estimator(1, alpha=2.0, tol=1e-12, max_iter=50).fit(X, labels)
    np.testing.assert_allclose(model.predict_proba(X), reference.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("newton_max", [0, 512])
def test_softmax_regression_climbs_from_a_far_start(newton_max, monkeypatch):
    monkeypatch.setattr(_softmax_regression, "NEWTON_MAX_PARAMETERS", newton_max)
    X, _, labels = spiral()
    start = 30 * np.random.default_rng(0).normal(size=(2, 3))
    kernel, _ = fit_softmax(
        X, np.eye(3)[labels], np.ones(len(X)), kernel=start, bias=np.zeros(3), alpha=1.0, max_iter=200
    )
    reference = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(X, labels)
    np.testing.assert_allclose(kernel.T, reference.coef_, atol=1e-5)


def test_softmax_regression_refuses_to_fall(monkeypatch):
    monkeypatch.setattr(_softmax_regression, "_newton", lambda objective, theta, max_iter: theta + 100)
    X, _, labels = spiral()
    kernel, bias = np.zeros((2, 3)), np.zeros(3)
    end = fit_softmax(X, np.eye(3)[labels], np.ones(len(X)), kernel=kernel, bias=bias, alpha=1.0, max_iter=5)
    assert end[0] is kernel and end[1] is bias


def test_categorical_experts_are_weighted_logistic_regressions():
    X, _, labels = spiral()
    resp = np.random.default_rng(0).dirichlet(np.ones(2), size=len(X))
    experts = CategoricalExperts(3, alpha=1.0, inner_max_iter=50).fit(X, labels, np.log(resp))
    for k in range(2):
        reference = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(X, labels, sample_weight=resp[:, k])
        np.testing.assert_allclose(experts.predict(X)[:, k], reference.predict_proba(X), atol=1e-6)
    taken = experts.log_proba(X)[np.arange(len(X)), :, labels]
    np.testing.assert_array_equal(experts.log_prob(X, labels), taken)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_log_likelihood_is_the_formula(covariance_type):
    X, Y, _ = spiral()
    model = GMMGatedRegressor(3, covariance_type=covariance_type, random_state=0).fit(X, Y)
    by_k = []
    for k in range(3):
        covariance = model.covariances_ if covariance_type == "tied" else model.covariances_[k]
        mean = X @ model.kernels_[k] + model.biases_[k]
        log_x = np.log(model.weights_[k]) + multivariate_normal(
            model.means_[k], np.diag(covariance) if covariance_type == "diag" else covariance
        ).logpdf(X)
        by_k.append((log_x, norm.logpdf(Y, mean, np.sqrt(model.variances_[k])).sum(axis=1), mean))
    log_x, log_y, means = (np.array(part) for part in zip(*by_k, strict=True))
    np.testing.assert_allclose(model.score_samples(X), logsumexp(log_x, axis=0), rtol=1e-9)
    np.testing.assert_allclose(
        model.log_likelihood(X, Y), logsumexp(log_x + log_y, axis=0) - logsumexp(log_x, axis=0), rtol=1e-8, atol=1e-9
    )
    gate = np.exp(log_x - logsumexp(log_x, axis=0))
    np.testing.assert_allclose(model.gate_proba(X), gate.T, atol=1e-10)
    np.testing.assert_allclose(model.predict(X), np.einsum("kn,kno->no", gate, means), atol=1e-9)
    joint = model.score_samples(X) + model.log_likelihood(X, Y)
    penalty = model.gate_.log_penalty() + model.experts_.log_penalty()
    np.testing.assert_allclose(model.lower_bound_, joint.mean() + penalty / len(X), rtol=1e-9)


@pytest.mark.parametrize("estimator", ALL)
def test_predictions_are_weighted_by_the_gate(estimator):
    X, y = spiral_for(estimator)
    model = estimator(3, random_state=0, max_iter=5)
    model.fit(X, y)
    gate, experts = model.gate_proba(X), model.expert_predictions(X)
    np.testing.assert_allclose(gate.sum(axis=1), 1)
    predicted = model.predict(X) if isinstance(model, REGRESSORS) else model.predict_proba(X)
    np.testing.assert_allclose(predicted, np.einsum("nk,nko->no", gate, experts), atol=1e-12)


def test_softmax_likelihood_is_the_formula():
    X, _, labels = spiral()
    model = SoftmaxGatedClassifier(3, random_state=0, max_iter=5).fit(X, labels)
    logits = X @ model.gate_kernel_ + model.gate_bias_
    expert_logits = np.einsum("nd,kdc->nkc", X, model.kernels_) + model.biases_
    log_gate = logits - logsumexp(logits, axis=1, keepdims=True)
    log_expert = expert_logits - logsumexp(expert_logits, axis=2, keepdims=True)
    log_proba = logsumexp(log_gate[:, :, None] + log_expert, axis=1)
    np.testing.assert_allclose(model.predict_log_proba(X), log_proba, atol=1e-10)
    np.testing.assert_allclose(model.log_likelihood(X, labels), log_proba[np.arange(len(X)), labels], atol=1e-10)
