"""The mixture prior p(c) p(z | c) and its divergences."""

import math

import keras
import numpy as np
import scipy.special
import tensorflow as tf

from vae_moe.layers.noise import normal


@keras.saving.register_keras_serializable("vae_moe")
class MixturePrior(keras.layers.Layer):
    """``p(c = k) = softmax(logits)_k``, ``p(z | c = k) = N(z | means_k, diag exp(log_vars_k))`` (report, algorithm 1).

    Everything against all K components is matrix products, [B, L] x [L, K]: no [B, K, L] tensor, no loop over K.
    (The expanded squares lose digits when ``|means| / stddev`` is far above 1000; latents are nowhere near.)
    Full covariances are those of a regression of each entry of z on the ones before it (Pourahmadi 1999): ``log_vars``
    are what these leave, ``couplings`` minus their coefficients; the products are [B, L] x [L, K L].

    Weights: ``logits`` [K] (uniform and fixed unless ``learn_weights``), ``means`` [K, L], ``log_vars`` [K, L]; of full
    covariances ``couplings`` [K, L, L], whose part below the diagonal counts.

    Args:
        n_components: K.
        latent_dim: L.
        learn_weights: whether p(c) is learned (VaDE) or stays uniform (DMVAE, report section 6).
        means_stddev: of the normal the means start from: 1 in the report's DMVAE, 5 in its VaDE, 0 for a plain VAE.
        seed: of that start.
        covariance: of a component: "diag", the report's, or "full".
    """

    def __init__(
        self,
        n_components: int,
        latent_dim: int,
        learn_weights: bool = False,
        means_stddev: float = 1.0,
        seed: int | None = None,
        covariance: str = "diag",
        dtype="float32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        for name, value in (("n_components", n_components), ("latent_dim", latent_dim)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value!r}.")
        if covariance not in ("diag", "full"):
            raise ValueError(f"covariance must be one of 'diag', 'full', got {covariance!r}.")
        self.covariance = covariance
        self.n_components = n_components
        self.latent_dim = latent_dim
        self.learn_weights = learn_weights
        self.means_stddev = means_stddev
        self.seed = seed

    def build(self, input_shape=None):
        """Make the weights."""
        shape = (self.n_components, self.latent_dim)
        self.logits = self.add_weight(shape=shape[:1], initializer="zeros", trainable=self.learn_weights, name="logits")
        self.means = self.add_weight(
            shape=shape, initializer=keras.initializers.RandomNormal(0.0, self.means_stddev, self.seed), name="means"
        )
        self.log_vars = self.add_weight(shape=shape, initializer="zeros", name="log_vars")
        if self.covariance == "full":
            square = (*shape, self.latent_dim)
            self.couplings = self.add_weight(shape=square, initializer="zeros", name="couplings")
        self.built = True

    def log_weights(self):
        """log p(c), [K]."""
        return tf.nn.log_softmax(tf.convert_to_tensor(self.logits))

    def mixing(self):
        """What makes independent entries of a deviation from a mean: triangular, 1 on the diagonal, [K, L, L]."""
        identity = tf.eye(self.latent_dim, batch_shape=[self.n_components], dtype=self.variable_dtype)
        if self.covariance == "diag":
            return identity
        return identity + tf.linalg.band_part(self.couplings, -1, 0) - tf.linalg.band_part(self.couplings, 0, 0)

    def covariances(self) -> np.ndarray:
        """Of each component, [K, L, L]."""
        scales = np.linalg.inv(np.asarray(self.mixing(), np.float64)) * np.exp(0.5 * np.asarray(self.log_vars))[:, None]
        return scales @ np.swapaxes(scales, 1, 2)

    def kl(self, z_mean, z_log_var):
        """KL(N(z_mean, exp z_log_var) || p(z | c = k)) for every k, in closed form.

        Args:
            z_mean: [B, L].
            z_log_var: [B, L].

        Returns:
            [B, K] nats.
        """
        entropy_part = tf.reduce_sum(z_log_var + 1.0, -1, keepdims=True)  # [B, 1]
        return 0.5 * (self._expected_square(z_mean, tf.exp(z_log_var)) + self._log_det() - entropy_part)  # [B, K]

    def relaxed_kl(self, z_mean, z_log_var, zeta):
        """KL(N(z_mean, exp z_log_var) || p(z | zeta)) for a relaxed one-hot zeta (report, section 7).

        p(z | zeta) mixes parameters: mean ``zeta . means``, log-variance ``zeta . log_vars``, couplings likewise. At a
        one-hot zeta it is ``kl`` of that component, the limit the report asks for.

        Args:
            z_mean: [B, L].
            z_log_var: [B, L].
            zeta: [B, K].

        Returns:
            [B] nats.
        """
        mean = zeta @ self.means  # [B, L]
        log_var = zeta @ self.log_vars  # [B, L]
        deviation, z_var = z_mean - mean, tf.exp(z_log_var)
        if self.covariance == "full":
            mixing = tf.tensordot(zeta, self.mixing(), 1)  # [B, L, L]
            deviation, z_var = tf.linalg.matvec(mixing, deviation), tf.linalg.matvec(tf.square(mixing), z_var)
        ratio = (z_var + tf.square(deviation)) * tf.exp(-log_var)
        return 0.5 * tf.reduce_sum(log_var - z_log_var + ratio - 1.0, -1)  # [B]

    def component_log_prob(self, z):
        """log p(z | c = k), z [B, L] -> [B, K] nats."""
        log_two_pi = self.latent_dim * math.log(2 * math.pi)
        return -0.5 * (self._expected_square(z) + self._log_det() + log_two_pi)

    def c_logits(self, z):
        """Bayes' rule: log p(c = k) + log p(z | c = k), z [B, L] -> unnormalised log p(c | z) [B, K]."""
        return self.log_weights() + self.component_log_prob(z)

    def log_prob(self, z):
        """log p(z) of the mixture, z [B, L] -> [B] nats."""
        return tf.reduce_logsumexp(self.c_logits(z), -1)

    def sample(self, n: int, component: int | None = None, seed: int = 0) -> np.ndarray:
        """n points from p(z), or from p(z | c = component), [n, L].

        Raises:
            ValueError: if ``component`` is not in [0, K).
        """
        rng = np.random.default_rng(seed)
        if component is None:
            logits = keras.ops.convert_to_numpy(self.logits).astype(np.float64)
            c = rng.choice(self.n_components, n, p=scipy.special.softmax(logits))
        elif 0 <= component < self.n_components:
            c = np.full(n, component)
        else:
            raise ValueError(f"component must be from 0 to {self.n_components - 1}, got {component!r}.")
        noise = rng.standard_normal((n, self.latent_dim))
        means, log_vars = (keras.ops.convert_to_numpy(weight)[c] for weight in (self.means, self.log_vars))
        deviations = np.exp(0.5 * log_vars) * noise
        if self.covariance == "full":
            deviations = np.linalg.solve(self.mixing().numpy()[c], deviations[..., np.newaxis])[..., 0]
        return (means + deviations).astype(np.float32)

    def draw(self, components, generator: keras.random.SeedGenerator):
        """A point of p(z | c) for each of these components, in a step of training: integers [B] -> [B, L]."""
        noise = normal((tf.shape(components)[0], self.latent_dim), generator, self.variable_dtype)
        deviations = tf.exp(0.5 * tf.gather(self.log_vars, components)) * noise
        if self.covariance == "full":
            identity = tf.eye(self.latent_dim, batch_shape=[self.n_components], dtype=self.variable_dtype)
            unmixing = tf.linalg.triangular_solve(self.mixing(), identity)  # [K, L, L]
            deviations = tf.linalg.matvec(tf.gather(unmixing, components), deviations)
        return tf.gather(self.means, components) + deviations

    def assign(self, weights, means, variances) -> None:
        """Set the prior, for instance to a fitted mixture.

        Args:
            weights: [K] probabilities; ignored (p(c) stays uniform) unless ``learn_weights``.
            means: [K, L].
            variances: [K, L], positive; or covariances [K, L, L], positive definite, where they are full.

        Raises:
            ValueError: on a wrong shape or a variance that is not positive.
        """
        shape = (self.n_components, self.latent_dim)
        means, variances = np.asarray(means, np.float32), np.asarray(variances, np.float64)
        of_full = self.covariance == "full" and variances.shape == (*shape, self.latent_dim)
        couplings = np.zeros((*shape, self.latent_dim))
        if of_full:
            scales = np.linalg.cholesky(variances)  # [K, L, L]
            deviations = np.diagonal(scales, axis1=1, axis2=2)
            couplings = deviations[..., np.newaxis] * np.linalg.inv(scales)
            variances = np.square(deviations)
        if means.shape != shape or variances.shape != shape or not (variances > 0).all():
            raise ValueError(
                f"means and variances must be {shape} with positive variances, got {means.shape} and "
                f"{variances.shape} (least variance {variances.min():.3g})."
            )
        self.means.assign(means)
        self.log_vars.assign(np.log(variances))
        if self.covariance == "full":
            self.couplings.assign(couplings)
        if self.learn_weights:
            self.logits.assign(np.log(np.maximum(weights, np.finfo(np.float32).tiny)))

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "n_components": self.n_components,
            "latent_dim": self.latent_dim,
            "covariance": self.covariance,
            "learn_weights": self.learn_weights,
            "means_stddev": self.means_stddev,
            "seed": self.seed,
        }

    def _expected_square(self, mean, variance=None):
        """E[(z - means_k)' precision_k (z - means_k)] of z of a mean and a variance, [..., L] each -> [..., K]."""
        precisions = tf.exp(-self.log_vars)  # [K, L]
        if self.covariance == "full":
            whitening = tf.exp(-0.5 * self.log_vars)[..., tf.newaxis] * self.mixing()  # [K, L, L]
            centres = tf.linalg.matvec(whitening, self.means)  # [K, L]
            whitened = tf.einsum("...l,kml->...km", mean, whitening) - centres
            squares = tf.reduce_sum(tf.square(whitened), -1)
            if variance is None:
                return squares
            return squares + tf.matmul(variance, tf.reduce_sum(tf.square(whitening), 1), transpose_b=True)
        scaled_means = self.means * precisions  # [K, L]
        second_moment = tf.square(mean) if variance is None else tf.square(mean) + variance
        return (
            tf.matmul(second_moment, precisions, transpose_b=True)
            - 2.0 * tf.matmul(mean, scaled_means, transpose_b=True)
            + tf.reduce_sum(self.means * scaled_means, -1)
        )  # [..., K]

    def _log_det(self):
        """log det of each covariance, [K]."""
        return tf.reduce_sum(self.log_vars, -1)
