"""The warm start's stages against scikit-learn, least squares and known clusters."""

import keras
import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.mixture import GaussianMixture

from vae_moe import DMVAE, VaDE, metrics
from vae_moe.layers import MixturePrior
from vae_moe.training import graphs, initialization


def test_gmm_start_is_scikit_learns():
    z, _ = make_blobs(300, 3, centers=4, random_state=0)
    floor = 1e-3 * z.var(0).mean()
    mixture = GaussianMixture(4, covariance_type="diag", reg_covar=floor, n_init=5, random_state=1)
    expected = mixture.fit(z).predict_proba(z)
    np.testing.assert_allclose(initialization.gmm_start(z, 4, n_init=5, seed=1), expected)


def test_assigned_prior_has_the_moments_of_its_points(rng):
    z, resp = rng.normal(size=(40, 3)), rng.dirichlet(np.ones(2), 40)
    prior = MixturePrior(2, 3, learn_weights=True)
    prior.build()
    initialization.assign_prior(prior, z, resp)
    for k in range(2):
        np.testing.assert_allclose(prior.means[k], np.average(z, 0, resp[:, k]), rtol=1e-5)
        expected = np.cov(z.T, aweights=resp[:, k], ddof=0).diagonal()
        np.testing.assert_allclose(np.exp(prior.log_vars[k]), expected, rtol=1e-5)
    np.testing.assert_allclose(np.exp(prior.log_weights()), resp.mean(0), rtol=1e-5)


def test_an_empty_component_is_named():
    prior = MixturePrior(2, 1)
    prior.build()
    with pytest.raises(ValueError, match=r"components \[1\] have no points"):
        initialization.assign_prior(prior, np.zeros((3, 1)), np.array([[1.0, 0.0]] * 3))


def test_autoencoder_trains_encoder_and_decoder_alone(digits):
    x, _ = digits
    model = DMVAE(64, n_components=10, latent_dim=5, z_encoder_sizes=(32,), c_encoder_sizes=(8,), decoder_sizes=(32,))
    before = [np.array(w) for w in model.mixture.c_encoder.weights + model.mixture.prior.weights]
    history = initialization.pretrain_autoencoder(model.mixture, x, epochs=8, learning_rate=0.01, verbose=0)
    assert history.history["loss"][-1] < 0.85 * history.history["loss"][0]
    after = model.mixture.c_encoder.weights + model.mixture.prior.weights
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_distillation_teaches_the_c_network_alone(digits):
    x, y = digits
    model = DMVAE(64, n_components=10, latent_dim=5, trunk_sizes=(32,), z_encoder_sizes=(8,), c_encoder_sizes=(32,))
    trunk = [np.array(w) for w in model.mixture.trunk.weights]
    initialization.distill(model.mixture, x, np.eye(10)[y], epochs=20, learning_rate=0.01, batch_size=100, verbose=0)
    assert (model.cluster(x) == y).mean() > 0.85
    assert all(np.array_equal(a, b) for a, b in zip(trunk, model.mixture.trunk.weights, strict=True))


def test_bayes_has_no_network_to_distill_into(digits):
    model = VaDE(64, n_components=10, latent_dim=5)
    with pytest.raises(ValueError, match="Bayes' rule on z: it has no network"):
        initialization.distill(model.mixture, digits[0], np.eye(10)[digits[1]], epochs=1)


def test_the_whole_start_clusters_digits(digits):
    """Real data, in seconds: autoencoder, spectral start, prior, c-network."""
    x, y = digits
    keras.utils.set_random_seed(0)
    model = DMVAE(64, n_components=10, trunk_sizes=(128,), z_encoder_sizes=(128,), c_encoder_sizes=(128,))
    initialization.pretrain_autoencoder(model.mixture, x, epochs=40, batch_size=100, verbose=0)
    z = model.encode(x)
    resp = graphs.spectral_start(z, graphs.nearest_neighbors(z), 10)
    initialization.assign_prior(model.mixture.prior, z, resp)
    initialization.distill(model.mixture, x, resp, epochs=20, batch_size=100, verbose=0)
    assert metrics.clustering_accuracy(y, model.cluster(x)) > 0.75


def test_a_mixture_of_repeated_and_constant_columns_is_fitted(rng):
    """Ten full covariances of 62 columns that say the same thing, in float32."""
    z = np.repeat(rng.integers(0, 3, (300, 2)), 31, 1).astype("f")
    resp = initialization.fit_mixture(z, 10, covariance_type="full").predict_proba(z)
    np.testing.assert_allclose(resp.sum(1), 1)
