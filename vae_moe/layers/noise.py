"""Random numbers of a training step."""

import keras
import tensorflow as tf

#: XLA on a CPU draws 30 times as many numbers a second where it is named as where it is left to be chosen.
ALGORITHM = "philox"


def normal(shape, generator: keras.random.SeedGenerator, dtype="float32"):
    """Standard normal numbers: those of ``keras.random.normal``.

    Args:
        shape: of the result.
        generator: the stream they are drawn from.
        dtype: of the result.

    Returns:
        A tensor of this shape.
    """
    return tf.random.stateless_normal(shape, _next_seed(generator), dtype=dtype, alg=ALGORITHM)


def uniform(shape, minval: float, generator: keras.random.SeedGenerator, dtype="float32"):
    """Numbers uniform in [minval, 1): those of ``keras.random.uniform``; arguments as in :func:`normal`."""
    return tf.random.stateless_uniform(shape, _next_seed(generator), minval, 1.0, dtype, alg=ALGORITHM)


def _next_seed(generator):
    """int32 [2], the only kind XLA takes."""
    return tf.cast(generator.next(), tf.int32)
