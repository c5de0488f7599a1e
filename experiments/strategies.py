"""Several devices at one training, by ``tf.distribute``: global batches, the same loss as on one device."""

import contextlib
import logging
from collections.abc import Iterator

#: Names on the command line.
NAMES = ("one", "mirrored")


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Everything built inside is shared by the devices of a strategy.

    Args:
        name: "one" device; or "mirrored": all GPUs of this machine, or its logical CPUs where there is none.
    """
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
