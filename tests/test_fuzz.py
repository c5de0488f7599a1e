"""Files of any bytes: every reader ends in a `DatasetError` or with a right array, and soon.

A test tries few examples, the same ones each time. The environment variable VAE_MOE_FUZZ is how many it shall try
instead, new ones each time: ``VAE_MOE_FUZZ=20000 python -m pytest -n 0 tests/test_fuzz.py``. What that has found is
kept as explicit examples.
"""

import contextlib
import gzip
import io
import os
import struct
import tempfile
import zlib
from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import sklearn.datasets
import small_files
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import sparse
from sklearn.utils import Bunch

from vae_moe.data import cifar, datasets, files, idx, image_folder, mat, pickles, streaming
from vae_moe.data.files import DatasetError

MANY = os.environ.get("VAE_MOE_FUZZ")
IMAGES = next(iter(idx.DIMENSIONS))


def tries(n):
    """Settings of a test that tries n examples, unless told to try many."""
    return settings(
        max_examples=int(MANY or n),
        deadline=timedelta(seconds=20),
        derandomize=MANY is None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


PATCHES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1]).flatmap(
        lambda n: st.sampled_from([struct.pack("<I", n), struct.pack(">I", n), struct.pack("<Q", n), str(n).encode()])
    ),
)


@st.composite
def damaged(draw, content):
    """A sound content with some bytes of it changed, left out or put in, often near its ends, and perhaps cut off."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        size = len(content)
        start = draw(
            st.one_of(st.integers(0, min(200, size)), st.integers(0, size), st.integers(max(0, size - 50), size))
        )
        patch = draw(PATCHES)
        content[start : start + draw(st.sampled_from([len(patch), 0, 1, 5]))] = patch
    return bytes(content[: draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))])


def any_bytes(*contents):
    """Bytes of any kind, and contents that are damaged."""
    return st.one_of(st.binary(max_size=300), *map(damaged, contents))


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def written(path, content):
    path.write_bytes(content)
    return path


def outcome(read):
    """What a reader gives; None for a DatasetError, which must have a message of a few lines."""
    try:
        return read()
    except DatasetError as error:
        assert 10 < len(str(error)) < 2000
        return None


def idx_array(content):
    """The array of an IDX content, read by hand; None if it has none."""
    if len(content) < 16 or content[:4] != b"\x00\x00\x08\x03":
        return None
    n, height, width = struct.unpack(">3I", content[4:16])
    sound = len(content) - 16 == n * height * width and max(n, 1) * max(height, 1) * max(width, 1) <= files.LIMIT
    return np.frombuffer(content, np.uint8, offset=16).reshape(n, height, width) if sound else None


IDX = idx.encode(np.arange(24).reshape(4, 2, 3))


def same(found, expected):
    assert (found is None) == (expected is None)
    if found is not None:
        np.testing.assert_array_equal(found, expected)


@tries(100)
@given(any_bytes(IDX))
@example(IDX)
@example(struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 0))
def test_idx(folder, content):
    written(folder / IMAGES, content)
    same(outcome(lambda: idx._read(folder, IMAGES, 3)), idx_array(content))
    (folder / IMAGES).unlink()


@tries(100)
@given(st.one_of(any_bytes(gzip.compress(IDX)), any_bytes(IDX).map(gzip.compress)))
@example(gzip.compress(IDX))
def test_packed_idx(folder, content):
    written(folder / f"{IMAGES}.gz", content)
    try:
        expected = idx_array(gzip.decompress(content))
    except (OSError, EOFError, zlib.error):
        expected = None
    found = outcome(lambda: idx._read(folder, IMAGES, 3))
    if expected is not None or found is not None:
        same(found, expected)


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npy_header(text):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n" + bytes(300)


NPY = npy(np.arange(15, dtype=np.float32).reshape(5, 3))


def counted(rows):
    """How often each row is there; TensorFlow's threads take numbers too small for full precision for 0."""
    with np.errstate(all="ignore"):
        return Counter(row.tobytes() for row in np.where(np.abs(rows) < np.finfo(np.float32).tiny, np.float32(0), rows))


