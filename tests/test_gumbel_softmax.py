"""Relaxed samples against TFP's distribution and the categorical limit."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow_probability as tfp

from vae_moe.layers import GumbelSoftmax

N = 40_000
LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], "f"))


def _sample(temperature, seed=1):
    layer = GumbelSoftmax(temperature, seed)
    layer.build((None, 4))
    return layer(np.tile(LOGITS, (N, 1))).numpy()


@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_samples_are_distributed_as_tfps(temperature):
    ours = _sample(temperature)
    theirs = tfp.distributions.RelaxedOneHotCategorical(temperature, logits=LOGITS).sample(N, seed=2).numpy()
    np.testing.assert_allclose(ours.sum(-1), 1.0, rtol=1e-5)
    for k in range(4):  # rounded: near 1 a processor's last bit makes samples tie or not
        assert scipy.stats.ks_2samp(ours[:, k].round(5), theirs[:, k].round(5)).pvalue > 1e-3


def test_argmax_is_categorical_at_any_temperature():
    for temperature in (0.1, 2.0):
        counts = np.bincount(_sample(temperature).argmax(-1), minlength=4)
        assert scipy.stats.chisquare(counts, N * scipy.special.softmax(LOGITS.astype("d"))).pvalue > 1e-3


def test_cold_samples_are_one_hot_and_hot_ones_uniform():
    assert _sample(0.01).max(-1).mean() > 0.98
    np.testing.assert_allclose(_sample(1e3), 0.25, atol=0.01)


def test_temperature_is_a_weight_the_call_sees():
    layer = GumbelSoftmax(0.01, 1)
    layer.build((None, 4))
    layer.temperature.assign(1e4)
    np.testing.assert_allclose(layer(LOGITS[None]), 0.25, atol=1e-2)
    assert not layer.trainable_variables


def test_same_seed_same_samples():
    np.testing.assert_array_equal(_sample(0.5, seed=3), _sample(0.5, seed=3))
    assert not np.array_equal(_sample(0.5, seed=3), _sample(0.5, seed=4))


def test_bad_temperature_is_named():
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        GumbelSoftmax(0)
