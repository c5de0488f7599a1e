"""What Keras' ``fit`` lacks to take small steps fast: several of them in one XLA program."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from vae_moe.engine.replicas import DistributedModel

_STEP_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


class Loop(NamedTuple):
    """Batches of one shape, an element of :func:`loops`.

    Attributes:
        batches: of [S, B, ...] tensors, the batches of S steps.
        n_steps: how many of them are to be taken, from the first.
    """

    batches: Any
    n_steps: tf.Tensor


class LoopingModel(DistributedModel):
    """Abstract: a model whose ``fit`` on a data set of equal batches takes several steps in an XLA loop.

    It does so where XLA compiles the steps (``jit_compile``), no strategy shares them, and no callback asks for each:
    one that overrides a hook of training batches does, of Keras' own those that save or write by them. A callback with
    an attribute ``takes_loops = True`` does not: it is called for loops, which Keras' progress bar counts, too. The
    steps are the same ones.

    Attributes:
        steps_per_loop: at most.
    """

    #: To hand a step's variables to XLA takes about a millisecond; more steps gain nothing, and hold more batches.
    steps_per_loop = 16

    def fit(self, x=None, *args, **options):
        """Keras' ``fit``."""
        if self._takes_loops(x, args, options):
            x = loops(x, self.steps_per_loop)
        return super().fit(x, *args, **options)

    def train_step(self, data):
        """Keras' step, or those of a :class:`Loop`."""
        if not isinstance(data, Loop):
            return super().train_step(data)
        reported: list[str] = []

        def step(i):
            batch = tf.nest.map_structure(lambda batches: None if batches is None else batches[i], data.batches)
            reported[:] = super(LoopingModel, self).train_step(batch)
            return (i + 1,)

        tf.while_loop(lambda i: i < data.n_steps, step, (tf.zeros([], data.n_steps.dtype),))
        results = self.get_metrics_result()
        return {name: results[name] for name in reported}

    def _takes_loops(self, x, args, options) -> bool:
        ours = type(self).train_step is LoopingModel.train_step  # a subclass's would not know what a loop is
        callbacks = options.get("callbacks") or []
        unseen = not any(map(_asks_for_steps, tf.nest.flatten(getattr(callbacks, "callbacks", callbacks))))
        wanted = ours and unseen and self.steps_per_loop > 1 and self.compiled and self.jit_compile
        plain = not args and all(options.get(name) is None for name in ("steps_per_epoch", "class_weight"))
        return wanted and self._has_no_exchange() and plain and _equal_batches(x)


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
