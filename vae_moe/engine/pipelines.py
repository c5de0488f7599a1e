"""Batches for ``model.fit``: the data stays put as a tensor, and batches are gathered by permuted indices; and batches
for readouts."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator, contextmanager
from threading import Lock
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from vae_moe.engine import forks
from vae_moe.engine.steps import LoopingModel, several_workers

#: A step without a graph takes 0.1 s of Python, and to trace its graph 1 s.
MOST_EAGER_STEPS = 8
#: XLA compiles a step for 4 s, and saves a millisecond or two of each.
LEAST_XLA_STEPS = 2000
#: Rows of a readout's batch: products of this many round each row alike, wherever it stands.
READOUT_BATCH = 256


def batches(
    x: np.ndarray,
    y: np.ndarray | None = None,
    *,
    batch_size: int,
    seed: int = 0,
    neighbors: np.ndarray | None = None,
    augment: Callable | None = None,
    radius: np.ndarray | None = None,
    components: np.ndarray | None = None,
    labelled: np.ndarray | None = None,
    n_labelled: int = 0,
    sample_weight: np.ndarray | None = None,
    least_steps: int = 1,
) -> tf.data.Dataset:
    """Shuffled training batches, the same sequence for the same seed.

    Args:
        x: [N, D], or images [N, H, W, C].
        y: targets [N, ...], or None.
        batch_size: rows a batch; the last, smaller batch is left out (another one each epoch), so that the compiled
            step has one shape. With fewer rows than that, the one batch has them all.
        seed: of the order and of the views.
        neighbors: [N, M] row numbers; the view of a row is then one of its M neighbours, drawn anew each time.
        augment: tensor of some rows of x -> tensor of the same shape; the view of a row is then its augmentation. If
            both are given, it is the augmentation of a neighbour.
        radius: [N], how far adversarial changes of each row go, if not equally far.
        components: [N], where a start put each row, -1 for one that is held to none.
        labelled: [M] row numbers, those with a target where few have one.
        n_labelled: rows drawn from ``labelled`` for each batch, so that every step sees targets; they stand among the
            others at random. When such a row comes in its turn it has no target, -1 or NaN: it would count twice.
        sample_weight: [N], of each row's loss.
        least_steps: of an epoch; fewer rows are gone through several times.

    Returns:
        A ``tf.data.Dataset`` of ``(inputs,)``, ``(inputs, y)`` or ``(inputs, y or None, sample_weight)``; inputs is x
        [B, D], or a dictionary of x and what was asked for: view [B, D], radius [B], component [B]. Images stay images.
    """
    n_rows = len(x)
    labelled = labelled if n_labelled else None
    if labelled is not None and y is not None:
        y = np.concatenate([_without(y, labelled), y])  # [2 N, ...]: of row i in its turn, and drawn, as row N + i
    x, y = tf.constant(x), None if y is None else tf.constant(y)
    neighbors = None if neighbors is None else tf.constant(neighbors, tf.int32)
    radius = None if radius is None else tf.constant(radius, tf.float32)
    components = None if components is None else tf.constant(components, tf.int32)
    labelled = None if labelled is None else tf.constant(labelled, tf.int64)
    sample_weight = None if sample_weight is None else tf.constant(sample_weight, tf.float32)

    def gather(rows, view_seed):
        targets_rows = rows
        if labelled is not None:
            choice = tf.random.stateless_uniform([n_labelled], [view_seed, 1], maxval=len(labelled), dtype=tf.int32)
            drawn = tf.concat([rows, n_rows + tf.gather(labelled, choice)], 0)  # [B + n_labelled]
            order = tf.argsort(tf.random.stateless_uniform(tf.shape(drawn), [view_seed, 2]))
            targets_rows = tf.gather(drawn, order)
            rows = targets_rows % n_rows
        inputs = {"x": tf.gather(x, rows)}
        if neighbors is not None or augment is not None:
            inputs["view"] = view(rows, view_seed)
        if radius is not None:
            inputs["radius"] = tf.gather(radius, rows)
        if components is not None:
            inputs["component"] = tf.gather(components, rows)
        inputs = inputs if len(inputs) > 1 else inputs["x"]
        if sample_weight is not None:
            return inputs, None if y is None else tf.gather(y, targets_rows), tf.gather(sample_weight, rows)
        return (inputs,) if y is None else (inputs, tf.gather(y, targets_rows))

    def view(rows, view_seed):
        if neighbors is not None:
            choice = tf.random.stateless_uniform(
                tf.shape(rows), [view_seed, 0], maxval=neighbors.shape[1], dtype=tf.int32
            )
            rows = tf.gather_nd(neighbors, tf.stack([tf.cast(rows, tf.int32), choice], -1))  # [B]
        return tf.gather(x, rows) if augment is None else augment(tf.gather(x, rows))

    order = tf.data.Dataset.range(n_rows).shuffle(n_rows, seed=seed, reshuffle_each_iteration=True)
    rows = order.batch(min(batch_size, n_rows), drop_remainder=True)
    n_passes = -(-least_steps // len(rows))
    if n_passes > 1:  # not repeat(): past the last pass it draws one more order or not, as its thread comes to it
        passes = tf.data.Dataset.range(n_passes).flat_map(lambda _: rows)
        rows = passes.apply(tf.data.experimental.assert_cardinality(n_passes * len(rows)))
    view_seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    return tf.data.Dataset.zip(rows, view_seeds).map(gather).prefetch(2).with_options(_untuned())


def steps_per_execution(n_steps: int, most: int = 128) -> int:
    """Steps for one call of Keras' compiled function: the greatest divisor of an epoch's steps, up to ``most``.

    Keras' progress bar runs past the end of the epoch if the number does not divide it. With several workers it is 1:
    TensorFlow cannot run a loop over their batches.
    """
    if several_workers():
        return 1
    return max(n for n in range(1, min(n_steps, most) + 1) if n_steps % n == 0)


def use_xla(model: keras.Model) -> bool:
    """Whether ``jit_compile`` will do.

    XLA cannot compile a step in which replicas exchange gradients, and its convolutions on a CPU take several times as
    long as TensorFlow's own.
    """
    single = tf.distribute.get_strategy().num_replicas_in_sync == 1
    kernels = [weight for weight in model.weights if len(weight.shape) == 4]  # convolutions'
    return single and not (kernels and not tf.config.list_physical_devices("GPU"))


def compile_options(model: keras.Model, data: tf.data.Dataset, epochs: int) -> dict[str, Any]:
    """How Keras' ``compile`` should run a model's steps, for these epochs of batches: what takes longer to make than it
    saves is not made.

    Returns:
        ``run_eagerly``, ``jit_compile`` and ``steps_per_execution``.
    """
    n_steps = len(data) * epochs
    xla = use_xla(model)
    eagerly = xla and n_steps <= MOST_EAGER_STEPS
    jit_compile = xla and n_steps >= LEAST_XLA_STEPS
    alone = eagerly or jit_compile  # XLA's steps are taken in loops of its own (:mod:`vae_moe.engine.steps`)
    return {
        "run_eagerly": eagerly,
        "jit_compile": jit_compile,
        "steps_per_execution": 1 if alone else steps_per_execution(len(data)),
    }


def compile_model(
    model: LoopingModel, data: tf.data.Dataset, epochs: int, learning_rate: float, schedule: str = "cosine"
) -> None:
    """Compile for Adam and these epochs of batches.

    Args:
        model: built.
        data: batches.
        epochs: passes over them.
        learning_rate: at first.
        schedule: "cosine": the rate falls to 0 along a cosine; or "constant".
    """
    rate = learning_rate
    if schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * len(data))
    model.compile_step(rate, **compile_options(model, data, epochs))


@contextmanager
def repeatable() -> Iterator[None]:
    """Trainings and readouts from the same seed agree to the last bit on a CPU, within this context or decorator.

    Grappler's dependency optimisation orders a graph's nodes by chance, one time in fifteen otherwise than before, and
    what is rewritten after it sums in another order. Graphs that XLA compiles take nothing from it. TensorFlow's advice
    to trace fewer graphs, which comes in cross-validation, is not logged: each model needs its own.
    """
    name = "dependency_optimization"
    before = tf.config.optimizer.get_experimental_options().get(name, True)
    tf.config.optimizer.set_experimental_options({name: False})

    def is_no_advice(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    tf.get_logger().addFilter(is_no_advice)
    try:
        yield
    finally:
        tf.get_logger().removeFilter(is_no_advice)
        tf.config.optimizer.set_experimental_options({name: before})


class _OwnSeeds(ContextDecorator):
    """Within it, in any thread, TensorFlow has no global seed."""

    def __init__(self):
        self._lock, self._inside, self._kept = Lock(), 0, None

    def __enter__(self):
        with self._lock:
            if not self._inside:
                self._kept, context.context()._seed = context.context()._seed, None
            self._inside += 1

    def __exit__(self, *error):
        with self._lock:
            self._inside -= 1
            if not self._inside:
                context.context()._seed = self._kept


#: Context and decorator: batches made within are drawn by their seed alone. TensorFlow mixes the global seed, where
#: ``keras.utils.set_random_seed`` has set one, into every seed of tf.data.
own_seeds = _OwnSeeds()


def in_order(x: np.ndarray, y: np.ndarray | None = None, *, batch_size: int = 1000) -> tf.data.Dataset:
    """Batches for evaluation: every row once, in order, as ``(x,)`` or ``(x, y)``.

    Args:
        x: [N, D].
        y: targets [N, ...], or None.
        batch_size: rows a batch.
    """
    arrays = (tf.constant(x),) if y is None else (tf.constant(x), tf.constant(y))
    return tf.data.Dataset.from_tensors(arrays).unbatch().batch(batch_size).cache().prefetch(2).with_options(_untuned())


@repeatable()
def map_batches(function, *arrays, batch_size: int = READOUT_BATCH) -> np.ndarray:
    """``function`` of tensors over consecutive batches of rows, joined: the readouts' loop.

    All batches have one size, the last one filled up with its last row: how a product rounds a row depends on the size
    of its batch, and at some sizes on its place there.

    Args:
        function: a ``tf.function``: tensors [B, ...] -> tensor [B, ...].
        arrays: arrays with the same number N of rows.
        batch_size: rows a batch.

    Returns:
        [N, ...] array.

    Raises:
        RuntimeError: in a process where TensorFlow cannot compute (:mod:`vae_moe.engine.forks`).
    """
    forks.check()
    n_rows = len(arrays[0])

    def part(array, start: int):
        rows = array[start : start + batch_size]
        return tf.convert_to_tensor(np.concatenate([rows, np.repeat(rows[-1:], batch_size - len(rows), 0)]))

    results = [function(*(part(array, start) for array in arrays)).numpy() for start in range(0, n_rows, batch_size)]
    return np.concatenate(results)[:n_rows]


def _without(y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """y [N, ...] with no target in some rows: NaN of floats, -1 of classes."""
    y = np.array(y, np.int64) if np.asarray(y).dtype.kind == "u" else np.array(y)
    y[rows] = np.nan if y.dtype.kind == "f" else -1
    return y


def _untuned() -> tf.data.Options:
    """Without tf.data's autotuning: there is nothing to tune here, and its thread can end seconds after its epoch."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return options
