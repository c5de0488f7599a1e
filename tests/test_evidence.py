"""Experts that choose their ridge by the evidence."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.linear_model import Ridge

from vae_moe.em import EvidenceExperts, SoftmaxGate, run_em


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
