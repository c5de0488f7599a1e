"""Readers of the named data sets' files and of streams, as targets of fuzzing: what each must make of its input."""

import contextlib
import gzip
import io
import struct
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import scipy.io
import sklearn.datasets
import small_files
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import strategies as st
from scipy import sparse
from sklearn.utils import Bunch

from stress.damage import Target, any_bytes, damaged, packed, saved
from vae_moe.data import cifar as cifar_files
from vae_moe.data import datasets, files, streaming
from vae_moe.data import idx as idx_files
from vae_moe.data import mat as mat_files
from vae_moe.data import pickles as pickle_files
from vae_moe.data.files import DatasetError

ROWS = np.arange(15, dtype=np.float32).reshape(5, 3)
IMAGES = next(iter(idx_files.DIMENSIONS))


def same(read: Callable[[], np.ndarray], expected: np.ndarray | None) -> None:
    """Compare what a reader gives with what it must give; None: it must refuse.

    Raises:
        DatasetError: it does, and must.
    """
    try:
        found = read()
    except DatasetError:
        assert expected is None, "a sound file was refused"
        raise
    assert expected is not None, "an unsound file was taken"
    np.testing.assert_array_equal(found, expected)


def idx_array(content: bytes) -> np.ndarray | None:
    """Read the array of an IDX content by hand; None if it has none."""
    if len(content) < 16 or content[:4] != b"\x00\x00\x08\x03":
        return None
    n, height, width = struct.unpack(">3I", content[4:16])
    sound = len(content) - 16 == n * height * width and max(n, 1) * max(height, 1) * max(width, 1) <= files.LIMIT
    return np.frombuffer(content, np.uint8, offset=16).reshape(n, height, width) if sound else None


IDX = idx_files.encode(np.arange(24).reshape(4, 2, 3))


def idx() -> Target:
    """A file of MNIST's images."""

    def run(content, folder):
        (folder / IMAGES).write_bytes(content)
        same(lambda: idx_files._read(folder, IMAGES, 3), idx_array(content))

    return Target(any_bytes(IDX), run, [IDX, struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 0)])


def packed_idx() -> Target:
    """They, packed, damaged before or after it."""

    def run(content, folder):
        (folder / f"{IMAGES}.gz").write_bytes(content)
        try:
            expected = idx_array(gzip.decompress(content))
        except (OSError, EOFError, zlib.error):
            expected = None
        same(lambda: idx_files._read(folder, IMAGES, 3), expected)

    return Target(packed(IDX), run, [gzip.compress(IDX)])


def mnist() -> Target:
    """One of MNIST's four files, images or labels."""
    images, labels = IDX, idx_files.encode(np.arange(4))
    contents = dict(zip(idx_files.DIMENSIONS, (images, labels, images, labels), strict=True))

    def run(changed, folder):
        for name, content in {**contents, **dict([changed])}.items():
            (folder / name).write_bytes(content)
        return idx_files.read_folder(folder)

    return Target(st.tuples(st.sampled_from(list(contents)), any_bytes(images, labels)), run)


def pickles() -> Target:
    """Pickles of arrays and plain values."""
    batch = {"labels": [3, 300, -1], "data": np.arange(6, dtype=np.uint8).reshape(2, 3)}
    sound = small_files.python2_pickle(batch)
    inputs = any_bytes(sound, small_files.python2_pickle([np.arange(3.0), "text", 1.5, None, (2, 3)]))
    return Target(inputs, lambda content, _: pickle_files.loads(content, "x"), [sound, b"]r\xff\xff\xff\xff."])


