"""Costly terms on part of each batch: their gradients stay unbiased."""

from collections.abc import Callable

import tensorflow as tf


def check_share(name: str, share: float) -> None:
    """Make sure of a share of the batch.

    Raises:
        ValueError: if it is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"{name} must be in (0, 1], got {share!r}: it is a share of the batch.")


def terms_of_part(function: Callable, share: float, *arrays) -> dict:
    """The terms of a batch's first rows for those of all of it.

    Rows in random order, as ``pipelines.batches`` and Keras' ``fit`` of arrays give them, make these a fair sample of
    the batch; where certain rows stand last, their terms are never computed.

    Args:
        function: the first rows of the arrays, [n, ...] each -> {name: [n]}.
        share: n / B, rounded up to whole rows, in (0, 1].
        arrays: tensors [B, ...], or dictionaries of them.

    Returns:
        {name: [B]}: terms times B / n, so that their mean over the batch is that over these rows, and 0 elsewhere.
    """
    if share == 1:
        return function(*arrays)
    n_rows = tf.shape(tf.nest.flatten(arrays)[0])[0]
    n_part = tf.cast(tf.math.ceil(share * tf.cast(n_rows, tf.float32)), tf.int32)
    terms = function(*tf.nest.map_structure(lambda array: array[:n_part], arrays))
    scale = tf.cast(n_rows, tf.float32) / tf.cast(n_part, tf.float32)
    return {
        name: tf.concat([tf.cast(scale, term.dtype) * term, tf.zeros([n_rows - n_part], term.dtype)], 0)
        for name, term in terms.items()
    }
