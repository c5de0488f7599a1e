"""The bound and its limits: closed forms, the plain VAE, and VaDE against DMVAE."""

import logging

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from vae_moe import DMVAE, VAE, VaDE
from vae_moe.engine.pipelines import map_batches
from vae_moe.layers import BayesMixture, NetworkMixture
from vae_moe.training.initialization import pretrain_autoencoder

tfd = tfp.distributions
SIZES = {"z_encoder_sizes": (16,), "decoder_sizes": (16,)}


def _randomise(layer, rng, scale=0.5):
    for weight in layer.trainable_variables:
        weight.assign(rng.normal(0, scale, weight.shape))


def _terms_sum(mixture, x, noise):
    return -sum(np.asarray(term) for term in mixture(x, noise=noise)["terms"].values())


@pytest.mark.parametrize("mixture_class", [BayesMixture, NetworkMixture])
def test_elbo_is_below_the_known_evidence_and_meets_it_at_the_posterior(rng, mixture_class):
    """Linear decoder, unit noise: p(x) = sum_k pi_k N(x | W m_k + b, W V_k W' + I) in closed form."""
    D, K, L = 4, 3, 2
    mixture = mixture_class(
        D, K, L, z_encoder_sizes=(), c_encoder_sizes=(), decoder_sizes=(), likelihood="gaussian",
        learn_weights=True,
    )  # fmt: skip
    mixture.build((None, D))
    _randomise(mixture, rng)
    kernel, bias = (np.asarray(weight, "d") for weight in mixture.decoder.layers[0].weights)
    means, variances = np.asarray(mixture.prior.means), np.exp(np.asarray(mixture.prior.log_vars))
    x = rng.normal(0, 1, (50, D)).astype("f")
    evidence = scipy.special.logsumexp(
        [
            log_weight + scipy.stats.multivariate_normal.logpdf(x, m @ kernel + bias, kernel.T * v @ kernel + np.eye(D))
            for log_weight, m, v in zip(mixture.prior.log_weights().numpy(), means, variances, strict=True)
        ],
        axis=0,
    )
    samples = np.stack([_terms_sum(mixture, x, rng.normal(size=(50, L)).astype("f")) for _ in range(400)])
    error = 4 * samples.std(0) / np.sqrt(len(samples))
    assert (samples.mean(0) <= evidence + error).all()


def test_elbo_of_one_linear_component_is_tight_at_the_exact_posterior(rng):
    """K = 1, x = w z + noise: with q the true posterior the ELBO is log p(x) for any sample, constants included."""
    w = 0.7
    mixture = NetworkMixture(
        1, 1, 1, z_encoder_sizes=(), c_encoder_sizes=(), decoder_sizes=(), likelihood="gaussian", prior_stddev=0.0
    )
    mixture.build((None, 1))
    variance = 1 / (1 + w**2)
    mixture.decoder.layers[0].set_weights([np.array([[w]]), np.zeros(1)])
    mixture.z_encoder.layers[0].set_weights([np.array([[variance * w, 0.0]]), np.array([0.0, np.log(variance)])])
    x = rng.normal(0, 1.5, (20, 1)).astype("f")
    evidence = scipy.stats.norm.logpdf(x[:, 0], 0, np.sqrt(1 + w**2))
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)  # exact quadrature of the quadratic in z
    elbo = sum(
        weight * _terms_sum(mixture, x, np.full((20, 1), node, "f"))
        for node, weight in zip(nodes, weights, strict=True)
    )
    np.testing.assert_allclose(elbo / weights.sum(), evidence, rtol=1e-4)


def test_vae_is_the_plain_variational_autoencoder(rng):
    model = VAE(6, latent_dim=3, **SIZES, seed=1)
    x, noise = rng.uniform(0, 1, (8, 6)).astype("f"), rng.normal(size=(8, 3)).astype("f")
    q = model.mixture.infer(x, noise)
    stddev = tf.exp(0.5 * q["z_log_var"])
    posterior = tfd.MultivariateNormalDiag(q["z_mean"], stddev)
    kl = tfd.kl_divergence(posterior, tfd.MultivariateNormalDiag(tf.zeros(3), tf.ones(3)))
    logits = model.mixture.decoder(q["z_mean"] + stddev * noise)
    recon = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(x, logits), -1)
    np.testing.assert_allclose(_terms_sum(model.mixture, x, noise), -(recon + kl), rtol=1e-5)


