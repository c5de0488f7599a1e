"""The clustering variational autoencoder as a layer: the generative half of every model here."""

from dataclasses import asdict, fields

import keras
import tensorflow as tf

from vae_moe import likelihoods
from vae_moe.layers import batch_part, networks
from vae_moe.layers.gumbel_softmax import GumbelSoftmax
from vae_moe.layers.mixture_config import MixtureConfig
from vae_moe.layers.mixture_prior import MixturePrior
from vae_moe.layers.mlp import MLP
from vae_moe.layers.noise import normal, uniform

#: Upper bound of the log-variances of q(z|x): a row of e^20 times the usual KL is the whole gradient of a batch.
LOG_VAR_BOUND = 10.0


class LatentMixture(keras.layers.Layer):
    """Abstract: encoder, decoder and mixture prior, with the three terms of the evidence lower bound (report, sections
    3 and 6).

        ELBO(x) = E_q(z|x)[log p(x|z)] - sum_k q(c=k|x) KL(q(z|x) || p(z|c=k)) - KL(q(c|x) || p(c))

    A gate: ``call`` gives the logits of q(c | x), features and terms. Where q(c|x) comes from is a subclass's:
    :class:`BayesMixture` or :class:`NetworkMixture`.

    Args:
        arguments: those of :class:`MixtureConfig`, whose ``config`` the layer has, and of Keras' layers.
        dtype: of the networks, a policy; all else is in the type of its variables. Default: Keras' global policy.
    """

    #: The bound's terms, as ``call`` names them.
    TERMS: tuple[str, ...] = ("recon", "kl_z", "kl_c")

    def __init__(self, *arguments, dtype=None, **named):
        ours = {field.name: named.pop(field.name) for field in fields(MixtureConfig) if field.name in named}
        policy = keras.dtype_policies.get(dtype)
        super().__init__(dtype=policy.variable_dtype, **named)
        self.network_policy = policy
        self.config = config = MixtureConfig(*arguments, **ours)
        self.input_dim, self.image_shape = config.input_dim, config.image_shape
        self.n_components, self.latent_dim = config.n_components, config.latent_dim
        self.likelihood, self.seed = config.likelihood, config.seed
        self.x_likelihood = likelihoods.get(config.likelihood, config.stddev)
        self.mixed = self.x_likelihood if isinstance(self.x_likelihood, likelihoods.MixedColumns) else None
        self.seed_generator = keras.random.SeedGenerator(config.seed)
        encoder, decoder = (
            given if isinstance(given := ours.get(name), keras.layers.Layer) else networks.get(getattr(config, name))
            for name in ("encoder", "decoder")
        )
        of_images = {"image_shape": config.image_shape, "filters": config.filters, "dtype": policy}
        self.trunk = networks.encoder(encoder, config.trunk_sizes, seed=self._seed(1), name="trunk", **of_images)
        self.z_encoder = MLP(
            config.z_encoder_sizes, 2 * config.latent_dim, seed=self._seed(2), name="z_encoder", dtype=policy
        )
        self.c_encoder: MLP | None = self._c_network()
        self.decoder = networks.decoder(
            decoder,
            config.decoder_sizes,
            self.x_likelihood.params_size(config.input_dim),
            seed=self._seed(4),
            name="decoder",
            **of_images,
        )
        self.prior = MixturePrior(
            config.n_components,
            config.latent_dim,
            config.learn_weights,
            config.prior_stddev,
            self._seed(5),
            config.covariance,
            trainable=config.trainable_prior,
            name="prior",
            dtype=self.variable_dtype,
        )
        self.gumbel_softmax = GumbelSoftmax(
            config.temperature, self._seed(6), name="gumbel_softmax", dtype=self.variable_dtype
        )

    def build(self, input_shape):
        """Build every part for x [B, D]."""
        n_seen = input_shape[-1] + (0 if self.mixed is None else len(self.mixed.columns))
        seen_shape = (*input_shape[:-1], n_seen)
        self.trunk.build(seen_shape)
        hidden_shape = self.trunk.compute_output_shape(seen_shape)
        self.z_encoder.build(hidden_shape)
        if self.c_encoder is not None:
            self.c_encoder.build(hidden_shape)
        self.decoder.build((input_shape[0], self.latent_dim))
        networks.check_decoder(self.decoder, self.latent_dim, self.x_likelihood.params_size(self.input_dim))
        self.prior.build()
        self.gumbel_softmax.build((input_shape[0], self.n_components))
        self.built = True

    def call(self, x, training=False, noise=None):
        """One sample of the bound's terms, for each example.

        Args:
            x: [B, D].
            training: whether ``relaxation`` applies; otherwise the KL of z is exact.
            noise: [B, L] standard normal, to fix the sample of z; drawn from the layer's own stream otherwise.

        Returns:
            ``{"c_logits": [B, K], "features": z_mean [B, L], "terms": {"recon", "kl_z", "kl_c": each [B] in nats}}``.
            The ELBO is minus the sum of the terms (on average over the batch, where ``bound_share`` is below 1).
        """
        hidden = self.hidden(x, self.config.hidden_cells if training else 0.0)
        q = self._posterior(hidden, noise)
        outputs = {"c_logits": q["c_logits"], "features": q["z_mean"]}
        if not training or self.config.bound_share == 1:
            return {**outputs, "terms": self._terms(x, q, training)}

        def bound(x, hidden, q):
            return self._terms(x, self._of_part(hidden, q), training)

        return {**outputs, "terms": batch_part.terms_of_part(bound, self.config.bound_share, x, hidden, q)}

    def infer(self, x, noise=None):
        """The posterior q(z|x) q(c|x) and a sample of z.

        Args:
            x: [B, D].
            noise: [B, L] standard normal; None draws it.

        Returns:
            ``{"z_mean", "z_log_var", "z": each [B, L], "c_logits": [B, K]}``, the last normalised: log q(c|x).
        """
        return self._posterior(self.hidden(x), noise)

    @property
    def takes_gaps(self) -> bool:
        """Whether NaN in x is a cell without a value."""
        return self.mixed is not None

    def hidden(self, x, hidden_cells: float = 0.0):
        """The trunk's output, [B, H], for x [B, D]; of x with gaps it sees 0 there, and which cells have a value.

        Args:
            x: [B, D].
            hidden_cells: share of the cells that are gaps too here, on average: of each row between 0 and twice it.
        """
        if self.mixed is None:
            return self.trunk(x)
        observed = self.mixed.observed(x)  # [B, C]
        if hidden_cells:
            share = uniform((tf.shape(x)[0], 1), 0.0, self.seed_generator, self.variable_dtype)  # of each row
            drawn = uniform(tf.shape(observed), 0.0, self.seed_generator, self.variable_dtype)
            observed &= drawn >= 2 * hidden_cells * share
        entries = tf.where(tf.gather(observed, self.mixed.column_of, axis=-1), x, tf.zeros((), x.dtype))
        return self.trunk(tf.concat([entries, tf.cast(observed, x.dtype)], -1))

    def completed(self, x):
        """x [B, D] with each gap filled by the mean of p(x|z) at the mean of q(z|x); nothing learns from how."""
        return tf.where(tf.math.is_nan(x), tf.stop_gradient(self.decode(self.z_mean(x))), x)

    @property
    def n_features(self) -> int:
        """Entries of the gate's features, z_mean."""
        return self.latent_dim

    def c_log_probs(self, x, noise):
        """log q(c|x) without the luck of one sample (report, section 5.1).

        Args:
            x: [B, D].
            noise: [S, L] standard normal, the same for every row, where the gate averages over samples of z.

        Returns:
            [B, K] log-probabilities.
        """
        raise NotImplementedError

    def z_mean(self, x, hidden_cells: float = 0.0):
        """Mean of q(z|x), x [B, D] -> [B, L]; hidden_cells as of :meth:`hidden`."""
        return self._z_params(self.hidden(x, hidden_cells))[0]

    def features(self, x):
        """The gate's features, z_mean."""
        return self.z_mean(x)

    def decode(self, z):
        """Mean of p(x|z), z [B, L] -> [B, D]."""
        return self.x_likelihood.mean(self.decoder(z))

    def get_config(self):
        """The constructor's arguments."""
        policy = keras.dtype_policies.serialize(self.network_policy)
        return {**super().get_config(), **asdict(self.config), "dtype": policy}

    def c_logits(self, hidden, z):
        """Logits of q(c|x) from the trunk's output [B, H] and a sample z [B, L] of q(z|x): [B, K]."""
        raise NotImplementedError

    def _of_part(self, hidden, q):
        """The posterior q of a batch's first rows, on which alone the bound is computed; hidden, [n, H], is theirs."""
        return q

    def _c_network(self) -> MLP | None:
        """The network of q(c|x), if there is one: from the trunk's output to logits."""
        return None

    def _seed(self, n: int) -> int:
        """The seed of the n-th part."""
        return 10 * self.config.seed + n

    def _posterior(self, hidden, noise=None):
        """``infer`` from the trunk's output."""
        q = self._sample_z(hidden, noise)
        return {**q, "c_logits": tf.nn.log_softmax(self.c_logits(hidden, q["z"]))}

    def _sample_z(self, hidden, noise=None):
        """q(z|x) and a sample of it: ``{"z_mean", "z_log_var", "z": each [B, L]}``."""
        z_mean, z_log_var = self._z_params(hidden)  # [B, L] each
        if noise is None:
            noise = normal(tf.shape(z_mean), self.seed_generator, z_mean.dtype)
        z = z_mean + tf.exp(0.5 * z_log_var) * tf.cast(noise, z_mean.dtype)  # [B, L]
        return {"z_mean": z_mean, "z_log_var": z_log_var, "z": z}

    def _z_params(self, hidden):
        """Mean and log-variance of q(z|x), each [B, L]; the latter up to ``LOG_VAR_BOUND``, its gradient untouched."""
        z_mean, z_log_var = tf.split(self.z_encoder(hidden), 2, -1)
        return z_mean, z_log_var - tf.stop_gradient(tf.nn.relu(z_log_var - LOG_VAR_BOUND))

    def _terms(self, x, q, training):
        """The bound's terms of x [B, D] under its posterior q, each [B]."""
        relaxed = self.config.relaxation == "gumbel" and training
        return {
            "recon": -self.x_likelihood.log_prob(self.decoder(q["z"]), x),
            "kl_z": self._relaxed_kl_z(q) if relaxed else self._exact_kl_z(q),
            "kl_c": self._kl_c(q["c_logits"]),
        }

    def _exact_kl_z(self, q):
        """sum_k q(c=k|x) KL(q(z|x) || p(z|c=k)), [B]."""
        return tf.reduce_sum(tf.exp(q["c_logits"]) * self.prior.kl(q["z_mean"], q["z_log_var"]), -1)

    def _relaxed_kl_z(self, q):
        """KL(q(z|x) || p(z|zeta)) at a Gumbel-Softmax sample zeta of q(c|x), [B]."""
        return self.prior.relaxed_kl(q["z_mean"], q["z_log_var"], self.gumbel_softmax(q["c_logits"]))

    def _kl_c(self, c_logits):
        """KL(q(c|x) || p(c)), from normalised logits [B, K] -> [B]."""
        return tf.reduce_sum(tf.exp(c_logits) * (c_logits - self.prior.log_weights()), -1)


