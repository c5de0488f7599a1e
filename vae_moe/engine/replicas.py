"""What Keras' ``fit`` lacks to train with the workers of several machines."""

import keras
import tensorflow as tf

from vae_moe.engine import forks


class DistributedModel(keras.Model):
    """Abstract: a model, built when made, whose ``fit`` works under ``tf.distribute.MultiWorkerMirroredStrategy``.

    Keras 3's does not: it draws a batch of each worker to build the model, and joins the logs of all workers along an
    axis they have not. Here nothing is left to build, and each worker's logs have that axis. Nor does a model, once it
    is dropped, leave its graphs in memory (:func:`_without_exchange`).
    Subclasses give their loss by ``compute_loss``, so that no loss or metric is left to build either.

    In a process that cannot compute it says so (:mod:`vae_moe.engine.forks`).
    """

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
        """Keras' step; the logs of one of several workers are [1]."""
        step = super().train_step
        return _joinable(_without_exchange(step, data) if self._has_no_exchange() else step(data))

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

    def _has_no_exchange(self) -> bool:
        """Whether no strategy is in force, and the optimizer needs none: only then can a step leave its replica.

        Under a strategy variables belong to replicas, of one device as of several; a LossScaleOptimizer goes in and out
        by itself.
        """
        scaled = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        return not scaled and self._distribute_strategy is None and not tf.distribute.has_strategy()


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
