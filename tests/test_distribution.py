"""Two logical CPUs train as one device does; bfloat16 products leave the terms in float32 and near what they were."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import strategies
from vae_moe import DMVAE, DeepMoE, VaDE, pipelines

#: A DeepMoE without luck: batches in order, no noise. Prints its losses and its weights' sum of squares.
TRAIN = """
import sys, json
import numpy as np, keras, tensorflow as tf
devices = int(sys.argv[2])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
from experiments import strategies
from vae_moe import DeepMoE, pipelines
rng = np.random.default_rng(0)
x, y = rng.uniform(size=(64, 6)).astype("f"), rng.normal(size=(64, 2)).astype("f")
y[::3] = np.nan
with strategies.scope(sys.argv[1]):
    model = DeepMoE(6, 3, 2, hidden_sizes=(8,), seed=1, regularization={"balance": 3.0, "entropy": 1.0})
    model.compile(keras.optimizers.SGD(0.1), jit_compile=pipelines.use_xla())
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    history = model.fit(data, epochs=2, shuffle=False, verbose=0).history
squares = sum(float(np.square(weight.numpy()).sum()) for weight in model.trainable_variables)
print("RESULT", json.dumps([history["loss"], history["balance"], squares]))
"""


def _train(strategy, devices):
    command = [sys.executable, "-c", TRAIN, strategy, str(devices)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    losses, balances, squares = json.loads(done.stdout.partition("RESULT")[2])
    return [*losses, *balances, squares]


def test_two_logical_cpus_train_as_one_device():
    np.testing.assert_allclose(_train("mirrored", 2), _train("one", 1), rtol=1e-5)


@pytest.mark.parametrize("model", [DMVAE, VaDE])
def test_mixed_precision_keeps_the_terms_in_float32(model, rng):
    x = rng.uniform(0, 1, (32, 20)).astype("f")
    sizes = {"n_components": 3, "latent_dim": 2, "z_encoder_sizes": (16,), "decoder_sizes": (16,), "seed": 1}
    exact = model(20, **sizes)
    with strategies.scope("one", "mixed_bfloat16"):
        mixed = model(20, **sizes)
        mixed.compile(keras.optimizers.Adam(1e-3), jit_compile=True)
    assert mixed.mixture.z_encoder.layers[0].compute_dtype == "bfloat16"
    mixed.set_weights(exact.get_weights())
    noise = np.zeros((32, 2), "f")
    for name, term in mixed.mixture(x, noise=noise)["terms"].items():
        assert term.dtype == tf.float32
        np.testing.assert_allclose(term, exact.mixture(x, noise=noise)["terms"][name], rtol=0.02, atol=0.02)
    history = mixed.fit(pipelines.batches(x, batch_size=16), epochs=2, shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert all(weight.dtype == "float32" for weight in mixed.trainable_weights)
    assert keras.config.dtype_policy().name == "float32"


def test_mixed_experts_stay_near_the_exact_ones(rng):
    x = rng.uniform(0, 1, (10, 5)).astype("f")
    exact = DeepMoE(5, 3, 2, hidden_sizes=(8,))
    with strategies.scope("one", "mixed_bfloat16"):
        mixed = DeepMoE(5, 3, 2, hidden_sizes=(8,))
    mixed.set_weights(exact.get_weights())
    np.testing.assert_allclose(mixed.predict_mean(x), exact.predict_mean(x), atol=0.02)
