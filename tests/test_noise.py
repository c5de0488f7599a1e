"""A step's random numbers against Keras' and their distributions."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from vae_moe.layers import noise

DRAWS = {
    "normal": (lambda g: noise.normal([2000, 5], g), lambda g: keras.random.normal([2000, 5], seed=g), "norm"),
    "uniform": (
        lambda g: noise.uniform([2000, 5], 0.0, g),
        lambda g: keras.random.uniform([2000, 5], seed=g),
        "uniform",
    ),
}


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", DRAWS)
def test_numbers_are_keras_and_new_each_time(name, jit_compile):
    ours, keras_own, distribution = DRAWS[name]
    first, second = keras.random.SeedGenerator(3), keras.random.SeedGenerator(3)
    draw, theirs = (tf.function(f, jit_compile=jit_compile) for f in (lambda: ours(first), lambda: keras_own(second)))
    drawn = [draw().numpy(), draw().numpy()]
    np.testing.assert_array_equal(drawn, [theirs().numpy(), theirs().numpy()])
    assert not np.isin(drawn[0][:, 0], drawn[1][:, 0]).any()
    assert scipy.stats.kstest(drawn[0].ravel(), distribution).pvalue > 1e-3
