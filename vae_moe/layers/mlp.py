"""A stack of dense layers."""

from collections.abc import Sequence

import keras


@keras.saving.register_keras_serializable("vae_moe")
class MLP(keras.layers.Layer):
    """Dense layers of ``hidden_sizes``, each with ``activation``, and a linear one of ``output_size`` if that is given.

    Glorot-uniform kernels and zero biases, as in the report's code. Without any size the layer is the identity.

    Under a policy of mixed precision its products alone are in half precision; what it returns, and all that is made of
    it, densities and KLs, is in the type of its variables.

    With ``batch_normalization`` each hidden layer's sums are normalised before its activation, over the batch in
    training, by the running moments otherwise (Ioffe & Szegedy 2015).

    Call: [B, D] -> [B, output_size], or [B, hidden_sizes[-1]] without ``output_size``.
    """

    def __init__(
        self,
        hidden_sizes: Sequence[int] = (),
        output_size: int | None = None,
        activation="relu",
        seed=None,
        batch_normalization: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_sizes = tuple(map(int, hidden_sizes))  # Keras takes none of NumPy's
        self.output_size = None if output_size is None else int(output_size)
        self.activation = activation
        self.seed = seed
        self.batch_normalization = batch_normalization
        self.layers: list[keras.layers.Layer] = []
        for i, size in enumerate(self.hidden_sizes):
            if batch_normalization:
                normalization = keras.layers.BatchNormalization(dtype=self.dtype_policy)
                activated = keras.layers.Activation(activation, dtype=self.dtype_policy)
                self.layers += [self._dense(size, None, i), normalization, activated]
            else:
                self.layers.append(self._dense(size, activation, i))
        if self.output_size is not None:
            self.layers.append(self._dense(self.output_size, None, len(self.hidden_sizes)))

    def _dense(self, size: int, activation, i: int) -> keras.layers.Dense:
        kernel = keras.initializers.GlorotUniform(nth_seed(self.seed, i))
        return keras.layers.Dense(size, activation, kernel_initializer=kernel, dtype=self.dtype_policy)

    def build(self, input_shape):
        """Build the stack for inputs [B, D]."""
        for layer in self.layers:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)
        self.built = True

    def call(self, x, training=None):
        """Args: x [B, D]; training, which Keras hands on to the normalisations. Returns: [B, output_size]."""
        for layer in self.layers:
            x = layer(x)
        return keras.ops.cast(x, self.variable_dtype)

    def compute_output_shape(self, input_shape):
        """The shape of the last layer's output."""
        sizes = [*self.hidden_sizes, *([] if self.output_size is None else [self.output_size])]
        return (*input_shape[:-1], sizes[-1]) if sizes else tuple(input_shape)

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "hidden_sizes": self.hidden_sizes,
            "output_size": self.output_size,
            "activation": self.activation,
            "seed": self.seed,
            "batch_normalization": self.batch_normalization,
        }


def nth_seed(seed: int | None, n: int) -> int | None:
    """Seeds of successive layers: different ones, or equal sizes would start from equal kernels."""
    return None if seed is None else 1009 * seed + n