@tries(40)
@given(any_bytes(NPY, npy(np.arange(8.0).reshape(4, 2).astype(">f8"))))
@example(NPY)
@example(npy(np.array([[1e-40, 1.0], [2.0, -1e-40]])))
@example(b"PK\x03\x04")
@example(npz(x=np.ones((5, 3))))
@example(npy(np.ones((5, 0))))
@example(npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2147483648, 3), }"))
@example(npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 3), }" % 2**99))
@example(npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 0), }" % 2**40))
@example(npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (True, 3), }"))
def test_npy(folder, content):
    path = written(folder / "x.npy", content)
    data = outcome(lambda: streaming.stream(path, batch_size=2))
    if data is None:
        return
    batches = [batch.numpy() for (batch,) in data]
    with np.errstate(all="ignore"):
        x = np.load(path).astype(np.float32)
    assert len(batches) == len(data) == len(x) // 2
    assert counted(np.concatenate(batches)) <= counted(x)


def tfrecord(*payloads):
    with tempfile.TemporaryDirectory() as folder:
        with tf.io.TFRecordWriter(f"{folder}/x") as writer:
            for payload in payloads:
                writer.write(payload)
        return Path(folder, "x").read_bytes()


def payload(row):
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=row))
    return tf.train.Example(features=tf.train.Features(feature={"x": feature})).SerializeToString()


ROWS = np.arange(9, dtype=np.float32).reshape(3, 3)


def streamed(path):
    data = outcome(lambda: streaming.stream(path, batch_size=1, n_columns=3))
    return None if data is None else np.sort(np.concatenate([batch.numpy() for (batch,) in data]), 0)


@tries(25)
@given(any_bytes(tfrecord(*map(payload, ROWS))))
@example(tfrecord(*map(payload, ROWS)))
def test_tfrecord(folder, content):
    """Sums of all parts are in the file: only whole rows at its beginning can be right."""
    rows = streamed(written(folder / "x.tfrecord", content))
    if rows is not None:
        np.testing.assert_array_equal(rows, ROWS[: len(rows)])


@tries(25)
@given(any_bytes(payload(ROWS[1])))
@example(payload(ROWS[1]))
@example(b"")
@example(b"\x80")
@example(b"\x00\x00\x00\x00\n\x17\n\x15\n\x01x\x12\x10\x12\x0e\n\x0c" + bytes(10) + b"\x80\xa0")
def test_tfrecord_of_other_examples(folder, content):
    rows = streamed(written(folder / "x.tfrecord", tfrecord(content)))
    if rows is None:
        return
    assert rows.shape == (1, 3)
    with contextlib.suppress(DecodeError):  # TensorFlow's parser passes over more than protobuf's
        expected = tf.train.Example.FromString(content).features.feature["x"].float_list.value
        np.testing.assert_array_equal(rows, np.array([expected], np.float32))


PICKLE = small_files.python2_pickle({"labels": [3, 300, -1], "data": np.arange(6, dtype=np.uint8).reshape(2, 3)})


@tries(200)
@given(any_bytes(PICKLE, small_files.python2_pickle([np.arange(3.0), "text", 1.5, None, (2, 3)])))
@example(PICKLE)
@example(b"]r\xff\xff\xff\xff.")
def test_pickles(content):
    outcome(lambda: (pickles.loads(content, "x"),))


CIFAR = small_files.cifar_rows(n_rows=2)


@pytest.mark.parametrize("layout", ["python", "binary"])
@tries(40)
@given(st.data())
def test_cifar(folder, layout, data):
    content = data.draw(any_bytes(CIFAR["data_batch_3"][layout]))
    place = folder / layout
    if not place.exists():
        small_files.write_cifar(place, layout, CIFAR)
    written(place / f"data_batch_3{'.bin' * (layout == 'binary')}", content)
    found = outcome(lambda: cifar.read_folder(place))
    if found is None:
        return
    train_x, train_y, test_x, _ = found
    np.testing.assert_array_equal(test_x, CIFAR["test_batch"]["images"])
    assert train_x.shape == (len(train_y), 32, 32, 3) and train_x.dtype == train_y.dtype == np.uint8
    assert train_y.max() < 10
    if layout == "binary":
        rows = np.frombuffer(content, np.uint8).reshape(-1, 3073)
        np.testing.assert_array_equal(train_y[4:-4], rows[:, 0])
        np.testing.assert_array_equal(train_x[4:-4, 5, 6, 2], rows[:, 1 + 2 * 1024 + 5 * 32 + 6])


def archive(layout):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        small_files.write_cifar_archive(path, layout, CIFAR)
        return path.read_bytes()


ARCHIVE = archive("binary")


