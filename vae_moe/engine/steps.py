"""What Keras' ``fit`` lacks to take small steps fast, several of them in one XLA program, and to train with the workers
of several machines."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from vae_moe.engine import forks

#: Compiled steps of one model that are kept, the last ones.
MOST_KEPT = 4
_STEP_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


class Loop(NamedTuple):
    """Batches of one shape, an element of :func:`loops`.

    Attributes:
        batches: of [S, B, ...] tensors, the batches of S steps.
        n_steps: how many of them are to be taken, from the first.
    """

    batches: Any
    n_steps: tf.Tensor


@dataclass(frozen=True)
class KeptStep:
    """What Keras' ``compile`` and ``fit`` make for a step, and would make anew."""

    optimizer: keras.optimizers.Optimizer
    function: Any
    mean_loss: keras.metrics.Metric  # which the function updates, and Keras resets at each epoch


class LoopingModel(keras.Model):
    """Abstract: a model, built when made, whose ``fit`` on equal batches takes several steps in an XLA loop, and works
    under ``tf.distribute.MultiWorkerMirroredStrategy``.

    It loops where XLA compiles the steps (``jit_compile``), no strategy shares them, and no callback asks for each:
    one that overrides a hook of training batches does, of Keras' own those that save or write by them. A callback with
    an attribute ``takes_loops = True`` does not: it is called for loops, which Keras' progress bar counts, too. The
    steps are the same ones.

    Keras 3's ``fit`` does not work with several workers: it draws a batch of each to build the model, and joins the
    logs of all along an axis they have not. Here nothing is left to build, and each worker's logs have that axis. Nor
    does a model, once it is dropped, leave its graphs in memory (:func:`_without_exchange`).
    Subclasses give their loss by ``compute_loss``, so that no loss or metric is left to build either.

    Fits of one model, one after the other, may share compiled steps (:mod:`vae_moe.engine.shared_steps`).

    In a process that cannot compute it says so (:mod:`vae_moe.engine.forks`).

    Attributes:
        steps_per_loop: at most.
    """

    #: To hand a step's variables to XLA takes about a millisecond; more steps gain nothing, and hold more batches.
    steps_per_loop = 16
    #: Compiled steps and their optimizers by what they hold as constants. None: what is compiled anew is dropped, as
    #: Keras does; a dictionary: it is kept, and taken again.
    kept_steps: dict | None = None
    #: Names of attributes that are no variables and may change between the stages of a fit.
    SETTINGS: tuple[str, ...] = ()

    def step_constants(self) -> tuple:
        """What a compiled step holds as constants and may be another at the next fit."""
        return ()

    def compile_step(self, rate, **options) -> None:
        """Compile for Adam, or take a kept step of the same constants, with its optimizer as new.

        Args:
            rate: of Adam, a number or a schedule.
            options: of Keras' ``compile``.
        """
        trained = [id(variable) for variable in self.trainable_variables]
        said = keras.optimizers.schedules.serialize(rate) if callable(rate) else rate
        key = str([said, options, trained, self.step_constants()])
        kept = (self.kept_steps or {}).get(key)
        self._step = key
        if kept is None:
            self.compile(keras.optimizers.Adam(rate), **options)
            return
        for variable in kept.optimizer.variables:
            if variable.name != "learning_rate":
                variable.assign(tf.zeros_like(variable))
        self.compile(kept.optimizer, **options)
        self.train_function = kept.function
        self.__dict__["_loss_tracker"] = kept.mean_loss  # Keras would not let a built model have it

    def keep_step(self) -> None:
        """Keep the step that the last fit compiled, where steps are kept."""
        if self.kept_steps is not None:
            self.kept_steps[self._step] = KeptStep(self.optimizer, self.train_function, self._loss_tracker)
            while len(self.kept_steps) > MOST_KEPT:
                del self.kept_steps[next(iter(self.kept_steps))]

    def fit(self, x=None, *args, **options):
        """Keras' ``fit``."""
        if self._takes_loops(x, args, options):
            x = loops(x, self.steps_per_loop)
        return super().fit(x, *args, **options)

    def __call__(self, *args, **kwargs):
        """Keras' call."""
        forks.check()
        return super().__call__(*args, **kwargs)

    def make_train_function(self, force=False):
        """Keras' compiled step of ``fit``."""
        forks.check()
        return super().make_train_function(force)

    def make_test_function(self, force=False):
        """Keras' compiled step of ``evaluate``."""
        forks.check()
        return super().make_test_function(force)

    def make_predict_function(self, force=False):
        """Keras' compiled step of ``predict``."""
        forks.check()
        return super().make_predict_function(force)

    def train_step(self, data):
        """Keras' step, or those of a :class:`Loop`; the logs of one of several workers are [1]."""
        if not isinstance(data, Loop):
            return self._one_step(data)
        reported: list[str] = []

        def step(i):
            batch = tf.nest.map_structure(lambda batches: None if batches is None else batches[i], data.batches)
            reported[:] = self._one_step(batch)
            return (i + 1,)

        tf.while_loop(lambda i: i < data.n_steps, step, (tf.zeros([], data.n_steps.dtype),))
        results = self.get_metrics_result()
        return {name: results[name] for name in reported}

    def test_step(self, data):
        """Keras' step; the logs of one of several workers are [1]."""
        return _joinable(super().test_step(data))

    def save(self, filepath, *args, **kwargs):
        """Keras' ``save``. An optimizer that has made no step is built first: the loaded model's is."""
        if self.compiled and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        super().save(filepath, *args, **kwargs)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if self._compile_loss is not None or self._compile_metrics is not None:  # a user's
            super()._maybe_symbolic_build(iterator, data_batch)
        elif not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def _one_step(self, batch):
        step = super().train_step
        return _joinable(_without_exchange(step, batch) if self._has_no_exchange() else step(batch))

    def _takes_loops(self, x, args, options) -> bool:
        ours = type(self).train_step is LoopingModel.train_step  # a subclass's would not know what a loop is
        callbacks = options.get("callbacks") or []
        unseen = not any(map(_asks_for_steps, tf.nest.flatten(getattr(callbacks, "callbacks", callbacks))))
        wanted = ours and unseen and self.steps_per_loop > 1 and self.compiled and self.jit_compile
        plain = not args and all(options.get(name) is None for name in ("steps_per_epoch", "class_weight"))
        return wanted and self._has_no_exchange() and plain and _equal_batches(x)

    def _has_no_exchange(self) -> bool:
        """Whether no strategy is in force, and the optimizer needs none: only then can a step leave its replica.

        Under a strategy variables belong to replicas, of one device as of several; a LossScaleOptimizer goes in and out
        by itself.
        """
        scaled = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        return not scaled and self._distribute_strategy is None and not tf.distribute.has_strategy()


