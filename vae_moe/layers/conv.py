"""Convolutional networks of rows that are images: an encoder, and a decoder that mirrors it."""

import itertools
import math
from collections.abc import Iterator, Sequence

import keras

from vae_moe.layers.mlp import nth_seed

#: Of images, whatever Keras' configuration is: a saved model is read under another one.
CHANNELS_LAST = {"data_format": "channels_last"}
#: Channels of the blocks in the report's later code.
FILTERS = (32, 64, 128)


class _ConvNetwork(keras.layers.Layer):
    """Abstract: a stack of Keras' layers, and what encoder and decoder have in common.

    Under a policy of mixed precision its products alone are in half precision, as an MLP's are.
    """

    def __init__(self, image_shape, filters, hidden_sizes, seed, **kwargs):
        super().__init__(**kwargs)
        if not filters:
            raise ValueError("filters must have the channels of one block at least, got none.")
        self.image_shape = tuple(map(int, image_shape))  # Keras takes none of NumPy's
        self.filters = tuple(map(int, filters))
        self.hidden_sizes = tuple(map(int, hidden_sizes))
        self.seed = seed
        self.of_images = {**CHANNELS_LAST, "dtype": self.dtype_policy}
        self.network = keras.Sequential(self._stack(_kernels(seed)), name="network")

    def _stack(self, kernels: Iterator[keras.Initializer]) -> list[keras.layers.Layer]:
        raise NotImplementedError

    def _dense(self, size: int, kernel: keras.Initializer) -> keras.layers.Layer:
        return keras.layers.Dense(size, "relu", kernel_initializer=kernel, dtype=self.dtype_policy)

    def _convolution(self, n: int, kernel: keras.Initializer, layer=keras.layers.Conv2D, activation="relu", **options):
        options |= {"padding": "same", "activation": activation, "kernel_initializer": kernel, **self.of_images}
        return layer(n, 3, **options)

    def build(self, input_shape):
        """Build the stack."""
        self.network.build(input_shape)
        self.built = True

    def call(self, inputs):
        """Args: inputs [B, ...]. Returns: [B, ...], rows, in the type of the variables."""
        return keras.ops.cast(self.network(inputs), self.variable_dtype)

    def compute_output_shape(self, input_shape):
        """The shape of the last layer's output."""
        return self.network.compute_output_shape(input_shape)

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "filters": self.filters,
            "hidden_sizes": self.hidden_sizes,
            "seed": self.seed,
        }

    @property
    def _height_width_channels(self) -> tuple[int, int, int]:
        height, width, channels = (*self.image_shape, 1)[:3]
        return height, width, channels


@keras.saving.register_keras_serializable("vae_moe")
class ConvEncoder(_ConvNetwork):
    """Blocks of two 3x3 convolutions and a max pooling by 2, then dense layers; all with ReLU and Glorot kernels.

    By default the encoder of the report's later code: 32-32-pool-64-64-pool-128-128-pool-500.

    Args:
        image_shape: (H, W) or (H, W, C) of the images that the rows are; odd sizes are padded where they are pooled.
        filters: channels of each block.
        hidden_sizes: of the dense layers after the blocks.
        seed: of the kernels.

    Call: [B, H W C] -> [B, hidden_sizes[-1]], or all entries of the last block without ``hidden_sizes``.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        filters: Sequence[int] = FILTERS,
        hidden_sizes: Sequence[int] = (500,),
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(image_shape, filters, hidden_sizes, seed, **kwargs)

    def _stack(self, kernels):
        layers = [keras.layers.Reshape(self._height_width_channels, dtype=self.dtype_policy)]
        for n in self.filters:
            layers += [self._convolution(n, next(kernels)), self._convolution(n, next(kernels))]
            layers.append(keras.layers.MaxPooling2D(2, padding="same", **self.of_images))
        return [
            *layers,
            keras.layers.Flatten(**self.of_images),
            *(self._dense(size, next(kernels)) for size in self.hidden_sizes),
        ]


@keras.saving.register_keras_serializable("vae_moe")
class ConvDecoder(_ConvNetwork):
    """:class:`ConvEncoder` backwards: dense layers, then blocks of a transposed convolution by 2 and a convolution.

    Args:
        image_shape: (H, W) or (H, W, C) of the images.
        filters: channels of each block of the encoder, in its order.
        hidden_sizes: of the dense layers before the blocks.
        n_maps: parameters for each entry of an image: 1, or 2 for means and log-variances.
        seed: of the kernels.

    Call: [B, L] -> [B, n_maps H W C], the first map, then the second; without an activation.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        filters: Sequence[int] = FILTERS,
        hidden_sizes: Sequence[int] = (500,),
        n_maps: int = 1,
        seed: int | None = None,
        **kwargs,
    ):
        self.n_maps = int(n_maps)
        super().__init__(image_shape, filters, hidden_sizes, seed, **kwargs)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "n_maps": self.n_maps}

    def _stack(self, kernels):
        height, width, channels = self._height_width_channels
        sizes = [(-(-height // 2**i), -(-width // 2**i)) for i in range(len(self.filters) + 1)]  # as they are pooled
        smallest = (*sizes[-1], self.filters[-1])
        layers = [self._dense(size, next(kernels)) for size in (*self.hidden_sizes, math.prod(smallest))]
        layers.append(keras.layers.Reshape(smallest, dtype=self.dtype_policy))
        for i in reversed(range(len(self.filters))):
            surplus = [(0, 2 * small - large) for small, large in zip(sizes[i + 1], sizes[i], strict=True)]
            layers += [
                self._convolution(self.filters[i], next(kernels), keras.layers.Conv2DTranspose, strides=2),
                keras.layers.Cropping2D(surplus, **self.of_images),
            ]
            if i:
                layers.append(self._convolution(self.filters[i - 1], next(kernels)))
        return [
            *layers,
            self._convolution(self.n_maps * channels, next(kernels), activation=None),
            keras.layers.Reshape((height * width, self.n_maps, channels), dtype=self.dtype_policy),
            keras.layers.Permute((2, 1, 3), dtype=self.dtype_policy),  # [B, n_maps, H W, C]
            keras.layers.Flatten(**self.of_images),
        ]


def _kernels(seed: int | None) -> Iterator[keras.Initializer]:
    """The starts of successive kernels."""
    return (keras.initializers.GlorotUniform(nth_seed(seed, i)) for i in itertools.count())