@keras.saving.register_keras_serializable("vae_moe")
class BayesMixture(LatentMixture):
    """VaDE's: q(c|x) = p(c|z), Bayes' rule at the sample z (report, section 3)."""

    def c_log_probs(self, x, noise):
        """log of p(c|z) averaged over q(z|x); arguments as in :class:`LatentMixture`."""
        hidden = self.hidden(x)
        z_mean, z_log_var = self._z_params(hidden)
        noise = tf.cast(noise, z_mean.dtype)
        z = z_mean + tf.exp(0.5 * z_log_var) * noise[:, tf.newaxis]  # [S, B, L]
        log_probs = tf.nn.log_softmax(self.c_logits(hidden, z))  # [S, B, K]
        return tf.reduce_logsumexp(log_probs, 0) - tf.math.log(tf.cast(tf.shape(noise)[0], log_probs.dtype))

    def c_logits(self, hidden, z):
        """log p(c) + log p(z|c), [B, K]; the trunk's output is not used."""
        return self.prior.c_logits(z)


@keras.saving.register_keras_serializable("vae_moe")
class NetworkMixture(LatentMixture):
    """DMVAE's: q(c|x) is an encoder network, ``c_encoder`` (report, section 6)."""

    c_encoder: MLP

    def c_log_probs(self, x, noise):
        """The network's log q(c|x), [B, K]; the noise is not used."""
        return tf.nn.log_softmax(self.c_encoder(self.hidden(x)))

    def c_logits(self, hidden, z):
        """The network's output, [B, K]; z is not used."""
        return self.c_encoder(hidden)

    def _of_part(self, hidden, q):
        """Draws z anew: q(c|x) needs no z, and a graph then never computes that of the batch's other rows."""
        return {**q, **self._sample_z(hidden)}

    def _c_network(self):
        return MLP(
            self.config.c_encoder_sizes,
            self.n_components,
            seed=self._seed(3),
            batch_normalization=self.config.c_batch_normalization,
            name="c_encoder",
            dtype=self.network_policy,
        )