def loops(data: tf.data.Dataset, most: int) -> tf.data.Dataset:
    """A data set's batches, in order, by equal numbers; the last may have fewer, and is filled up.

    Args:
        data: batches of one shape that is known, and their number too.
        most: batches of a loop.

    Returns:
        A ``tf.data.Dataset`` of :class:`Loop`.
    """
    n_batches = len(data)
    n_loops = -(-n_batches // most)
    n_steps = -(-n_batches // n_loops)
    filler = tf.nest.map_structure(_zeros, data.element_spec)
    filled = data.concatenate(tf.data.Dataset.from_tensors(filler).repeat(n_loops * n_steps - n_batches))
    counts = [min(n_steps, n_batches - first) for first in range(0, n_batches, n_steps)]
    grouped = filled.batch(n_steps, drop_remainder=True), tf.data.Dataset.from_tensor_slices(counts)
    return tf.data.Dataset.zip(*grouped).map(Loop).prefetch(1)


def batch_mean(loss):
    """The mean of a loss [B], as a share of the global batch's."""
    return replicas_share(tf.reduce_mean(loss))


def replicas_share(loss):
    """A replica's share of a loss: under a strategy replicas' gradients are added up."""
    return loss / tf.distribute.get_strategy().num_replicas_in_sync


def several_workers() -> bool:
    """Whether the strategy in force joins several processes."""
    strategy = tf.distribute.get_strategy()
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) and strategy.extended._in_multi_worker_mode()


def _asks_for_steps(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback does something at each step of training, or counts them."""
    if getattr(callback, "takes_loops", False) or isinstance(callback, keras.callbacks.ProgbarLogger):
        return False
    hooks = [getattr(callback, name) for name in _STEP_HOOKS]
    modules = {getattr(getattr(hook, "__func__", hook), "__module__", "") for hook in hooks}
    if modules == {keras.callbacks.Callback.__module__}:  # none is overridden
        return False
    if not all(module.startswith("keras.") for module in modules) or getattr(callback, "_should_trace", False):
        return True
    by_epoch = "epoch" in (getattr(callback, "save_freq", None), getattr(callback, "update_freq", None))
    return not by_epoch or getattr(callback, "write_steps_per_second", False)


def _equal_batches(x) -> bool:
    if not isinstance(x, tf.data.Dataset) or int(x.cardinality()) < 2:  # of one, endless, or not known
        return False
    specs = tf.nest.flatten(x.element_spec)
    return all(_is_none(spec) or (isinstance(spec, tf.TensorSpec) and spec.shape.is_fully_defined()) for spec in specs)


def _zeros(spec):
    return None if _is_none(spec) else tf.zeros(spec.shape, spec.dtype)


def _is_none(spec) -> bool:
    """Whether a data set has None there, the one kind of element without a shape."""
    return not hasattr(spec, "shape")


def _without_exchange(step, data):
    """A training step in which the only replica adds up no gradients with itself.

    TensorFlow keeps a gradient of each such sum it traces, and with it the step's whole graph, for as long as the
    process lives: 5 MiB a model. Outside its replica context (``merge_call``) Keras' optimizer leaves the sum out.
    """
    return tf.distribute.get_replica_context().merge_call(lambda _, batch: step(batch), args=(data,))


def _joinable(logs):
    if not several_workers():
        return logs
    return tf.nest.map_structure(lambda value: tf.reshape(value, [1]), logs)
