"""Images: MNIST, Fashion-MNIST, own IDX folders, CIFAR-10 and scikit-learn's digits."""

import logging
from pathlib import Path

import numpy as np

from vae_moe.data import cifar, downloads, idx
from vae_moe.data.datasets.splits import Dataset, Split
from vae_moe.data.files import DatasetError, PathLike

logger = logging.getLogger(__name__)

_Images = tuple[np.ndarray, np.ndarray]  # and their labels

_IDX_VALIDATION_PART = 12  # one twelfth of the training images: 5000 of MNIST's 60000
_CIFAR_VALIDATION_PART = 10  # 5000 of 50000


def mnist(*, data_dir: PathLike | None = None) -> Dataset:
    """Load MNIST, fetched and checked by `downloads.mnist_folder`: 55000 / 5000 / 10000 images of 28x28 pixels.

    Args:
        data_dir: folder of IDX files to read instead (see `idx_folder`), unchecked by MD5: they may hold other images.

    Returns:
        The data set, x [N, 784] float32 in [0, 1]; the validation split is the last 5000 official training images.

    Raises:
        DatasetError: no source works, the cache cannot be written, or `data_dir` cannot be read.
    """
    return idx_folder(downloads.mnist_folder() if data_dir is None else data_dir, name="mnist")


def fashion_mnist(*, data_dir: PathLike | None = None) -> Dataset:
    """Load Fashion-MNIST like `mnist`, with the same arguments, splits and errors, from Keras' cache or download."""
    return idx_folder(downloads.fashion_mnist_folder() if data_dir is None else data_dir, name="fashion_mnist")


def idx_folder(folder: PathLike, name: str = "idx_folder") -> Dataset:
    """Load images and labels from a folder of the four IDX files of MNIST's format, under their official names.

    Args:
        folder: holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
            t10k-labels-idx1-ubyte, plain or with the ending .gz (a plain file comes first).
        name: name of the data set.

    Returns:
        The data set, x [N, H*W] float32 in [0, 1], bytes over 255. The validation split is the last twelfth of the
        training images.

    Raises:
        DatasetError: a file is missing or not sound, or the files do not fit each other.
    """
    folder = Path(folder).expanduser()
    train_x, train_y, test_x, test_y = idx.read_folder(folder)
    if train_x.shape[1:] != test_x.shape[1:] or 0 in test_x.shape or len(train_x) < _IDX_VALIDATION_PART:
        raise DatasetError(
            f"{folder} holds training images {train_x.shape} and test images {test_x.shape}. Give images of one size, "
            f"at least {_IDX_VALIDATION_PART} for training and one for testing."
        )
    return _held_out(name, folder, (train_x, train_y), (test_x, test_y), _IDX_VALIDATION_PART)


def cifar10(*, data_dir: PathLike | None = None) -> Dataset:
    """Load CIFAR-10, fetched and checked by Keras: 45000 / 5000 / 10000 colour images of 32x32 pixels.

    Args:
        data_dir: folder to read instead, with the batches of CIFAR-10 or its archive (see `cifar.read_folder`).

    Returns:
        The data set, x [N, 3072] float32 in [0, 1], bytes over 255 in the order [H, W, C]; the validation split is
        the last tenth of the training images.

    Raises:
        DatasetError: the download fails, or `data_dir` cannot be read.
    """
    folder = downloads.cifar10_folder() if data_dir is None else Path(data_dir).expanduser()
    train_x, train_y, test_x, test_y = cifar.read_folder(folder)
    if len(train_x) < _CIFAR_VALIDATION_PART:
        raise DatasetError(f"{folder} holds {len(train_x)} training images: give {_CIFAR_VALIDATION_PART} or more.")
    return _held_out("cifar10", folder, (train_x, train_y), (test_x, test_y), _CIFAR_VALIDATION_PART)


def digits(*, seed: int = 0) -> Dataset:
    """Load scikit-learn's 1797 handwritten digits of 8x8 pixels, split at random with the same share of each class.

    Args:
        seed: seed of the split into 1200 training, 237 validation and 360 test images.

    Returns:
        The data set, x [N, 64] float32 in [0, 1], grey levels over 16.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    labels = bunch.target
    x, test_x, y, test_y = train_test_split(bunch.images, labels, test_size=360, stratify=labels, random_state=seed)
    train_x, validation_x, train_y, validation_y = train_test_split(x, y, test_size=237, stratify=y, random_state=seed)
    return _image_dataset("digits", (train_x, train_y), (validation_x, validation_y), (test_x, test_y), white=16)


def _held_out(name: str, folder: Path, train: _Images, test: _Images, part: int) -> Dataset:
    """The data set of a folder, the last 1 / `part` of its training images held out for validation."""
    n_train = len(train[0]) - len(train[0]) // part
    train, validation = (train[0][:n_train], train[1][:n_train]), (train[0][n_train:], train[1][n_train:])
    dataset = _image_dataset(name, train, validation, test, white=255)
    logger.info("Read %s from %s: %s", name, folder, dataset.protocol)
    return dataset


def _image_dataset(name: str, *parts: _Images, white: int) -> Dataset:
    """Flatten the images [N, H, W] or [N, H, W, C] of the three parts and scale them from [0, white] to [0, 1]."""
    train, validation, test = (
        Split(images.reshape(len(images), -1).astype(np.float32) / np.float32(white), labels.astype(np.int64))
        for images, labels in parts
    )
    return Dataset(name, train, validation, test, likelihood="bernoulli", image_shape=parts[0][0].shape[1:])
