"""Where and how finely a training computes: several devices by ``tf.distribute``, products in half precision."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Names on the command line.
NAMES = ("one", "mirrored", "multiworker")
PRECISIONS = ("float32", "mixed_bfloat16")


@contextlib.contextmanager
def scope(name: str, precision: str = "float32") -> Iterator[None]:
    """Everything built inside is shared by the devices of a strategy, and computes with a precision.

    Args:
        name: "one" device; or "mirrored": all GPUs of this machine, or its logical CPUs where there is none; the
            devices share each batch, and the loss is one device's; or "multiworker": so do the processes that
            ``TF_CONFIG`` names, on one machine or several, each started with the same command.
        precision: "float32"; or "mixed_bfloat16": the networks' matrix products in bfloat16, all else in float32.
    """
    import keras

    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        with _strategy(name):
            yield
    finally:
        keras.config.set_dtype_policy(usual)


@contextlib.contextmanager
def workdir(path: str | Path) -> Iterator[Path]:
    """The folder of all runs for this process: the first of several workers has ``path``, the others one that goes."""
    if is_first():
        yield Path(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def is_first() -> bool:
    """Whether this process is the only one, or the first of several workers."""
    import tensorflow as tf

    resolver = tf.distribute.get_strategy().cluster_resolver
    return resolver is None or not resolver.task_id


def facts() -> dict[str, Any]:
    """What the figures of a run depend on here: how many devices share a batch, and the precision."""
    import keras
    import tensorflow as tf

    devices = tf.distribute.get_strategy().num_replicas_in_sync
    return {"devices": devices, "precision": keras.config.dtype_policy().name}


@contextlib.contextmanager
def _strategy(name: str) -> Iterator[None]:
    import tensorflow as tf

    if name == "one":
        yield
        return
    logging.getLogger("tensorflow").setLevel(logging.WARNING)  # it tells of every sum
    if name == "multiworker":
        with tf.distribute.MultiWorkerMirroredStrategy().scope():
            yield
        return
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    # Without GPUs, sums on one device: two threads of one process may enter collective sums in different orders.
    sums = tf.distribute.ReductionToOneDevice() if devices[0].device_type == "CPU" else None
    with tf.distribute.MirroredStrategy([device.name for device in devices], sums).scope():
        yield
