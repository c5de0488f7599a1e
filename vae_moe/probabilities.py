"""Probabilities as they leave the library: none above 1, and a row's sum is 1.

Networks compute in float32, where a sum of rounded parts can be 1.0000001, which scikit-learn's scores refuse. In
float64 a part divided by the sum of all parts is never above 1.
"""

import numpy as np
import tensorflow as tf
from scipy.special import log_softmax


def normalised(parts: np.ndarray) -> np.ndarray:
    """Return parts [..., K] divided by their sum, as float64; they are at least 0 and sum to about 1."""
    parts = np.asarray(parts, np.float64)
    return parts / parts.sum(-1, keepdims=True)


def normalised_logs(logits: np.ndarray) -> np.ndarray:
    """Return log-probabilities [..., K], as float64, of what they are up to a constant a row."""
    return log_softmax(np.asarray(logits, np.float64), -1)


def normalised_tensor(parts):
    """Return parts [..., K] divided by their sum, computed in float64, in their own type: for a SavedModel."""
    exact = tf.cast(parts, tf.float64)
    return tf.cast(exact / tf.reduce_sum(exact, -1, keepdims=True), parts.dtype)
