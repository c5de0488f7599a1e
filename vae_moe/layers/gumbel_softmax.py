"""Gumbel-Softmax: a relaxed sample of a categorical variable."""

import keras
import tensorflow as tf

from vae_moe.layers import noise

#: Uniform noise is drawn above this: at 0 the Gumbel noise would be infinite.
SMALLEST_UNIFORM = 1e-30


@keras.saving.register_keras_serializable("vae_moe")
class GumbelSoftmax(keras.layers.Layer):
    """``zeta = softmax((logits + G) / temperature)`` with ``G`` standard Gumbel (Jang et al. 2017; report, 6.1).

    The temperature is a non-trainable weight, so that a callback can anneal it inside a compiled step and a saved
    model keeps it.

    Args:
        temperature: its starting value, positive; 0.2 in the report. Near 0 the sample is one-hot.
        seed: of the layer's own random stream.

    Call: logits [B, K] -> relaxed one-hot [B, K], each row on the simplex.
    """

    def __init__(self, temperature: float = 0.2, seed: int | None = None, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature!r}: the report takes 0.2.")
        self.initial_temperature = float(temperature)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        """Make the temperature weight."""
        self.temperature = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.initial_temperature),
            trainable=False,
            name="temperature",
        )
        self.built = True

    def call(self, logits):
        """Args: logits [B, K]. Returns: zeta [B, K]."""
        uniform = noise.uniform(tf.shape(logits), SMALLEST_UNIFORM, self.seed_generator, logits.dtype)  # [B, K]
        gumbel = -tf.math.log(-tf.math.log(uniform))  # [B, K]
        return tf.nn.softmax((logits + gumbel) / self.temperature)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "temperature": self.initial_temperature, "seed": self.seed}
