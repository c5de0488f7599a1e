"""Tables of measured features: Reuters' news and human activities."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler, normalize

from vae_moe.data import downloads, mat
from vae_moe.data.datasets.splits import Dataset, Split
from vae_moe.data.files import DatasetError, PathLike

logger = logging.getLogger(__name__)

_ROOTS = ("CCAT", "ECAT", "GCAT", "MCAT")  # corporate, economics, government, markets
_WORDS = 2000
_FEATURES = 561
_ACTIVITIES = 6
_HELD_OUT_PART = 10  # of validation and of test, each
_LEAST_ROWS = 20  # of a class: two in each part that is held out


def reuters(*, data_dir: PathLike | None = None, seed: int = 0) -> Dataset:
    """Load RCV1 (Lewis et al. 2004): the documents of exactly one of the root classes CCAT, ECAT, GCAT and MCAT.

    As in DEC (Xie, Girshick & Farhadi 2016) x are tf-idf values of the 2000 most frequent words, those in most
    documents, and rows are scaled to a mean square of 1; a row without any of them is 0. The tf-idf values are RCV1's
    own, and frequency is counted in the training documents, where DEC counts in all of them.

    Args:
        data_dir: scikit-learn's data folder with RCV1 in its subfolder RCV1, where it is read instead of fetched. Its
            files are pickles that can run anything: give only a folder that scikit-learn has written.
        seed: seed of the split into 80 % training, 10 % validation and 10 % test documents, with the same share of
            each class.

    Returns:
        The data set, x [N, 2000] float32 (about 685000 rows: 5.5 GB), y the index of the root class.

    Raises:
        DatasetError: RCV1 cannot be had, or is not what scikit-learn gives.
    """
    return _reuters("reuters", data_dir, seed, n_rows=None)


def reuters10k(*, data_dir: PathLike | None = None, seed: int = 0) -> Dataset:
    """Load 10000 documents of `reuters`, drawn by the seed before all else; arguments and errors are the same."""
    return _reuters("reuters10k", data_dir, seed, n_rows=10000)


def hhar(*, data_dir: PathLike | None = None, seed: int = 0) -> Dataset:
    """Load the activities of 30 persons with a smartphone (UCI HAR, Anguita et al. 2013), HHAR in the report's code.

    It is not the HHAR that VaDE's paper names (Stisen et al. 2015), with whose figures it cannot be compared.

    x are the 561 features, each with mean 0 and variance 1 over the training rows (0 where it is constant there).
    A row is 2.56 seconds, half of which it shares with the next one; rows are split at random, so that persons, and
    such halves, are in all splits: scores are not those of unseen persons.

    Args:
        data_dir: folder of one .mat file to read instead of OpenML's data set 1478: X [N, 561], and Y [N, 1] from 0 to
            5 or from 1 to 6.
        seed: seed of the split into 80 % training, 10 % validation and 10 % test rows, with the same share of each
            class.

    Returns:
        The data set, x [N, 561] float32 (10299 rows), y from 0 to 5.

    Raises:
        DatasetError: it cannot be had, or has another shape or other labels.
    """
    if data_dir is None:
        source, (x, y) = "OpenML's data set 1478", downloads.human_activities()
    else:
        folder = Path(data_dir).expanduser()
        found = sorted(folder.glob("*.mat"))
        if len(found) != 1:
            raise DatasetError(
                f"{folder} holds {len(found)} .mat files. Give a folder with one, of X [N, {_FEATURES}] and Y [N, 1]."
            )
        source, (x, y) = str(found[0]), mat.read(found[0])
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    if x.shape[1] != _FEATURES or not np.isfinite(x).all():
        raise DatasetError(f"{source} must have finite x [N, {_FEATURES}], got {list(x.shape)} or values not finite.")
    classes = np.unique(y)
    if classes.tolist() not in (list(range(_ACTIVITIES)), list(range(1, _ACTIVITIES + 1))):
        raise DatasetError(f"{source} must have labels 0 to 5, or 1 to 6, each of them, got {classes[:10]}.")
    y = (y - classes[0]).astype(np.int64)
    parts = _split(source, y, _ACTIVITIES, seed)
    scaler = StandardScaler().set_output(transform="default").fit(x[parts[0]])
    return _dataset("hhar", [scaler.transform(x[rows]) for rows in parts], [y[rows] for rows in parts])


def _reuters(name: str, data_dir: PathLike | None, seed: int, n_rows: int | None) -> Dataset:
    x, y = _documents(downloads.rcv1(None if data_dir is None else Path(data_dir).expanduser()))
    if n_rows is not None:
        if len(y) < n_rows:
            raise DatasetError(f"{name} takes {n_rows} documents of one root class, and RCV1 has {len(y)} here.")
        drawn = np.sort(np.random.default_rng(seed).choice(len(y), n_rows, replace=False))
        x, y = x[drawn], y[drawn]
    parts = _split("RCV1", y, len(_ROOTS), seed)
    n_documents = np.bincount(x[parts[0]].indices, minlength=x.shape[1])  # with each word
    words = np.sort(np.argsort(-n_documents, kind="stable")[:_WORDS])
    x = normalize(x[:, words].astype(np.float32)) * np.float32(np.sqrt(_WORDS))
    return _dataset(name, [x[rows].toarray() for rows in parts], [y[rows] for rows in parts])


def _documents(rcv1) -> tuple[Any, np.ndarray]:
    """The documents with one root class: tf-idf values, sparse [N, D] by rows, and the index of the class [N]."""
    x, target, names = rcv1.data, rcv1.target, list(rcv1.target_names)
    shapes = [len(names), *getattr(x, "shape", ()), *getattr(target, "shape", ())]
    numbers = sparse.issparse(x) and sparse.issparse(target) and x.dtype.kind == "f"
    fitting = numbers and x.shape[1] >= _WORDS and target.shape == (x.shape[0], len(names))
    if not fitting or not set(_ROOTS) <= set(names) or not ((x.data >= 0) & (x.data <= 1)).all():
        raise DatasetError(
            f"RCV1 must be sparse x [N, {_WORDS} or more] from 0 to 1 and target [N, C] with the classes "
            f"{', '.join(_ROOTS)}, got shapes {shapes}. Remove scikit-learn's folder RCV1 to have it fetched again."
        )
    roots = target.tocsc()[:, [names.index(root) for root in _ROOTS]].toarray() != 0  # [N, 4]
    one = np.flatnonzero(roots.sum(1) == 1)
    return x.tocsr()[one], roots[one].argmax(1)


def _split(source: str, y: np.ndarray, n_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of the training, validation and test rows, with the same share of each class."""
    n_rows = np.bincount(y, minlength=n_classes)
    if n_rows.min() < _LEAST_ROWS:
        raise DatasetError(f"{source} must have {_LEAST_ROWS} rows or more of each class, has {n_rows.tolist()}.")
    n_held_out = len(y) // _HELD_OUT_PART
    rest, test = train_test_split(np.arange(len(y)), test_size=n_held_out, stratify=y, random_state=seed)
    train, validation = train_test_split(rest, test_size=n_held_out, stratify=y[rest], random_state=seed)
    return train, validation, test


def _dataset(name: str, x: list[np.ndarray], y: list[np.ndarray]) -> Dataset:
    train, validation, test = map(Split, x, y)
    dataset = Dataset(name, train, validation, test, likelihood="gaussian", image_shape=None)
    logger.info("Read %s: %s", name, dataset.protocol)
    return dataset
