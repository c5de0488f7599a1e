"""Devices and processes train as one device; bfloat16 products leave the terms in float32, near what they were."""

import contextlib
import gc
import json
import os
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import strategies
from vae_moe import DMVAE, DeepMoE, VaDE
from vae_moe.engine import pipelines
from vae_moe.training import initialization
from vae_moe.training.stop_on_nan import StopOnNaN


def train(strategy):
    """Train a DeepMoE without luck, batches in order and no noise; and the autoencoder of a VaDE, its order the seed's.

    Returns their losses and the weights' sums of squares.
    """
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(64, 6)).astype("f"), rng.normal(size=(64, 2)).astype("f")
    y[::3] = np.nan
    with strategies.scope(strategy):
        model = DeepMoE(6, 3, 2, hidden_sizes=(8,), seed=1, regularization={"balance": 3.0, "entropy": 1.0})
        model.compile(keras.optimizers.SGD(0.1), jit_compile=pipelines.use_xla(model))
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
        history = model.fit(data, epochs=2, shuffle=False, verbose=0, validation_data=data).history
        vade = VaDE(6, n_components=3, z_encoder_sizes=(8,), decoder_sizes=(8,))
        stage = initialization.pretrain_autoencoder(vade.mixture, x, epochs=2, batch_size=16, verbose=0).history
    squares = [sum(float(np.square(w.numpy()).sum()) for w in each.trainable_variables) for each in (model, vade)]
    return history["loss"] + history["balance"] + history["val_loss"] + stage["loss"] + squares


def _start(strategy, devices, **environment):
    """A process of its own, with so many devices, that prints what ``train`` gives."""
    code = (
        "import json, sys; sys.path.insert(0, 'tests')\n"
        "import test_distribution as t\n"
        f"devices = [t.tf.config.LogicalDeviceConfiguration()] * {devices}\n"
        "t.tf.config.set_logical_device_configuration(t.tf.config.list_physical_devices('CPU')[0], devices)\n"
        f"print('RESULT', json.dumps(t.train({strategy!r})))\n"
    )
    environment = {**os.environ, **environment}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _result(process):
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return json.loads(output.partition("RESULT")[2])


def _workers(n_workers):
    """Environments of workers that find each other on the loopback address."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n_workers)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    tasks = [{"type": "worker", "index": i} for i in range(n_workers)]
    return [{"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task})} for task in tasks]


def test_devices_and_workers_train_as_one_device():
    processes = [_start("mirrored", 2), *(_start("multiworker", 1, **environment) for environment in _workers(2))]
    try:
        alone = train("one")
        for process in processes:
            np.testing.assert_allclose(_result(process), alone, rtol=1e-5)
    finally:
        for process in processes:
            process.kill()


#: Strategies of one device: a machine with one GPU, a cluster of one.
ALONE = {
    "default": contextlib.nullcontext,
    "mirrored": lambda: tf.distribute.MirroredStrategy(["CPU:0"]).scope(),
    "worker": lambda: tf.distribute.MultiWorkerMirroredStrategy().scope(),
}


def _trained(strategy, scaled=lambda optimizer: optimizer):
    """A model trained under a strategy on batches that loops take without one, and its history."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(40, 6)).astype("f"), rng.normal(size=(40, 2)).astype("f")
    with ALONE[strategy]():
        model = DeepMoE(6, 3, 2, hidden_sizes=(8,), seed=1, regularization={"balance": 1.0})
        model.compile(scaled(keras.optimizers.Adam(0.01)), jit_compile=True)
        data = pipelines.batches(x, y, batch_size=10)
        return model, model.fit(data, epochs=2, shuffle=False, verbose=0, validation_data=(x, y)).history


@pytest.fixture(scope="module")
def alone():
    model, history = _trained("default")
    return history, model.get_weights()


@pytest.mark.parametrize("strategy", sorted(set(ALONE) - {"default"}))
def test_a_strategy_of_one_device_trains_as_none(strategy, alone):
    model, history = _trained(strategy)
    assert list(history) == list(alone[0])
    for name, values in history.items():
        np.testing.assert_allclose(values, alone[0][name], rtol=1e-4, err_msg=name)
    for weight, expected in zip(model.get_weights(), alone[1], strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("strategy", ["default", "mirrored"])
def test_a_scaled_loss_trains_as_the_loss(strategy, alone):
    history = _trained(strategy, keras.optimizers.LossScaleOptimizer)[1]
    for name, values in history.items():
        np.testing.assert_allclose(values, alone[0][name], rtol=1e-4, err_msg=name)


def test_what_diverges_under_a_strategy_is_told():
    with ALONE["mirrored"]():
        model = DeepMoE(6, 3, 2, hidden_sizes=(8,))
        model.compile("adam", run_eagerly=True)
        batch = np.full((8, 6), np.nan, "f"), np.zeros((8, 2), "f")
        with pytest.raises(FloatingPointError, match="step 1 or before: nll is no longer finite"):
            model.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0, callbacks=[StopOnNaN()])


def test_a_dropped_model_leaves_no_graph(rng):
    def graphs_after_a_fit():
        model = DeepMoE(3, 2, 1, hidden_sizes=(4,))
        model.compile(keras.optimizers.Adam(), jit_compile=False)
        model.fit(rng.uniform(size=(8, 3)).astype("f"), np.zeros((8, 1), "f"), verbose=0)
        del model
        gc.collect()
        return sum(isinstance(each, tf.__internal__.FuncGraph) for each in gc.get_objects())

    first, second = graphs_after_a_fit(), graphs_after_a_fit()
    assert second <= first


@pytest.mark.parametrize("model", [DMVAE, VaDE])
def test_mixed_precision_keeps_the_terms_in_float32(model, rng):
    x = rng.uniform(0, 1, (32, 20)).astype("f")
    sizes = {"n_components": 3, "latent_dim": 2, "z_encoder_sizes": (16,), "decoder_sizes": (16,), "seed": 1}
    exact = model(20, **sizes)
    with strategies.scope("one", "mixed_bfloat16"):
        mixed = model(20, **sizes)
        mixed.compile(keras.optimizers.Adam(1e-3), jit_compile=model is DMVAE)
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
