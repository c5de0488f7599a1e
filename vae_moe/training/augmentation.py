"""Small changes of images that leave alone what they show: Keras' layers, for rows too."""

from collections.abc import Callable

import keras
import tensorflow as tf


def small_affine(
    image_shape: tuple[int, ...],
    *,
    rotation: float = 10.0,
    shift: float = 0.08,
    zoom: float = 0.1,
    seed: int = 0,
) -> Callable:
    """Random rotation, shift and zoom of every image, black beyond its edges.

    Args:
        image_shape: (H, W) or (H, W, C).
        rotation: degrees to either side, at most.
        shift: share of height and width to either side, at most.
        zoom: share of the size, smaller or larger, at most; height and width each have their own.
        seed: of the changes; each call draws others.

    Returns:
        A function of images [B, H, W, C] or their rows [B, H W C], a float tensor, to the same shape, for
        :func:`vae_moe.engine.pipelines.batches`.

    Raises:
        ValueError: if a range is negative, or ``image_shape`` is not two or three sizes.
    """
    if len(image_shape or ()) not in (2, 3) or min(rotation, shift, zoom) < 0:
        raise ValueError(
            "small_affine needs an image_shape (H, W) or (H, W, C) and ranges of 0 or more, got "
            f"image_shape={image_shape!r}, rotation={rotation!r}, shift={shift!r}, zoom={zoom!r}."
        )
    height, width, *channels = image_shape
    beyond = {"fill_mode": "constant", "fill_value": 0.0}
    changes = [
        keras.layers.RandomRotation(rotation / 360, seed=3 * seed, **beyond),
        keras.layers.RandomTranslation(shift, shift, seed=3 * seed + 1, **beyond),
        keras.layers.RandomZoom((-zoom, zoom), (-zoom, zoom), seed=3 * seed + 2, **beyond),
    ]

    def augment(x):
        images = tf.reshape(x, [-1, height, width, *(channels or [1])])
        for change in changes:
            images = change(images, training=True)
        return tf.reshape(images, tf.shape(x))

    return augment
