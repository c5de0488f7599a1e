"""Stacks of dense layers."""

import numpy as np
import scipy.special

from vae_moe.layers import MLP


def test_hidden_sums_are_normalised_over_the_batch_in_training(rng):
    x = rng.normal(3, 5, (200, 4)).astype("f")
    mlp = MLP((6,), activation="sigmoid", seed=1, batch_normalization=True)
    mlp.build(x.shape)
    kernel = mlp.weights[0].numpy()
    sums = x @ kernel
    normal = (sums - sums.mean(0)) / np.sqrt(sums.var(0) + mlp.layers[1].epsilon)
    np.testing.assert_allclose(mlp(x, training=True), scipy.special.expit(normal), atol=1e-4)
    mlp.layers[1].momentum = 0.5
    for _ in range(20):  # running moments forget where they started
        mlp(x, training=True)
    np.testing.assert_allclose(mlp(x), scipy.special.expit(normal), atol=1e-3)
