"""tf.distribute on two logical CPUs: the same losses and weights as on one device."""

import json
import subprocess
import sys

import numpy as np

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
