"""The clustering variational autoencoder as a layer: the generative half of every model here."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from vae_moe import likelihoods
from vae_moe.layers import batch_part, networks
from vae_moe.layers.conv import FILTERS
from vae_moe.layers.gumbel_softmax import GumbelSoftmax
from vae_moe.layers.mixture_prior import MixturePrior
from vae_moe.layers.mlp import MLP
from vae_moe.layers.noise import normal

#: Upper bound of the log-variances of q(z|x): a row of e^20 times the usual KL is the whole gradient of a batch.
LOG_VAR_BOUND = 10.0


@keras.saving.register_keras_serializable("vae_moe")
class LatentMixture(keras.layers.Layer):
    """Encoder, decoder and mixture prior, with the three terms of the evidence lower bound (report, sections 3 and 6).

        ELBO(x) = E_q(z|x)[log p(x|z)] - sum_k q(c=k|x) KL(q(z|x) || p(z|c=k)) - KL(q(c|x) || p(c))

    A gate: ``call`` gives the logits of q(c | x), features and terms. VaDE and DMVAE differ in ``c_posterior`` alone.

    Args:
        input_dim: D, entries of x.
        n_components: K, components of the mixture.
        latent_dim: L, entries of z.
        trunk_sizes: hidden layers that q(z|x) and q(c|x) share; none in the report. Of a convolutional encoder: the
            dense ones at its end.
        z_encoder_sizes: hidden layers of q(z|x).
        c_encoder_sizes: hidden layers of q(c|x), where a network gives it.
        c_batch_normalization: whether these are normalised over the batch; from random weights they learn clusters
            sooner.
        decoder_sizes: hidden layers of p(x|z); of a convolutional decoder: the dense ones it begins with.
        encoder: the trunk: "mlp", "conv", or a Keras layer (:mod:`vae_moe.layers.networks`).
        decoder: of p(x|z), likewise.
        image_shape: (H, W) or (H, W, C) of the images that x is, or None.
        filters: channels of each block of convolutional networks.
        likelihood: of x: "bernoulli", "gaussian" or "heteroscedastic_gaussian" (:mod:`vae_moe.likelihoods`).
        stddev: of the likelihood "gaussian", in units of x. Columns of variance 1 need a smaller one: what varies less
            than the noise is not worth its KL, and z is ignored.
        c_posterior: "network": q(c|x) is an encoder network (DMVAE); "bayes": q(c|x) = p(c|z) at the sample z (VaDE).
        relaxation: of the KL of z in training: "exact", the sum over k; "gumbel", at a Gumbel-Softmax sample (report).
            Evaluation is exact: the KL is linear in c, so nothing has to be sampled.
        temperature: of the Gumbel-Softmax, at the start.
        learn_weights: whether p(c) is learned or stays uniform.
        prior_stddev: of the normal the prior's means start from.
        trainable_prior: False keeps the prior where it starts.
        bound_share: share of each training batch, its first rows, on which the bound is computed; q(c|x) is on all of
            it. If rows come in random order its gradient stays unbiased, and costs less.
        seed: of weights and samples.
    """

    def __init__(
        self,
        input_dim: int,
        n_components: int,
        latent_dim: int = 10,
        trunk_sizes: Sequence[int] = (),
        z_encoder_sizes: Sequence[int] = (256, 256, 512),
        c_encoder_sizes: Sequence[int] = (256, 512),
        decoder_sizes: Sequence[int] = (512, 256),
        encoder: networks.Network = "mlp",
        decoder: networks.Network = "mlp",
        image_shape: Sequence[int] | None = None,
        filters: Sequence[int] = FILTERS,
        likelihood: str = "bernoulli",
        stddev: float = 1.0,
        c_posterior: str = "network",
        c_batch_normalization: bool = False,
        relaxation: str = "exact",
        temperature: float = 0.2,
        learn_weights: bool = False,
        prior_stddev: float = 1.0,
        trainable_prior: bool = True,
        bound_share: float = 1.0,
        seed: int = 0,
        dtype="float32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        _check_choice("c_posterior", c_posterior, ("network", "bayes"))
        _check_choice("relaxation", relaxation, ("exact", "gumbel"))
        if input_dim < 1:
            raise ValueError(f"input_dim must be at least 1, got {input_dim!r}: it is the number of columns of x.")
        batch_part.check_share("bound_share", bound_share)
        self.input_dim = input_dim
        self.n_components = int(n_components)
        self.latent_dim = int(latent_dim)
        self.trunk_sizes = tuple(trunk_sizes)
        self.z_encoder_sizes = tuple(z_encoder_sizes)
        self.c_encoder_sizes = tuple(c_encoder_sizes)
        self.decoder_sizes = tuple(decoder_sizes)
        encoder, decoder = networks.get(encoder), networks.get(decoder)
        self.encoder_config, self.decoder_config = networks.config(encoder), networks.config(decoder)
        self.image_shape = networks.check_image_shape(image_shape, input_dim)
        self.filters = tuple(filters)
        self.likelihood = likelihood
        self.stddev = stddev
        self.c_posterior = c_posterior
        self.c_batch_normalization = c_batch_normalization
        self.relaxation = relaxation
        self.temperature = temperature
        self.learn_weights = learn_weights
        self.prior_stddev = prior_stddev
        self.trainable_prior = trainable_prior
        self.bound_share = bound_share
        self.seed = seed

        self.x_likelihood = likelihoods.get(likelihood, stddev)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.trunk = networks.encoder(
            encoder, trunk_sizes, self.image_shape, self.filters, seed=10 * seed + 1, name="trunk"
        )
        self.z_encoder = MLP(z_encoder_sizes, 2 * latent_dim, seed=10 * seed + 2, name="z_encoder")
        self.c_encoder = (
            MLP(
                c_encoder_sizes,
                n_components,
                seed=10 * seed + 3,
                batch_normalization=c_batch_normalization,
                name="c_encoder",
            )
            if c_posterior == "network"
            else None
        )
        n_params = self.x_likelihood.params_size(input_dim)
        self.decoder = networks.decoder(
            decoder, decoder_sizes, n_params, self.image_shape, self.filters, seed=10 * seed + 4, name="decoder"
        )
        self.prior = MixturePrior(
            n_components,
            latent_dim,
            learn_weights,
            prior_stddev,
            10 * seed + 5,
            trainable=trainable_prior,
            name="prior",
        )
        self.gumbel_softmax = GumbelSoftmax(temperature, 10 * seed + 6, name="gumbel_softmax")

    def build(self, input_shape):
        """Build every part for x [B, D]."""
        self.trunk.build(input_shape)
        hidden_shape = self.trunk.compute_output_shape(input_shape)
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
        hidden = self.trunk(x)
        q = self._posterior(hidden, noise)
        outputs = {"c_logits": q["c_logits"], "features": q["z_mean"]}
        if not training or self.bound_share == 1:
            return {**outputs, "terms": self._terms(x, q, training)}

        def bound(x, hidden, q):  # where q(c|x) needs no z, a graph never computes that of the other rows
            sampled = q if self.c_encoder is None else {**q, **self._sample_z(hidden)}
            return self._terms(x, sampled, training)

        return {**outputs, "terms": batch_part.terms_of_part(bound, self.bound_share, x, hidden, q)}

    def infer(self, x, noise=None):
        """The posterior q(z|x) q(c|x) and a sample of z.

        Args:
            x: [B, D].
            noise: [B, L] standard normal; None draws it.

        Returns:
            ``{"z_mean", "z_log_var", "z": each [B, L], "c_logits": [B, K]}``, the last normalised: log q(c|x).
        """
        return self._posterior(self.trunk(x), noise)

    @property
    def n_features(self) -> int:
        """Entries of the gate's features, z_mean."""
        return self.latent_dim

    def c_log_probs(self, x, noise):
        """log q(c|x) without the luck of one sample: a network's output, or log of p(c|z) averaged over q(z|x).

        Args:
            x: [B, D].
            noise: [S, L] standard normal, the same for every row; not used where a network gives q(c|x).

        Returns:
            [B, K] log-probabilities (report, section 5.1).
        """
        if self.c_encoder is not None:
            return tf.nn.log_softmax(self.c_encoder(self.trunk(x)))
        z_mean, z_log_var = self._z_params(self.trunk(x))
        z = z_mean + tf.exp(0.5 * z_log_var) * noise[:, tf.newaxis]  # [S, B, L]
        log_probs = tf.nn.log_softmax(self.prior.c_logits(z))  # [S, B, K]
        return tf.reduce_logsumexp(log_probs, 0) - tf.math.log(tf.cast(tf.shape(noise)[0], log_probs.dtype))

    def z_mean(self, x):
        """Mean of q(z|x), x [B, D] -> [B, L]."""
        return self._z_params(self.trunk(x))[0]

    def features(self, x):
        """The gate's features, z_mean."""
        return self.z_mean(x)

    def decode(self, z):
        """Mean of p(x|z), z [B, L] -> [B, D]."""
        return self.x_likelihood.distribution(self.decoder(z)).mean()

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "n_components": self.n_components,
            "latent_dim": self.latent_dim,
            "trunk_sizes": self.trunk_sizes,
            "z_encoder_sizes": self.z_encoder_sizes,
            "c_encoder_sizes": self.c_encoder_sizes,
            "decoder_sizes": self.decoder_sizes,
            "encoder": self.encoder_config,
            "decoder": self.decoder_config,
            "image_shape": self.image_shape,
            "filters": self.filters,
            "likelihood": self.likelihood,
            "stddev": self.stddev,
            "c_posterior": self.c_posterior,
            "c_batch_normalization": self.c_batch_normalization,
            "relaxation": self.relaxation,
            "temperature": self.temperature,
            "learn_weights": self.learn_weights,
            "prior_stddev": self.prior_stddev,
            "trainable_prior": self.trainable_prior,
            "bound_share": self.bound_share,
            "seed": self.seed,
        }

    def _posterior(self, hidden, noise=None):
        """``infer`` from the trunk's output."""
        q = self._sample_z(hidden, noise)
        logits = self.prior.c_logits(q["z"]) if self.c_encoder is None else self.c_encoder(hidden)  # [B, K]
        return {**q, "c_logits": tf.nn.log_softmax(logits)}

    def _sample_z(self, hidden, noise=None):
        """q(z|x) and a sample of it: ``{"z_mean", "z_log_var", "z": each [B, L]}``."""
        z_mean, z_log_var = self._z_params(hidden)  # [B, L] each
        if noise is None:
            noise = normal(tf.shape(z_mean), self.seed_generator)
        z = z_mean + tf.exp(0.5 * z_log_var) * noise  # [B, L]
        return {"z_mean": z_mean, "z_log_var": z_log_var, "z": z}

    def _z_params(self, hidden):
        """Mean and log-variance of q(z|x), each [B, L]; the latter up to ``LOG_VAR_BOUND``, its gradient untouched."""
        z_mean, z_log_var = tf.split(self.z_encoder(hidden), 2, -1)
        return z_mean, z_log_var - tf.stop_gradient(tf.nn.relu(z_log_var - LOG_VAR_BOUND))

    def _terms(self, x, q, training):
        """The bound's terms of x [B, D] under its posterior q, each [B]."""
        relaxed = self.relaxation == "gumbel" and training
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


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}.")
