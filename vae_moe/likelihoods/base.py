"""What a likelihood is."""

from abc import ABC, abstractmethod

import tensorflow as tf


class Likelihood(ABC):
    """Parameters [..., P] -> distribution over events [..., D] (or [...] for a categorical)."""

    #: Rows of parameters a network has to give for each entry of the event.
    parameters_per_entry = 1

    def params_size(self, event_size: int) -> int:
        """Number P of parameters for an event of ``event_size`` entries."""
        return self.parameters_per_entry * event_size

    @abstractmethod
    def distribution(self, params):
        """Args: params [..., P]. Returns: a ``tfd.Distribution`` with batch shape [...]."""

    @abstractmethod
    def log_prob(self, params, value):
        """log p(value | params) in nats, [...]."""

    def mean(self, params):
        """Args: params [..., P]. Returns: the mean of each entry of the event, [..., D]."""
        return self.distribution(params).mean()

    def sample(self, params, seed: int = 0):
        """Args: params [..., P]; seed, which draws the same again. Returns: an event for each, [..., D]."""
        return self.distribution(params).sample(seed=tf.constant([seed, 0]))
