"""Likelihoods: what a network's output means as a distribution. Shared by decoders and experts.

A likelihood turns the parameters a network computes, [..., P], into a ``tfd.Distribution`` over events of size D.
The distribution is built from tensors at each call: one built once would hold stale values.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from vae_moe.likelihoods.base import Likelihood
from vae_moe.likelihoods.mixed import MixedColumns

tfd = tfp.distributions

#: Given variances are at least e to the minus this, a standard deviation of 2e-9: below, float32 ends in infinities.
LOG_VAR_BOUND = 40.0


class Bernoulli(Likelihood):
    """Independent Bernoulli entries, params = logits [..., D].

    Values in [0, 1] are allowed: a grey pixel counts as a probability (report, section 8; Kingma & Welling 2013,
    appendix C.1), which makes this the cross-entropy and not a normalised density.
    """

    def distribution(self, params):
        """Args: params [..., D] logits. Returns: ``tfd.Independent(tfd.Bernoulli)`` over [..., D]."""
        return tfd.Independent(tfd.Bernoulli(logits=params, dtype=params.dtype), 1)

    def log_prob(self, params, value):
        """``sum_d x_d l_d - softplus(l_d)``, [...] nats: one softplus an entry where TFP computes two."""
        return -tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=value, logits=params), -1)


class Gaussian(Likelihood):
    """Independent Gaussian entries of fixed standard deviation, params = means [..., D].

    Args:
        stddev: the standard deviation, in units of the data; the report takes 1 for the spiral.
    """

    def __init__(self, stddev: float = 1.0):
        if not stddev > 0:
            raise ValueError(f"stddev must be positive, got {stddev!r}: give it in units of the data, e.g. 1.0.")
        self.stddev = float(stddev)

    def distribution(self, params):
        """Args: params [..., D] means. Returns: ``tfd.MultivariateNormalDiag`` over [..., D]."""
        return tfd.MultivariateNormalDiag(params, tf.fill(tf.shape(params), tf.cast(self.stddev, params.dtype)))

    def log_prob(self, params, value):
        """``sum_d log N(x_d | m_d, stddev^2)``, [...] nats."""
        event_size = tf.cast(tf.shape(params)[-1], params.dtype)
        normaliser = 0.5 * math.log(2 * math.pi) + math.log(self.stddev)
        return -0.5 * tf.reduce_sum(tf.square((value - params) / self.stddev), -1) - event_size * normaliser


class HeteroscedasticGaussian(Likelihood):
    """Independent Gaussian entries of given variance, params = means and log-variances, [..., 2 D].

    Log-variances count as -LOG_VAR_BOUND where they are below; their gradient is untouched.
    """

    parameters_per_entry = 2

    def distribution(self, params):
        """Args: params [..., 2 D]: means, then log-variances. Returns: ``tfd.MultivariateNormalDiag`` over [..., D]."""
        mean, log_var = self._mean_and_log_var(params)
        return tfd.MultivariateNormalDiag(mean, tf.exp(0.5 * log_var))

    def log_prob(self, params, value):
        """``sum_d log N(x_d | m_d, exp(log_var_d))``, [...] nats."""
        mean, log_var = self._mean_and_log_var(params)
        return -0.5 * tf.reduce_sum(math.log(2 * math.pi) + log_var + tf.square(value - mean) * tf.exp(-log_var), -1)

    def _mean_and_log_var(self, params):
        mean, log_var = tf.split(params, 2, -1)
        return mean, log_var + tf.stop_gradient(tf.nn.relu(-LOG_VAR_BOUND - log_var))


class Categorical(Likelihood):
    """One of D classes, params = logits [..., D]; the event is an integer [...]."""

    def distribution(self, params):
        """Args: params [..., D] logits. Returns: ``tfd.Categorical`` over integers."""
        return tfd.Categorical(logits=params)

    def log_prob(self, params, value):
        """``log softmax(params)[value]``, [...] nats."""
        labels = tf.broadcast_to(tf.cast(value, tf.int32), tf.shape(params)[:-1])
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=params)


_LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "heteroscedastic_gaussian": HeteroscedasticGaussian,
    "categorical": Categorical,
}


def get(likelihood: str | Sequence[Mapping[str, Any]], stddev: float = 1.0) -> Likelihood:
    """Give the likelihood of a name, or of the columns of a mixed table.

    Args:
        likelihood: "bernoulli", "gaussian", "heteroscedastic_gaussian" or "categorical"; or what each column is, as
            :class:`MixedColumns` takes it.
        stddev: of "gaussian", in units of the data.

    Raises:
        ValueError: for any other name, or a column of no kind.
    """
    if not isinstance(likelihood, str):
        return MixedColumns(likelihood)
    if likelihood not in _LIKELIHOODS:
        raise ValueError(f"unknown likelihood {likelihood!r}: choose one of {', '.join(_LIKELIHOODS)}.")
    return Gaussian(stddev) if likelihood == "gaussian" else _LIKELIHOODS[likelihood]()