def cifar() -> Target:
    """A batch of CIFAR-10 in both layouts."""
    rows = small_files.cifar_rows(n_rows=2)

    def run(changed, folder):
        layout, content = changed
        small_files.write_cifar(folder, layout, rows)
        (folder / f"data_batch_3{'.bin' * (layout == 'binary')}").write_bytes(content)
        train_x, train_y, test_x, _ = cifar_files.read_folder(folder)
        np.testing.assert_array_equal(test_x, rows["test_batch"]["images"])
        assert train_x.shape == (len(train_y), 32, 32, 3) and train_x.dtype == train_y.dtype == np.uint8
        assert train_y.max() < 10
        if layout == "binary":
            read = np.frombuffer(content, np.uint8).reshape(-1, 3073)
            np.testing.assert_array_equal(train_y[4:-4], read[:, 0])
            np.testing.assert_array_equal(train_x[4:-4, 5, 6, 2], read[:, 1 + 2 * 1024 + 5 * 32 + 6])

    layouts = ("python", "binary")
    return Target(
        st.one_of(*(st.tuples(st.just(name), any_bytes(rows["data_batch_3"][name])) for name in layouts)), run
    )


def archive() -> Target:
    """CIFAR-10's archive, as if its sum were right."""
    with tempfile.TemporaryDirectory() as made:
        small_files.write_cifar_archive(Path(made, "x"), "binary", small_files.cifar_rows(n_rows=2))
        sound = Path(made, "x").read_bytes()
    (md5,) = (layout.md5 for layout in cifar_files._LAYOUTS if "binary" in layout.archive)

    def run(content, folder):
        (folder / "cifar-10-binary.tar.gz").write_bytes(content)
        try:
            with mock.patch.object(files, "md5", lambda _: md5):
                found = cifar_files.read_folder(folder)
            assert [len(part) for part in found] == [10, 10, 2, 2] and found[1].max() < 10
        finally:
            assert [path.name for path in folder.iterdir()] == ["cifar-10-binary.tar.gz"]

    return Target(packed(gzip.decompress(sound)), run, [sound])


def savemat(compressed=False, **variables) -> bytes:
    """The content of a .mat file."""
    stream = io.BytesIO()
    scipy.io.savemat(stream, variables, do_compression=compressed)
    return stream.getvalue()


def mat() -> Target:
    """A .mat file of X and Y, plain or with packed elements."""
    small = {"X": np.arange(6.0).reshape(3, 2), "Y": np.array([[1], [2], [1]], np.uint8)}
    sound = savemat(**small)
    seeds = [sound, savemat(compressed=True, **small), savemat(C=np.array([1, "a", {}], object), **small)]

    def compressed(content):
        element = zlib.compress(content[128:])
        return content[:128] + struct.pack("<2I", 15, len(element)) + element

    def run(content, folder):
        (folder / "x.mat").write_bytes(content)
        x, y = mat_files.read(folder / "x.mat", limit=10**6)
        assert x.ndim == 2 and y.shape == (len(x),) and {x.dtype.kind, y.dtype.kind} <= set("iuf")

    inputs = st.one_of(
        any_bytes(*seeds),
        st.binary(max_size=300).map(lambda content: sound[:128] + content),
        damaged(*seeds).map(compressed),
    )
    # A wrong byte in a type ends the process in SciPy's reader.
    hard = [sound[:176] + b"\0" + sound[177:], sound[:145] + b"\xff" + sound[146:]]
    return Target(inputs, run, [sound, compressed(sound), *hard])


def _sound_splits(data, n_columns: int, classes: set[int]) -> None:
    for split in (data.train, data.validation, data.test):
        assert np.isfinite(split.x).all() and split.x.shape == (len(split.y), n_columns)
        assert set(split.y) <= classes


def hhar() -> Target:
    """The file of the data set HHAR."""
    x, y = small_files.activities()

    def run(content, folder):
        (folder / "x.mat").write_bytes(content)
        _sound_splits(datasets.hhar(data_dir=folder), 561, set(range(6)))

    return Target(damaged(savemat(X=x.astype(np.float32), Y=y)), run)


