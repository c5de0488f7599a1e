"""The prior against TFP, Monte Carlo and one-component formulas."""

import numpy as np
import pytest
import tensorflow_probability as tfp

from vae_moe.layers import MixturePrior

tfd = tfp.distributions
K, L, B = 4, 3, 5


@pytest.fixture(params=["diag", "full"])
def prior(request, rng):
    layer = MixturePrior(K, L, learn_weights=True, covariance=request.param)
    layer.build()
    layer.assign(rng.dirichlet(np.ones(K)), rng.normal(0, 2, (K, L)), rng.uniform(0.2, 3, (K, L)))
    if request.param == "full":
        layer.couplings.assign(rng.normal(0, 1, (K, L, L)))  # of which the part below the diagonal counts
    return layer


@pytest.fixture
def components(prior):
    return tfd.MultivariateNormalFullCovariance(prior.means, prior.covariances().astype("f"))


@pytest.fixture
def reference(prior, components):
    return tfd.MixtureSameFamily(tfd.Categorical(logits=prior.logits), components)


@pytest.fixture
def q(rng):
    return rng.normal(0, 1, (B, L)).astype("f"), rng.normal(-1, 1, (B, L)).astype("f")


def test_kl_is_tfps_for_every_component(prior, components, q):
    posterior = tfd.MultivariateNormalTriL(q[0][:, None], np.apply_along_axis(np.diag, -1, np.exp(0.5 * q[1])[:, None]))
    np.testing.assert_allclose(prior.kl(*q), tfd.kl_divergence(posterior, components), rtol=1e-4)


def test_kl_is_the_monte_carlo_mean(prior, q, rng):
    z = q[0] + np.exp(0.5 * q[1]) * rng.standard_normal((200_000, B, L)).astype("f")
    log_q = tfd.MultivariateNormalDiag(q[0], np.exp(0.5 * q[1])).log_prob(z).numpy()
    log_p = prior.component_log_prob(z.reshape(-1, L)).numpy().reshape(-1, B, K)
    np.testing.assert_allclose(prior.kl(*q), (log_q[..., None] - log_p).mean(0), rtol=0.02, atol=0.02)


def test_kl_of_a_component_to_itself_is_zero(prior):
    if prior.covariance == "full":
        prior.couplings.assign(np.zeros((K, L, L)))
    np.testing.assert_allclose(np.diag(prior.kl(prior.means, prior.log_vars)), 0.0, atol=1e-5)


def test_bayes_rule_is_the_posterior_of_tfps_mixture(prior, reference, rng):
    z = rng.normal(0, 2, (B, L)).astype("f")
    np.testing.assert_allclose(
        tfd.Categorical(logits=prior.c_logits(z)).probs_parameter(),
        reference.posterior_marginal(z).probs_parameter(),
        rtol=1e-4,
        atol=1e-6,
    )
    np.testing.assert_allclose(prior.log_prob(z), reference.log_prob(z), rtol=1e-5)


def test_relaxed_kl_at_one_hot_is_that_component(prior, q):
    for k in range(K):
        zeta = np.eye(K, dtype="f")[[k] * B]
        np.testing.assert_allclose(prior.relaxed_kl(*q, zeta), prior.kl(*q)[:, k], rtol=1e-4, atol=1e-4)


def test_relaxed_kl_mixes_parameters(prior, q, rng):
    zeta = rng.dirichlet(np.ones(K), B).astype("f")
    inverse = (
        np.linalg.inv(np.tensordot(zeta, prior.mixing(), 1)) * np.exp(0.5 * zeta @ np.asarray(prior.log_vars))[:, None]
    )
    mixed = tfd.MultivariateNormalTriL(zeta @ prior.means, inverse)
    posterior = tfd.MultivariateNormalTriL(q[0], np.apply_along_axis(np.diag, -1, np.exp(0.5 * q[1])))
    np.testing.assert_allclose(prior.relaxed_kl(*q, zeta), tfd.kl_divergence(posterior, mixed), rtol=1e-4)


def test_samples_have_the_moments_of_the_mixture(prior, reference):
    z = prior.sample(200_000, seed=1)
    np.testing.assert_allclose(z.mean(0), reference.mean(), atol=0.03)
    total = prior.log_weights().numpy(), np.asarray(prior.means, "d")
    spread = np.cov(total[1].T, aweights=np.exp(total[0]), bias=True)
    within = np.tensordot(np.exp(total[0]), prior.covariances(), 1)
    np.testing.assert_allclose(np.cov(z.T), spread + within, rtol=0.03, atol=0.1)
    one = prior.sample(100_000, component=2, seed=1)
    np.testing.assert_allclose(one.mean(0), prior.means[2], atol=0.03)
    np.testing.assert_allclose(np.cov(one.T), prior.covariances()[2], rtol=0.03, atol=0.1)


def test_a_prior_is_assigned_covariances(rng):
    prior = MixturePrior(K, L, covariance="full")
    prior.build()
    made = rng.normal(0, 1, (K, L, 2 * L))
    made = made @ np.swapaxes(made, 1, 2)
    prior.assign(np.ones(K) / K, np.zeros((K, L)), made)
    np.testing.assert_allclose(prior.covariances(), made, rtol=1e-5, atol=1e-5)


def test_uniform_weights_stay_uniform():
    prior = MixturePrior(3, 2)
    prior.build()
    prior.assign([0.8, 0.1, 0.1], np.zeros((3, 2)), np.ones((3, 2)))
    np.testing.assert_allclose(prior.log_weights(), -np.log(3), rtol=1e-6)
    assert all("logits" not in weight.name for weight in prior.trainable_variables)


def test_bad_input_is_named(prior):
    with pytest.raises(ValueError, match="component must be from 0 to 3, got 4"):
        prior.sample(1, component=4)
    with pytest.raises(ValueError, match=r"must be \(4, 3\) with positive variances"):
        prior.assign(np.ones(K) / K, np.zeros((K, L)), np.zeros((K, L)))
    with pytest.raises(ValueError, match="n_components must be at least 1, got 0"):
        MixturePrior(0, 2)
