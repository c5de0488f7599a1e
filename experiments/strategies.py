"""Where and how finely a training computes: several devices by ``tf.distribute``, products in half precision."""

import contextlib
import logging
from collections.abc import Iterator

#: Names on the command line.
NAMES = ("one", "mirrored")
PRECISIONS = ("float32", "mixed_bfloat16")


@contextlib.contextmanager
def scope(name: str, precision: str = "float32") -> Iterator[None]:
    """Everything built inside is shared by the devices of a strategy, and computes with a precision.

    Args:
        name: "one" device; or "mirrored": all GPUs of this machine, or its logical CPUs where there is none; the
            devices share each batch, and the loss is one device's.
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
def _strategy(name: str) -> Iterator[None]:
    import tensorflow as tf

    if name == "one":
        yield
        return
    logging.getLogger("tensorflow").setLevel(logging.WARNING)  # it tells of every sum
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    # Without GPUs, sums on one device: two threads of one process may enter collective sums in different orders.
    sums = tf.distribute.ReductionToOneDevice() if devices[0].device_type == "CPU" else None
    with tf.distribute.MirroredStrategy([device.name for device in devices], sums).scope():
        yield