def rcv1() -> Target:
    """Reuters as scikit-learn gives it: any values at some places, and any classes, given by the bits of bytes."""

    def run(given, folder):
        values, dtype, classes, n_columns = given
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
        with mock.patch.object(sklearn.datasets, "fetch_rcv1", lambda **_options: bunch):
            data = datasets.reuters()
        _sound_splits(data, 2000, set(range(4)))

    inputs = st.tuples(
        st.lists(st.floats(), min_size=1, max_size=5),
        st.sampled_from([np.float64, np.float32, np.int64, object]),
        st.binary(min_size=1, max_size=300),
        st.integers(1990, 2010),
    )
    return Target(inputs, run, [([1e300, -1e300], np.float64, bytes(300), 2000)])


def _npy_header(text: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n" + bytes(300)


def npy() -> Target:
    """A .npy file of batches that are read as they are needed, all of them."""

    def counted(rows):
        """How often each row is there; TensorFlow's threads take numbers too small for full precision for 0."""
        with np.errstate(all="ignore"):
            tiny = np.abs(rows) < np.finfo(np.float32).tiny
            return Counter(row.tobytes() for row in np.where(tiny, np.float32(0), rows))

    def run(content, folder):
        (folder / "x.npy").write_bytes(content)
        data = streaming.stream(folder / "x.npy", batch_size=2)
        batches = [batch.numpy() for (batch,) in data]
        with np.errstate(all="ignore"):
            x = np.load(folder / "x.npy").astype(np.float32)
        assert len(batches) == len(data) == len(x) // 2
        assert counted(np.concatenate(batches)) <= counted(x)

    sound, sizes = saved(np.save, ROWS), (b"2147483648, 3", b"%d, 3" % 2**99, b"%d, 0" % 2**40, b"True, 3")
    examples = [sound, saved(np.save, np.array([[1e-40, 1.0], [2.0, -1e-40]])), b"PK\x03\x04"]
    examples += [saved(np.savez, x=np.ones((5, 3))), saved(np.save, np.ones((5, 0)))]
    examples += [_npy_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }" % size) for size in sizes]
    return Target(any_bytes(sound, saved(np.save, np.arange(8.0).reshape(4, 2).astype(">f8"))), run, examples)


def _tfrecord(*payloads: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with tf.io.TFRecordWriter(f"{folder}/x") as writer:
            for payload in payloads:
                writer.write(payload)
        return Path(folder, "x").read_bytes()


def _payload(row) -> bytes:
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=row))
    return tf.train.Example(features=tf.train.Features(feature={"x": feature})).SerializeToString()


def _streamed(folder: Path, content: bytes) -> np.ndarray:
    (folder / "x.tfrecord").write_bytes(content)
    data = streaming.stream(folder / "x.tfrecord", batch_size=1, n_columns=3)
    return np.sort(np.concatenate([batch.numpy() for (batch,) in data]), 0)


def tfrecord() -> Target:
    """A TFRecord file. Sums of all parts are in it: only whole rows at its beginning can be right."""
    sound = _tfrecord(*map(_payload, ROWS))

    def run(content, folder):
        rows = _streamed(folder, content)
        np.testing.assert_array_equal(rows, ROWS[: len(rows)])

    return Target(any_bytes(sound), run, [sound])


def tfrecord_examples() -> Target:
    """A TFRecord file of one other example, its sums right."""

    def run(content, folder):
        rows = _streamed(folder, _tfrecord(content))
        assert rows.shape == (1, 3)
        with contextlib.suppress(DecodeError):  # TensorFlow's parser passes over more than protobuf's
            expected = tf.train.Example.FromString(content).features.feature["x"].float_list.value
            np.testing.assert_array_equal(rows, np.sort(np.array([expected], np.float32), 0))

    sound = _payload(ROWS[1])
    hard = b"\x00\x00\x00\x00\n\x17\n\x15\n\x01x\x12\x10\x12\x0e\n\x0c" + bytes(10) + b"\x80\xa0"
    return Target(any_bytes(sound), run, [sound, b"", b"\x80", hard])
