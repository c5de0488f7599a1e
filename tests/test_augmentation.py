"""Augmentations: they change an image, stay in its range, and a shift is a shift."""

import numpy as np
import pytest

from vae_moe.engine import pipelines
from vae_moe.training import augmentation


def test_images_change_a_little_and_stay_in_range(digits):
    x = digits[0][:50].astype("f")
    augment = augmentation.small_affine((8, 8), seed=1)
    first, second = np.asarray(augment(x)), np.asarray(augment(x))
    assert first.shape == x.shape and first.min() >= 0 and first.max() <= 1
    assert not np.array_equal(first, second) and not np.array_equal(first, x)
    correlation = [np.corrcoef(row, changed)[0, 1] for row, changed in zip(x, first, strict=True)]
    assert np.median(correlation) > 0.8


def test_colours_move_together(rng):
    grey = rng.random((6, 64)).astype("f")
    shades = np.stack([grey, 0.5 * grey, 0 * grey], -1).reshape(6, 192)
    changed = np.asarray(augmentation.small_affine((8, 8, 3), seed=1)(shades)).reshape(6, 64, 3)
    np.testing.assert_allclose(changed[..., 0], augmentation.small_affine((8, 8), seed=1)(grey), atol=1e-6)
    np.testing.assert_allclose(changed[..., 1], 0.5 * changed[..., 0], atol=1e-6)
    assert not changed[..., 2].any()


def test_nothing_is_changed_by_ranges_of_zero(digits):
    x = digits[0][:5].astype("f")
    same = augmentation.small_affine((8, 8), rotation=0, shift=0, zoom=0)(x)
    np.testing.assert_allclose(same, x, atol=1e-5)


def test_the_centre_of_mass_moves_within_the_shift(rng):
    x = np.zeros((200, 20 * 20), "f")
    x[:, 10 * 20 + 10] = 1  # one white pixel in the middle
    moved = np.asarray(augmentation.small_affine((20, 20), rotation=0, shift=0.2, zoom=0)(x)).reshape(-1, 20, 20)
    rows = (moved.sum(2) @ np.arange(20)) / moved.sum((1, 2))
    assert 5.9 < rows.min() < 7 and 13 < rows.max() < 14.1  # 10 +- 4


def test_batches_are_augmented_the_same_for_the_same_seed(digits):
    x = digits[0][:32].astype("f")

    def draw(seed):
        augment = augmentation.small_affine((8, 8), seed=seed)
        return np.concatenate(
            [b["view"] for _ in range(2) for (b,) in pipelines.batches(x, batch_size=8, augment=augment)]
        )

    np.testing.assert_array_equal(draw(2), draw(2))
    assert not np.array_equal(draw(2), draw(3))


@pytest.mark.parametrize("bad", [{"image_shape": None}, {"image_shape": (8, 8), "zoom": -1.0}])
def test_bad_ranges_are_refused(bad):
    with pytest.raises(ValueError, match="small_affine needs an image_shape"):
        augmentation.small_affine(**bad)
