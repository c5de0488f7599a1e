import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from vae_moe.em import (
    CategoricalExperts,
    EvidenceExperts,
    GaussianExperts,
    GMMGatedClassifier,
    GMMGatedRegressor,
    SoftmaxGatedClassifier,
    SoftmaxGatedRegressor,
    _numerics,
    _softmax_regression,
)
from vae_moe.em._em import run_em
from vae_moe.em._gaussian_gate import COVARIANCE_TYPES, GaussianGate
from vae_moe.em._softmax_regression import fit_softmax
from vae_moe.em.softmax_gated import SoftmaxGate

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

GMM = (GMMGatedRegressor, GMMGatedClassifier)
SOFTMAX = (SoftmaxGatedRegressor, SoftmaxGatedClassifier)
ALL = GMM + SOFTMAX
RIDGES = {"alpha", "alpha_gate"}
REGRESSORS = (GMMGatedRegressor, SoftmaxGatedRegressor)
CLASSIFIERS = (GMMGatedClassifier, SoftmaxGatedClassifier)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Small problems on a busy machine: threads would wait for one another."""
    with threadpool_limits(1):
        yield


def spiral(n=300, seed=0):
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


def targets(model, Y, labels):
    return Y if isinstance(model, REGRESSORS) else labels


def assert_monotone(model):
    bounds = np.array(model.lower_bounds_)
    assert np.isfinite(bounds).all()
    assert len(bounds) == model.n_iter_ + 1 and model.lower_bound_ == bounds[-1]
    assert np.diff(bounds).min() >= -1e-9 * max(1.0, np.abs(bounds).max())


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
    ],
    ids=repr,
)
def test_the_objective_never_falls(model, init):
    X, Y, labels = spiral(150)
    model = clone(model).set_params(init=init, tol=0.0, max_iter=12, random_state=0)
    assert_monotone(model.fit(X, targets(model, Y, labels)))


@pytest.mark.parametrize("estimator", ALL)
def test_the_objective_never_falls_with_lbfgs_inner_loops(estimator, monkeypatch):
    monkeypatch.setattr(_softmax_regression, "NEWTON_MAX_PARAMETERS", 0)
    X, Y, labels = spiral(150)
    model = estimator(3, tol=0.0, max_iter=12, random_state=0)
    assert_monotone(model.fit(X, targets(model, Y, labels)))


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
    X, Y, labels = spiral()
    common = {"covariance_type": covariance_type, "reg_covar": reg_covar, "tol": 1e-9, "max_iter": 1000}
    reference = GaussianMixture(4, random_state=3, **common).fit(X)
    model = estimator(4, random_state=3, y_weight=0.0, **common)
    model.fit(X, targets(model, Y, labels))
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


def maps(rng, n, n_features, n_outputs, n_experts=1, apart=0.3):
    """Rows whose affine maps differ from a centre: X [N, D], Y [N, O], center [D, O]."""
    X = rng.normal(size=(n, n_features)) * rng.uniform(0.1, 2, n_features)
    center = rng.normal(size=(n_features, n_outputs))
    kernels = center + rng.normal(0, apart, (n_experts, n_features, n_outputs))
    Y = np.einsum("nd,ndo->no", X, kernels[rng.integers(n_experts, size=n)]) + rng.normal(0, 0.2, (n, n_outputs))
    return X, Y, center


def test_experts_that_choose_their_ridge_end_at_the_fixed_point_of_the_evidence(rng):
    """One expert: kernels by scikit-learn, the parameters that the data determine by eigenvalues (MacKay 1992)."""
    X, Y, center = maps(rng, 60, 4, 2)
    experts = EvidenceExperts(1.0, 1e-6, center=center)
    for _ in range(300):
        experts = experts.fit(X, Y, np.zeros((60, 1)))
    theirs = center + Ridge(experts.alpha).fit(X, Y - X @ center).coef_.T
    np.testing.assert_allclose(experts.kernels[0], theirs, rtol=1e-6)
    distance = (np.square(theirs - center) / experts.variances).sum()
    eigenvalues = len(X) * np.linalg.eigvalsh(np.cov(X.T, bias=True))
    assert experts.alpha == pytest.approx(2 * (eigenvalues / (eigenvalues + experts.alpha)).sum() / distance)


@pytest.mark.parametrize("alpha", [0.1, 10.0])
def test_the_objective_of_experts_that_choose_their_ridge_is_the_evidence(rng, alpha):
    """One expert: the density of Y with the kernel integrated out, about the mean of x, which the bias belongs to."""
    X, Y, center = maps(rng, 40, 4, 2)
    experts = replace(EvidenceExperts(alpha, 1e-6, center=center).fit(X, Y, np.zeros((40, 1))), alpha=alpha)
    centred = X - X.mean(0)
    evidence = sum(
        multivariate_normal(y.mean() + centred @ around, variance * (np.eye(40) + centred @ centred.T / alpha)).logpdf(
            y
        )
        for y, around, variance in zip(Y.T, center.T, experts.variances[0], strict=True)
    )
    assert experts.log_prob(X, Y).sum() + experts.log_penalty() == pytest.approx(evidence)


@pytest.mark.parametrize("apart", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_no_step_lowers_the_objective_of_experts_that_choose_their_ridge(seed, apart):
    rng = np.random.default_rng(seed)
    n_experts = int(rng.integers(2, 5))
    X, Y, center = maps(
        rng, int(rng.integers(30, 200)), int(rng.integers(1, 9)), int(rng.integers(1, 4)), n_experts, apart
    )
    log_resp, weight = np.log(rng.dirichlet(np.ones(n_experts), len(X))), rng.uniform(0.5, 2, len(X))
    experts, gate = EvidenceExperts(1.0, 1e-3, center=center), SoftmaxGate(1.0, 20)
    bounds = run_em(
        X, Y, gate, experts, log_resp, y_weight=1.0, max_iter=40, tol=0.0, sample_weight=weight
    ).lower_bounds
    assert np.diff(bounds).min() >= -1e-9 * np.abs(bounds).max()


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
    X, Y, labels = spiral()
    model = estimator(3, random_state=0, max_iter=5)
    model.fit(X, targets(model, Y, labels))
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
    X, Y, labels = spiral(100)
    model = estimator(2, random_state=0, max_iter=3)
    y = targets(model, Y, labels)
    with pytest.warns(UserWarning) as caught:
        clone(model).fit(1e-8 * X, 1e-8 * y if estimator in REGRESSORS else y)
    named = {str(w.message).split("=")[0] for w in caught if "Standardise the data" in str(w.message)}
    in_y = {"reg_variance"} if estimator in REGRESSORS else set()
    assert named == {"alpha", "reg_covar" if estimator in GMM else "alpha_gate"} | in_y
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        clone(model).fit(X, y)
        clone(model).fit(1e8 * X, y)


@pytest.mark.parametrize("estimator", ALL)
def test_far_points_have_finite_log_probabilities(estimator):
    X, Y, labels = spiral()
    model = estimator(3, random_state=0, max_iter=5)
    y = targets(model, Y, labels)
    model.fit(X, y)
    far = 1e3 * X
    assert np.isfinite(model.log_likelihood(far, y)).all()
    np.testing.assert_allclose(model.gate_proba(far).sum(axis=1), 1)
    if isinstance(model, GMM):
        assert np.isfinite(model.score_samples(far)).all()
    if isinstance(model, CLASSIFIERS):
        np.testing.assert_allclose(model.predict_proba(far).sum(axis=1), 1)


@pytest.mark.parametrize("estimator", ALL)
def test_constant_and_repeated_columns_are_finite(estimator):
    X, Y, labels = spiral()
    X = np.column_stack([X, np.zeros(len(X)), np.full(len(X), 7.0), X[:, 0]])
    model = estimator(3, random_state=0, max_iter=8, tol=0.0)
    y = targets(model, Y, labels)
    assert_monotone(model.fit(X, y))
    assert np.isfinite(model.log_likelihood(X, y)).all()


@pytest.mark.parametrize("estimator", ALL)
def test_an_expert_that_starts_empty_is_finite(estimator):
    X, Y, labels = spiral()
    init = np.zeros((len(X), 3))
    init[:, 0] = 1
    model = estimator(3, init=init, max_iter=8, tol=0.0)
    y = targets(model, Y, labels)
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
    X, Y, labels = spiral(100)
    model = estimator(3, random_state=0, max_iter=3, tol=0.0)
    y = targets(model, Y, labels)
    whole = clone(model).fit(X, y)
    monkeypatch.setattr(_numerics, "BLOCK_ELEMENTS", 64)
    blocks = clone(model).fit(X, y)
    np.testing.assert_allclose(whole.lower_bounds_, blocks.lower_bounds_, rtol=1e-9)
    np.testing.assert_allclose(whole.log_likelihood(X, y), blocks.log_likelihood(X, y), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("estimator", ALL)
def test_float32_inputs_are_computed_in_float64(estimator):
    X, Y, labels = spiral(100)
    X = X.astype(np.float32)
    model = estimator(3, init=np.eye(3)[labels], max_iter=3)
    y = targets(model, Y, labels)
    single, double = clone(model).fit(X, y), clone(model).fit(X.astype(np.float64), y)
    np.testing.assert_array_equal(single.lower_bounds_, double.lower_bounds_)


# ---------------------------------------------------------------- real data


@pytest.fixture(scope="module")
def digits():
    X, labels = load_digits(return_X_y=True)
    X = X / 16
    rng = np.random.default_rng(0)
    Y = np.einsum("nd,ndo->no", X, rng.normal(size=(10, 64, 2))[labels]) + 3 * rng.normal(size=(10, 2))[labels]
    return train_test_split(X, Y, labels, random_state=0)


@pytest.mark.parametrize(
    "model",
    [GMMGatedRegressor(10, reg_covar=1e-2, max_iter=8), SoftmaxGatedRegressor(10, max_iter=8)],
    ids=lambda model: type(model).__name__,
)
def test_digits_with_class_wise_affine_targets_beat_ridge(digits, model):
    X, X_test, Y, Y_test, _, _ = digits
    model = clone(model).set_params(random_state=0, tol=0.0).fit(X, Y)
    assert_monotone(model)
    assert model.score(X_test, Y_test) > Ridge(1e-3).fit(X, Y).score(X_test, Y_test) + 0.1


@pytest.mark.parametrize(
    "model",
    [GMMGatedClassifier(10, reg_covar=1e-2, max_iter=4), SoftmaxGatedClassifier(5, max_iter=4)],
    ids=lambda model: type(model).__name__,
)
def test_digits_are_classified_as_well_as_by_logistic_regression(digits, model):
    X, X_test, _, _, labels, labels_test = digits
    model = clone(model).set_params(random_state=0, tol=0.0, inner_max_iter=10).fit(X, labels)
    assert_monotone(model)
    baseline = LogisticRegression(max_iter=200).fit(X, labels).score(X_test, labels_test)
    assert model.score(X_test, labels_test) > baseline - 0.01


# ---------------------------------------------------------------- the interface


@pytest.mark.parametrize("estimator", ALL)
def test_pickle_clone_and_random_state(estimator):
    X, Y, labels = spiral(100)
    model = estimator(3, init="random", random_state=7, max_iter=5)
    y = targets(model, Y, labels)
    model.fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).log_likelihood(X, y), model.log_likelihood(X, y))
    again = clone(model).fit(X, y)
    assert again.lower_bounds_ == model.lower_bounds_
    assert clone(model).set_params(random_state=8).fit(X, y).lower_bounds_ != model.lower_bounds_


@pytest.mark.parametrize("estimator", ALL)
def test_weights_are_repetitions(estimator, rng):
    """Penalties are those of as many rows as there are: over the repeated rows they are as many times as large."""
    X, Y, labels = spiral(100)
    model = estimator(
        2, init=rng.dirichlet([1, 1], 100), max_iter=10, **({"shrinkage": 0.2} if estimator in GMM else {})
    )
    y, weight = targets(model, Y, labels), rng.integers(4, size=100)
    rows = np.repeat(np.arange(100), weight)
    weighted = clone(model).fit(X, y, sample_weight=weight)
    ridges = {name: len(rows) / (weight > 0).sum() * getattr(model, name) for name in RIDGES & set(model.get_params())}
    repeated = clone(model).set_params(init=model.init[rows], **ridges).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.lower_bounds_, repeated.lower_bounds_, rtol=1e-8)
    np.testing.assert_allclose(weighted.log_likelihood(X, y), repeated.log_likelihood(X, y), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("estimator", ALL)
def test_weights_have_no_unit(estimator, rng):
    X, Y, labels = spiral(100)
    model = estimator(2, max_iter=3, tol=0.0, random_state=0)
    y, weight = targets(model, Y, labels), rng.uniform(0.5, 2, size=100)
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
    X, Y, labels = spiral(100)
    model = estimator(2, random_state=0, max_iter=3)
    y = targets(model, Y, labels)
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