def test_a_network_fed_the_bayes_logits_gives_vade_term_by_term(rng):
    """With q(z|x) almost a point, p(c|z) at the sample is a function of x, which DMVAE's network can be set to."""
    options = {"n_components": 3, "latent_dim": 2, "likelihood": "gaussian", "z_encoder_sizes": (), "decoder_sizes": ()}
    vade, dmvae = VaDE(2, **options), DMVAE(2, c_encoder_sizes=(), **options)
    means = rng.normal(0, 2, (3, 2)).astype("f")
    for model in (vade, dmvae):
        model.mixture.prior.assign(None, means, np.ones((3, 2)))
        model.mixture.z_encoder.layers[0].set_weights([np.eye(2, 4, dtype="f"), np.array([0, 0, -30, -30], "f")])
        model.mixture.decoder.set_weights(vade.mixture.decoder.get_weights())
    # Equal unit variances: log p(c|z) is linear in z, z = x.
    dmvae.mixture.c_encoder.layers[0].set_weights([means.T, -0.5 * np.square(means).sum(-1)])
    x, noise = rng.normal(0, 1, (9, 2)).astype("f"), rng.normal(size=(9, 2)).astype("f")
    ours, theirs = dmvae.mixture(x, noise=noise), vade.mixture(x, noise=noise)
    np.testing.assert_allclose(ours["c_logits"], theirs["c_logits"], rtol=1e-3, atol=1e-4)
    for name, term in theirs["terms"].items():
        np.testing.assert_allclose(ours["terms"][name], term, rtol=1e-3, atol=1e-4)


def test_gumbel_at_low_temperature_is_exact_on_average(rng):
    """KL_z is linear in a one-hot c, so cold Gumbel samples average to the exact sum."""
    model = DMVAE(5, n_components=4, latent_dim=2, relaxation="gumbel", temperature=0.01, c_encoder_sizes=(8,), **SIZES)
    _randomise(model.mixture, rng)
    x = np.repeat(rng.uniform(0, 1, (1, 5)).astype("f"), 20_000, 0)
    noise = np.zeros((len(x), 2), "f")
    relaxed = model.mixture(x, training=True, noise=noise)["terms"]["kl_z"].numpy()
    exact = model.mixture(x, training=False, noise=noise)["terms"]["kl_z"].numpy()
    assert np.ptp(exact) < 1e-3 < np.ptp(relaxed)
    assert abs(relaxed.mean() - exact.mean()) < 5 * relaxed.std() / np.sqrt(len(x)) + 0.01 * abs(exact.mean())


def test_kl_c_is_scipys_entropy(rng):
    model = DMVAE(5, n_components=4, latent_dim=2, learn_weights=True, c_encoder_sizes=(8,), **SIZES)
    _randomise(model.mixture, rng)
    outputs = model.mixture(rng.uniform(0, 1, (6, 5)).astype("f"))
    q, p = np.exp(outputs["c_logits"]), np.exp(model.mixture.prior.log_weights())
    np.testing.assert_allclose(outputs["terms"]["kl_c"], scipy.stats.entropy(q, p[None], axis=-1), rtol=1e-4)


def test_vade_readout_converges_to_the_exact_posterior(rng):
    """E p(c|z) over q(z|x) by integration, in one dimension."""
    model = VaDE(3, n_components=3, latent_dim=1, likelihood="gaussian", prior_stddev=2.0, **SIZES)
    _randomise(model.mixture, rng)
    x = rng.normal(size=(5, 3)).astype("f")
    nodes = scipy.stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)[:, None].astype("f")  # equally probable noise
    exact = np.exp(model.mixture.c_log_probs(x, nodes))
    errors = [abs(model.predict_proba(x, n_samples=n, seed=2) - exact).max() for n in (10, 1000, 100_000)]
    assert errors[2] < 0.005 and errors[2] < errors[0]


