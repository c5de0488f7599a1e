"""Readouts of a model that has a latent mixture: arrays in, arrays out, in batches.

Wherever x is [N, D], it may be images [N, *image_shape] if the mixture has an ``image_shape``.
"""

import numpy as np
import tensorflow as tf

from vae_moe.engine.pipelines import map_batches
from vae_moe.layers import LatentMixture
from vae_moe.models.base import READOUT_SAMPLES, check_rows
from vae_moe.probabilities import normalised_logs

#: Samples of z of a row that are weighed in one product.
SAMPLES_AT_ONCE = 20


class LatentReadouts:
    """Abstract: what a latent mixture can tell, for a Keras model whose gate is one."""

    gate: LatentMixture

    @property
    def mixture(self) -> LatentMixture:
        """The gate."""
        return self.gate

    def encode(self, x) -> np.ndarray:
        """Mean of q(z|x), x [N, D] -> [N, L]."""
        return map_batches(self._z_mean, check_rows(x, self.mixture))

    def reconstruct(self, x) -> np.ndarray:
        """Mean of p(x|z) at the mean of q(z|x), in the shape of x: [N, D] -> [N, D]."""
        return map_batches(self._reconstruct, check_rows(x, self.mixture)).reshape(np.shape(x))

    def decode(self, z) -> np.ndarray:
        """Mean of p(x|z), z [N, L] -> [N, D], or images [N, *image_shape] if the mixture has an ``image_shape``."""
        decoded = map_batches(self._decode, np.asarray(z, np.float32))  # [N, D]
        return decoded.reshape(len(z), *(self.mixture.image_shape or [-1]))

    def expected(self, x, n_samples: int = READOUT_SAMPLES, seed: int = 0) -> np.ndarray:
        """E[x | cells of x that have a value], as q(z|x) has it: the mean of p(x|z) over samples of z.

        Args:
            x: [N, D], NaN where a cell has no value.
            n_samples: of z; the same noise for every row.
            seed: of those samples.

        Returns:
            [N, D], of a category its probabilities; of the cells that have a value too.
        """
        x = check_rows(x, self.mixture)
        noise = np.random.default_rng(seed).standard_normal((n_samples, 1, self.mixture.latent_dim), np.float32)
        return np.mean([map_batches(lambda rows, z=z: self._expected(rows, z), x) for z in noise], 0)

    def draws(self, x, n: int = 1, seed: int = 0) -> np.ndarray:
        """Samples of x given the cells of x that have a value, of q(z|x) and p(x|z): [N, D] -> [n, N, D]."""
        x = check_rows(x, self.mixture)
        rng, made = np.random.default_rng(seed), []
        for number in range(n):
            noise = rng.standard_normal((len(x), self.mixture.latent_dim), np.float32)
            z = map_batches(self._z, x, noise)
            made.append(self.draw(z, seed=seed * n + number))
        return np.stack(made)

    def draw(self, z, seed: int = 0) -> np.ndarray:
        """A sample of p(x|z) at each z, [N, L] -> [N, D]."""
        mixture = self.mixture
        return np.asarray(mixture.x_likelihood.sample(mixture.decoder(tf.convert_to_tensor(z)), seed))

    def generate(self, n: int, component: int | None = None, seed: int = 0) -> np.ndarray:
        """Mean of p(x|z) at n points z from the prior, or from one component of it, as ``decode`` gives it.

        Raises:
            ValueError: if ``component`` is not in [0, K).
        """
        return self.decode(self.mixture.prior.sample(n, component, seed))

    def elbo(self, x, n_samples: int = 1, seed: int = 0) -> np.ndarray:
        """The evidence lower bound of each row: exact in c, averaged over samples of z.

        Args:
            x: [N, D].
            n_samples: samples of z for each row.
            seed: of those samples.

        Returns:
            [N] nats.
        """
        x = check_rows(x, self.mixture)
        rng = np.random.default_rng(seed)
        total = np.zeros(len(x))
        for _ in range(n_samples):
            total += map_batches(self._elbo, x, rng.standard_normal((len(x), self.mixture.latent_dim), np.float32))
        return total / n_samples

    def log_likelihood(self, x, n_samples: int = 1000, seed: int = 0) -> np.ndarray:
        """The importance-weighted bound of log p(x), the closer the more samples (Burda et al. 2016); c is summed out.

        Args:
            x: [N, D].
            n_samples: of z from q(z|x), for each row.
            seed: of those samples.

        Returns:
            [N] nats.
        """
        x = check_rows(x, self.mixture)
        rng, total = np.random.default_rng(seed), np.full(len(x), -np.inf)
        for done in range(0, n_samples, SAMPLES_AT_ONCE):
            shape = len(x), min(SAMPLES_AT_ONCE, n_samples - done), self.mixture.latent_dim
            total = np.logaddexp(total, map_batches(self._log_weights, x, rng.standard_normal(shape, np.float32)))
        return total - np.log(n_samples)

    def posterior(self, x, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """q(z|x) and q(c|x), the latter of VaDE at one sample of z.

        Args:
            x: [N, D].
            seed: of that sample.

        Returns:
            Mean and log-variance of q(z|x), each [N, L], and log q(c|x) [N, K].
        """
        x = check_rows(x, self.mixture)
        n_latent = self.mixture.latent_dim
        noise = np.random.default_rng(seed).standard_normal((len(x), n_latent), np.float32)
        joined = map_batches(self._posterior, x, noise)  # [N, 2 L + K]
        return joined[:, :n_latent], joined[:, n_latent : 2 * n_latent], normalised_logs(joined[:, 2 * n_latent :])

    def signatures(self, noise):
        """The model's, and "encode": ``z_mean`` [B, L]; "reconstruct": ``x_mean``, as x is."""

        def reconstruct(x):
            x_mean = self.mixture.decode(self.mixture.z_mean(x))  # [B, D]
            return {"x_mean": tf.reshape(x_mean, [-1, *(self.mixture.image_shape or [self.mixture.input_dim])])}

        return {
            **super().signatures(noise),  # type: ignore[misc]
            "encode": lambda x: {"z_mean": self.mixture.z_mean(x)},
            "reconstruct": reconstruct,
        }

    @tf.function(reduce_retracing=True)
    def _posterior(self, x, noise):
        q = self.mixture.infer(x, noise)
        return tf.concat([q["z_mean"], q["z_log_var"], q["c_logits"]], -1)

    @tf.function(reduce_retracing=True)
    def _expected(self, x, noise):
        return self.mixture.decode(self.mixture.infer(x, noise)["z"])

    @tf.function(reduce_retracing=True)
    def _z(self, x, noise):
        return self.mixture.infer(x, noise)["z"]

    @tf.function(reduce_retracing=True)
    def _z_mean(self, x):
        return self.mixture.z_mean(x)

    @tf.function(reduce_retracing=True)
    def _decode(self, z):
        return self.mixture.decode(z)

    @tf.function(reduce_retracing=True)
    def _reconstruct(self, x):
        return self.mixture.decode(self.mixture.z_mean(x))

    @tf.function(reduce_retracing=True)
    def _elbo(self, x, noise):
        return -tf.add_n(list(self.mixture(x, noise=noise)["terms"].values()))

    @tf.function(reduce_retracing=True)
    def _log_weights(self, x, noise):
        """Log of the summed weights p(x, z) / q(z|x) of samples of z, noise [B, S, L] -> [B]."""
        q, n_samples = self.mixture.infer(x, noise[:, 0]), tf.shape(noise)[1]
        deviation = tf.exp(0.5 * q["z_log_var"])[:, tf.newaxis]  # [B, 1, L]
        z = q["z_mean"][:, tf.newaxis] + deviation * noise  # [B, S, L]
        log_q = -0.5 * tf.reduce_sum(q["z_log_var"][:, tf.newaxis] + tf.square(noise) + np.log(2 * np.pi), -1)  # [B, S]
        z = tf.reshape(z, [-1, self.mixture.latent_dim])
        log_x = self.mixture.x_likelihood.log_prob(self.mixture.decoder(z), tf.repeat(x, n_samples, 0))
        log_p = tf.reshape(log_x + self.mixture.prior.log_prob(z), tf.shape(log_q))
        return tf.reduce_logsumexp(log_p - log_q, -1)