@tries(40)
@given(st.one_of(any_bytes(ARCHIVE), any_bytes(gzip.decompress(ARCHIVE)).map(gzip.compress)))
@example(ARCHIVE)
def test_cifar_archive(folder, content):
    """As if its sum were right."""
    place = folder / "archive"
    place.mkdir(exist_ok=True)
    written(place / "cifar-10-binary.tar.gz", content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "md5", lambda _: cifar._LAYOUTS[1].md5)
        found = outcome(lambda: cifar.read_folder(place))
    if found is not None:
        assert [len(part) for part in found] == [10, 10, 2, 2] and found[1].max() < 10
    assert [path.name for path in place.iterdir()] == ["cifar-10-binary.tar.gz"]


def savemat(compressed=False, **variables):
    stream = io.BytesIO()
    scipy.io.savemat(stream, variables, do_compression=compressed)
    return stream.getvalue()


SMALL = {"X": np.arange(6.0).reshape(3, 2), "Y": np.array([[1], [2], [1]], np.uint8)}
MAT = savemat(**SMALL)


def packed(content):
    """A .mat file with everything after its header packed into one element."""
    element = zlib.compress(content[128:])
    return content[:128] + struct.pack("<2I", 15, len(element)) + element


@tries(100)
@given(
    st.one_of(
        any_bytes(MAT, savemat(compressed=True, **SMALL), savemat(C=np.array([1, "a", {}], object), **SMALL)),
        st.binary(max_size=300).map(lambda content: MAT[:128] + content),
        damaged(MAT).map(packed),
    )
)
@example(MAT)
@example(packed(MAT))
@example(MAT[:176] + b"\0" + MAT[177:])  # a wrong byte in a type ends the process in SciPy's reader
@example(MAT[:145] + b"\xff" + MAT[146:])
def test_mat(folder, content):
    found = outcome(lambda: mat.read(written(folder / "x.mat", content), limit=10**6))
    if found is not None:
        x, y = found
        assert x.ndim == 2 and y.shape == (len(x),) and {x.dtype.kind, y.dtype.kind} <= set("iuf")


X, Y = small_files.activities()


@tries(10)
@given(damaged(savemat(X=X.astype(np.float32), Y=Y)))
def test_hhar(folder, content):
    place = folder / "hhar"
    place.mkdir(exist_ok=True)
    written(place / "x.mat", content)
    data = outcome(lambda: datasets.hhar(data_dir=place))
    if data is not None:
        for split in (data.train, data.validation, data.test):
            assert np.isfinite(split.x).all() and split.x.shape == (len(split.y), 561)
            assert set(split.y) <= set(range(6))


def image_file(ending, pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, Image.registered_extensions()[ending])
    return file.getvalue()


COLOURS, DEEP = np.arange(108, dtype=np.uint8).reshape(6, 6, 3), np.arange(36, dtype=np.uint16).reshape(6, 6) * 999
IMAGE_FILES = [(end, image_file(end, DEEP if end in (".pgm", ".tiff") else COLOURS)) for end in image_folder.ENDINGS]


@tries(40)
@given(st.sampled_from(IMAGE_FILES).flatmap(lambda file: st.tuples(st.just(file[0]), any_bytes(file[1]))))
def test_own_images(folder, file):
    images = outcome(lambda: image_folder.read(written(folder / f"image{file[0]}", file[1])))
    if images is not None:
        assert images.pixels.dtype == np.uint8 and images.pixels.shape == (1, *images.image_shape)


@tries(15)
@given(
    st.lists(st.floats(), min_size=1, max_size=5),
    st.sampled_from([np.float64, np.float32, np.int64, object]),
    st.binary(min_size=1, max_size=300),
    st.integers(1990, 2010),
)
@example([1e300, -1e300], np.float64, bytes(300), 2000)
def test_rcv1(values, dtype, classes, n_columns):
    """Any values at some places, and any classes, which the bits of `classes` give."""
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, 400, 4000), rng.integers(0, n_columns, 4000)
    with np.errstate(all="ignore"):
        entries = np.resize(np.array(values), 4000).astype(dtype)
    target = np.resize(np.frombuffer(classes, np.uint8), (400, 1)) >> np.arange(4) & 1
    try:
        x = sparse.csr_matrix((entries, (rows, columns)), (400, n_columns))
    except (ValueError, TypeError):
        return  # SciPy makes no such matrix
    bunch = Bunch(data=x, target=sparse.csr_matrix(target), target_names=["CCAT", "ECAT", "GCAT", "MCAT"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn.datasets, "fetch_rcv1", lambda **_options: bunch)
        data = outcome(datasets.reuters)
    if data is not None:
        for split in (data.train, data.validation, data.test):
            assert np.isfinite(split.x).all() and split.x.shape == (len(split.y), 2000)
            assert set(split.y) <= set(range(4))
