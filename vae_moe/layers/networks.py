"""Encoders and decoders by name: the one place where ``encoder`` and ``decoder`` of a model become networks.

Whatever the network, the mathematics sees rows: an encoder maps x [B, D] -> [B, H], a decoder z [B, L] -> [B, P].
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from vae_moe.layers.conv import ConvDecoder, ConvEncoder
from vae_moe.layers.mlp import MLP

#: A name, a Keras layer, or a Keras layer's serialised configuration.
Network: TypeAlias = str | keras.layers.Layer | Mapping[str, Any]
NAMES = ("mlp", "conv")


def get(network: Network) -> str | keras.layers.Layer:
    """A network's name, or its layer, which is made if a configuration is given.

    Raises:
        ValueError: if it is neither.
    """
    layer = keras.layers.deserialize(dict(network)) if isinstance(network, Mapping) else network
    if layer in NAMES or isinstance(layer, keras.layers.Layer):
        return layer
    raise ValueError(f"encoder and decoder must be {' or '.join(map(repr, NAMES))} or a Keras layer, got {network!r}.")


def config(network: str | keras.layers.Layer) -> str | dict[str, Any]:
    """What :func:`get` takes and JSON can hold."""
    return network if isinstance(network, str) else keras.layers.serialize(network)


def encoder(
    network, hidden_sizes: Sequence[int], image_shape, filters: Sequence[int], *, seed: int, name: str, dtype=None
):
    """A network of x.

    Args:
        network: "mlp": dense layers; "conv": a :class:`ConvEncoder`; or a layer of images [B, *image_shape], or of
            rows if there is no ``image_shape``, whose output is flattened.
        hidden_sizes: of dense layers; a Keras layer has its own.
        image_shape: (H, W), (H, W, C) or None.
        filters: of "conv".
        seed: of the kernels.
        name: of the layer.
        dtype: of its products; a Keras layer has its own.

    Returns:
        A layer, [B, D] -> [B, H].
    """
    if network == "mlp":
        return MLP(hidden_sizes, seed=seed, name=name, dtype=dtype)
    if network == "conv":
        return ConvEncoder(_needed(image_shape), filters, hidden_sizes, seed, name=name, dtype=dtype)
    entrance = [keras.layers.Reshape(image_shape)] if image_shape else []
    return keras.Sequential([*entrance, network, _flat(dtype)], name=name)


def decoder(
    network,
    hidden_sizes: Sequence[int],
    n_params: int,
    image_shape,
    filters: Sequence[int],
    *,
    seed: int,
    name: str,
    dtype=None,
):
    """A network of z.

    Args:
        network: "mlp": dense layers; "conv": a :class:`ConvDecoder`; or a layer of z [B, L], whose output is flattened.
        n_params: P, parameters of the likelihood: one for each entry of x, or all means and then all log-variances.
        hidden_sizes, image_shape, filters, seed, name, dtype: as in :func:`encoder`.

    Returns:
        A layer, [B, L] -> [B, P].
    """
    if network == "mlp":
        return MLP(hidden_sizes, n_params, seed=seed, name=name, dtype=dtype)
    if network == "conv":
        n_maps = n_params // math.prod(_needed(image_shape))
        return ConvDecoder(image_shape, filters, hidden_sizes, n_maps, seed, name=name, dtype=dtype)
    return keras.Sequential([network, _flat(dtype)], name=name)


def check_decoder(layer: keras.layers.Layer, latent_dim: int, n_params: int) -> None:
    """Make sure of a built decoder's output.

    Raises:
        ValueError: if it is not ``n_params`` entries.
    """
    n_entries = layer.compute_output_shape((None, latent_dim))[-1]
    if n_entries != n_params:
        raise ValueError(
            f"the decoder must give the {n_params} parameters of x's likelihood, got {n_entries} entries: change its "
            "last layer."
        )


def check_image_shape(image_shape: Sequence[int] | None, input_dim: int) -> tuple[int, ...] | None:
    """The shape as a tuple.

    Raises:
        ValueError: if it is not two or three sizes that make ``input_dim`` entries.
    """
    if image_shape is None:
        return None
    if len(image_shape) not in (2, 3) or math.prod(image_shape) != input_dim:
        raise ValueError(
            f"image_shape must be (H, W) or (H, W, C) of input_dim={input_dim} entries, got {tuple(image_shape)}."
        )
    return tuple(map(int, image_shape))


def rows(x):
    """Images [B, ...] as rows [B, D]; what has one or two axes stays as it is. A tensor."""
    return x if len(x.shape) <= 2 else tf.reshape(x, [-1, math.prod(x.shape[1:])])


def _flat(dtype) -> keras.layers.Layer:
    """What makes rows of a Keras layer's output, in the type of a policy's variables."""
    return keras.layers.Flatten(dtype=keras.dtype_policies.get(dtype).variable_dtype)


def _needed(image_shape):
    if image_shape is None:
        raise ValueError("a convolutional network needs image_shape, (H, W) or (H, W, C): what images are the rows?")
    return image_shape
