"""Log-densities against scipy and TFP."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from vae_moe import likelihoods


def test_bernoulli_is_scipys(rng):
    logits, x = rng.normal(0, 3, (6, 5)).astype("f"), rng.integers(0, 2, (6, 5)).astype("f")
    expected = scipy.stats.bernoulli.logpmf(x, scipy.special.expit(logits.astype("d"))).sum(-1)
    np.testing.assert_allclose(likelihoods.Bernoulli().log_prob(logits, x), expected, rtol=1e-5)


def test_bernoulli_takes_grey_pixels_as_probabilities(rng):
    logits, x = rng.normal(0, 3, (6, 5)), rng.uniform(0, 1, (6, 5))
    p = scipy.special.expit(logits)
    expected = (x * np.log(p) + (1 - x) * np.log1p(-p)).sum(-1)
    np.testing.assert_allclose(likelihoods.Bernoulli().log_prob(logits, x), expected, rtol=1e-10)


@pytest.mark.parametrize("stddev", [1.0, 0.3])
def test_gaussian_is_scipys(rng, stddev):
    mean, x = rng.normal(0, 3, (2, 6, 5))
    expected = scipy.stats.norm.logpdf(x, mean, stddev).sum(-1)
    np.testing.assert_allclose(likelihoods.Gaussian(stddev).log_prob(mean, x), expected, rtol=1e-10)


def test_heteroscedastic_gaussian_is_scipys(rng):
    mean, log_var, x = rng.normal(0, 2, (3, 6, 5))
    expected = scipy.stats.norm.logpdf(x, mean, np.exp(0.5 * log_var)).sum(-1)
    params = np.concatenate([mean, log_var], -1)
    np.testing.assert_allclose(likelihoods.HeteroscedasticGaussian().log_prob(params, x), expected, rtol=1e-10)


def test_categorical_is_scipys(rng):
    logits, labels = rng.normal(0, 3, (6, 5)), rng.integers(0, 5, 6)
    expected = scipy.special.log_softmax(logits, -1)[np.arange(6), labels]
    np.testing.assert_allclose(likelihoods.Categorical().log_prob(logits, labels), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["bernoulli", "gaussian", "heteroscedastic_gaussian", "categorical"])
def test_log_prob_is_that_of_the_distribution(rng, name):
    likelihood = likelihoods.get(name)
    params = rng.normal(size=(4, 7, likelihood.params_size(6))).astype("f")
    distribution = likelihood.distribution(params)
    sample = distribution.sample(seed=1)
    np.testing.assert_allclose(likelihood.log_prob(params, sample), distribution.log_prob(sample), rtol=2e-5)


def test_bad_choices_are_named():
    with pytest.raises(ValueError, match="unknown likelihood 'poisson': choose one of bernoulli"):
        likelihoods.get("poisson")
    with pytest.raises(ValueError, match="stddev must be positive, got 0"):
        likelihoods.Gaussian(0)