def test_loss_is_the_weighted_mean_of_the_terms(rng):
    model = DMVAE(5, n_components=3, latent_dim=2, c_encoder_sizes=(8,), **SIZES)
    x = rng.uniform(0, 1, (4, 5)).astype("f")
    outputs = model(x)
    terms = {name: term.numpy() for name, term in outputs["terms"].items()}
    model.kl_weight.assign(0.25)
    sample_weight = np.array([1.0, 2.0, 0.0, 1.0], "f")
    expected = np.mean(sample_weight * (terms["recon"] + 0.25 * (terms["kl_z"] + terms["kl_c"])))
    np.testing.assert_allclose(model.compute_loss(y_pred=outputs, sample_weight=sample_weight), expected, rtol=1e-5)
    np.testing.assert_allclose(
        model.compute_loss(y_pred=outputs, training=False), np.mean(sum(terms.values())), rtol=1e-5
    )


def test_fit_reports_every_term_and_val_loss_is_minus_the_elbo(digits):
    x, _ = digits
    model = DMVAE(64, n_components=10, latent_dim=4, c_encoder_sizes=(16,), relaxation="gumbel", **SIZES)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    history = model.fit(x[:600], epochs=2, batch_size=100, validation_data=(x[600:],), verbose=0).history
    assert {"loss", "recon", "kl_z", "kl_c", "val_loss", "val_recon", "val_kl_z", "val_kl_c"} == set(history)
    assert history["loss"][1] < history["loss"][0]
    assert abs(history["val_loss"][-1] + model.elbo(x[600:], n_samples=5).mean()) < 0.2


def _with_a_layer(l2, added):
    """A layer of a user's that adds to the loss by a regularizer and, at each call, by ``add_loss``."""

    class Adding(keras.layers.Dense):
        def call(self, inputs, training=None):
            self.add_loss(added * keras.ops.sum(self.bias + 1))
            return super().call(inputs)

    layer = Adding(4, kernel_regularizer=keras.regularizers.L2(l2))
    sizes = {"latent_dim": 2, "z_encoder_sizes": (4,), "c_encoder_sizes": (4,), "decoder_sizes": (4,)}
    held = {"adversarial": 1.0, "consistency": 1.0}  # these call the layer again
    return DMVAE(6, n_components=2, encoder=layer, regularization=held, **sizes), layer


def test_losses_of_a_users_layer_are_added_once(rng):
    model, layer = _with_a_layer(l2=3.0, added=0.5)
    x = rng.uniform(size=(8, 6)).astype("f")
    expected = 3 * np.square(layer.kernel).sum() + 0.5 * 4
    outputs = model({"x": x, "view": x}, training=True)
    np.testing.assert_allclose(outputs["layer_losses"], expected, rtol=1e-5)
    terms = {name: np.mean(term) for name, term in outputs["terms"].items()}
    for weights in (None, np.full(8, 0.5, "f")):  # these are of the examples' terms alone
        loss = model.compute_loss(y_pred=outputs, sample_weight=weights)
        share = 1 if weights is None else 0.5
        np.testing.assert_allclose(loss, share * sum(terms.values()) + expected, rtol=1e-5)
    assert "layer_losses" not in model(x)  # minus the bound is what evaluation reports
    plain = DMVAE(6, n_components=2, z_encoder_sizes=(4,), c_encoder_sizes=(4,), decoder_sizes=(4,))
    assert "layer_losses" not in plain(x, training=True)


@pytest.mark.parametrize("train", ["fit", "start"])
def test_a_regularizer_of_a_users_layer_shrinks_its_kernel(train, rng):
    x = rng.uniform(size=(8, 6)).astype("f")
    norms = []
    for l2 in (0.0, 1000.0):
        model, layer = _with_a_layer(l2, added=0.0)
        if train == "start":
            pretrain_autoencoder(model.mixture, x, epochs=2, learning_rate=0.1, verbose=0)
        else:
            model.compile(keras.optimizers.Adam(0.1), run_eagerly=True)
            history = model.fit(x, epochs=2, verbose=0).history
            assert len(history["layer_losses"]) == 2
        norms.append(np.square(layer.kernel).sum())
    assert norms[1] < 0.8 * norms[0]


