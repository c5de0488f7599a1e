"""The health report: each trouble made on purpose, and a sound model without any."""

import logging

import keras
import numpy as np
import pytest

from vae_moe import DMVAE, DeepMoE, VaDE
from vae_moe.data import datasets
from vae_moe.engine import pipelines
from vae_moe.training import health, initialization


@pytest.fixture(scope="module")
def sound():
    """A DMVAE on a spiral, started from its arms."""
    data = datasets.spiral(n_train=200, n_validation=40, n_test=40)
    model = DMVAE(2, n_components=5, latent_dim=4, z_encoder_sizes=(64,), c_encoder_sizes=(64,), decoder_sizes=(64,),
                  likelihood="gaussian")  # fmt: skip
    initialization.pretrain_autoencoder(model.mixture, data.train.x, epochs=30, batch_size=100, verbose=0)
    resp = np.eye(5)[data.train.y].astype("f")
    initialization.assign_prior(model.mixture.prior, model.encode(data.train.x), resp)
    initialization.distill(model.mixture, data.train.x, resp, epochs=60, batch_size=100, verbose=0)
    return model, data


def test_a_sound_model_has_no_trouble(sound):
    model, data = sound
    signs = health.examine(model, data.test.x)
    assert signs.troubles == {} and signs.components_used == 5 and signs.active_units > 0
    np.testing.assert_allclose(signs.shares, 0.2, atol=0.05)
    agreement = (
        model.cluster(data.test.x) == np.argmax(model.mixture.prior.c_logits(model.encode(data.test.x)), -1)
    ).mean()
    assert signs.bayes_agreement == agreement
    assert signs.samples_agreement > 0.9
    assert signs.use_entropy == pytest.approx(np.log(5), abs=0.05)


def test_the_terms_are_the_bounds(sound):
    model, data = sound
    terms = model(data.test.x)["terms"]
    signs = health.examine(model, data.test.x)
    assert signs.kl_z == pytest.approx(float(np.mean(terms["kl_z"])), rel=1e-4)
    assert signs.kl_c == pytest.approx(float(np.mean(terms["kl_c"])), rel=1e-4)


def _with_logits(biases):
    """A DMVAE whose q(c|x) is the softmax of these biases, whatever x."""
    model = DMVAE(3, n_components=len(biases), latent_dim=2)
    kernel, bias = model.mixture.c_encoder.layers[-1].weights
    kernel.assign(np.zeros(kernel.shape))
    bias.assign(biases)
    return model


def test_each_trouble_has_its_name_and_its_cure(rng):
    x = rng.uniform(0, 1, (200, 3)).astype("f")
    collapsed = health.examine(_with_logits([9.0, 0.0, 0.0, 0.0]), x).troubles
    assert "1 of 4 components are used, one by 100%" in collapsed["collapse"] and "balance" in collapsed["collapse"]
    unsure = _with_logits([0.0, 0.0, 0.0])
    assert "unsure components" in health.examine(unsure, x).troubles
    idle = _with_logits([0.0, 0.0])
    for weight in idle.mixture.z_encoder.weights:
        weight.assign(np.zeros(weight.shape))
    assert "posterior ignored" in health.examine(idle, x).troubles
    shares = np.array([0.5, 0.499, 0.001])
    one_empty = health.Health(shares, 2, 0.7, 0.1, 3.0, 1.0, 2, 0.3, 0.9).troubles
    assert "1 of 3 components have hardly any rows" in one_empty["empty components"]
    assert "30% of the rows" in one_empty["components disagree"]


def test_a_small_component_is_no_trouble_where_the_start_found_it_small(rng):
    x = rng.uniform(0, 1, (200, 3)).astype("f")
    model = _with_logits([0.0, 0.0])
    model.mixture.c_encoder.layers[-1].kernel.assign(rng.normal(size=model.mixture.c_encoder.layers[-1].kernel.shape))
    shares = health.examine(model, x).shares
    model.component_shares = shares.tolist()
    assert health.examine(model, x).components_used == (shares > 0).sum()


def test_groups_that_are_torn_are_a_trouble(rng):
    """Three groups of which the middle is cut through, and the others are with its halves."""
    x = np.concatenate([rng.uniform(0, 0.1, (50, 3)) + 0.45 * k for k in range(3)]).astype("f")
    model = VaDE(3, n_components=2, latent_dim=2, prior_stddev=0.0)
    assert "groups torn" not in health.examine(model, x).troubles  # one component has all
    torn = health.Health(np.array([0.5, 0.5]), 2, 0.7, 0.1, 3.0, 1.0, 2, 1.0, 1.0, joined=(0, 1))
    assert "component 0, 1 joins groups" in torn.troubles["groups torn"]


def test_torn_groups_are_seen_through_gaps(rng):
    """Four groups of which two are together, and another is cut through."""
    x = np.concatenate([rng.uniform(0, 0.1, (150, 3)) + k for k in range(4)]).astype("f")
    clusters = np.repeat([0, 1, 2, 3], [300, 150, 75, 75])
    gappy = np.where(rng.uniform(size=x.shape) < 0.1, np.nan, x)
    assert health._joined(gappy, x, clusters, 0) == health._joined(x, x, clusters, 0) == (0,)


def test_bayes_rule_agrees_with_itself(rng):
    assert health.examine(VaDE(3, n_components=4, latent_dim=2), rng.uniform(0, 1, (50, 3))).bayes_agreement == 1


def test_a_model_without_a_mixture_is_refused(rng):
    with pytest.raises(ValueError, match="DeepMoE has no latent mixture"):
        health.examine(DeepMoE(3, 2, 1), rng.uniform(0, 1, (5, 3)))


def test_the_callback_warns_once_and_logs(rng, caplog):
    x = rng.uniform(0, 1, (64, 3)).astype("f")
    model = _with_logits([9.0, 0.0, 0.0, 0.0])
    model.compile(keras.optimizers.SGD(0.0))
    with caplog.at_level(logging.WARNING, "vae_moe.training.health"):
        history = model.fit(pipelines.batches(x, batch_size=32), epochs=2, verbose=0, callbacks=[health.HealthCheck(x)])
    assert sum("collapse" in record.message for record in caplog.records) == 1
    assert history.history["val_largest_share"] == [1.0, 1.0]
