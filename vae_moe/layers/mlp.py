"""A stack of dense layers."""

from collections.abc import Sequence

import keras


@keras.saving.register_keras_serializable("vae_moe")
class MLP(keras.layers.Layer):
    """Dense layers of ``hidden_sizes``, each with ``activation``, and a linear one of ``output_size`` if that is given.

    Glorot-uniform kernels and zero biases, as in the report's code. Without any size the layer is the identity.

    Under a policy of mixed precision its products alone are in half precision; what it returns, and all that is made of
    it, densities and KLs, is in float32.

    Call: [B, D] -> [B, output_size], or [B, hidden_sizes[-1]] without ``output_size``.
    """

    def __init__(
        self, hidden_sizes: Sequence[int] = (), output_size: int | None = None, activation="relu", seed=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.hidden_sizes = tuple(hidden_sizes)
        self.output_size = output_size
        self.activation = activation
        self.seed = seed
        sizes = [(size, activation) for size in self.hidden_sizes]
        if output_size is not None:
            sizes.append((output_size, None))
        self.layers = [
            keras.layers.Dense(size, act, kernel_initializer=keras.initializers.GlorotUniform(nth_seed(seed, i)))
            for i, (size, act) in enumerate(sizes)
        ]

    def build(self, input_shape):
        """Build the stack for inputs [B, D]."""
        for layer in self.layers:
            layer.build(input_shape)
            input_shape = (*input_shape[:-1], layer.units)
        self.built = True

    def call(self, x):
        """Args: x [B, D]. Returns: [B, output_size]."""
        for layer in self.layers:
            x = layer(x)
        return keras.ops.cast(x, self.variable_dtype)

    def compute_output_shape(self, input_shape):
        """The shape of the last layer's output."""
        return (*input_shape[:-1], self.layers[-1].units) if self.layers else tuple(input_shape)

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "hidden_sizes": self.hidden_sizes,
            "output_size": self.output_size,
            "activation": self.activation,
            "seed": self.seed,
        }


def nth_seed(seed: int | None, n: int) -> int | None:
    """Seeds of successive layers: different ones, or equal sizes would start from equal kernels."""
    return None if seed is None else 1009 * seed + n
