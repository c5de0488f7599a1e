"""Gates: where the experts' weights p(c | x) come from. A :class:`LatentMixture` is one too.

A gate's ``call(x)`` gives ``{"c_logits": [B, K] normalised, "features": [B, F], "terms": {name: [B] nats}}``; for
readouts, ``c_log_probs(x, noise)`` gives log p(c|x) [B, K], and ``features(x)`` the features alone.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from vae_moe.layers import networks
from vae_moe.layers.conv import FILTERS
from vae_moe.layers.mlp import MLP


@keras.saving.register_keras_serializable("vae_moe")
class SoftmaxGate(keras.layers.Layer):
    """p(c | x) = softmax of a network of x, with no generative part (report, section 8.2: DeepMoE's gate).

    Args:
        input_dim: D, entries of x.
        n_components: K.
        hidden_sizes: layers of the network; 512-256 in the report's code. None of them: the linear gate of
            Jordan & Jacobs (1994).
        encoder: the network: "mlp", "conv", or a Keras layer (:mod:`vae_moe.layers.networks`); then a linear layer.
        image_shape: (H, W) or (H, W, C) of the images that x is, or None.
        filters: channels of each block of a convolutional network.
        seed: of the weights.
        dtype: of the networks, a policy; all else is in the type of its variables. Default: Keras' global policy.
    """

    #: Entries of a readout's noise: none is needed.
    latent_dim = 0

    def __init__(
        self,
        input_dim: int,
        n_components: int,
        hidden_sizes: Sequence[int] = (512, 256),
        encoder: networks.Network = "mlp",
        image_shape: Sequence[int] | None = None,
        filters: Sequence[int] = FILTERS,
        seed: int = 0,
        dtype=None,
        **kwargs,
    ):
        policy = keras.dtype_policies.get(dtype)
        super().__init__(dtype=policy.variable_dtype, **kwargs)
        self.network_policy = policy
        self.input_dim = input_dim
        self.n_components = n_components
        self.hidden_sizes = tuple(hidden_sizes)
        encoder = networks.get(encoder)
        self.encoder_config = networks.config(encoder)
        self.image_shape = networks.check_image_shape(image_shape, input_dim)
        self.filters = tuple(filters)
        self.seed = seed
        self.hidden = networks.encoder(
            encoder, hidden_sizes, self.image_shape, self.filters, seed=10 * seed + 1, name="hidden", dtype=policy
        )
        self.output_layer = MLP((), n_components, seed=10 * seed + 2, name="output", dtype=policy)

    def build(self, input_shape):
        """Build the network for x [B, D]."""
        self.hidden.build(input_shape)
        self.output_layer.build(self.hidden.compute_output_shape(input_shape))
        self.built = True

    def call(self, x, training=False):
        """Args: x [B, D]. Returns: the gate's dictionary; its features are the last hidden layer, its terms none."""
        hidden = self.hidden(x)
        return {"c_logits": tf.nn.log_softmax(self.output_layer(hidden)), "features": hidden, "terms": {}}

    def logits(self, x):
        """Unnormalised log p(c|x), x [B, D] -> [B, K]."""
        return self.output_layer(self.hidden(x))

    @property
    def n_features(self) -> int:
        """Entries of the gate's features, the last hidden layer."""
        return self.hidden.compute_output_shape((None, self.input_dim))[-1]

    def features(self, x):
        """The last hidden layer, x [B, D] -> [B, F]."""
        return self.hidden(x)

    def c_log_probs(self, x, noise):
        """log p(c|x) [B, K]; the noise is not used."""
        return tf.nn.log_softmax(self.logits(x))

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "n_components": self.n_components,
            "hidden_sizes": self.hidden_sizes,
            "encoder": self.encoder_config,
            "image_shape": self.image_shape,
            "filters": self.filters,
            "seed": self.seed,
            "dtype": keras.dtype_policies.serialize(self.network_policy),
        }