def test_unknown_number_of_rows():
    model = VaDE(5, n_components=3, latent_dim=2, **SIZES)
    step = tf.function(
        lambda x: model.mixture(x)["terms"]["kl_z"], input_signature=[tf.TensorSpec([None, 5], tf.float32)]
    )
    assert step(tf.zeros([7, 5])).shape == (7,) and step(tf.zeros([2, 5])).shape == (2,)


def test_readouts_have_their_shapes(digits):
    x, _ = digits
    model = DMVAE(64, n_components=3, latent_dim=2, c_encoder_sizes=(8,), **SIZES)
    assert model.predict_proba(x).shape == (1797, 3)
    np.testing.assert_allclose(model.predict_proba(x).sum(-1), 1, rtol=1e-5)
    assert model.cluster(x).shape == (1797,) and model.encode(x).shape == (1797, 2)
    assert model.reconstruct(x).shape == x.shape and model.elbo(x[:7]).shape == (7,)
    assert model.generate(4).shape == model.generate(4, component=2).shape == (4, 64)
    assert model.predict(x[:50], verbose=0)["c_logits"].shape == (50, 3)


def test_bad_input_is_named(digits):
    x = digits[0].copy()
    model = VAE(64, latent_dim=2, **SIZES)
    with pytest.raises(ValueError, match=r"x must be \[N, 64\] with N >= 1, got shape \(5, 8, 8\)"):
        model.encode(x[:5].reshape(5, 8, 8))
    x[3, 2] = np.nan
    with pytest.raises(ValueError, match="first at row 3, column 2"):
        model.elbo(x)
    with pytest.raises(ValueError, match="relaxation must be one of 'exact', 'gumbel', got 'soft'"):
        DMVAE(64, n_components=2, relaxation="soft")


@pytest.mark.parametrize("extreme", [-1e4, -50.0, 50.0, 1e4])
@pytest.mark.parametrize("model_class", [DMVAE, VaDE])
def test_extreme_log_variances_are_bounded_and_pushed_back(model_class, extreme, rng):
    model = model_class(6, n_components=3, latent_dim=2)
    bias = model.mixture.z_encoder.layers[-1].bias
    bias.assign([0.0, 0.0, extreme, extreme])
    with tf.GradientTape() as tape:
        terms = model(rng.uniform(0, 1, (5, 6)).astype("f"), training=True)["terms"]
        loss = tf.reduce_mean(terms["kl_z"])
    gradient = tape.gradient(loss, bias).numpy()
    assert all(np.isfinite(term).all() for term in terms.values()) and np.isfinite(gradient).all()
    assert (np.sign(gradient[2:]) == np.sign(extreme)).all()


def test_readouts_of_many_models_are_quiet(caplog, monkeypatch):
    """TensorFlow advises against a function traced for each of many models, as cross-validation does."""
    monkeypatch.setattr(tf.get_logger(), "propagate", True)  # to where pytest listens
    caplog.set_level(logging.WARNING, tf.get_logger().name)
    rows = np.ones((3, 1), "f")
    for _ in range(8):
        tf.function(lambda rows: 2.0 * rows)(rows)
    assert "triggered tf.function retracing" in caplog.text
    caplog.clear()
    for _ in range(8):
        map_batches(tf.function(lambda rows: 3.0 * rows), rows)
    assert not caplog.records


def test_the_number_of_components_may_be_given_by_its_place():
    sizes = {"z_encoder_sizes": (4,), "c_encoder_sizes": (4,), "decoder_sizes": (4,)}
    assert DMVAE(8, 3, **sizes).gate.n_components == 3
    with pytest.raises(TypeError, match="VAE has one component, got n_components=3: leave it"):
        VAE(8, 3)
