import numpy as np
import pytest
from sklearn.datasets import load_digits

from vae_moe.data import datasets, idx
from vae_moe.data.datasets import DatasetError


def write_folder(folder, **changes):
    """Write a small data set of random values as IDX files; `changes` gives other shapes."""
    rng = np.random.default_rng(7)
    shapes = {"train_x": (48, 4, 3), "train_y": (48,), "test_x": (10, 4, 3), "test_y": (10,)} | changes
    arrays = {part: rng.integers(0, 256 if len(shape) == 3 else 4, shape) for part, shape in shapes.items()}
    for file, values in zip(idx.DIMENSIONS, arrays.values(), strict=True):
        (folder / file).write_bytes(idx.encode(values))
    return arrays


def test_idx_folder(tmp_path):
    arrays = write_folder(tmp_path)
    data = datasets.idx_folder(tmp_path)
    train_x = np.concatenate([data.train.x, data.validation.x])
    np.testing.assert_allclose(train_x, arrays["train_x"].reshape(48, 12) / 255, rtol=1e-6)
    np.testing.assert_array_equal(np.concatenate([data.train.y, data.validation.y]), arrays["train_y"])
    np.testing.assert_allclose(data.test.x, arrays["test_x"].reshape(10, 12) / 255, rtol=1e-6)
    np.testing.assert_array_equal(data.test.y, arrays["test_y"])
    assert data.protocol == "train 44 / validation 4 / test 10"
    assert (data.input_dim, data.image_shape, data.likelihood, data.n_classes) == (12, (4, 3), "bernoulli", 4)
    assert (data.train.x.dtype, data.train.y.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize(
    "changes",
    [
        {"test_x": (10, 3, 4)},
        {"test_x": (0, 4, 3), "test_y": (0,)},
        {"train_x": (11, 4, 3), "train_y": (11,)},
    ],
)
def test_idx_folder_refuses(tmp_path, changes):
    write_folder(tmp_path, **changes)
    with pytest.raises(DatasetError, match="images of one size, at least 12"):
        datasets.idx_folder(tmp_path)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"name": "mnits"}, r"Unknown data set 'mnits'\. Did you mean mnist"),
        ({"name": "?"}, "Known: mnist, fashion_mnist, cifar10, reuters, reuters10k, hhar, digits, spiral"),
        ({"name": "digits", "data_dir": "x"}, "takes no data folder"),
        ({"name": "mnist", "data_dir": "/nowhere"}, "/nowhere holds neither"),
        ({"name": "fashion_mnist", "data_dir": "/nowhere"}, "/nowhere holds neither"),
    ],
)
def test_load_refuses(kwargs, message):
    with pytest.raises(DatasetError, match=message):
        datasets.load(**kwargs)


def test_load_reads_a_data_folder(tmp_path):
    write_folder(tmp_path)
    assert datasets.load("mnist", data_dir=tmp_path).name == "mnist"
    assert datasets.load("fashion_mnist", data_dir=str(tmp_path)).image_shape == (4, 3)


def test_digits_are_those_of_scikit_learn():
    data = datasets.load("digits", seed=3)
    images, labels = load_digits(return_X_y=True)
    splits = (data.train, data.validation, data.test)
    rows = np.concatenate([np.column_stack([split.x * 16, split.y]) for split in splits])
    expected = np.column_stack([images, labels])
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)])
    assert data.protocol == "train 1200 / validation 237 / test 360"
    for split in splits:
        np.testing.assert_allclose(np.bincount(split.y) / len(split), np.bincount(labels) / 1797, atol=0.006)
    assert (data.input_dim, data.n_classes, data.image_shape) == (64, 10, (8, 8))
    np.testing.assert_array_equal(datasets.digits(seed=3).train.x, data.train.x)
    assert not np.array_equal(datasets.digits(seed=4).train.x, data.train.x)


def test_spiral_geometry():
    data = datasets.load("spiral", seed=1)
    assert data.protocol == "train 25000 / validation 2500 / test 5000"
    assert (data.likelihood, data.image_shape, data.n_classes, data.input_dim) == ("gaussian", None, 5, 2)
    for split in (data.train, data.validation, data.test):
        radius = np.hypot(*split.x.T)
        assert radius.min() == pytest.approx(2.5, abs=1e-5)
        assert radius.max() == pytest.approx(10, abs=1e-5)
        assert set(np.bincount(split.y)) == {len(split) // 5}
        # On an arm the angle is a linear function of the radius: 1.25 (j + (r - 2.5) / 7.5).
        angle = np.arctan2(split.x[:, 0], split.x[:, 1])
        residual = angle - 1.25 * (split.y + (radius - 2.5) / 7.5)
        residual = (residual + np.pi) % (2 * np.pi) - np.pi
        assert np.abs(residual).max() < 0.3
        assert residual.std() == pytest.approx(0.05, rel=0.05)
        assert not np.all(np.diff(split.y) >= 0), "rows are shuffled"


def test_spiral_seed_and_streams():
    small = {"n_arms": 2, "n_train": 50, "n_validation": 50, "n_test": 50}
    first, again, other = (datasets.spiral(seed=seed, **small) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.train.x, again.train.x)
    assert not np.array_equal(first.train.x, other.train.x)
    assert not np.array_equal(np.sort(first.train.x, axis=0), np.sort(first.test.x, axis=0))
    with pytest.raises(ValueError, match="received n_arms=0"):
        datasets.spiral(n_arms=0)


def test_real_mnist():
    try:
        data = datasets.mnist()
    except DatasetError as error:
        pytest.skip(str(error))
    assert data.protocol == "train 55000 / validation 5000 / test 10000"
    assert (data.input_dim, data.image_shape, data.n_classes) == (784, (28, 28), 10)
    assert np.bincount(data.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    total = data.train.x.sum(dtype=np.float64) + data.validation.x.sum(dtype=np.float64)
    assert total / (60000 * 784) == pytest.approx(0.1307, abs=5e-5)
    assert (data.train.x.min(), data.train.x.max()) == (0, 1)


def test_validation_rows_can_join_the_training_rows():
    data = datasets.digits()
    joined = data.without_validation()
    assert len(joined.train) == 1437 and joined.n_classes == 10
    np.testing.assert_array_equal(joined.train.x[1200:], data.validation.x)
