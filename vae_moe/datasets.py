"""Data sets as train, validation and test splits: MNIST, Fashion-MNIST, own IDX folders, digits and a spiral.

Every loader returns a `Dataset`. Class labels serve for scores (and for making regression targets), never for training.
"""

import difflib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vae_moe import downloads, idx, streaming
from vae_moe.idx import DatasetError

logger = logging.getLogger(__name__)

#: Batches of what is larger than memory.
stream = streaming.stream

PathLike = str | os.PathLike[str]

_VALIDATION_PART = 12  # one twelfth of the training images: 5000 of MNIST's 60000


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of one split: `x` [N, D] float32 inputs and `y` [N] int64 class labels, which are used for scores only."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits, the `likelihood` that suits x ("bernoulli" or "gaussian") and, for images, their (H, W)."""

    name: str
    train: Split
    validation: Split
    test: Split
    likelihood: str
    image_shape: tuple[int, int] | None

    @property
    def input_dim(self) -> int:
        """Number of columns D of x."""
        return self.train.x.shape[1]

    @property
    def n_classes(self) -> int:
        """Number of classes: the largest label in any split plus one."""
        return 1 + max(int(split.y.max()) for split in (self.train, self.validation, self.test))

    @property
    def protocol(self) -> str:
        """Sizes of the splits, such as "train 55000 / validation 5000 / test 10000"."""
        return f"train {len(self.train)} / validation {len(self.validation)} / test {len(self.test)}"

    def without_validation(self) -> "Dataset":
        """The validation rows among the training rows too, for methods that choose nothing by them."""
        x = np.concatenate([self.train.x, self.validation.x])
        return replace(self, train=Split(x, np.concatenate([self.train.y, self.validation.y])))

    def head(self, n: int) -> "Dataset":
        """The first n rows of each split, to try things out."""
        train, validation, test = (Split(part.x[:n], part.y[:n]) for part in (self.train, self.validation, self.test))
        return replace(self, train=train, validation=validation, test=test)


def load(name: str, *, data_dir: PathLike | None = None, seed: int = 0) -> Dataset:
    """Load a data set by name.

    Args:
        name: "mnist", "fashion_mnist", "digits" or "spiral".
        data_dir: folder of IDX files to read instead (see `idx_folder`); for "mnist" and "fashion_mnist" only.
        seed: seed of the split of "digits" and of the points of "spiral"; the other two have a fixed split.

    Returns:
        The data set, x [N, D] float32 and y [N] int64 in each split.

    Raises:
        DatasetError: unknown name, a data folder for a data set that takes none, or data that cannot be had or read.
    """
    if name in _STORED:
        return _STORED[name](data_dir=data_dir)
    if name not in _SEEDED:
        names = [*_STORED, *_SEEDED]
        near = difflib.get_close_matches(name, names) or names
        raise DatasetError(f"Unknown data set {name!r}. Did you mean {' or '.join(near)}? Known: {', '.join(names)}.")
    if data_dir is not None:
        raise DatasetError(
            f"Data set {name!r} takes no data folder, but got {str(data_dir)!r}. Leave it out, or load mnist from it."
        )
    return _SEEDED[name](seed=seed)


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
    if train_x.shape[1:] != test_x.shape[1:] or 0 in test_x.shape or len(train_x) < _VALIDATION_PART:
        raise DatasetError(
            f"{folder} holds training images {train_x.shape} and test images {test_x.shape}. Give images of one size, "
            f"at least {_VALIDATION_PART} for training and one for testing."
        )
    n_train = len(train_x) - len(train_x) // _VALIDATION_PART
    train, validation = (train_x[:n_train], train_y[:n_train]), (train_x[n_train:], train_y[n_train:])
    dataset = _image_dataset(name, train, validation, (test_x, test_y), white=255)
    logger.info("Read %s from %s: %s", name, folder, dataset.protocol)
    return dataset


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


def spiral(
    *,
    seed: int = 0,
    n_arms: int = 5,
    n_train: int = 5000,
    n_validation: int = 500,
    n_test: int = 1000,
    noise: float = 0.05,
) -> Dataset:
    """Draw points on the arms of a spiral in the plane, one class for each arm (the report, section 8.1.2).

    On arm j the radius r runs evenly from 2.5 to 10 while the angle a runs evenly from 1.25 j to 1.25 (j + 1) radians,
    plus Gaussian noise; the point is x = (r sin a, r cos a).

    Args:
        seed: seed of the noise and of the order of the rows; each split has a random stream of its own.
        n_arms: number of arms, K.
        n_train: training points of each arm.
        n_validation: validation points of each arm.
        n_test: test points of each arm.
        noise: standard deviation of the angle, in radians.

    Returns:
        The data set, x [K * points, 2] float32 and y the index of the arm.

    Raises:
        ValueError: a number below one, or negative noise.
    """
    if min(n_arms, n_train, n_validation, n_test) < 1 or noise < 0:
        raise ValueError(
            "A spiral needs at least one arm, one point an arm in each split, and noise >= 0; received "
            f"n_arms={n_arms}, n_train={n_train}, n_validation={n_validation}, n_test={n_test}, noise={noise}."
        )

    def draw(n_points: int, rng: np.random.Generator) -> Split:
        radius = np.tile(np.linspace(2.5, 10, n_points), n_arms)
        angle = np.concatenate([np.linspace(1.25 * arm, 1.25 * (arm + 1), n_points) for arm in range(n_arms)])
        angle += rng.normal(0, noise, angle.shape)
        x = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
        y = np.repeat(np.arange(n_arms), n_points)
        order = rng.permutation(len(y))
        return Split(x[order].astype(np.float32), y[order].astype(np.int64))

    sizes = (n_train, n_validation, n_test)
    train, validation, test = map(draw, sizes, np.random.default_rng(seed).spawn(len(sizes)))
    return Dataset("spiral", train, validation, test, likelihood="gaussian", image_shape=None)


def _image_dataset(name: str, *parts: tuple[np.ndarray, np.ndarray], white: int) -> Dataset:
    """Flatten the images [N, H, W] of the three (images, labels) and scale them from [0, white] to [0, 1]."""
    train, validation, test = (
        Split(images.reshape(len(images), -1).astype(np.float32) / np.float32(white), labels.astype(np.int64))
        for images, labels in parts
    )
    return Dataset(name, train, validation, test, likelihood="bernoulli", image_shape=parts[0][0].shape[1:])


_STORED: dict[str, Callable[..., Dataset]] = {"mnist": mnist, "fashion_mnist": fashion_mnist}
_SEEDED: dict[str, Callable[..., Dataset]] = {"digits": digits, "spiral": spiral}
