"""Targets of the mixtures of experts."""

import numpy as np
import pytest

from vae_moe.data import datasets, targets


def test_affine_targets_are_the_map_of_the_class():
    data = datasets.spiral(n_arms=3, n_train=20, n_validation=10, n_test=10)
    made = targets.affine(data, n_outputs=4, seed=5)
    assert (made.kernels.shape, made.biases.shape) == ((3, 2, 4), (3, 4))
    for split, y in ((data.train, made.train), (data.validation, made.validation), (data.test, made.test)):
        rows = zip(split.x, split.y, strict=True)
        expected = [[x @ made.kernels[c][:, o] + made.biases[c][o] for o in range(4)] for x, c in rows]
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
        assert y.dtype == np.float32
    np.testing.assert_array_equal(targets.affine(data, 4, 5).train, made.train)
    assert not np.array_equal(targets.affine(data, 4, 6).kernels, made.kernels)
    with pytest.raises(ValueError, match="received 0"):
        targets.affine(data, 0, 5)


def test_affine_entries_are_standard_normal():
    made = targets.affine(datasets.digits(), n_outputs=50, seed=0)
    assert made.kernels.mean() == pytest.approx(0, abs=0.02)
    assert made.kernels.std() == pytest.approx(1, abs=0.02)


def test_few_labels_are_an_equal_share_of_each_class():
    data = datasets.digits()
    few = targets.classes(data, 50, seed=1)
    known = few.train >= 0
    np.testing.assert_array_equal(few.train[known], data.train.y[known])
    assert np.bincount(few.train[known]).tolist() == [5] * 10
    assert np.bincount(targets.classes(data, 17).train + 1)[1:].min() == 1
    assert not np.array_equal(few.train, targets.classes(data, 50, seed=2).train)
    np.testing.assert_array_equal(targets.classes(data).train, data.train.y)
    np.testing.assert_array_equal(few.test, data.test.y)
    for n_labels in (9, 1201):
        with pytest.raises(ValueError, match=f"n_labels must be between 10 .* and 1200, got {n_labels}"):
            targets.classes(data, n_labels)
