import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import sklearn.datasets
import small_files
from scipy import sparse
from sklearn.utils import Bunch

from vae_moe.data import datasets, mat
from vae_moe.data.files import DatasetError


def splits(data):
    return data.train, data.validation, data.test


@pytest.fixture
def fetch_rcv1(monkeypatch):
    """A function that has scikit-learn give another RCV1; it returns the calls."""

    def patch(bunch):
        calls = []
        monkeypatch.setattr(sklearn.datasets, "fetch_rcv1", lambda **options: calls.append(options) or bunch)
        return calls

    return patch


def test_reuters_are_the_documents_of_one_root_class(fetch_rcv1):
    bunch = small_files.rcv1(800)
    fetch_rcv1(bunch)
    data = datasets.load("reuters", seed=3)
    assert (data.protocol, data.likelihood, data.image_shape) == (
        "train 320 / validation 40 / test 40",
        "gaussian",
        None,
    )
    assert (data.input_dim, data.n_classes, data.train.x.dtype, data.train.y.dtype) == (2000, 4, "float32", "int64")
    # By hand, from the dense table: which documents, which words, and their scale.
    roots = bunch.target.toarray()[:, [1, 3, 4, 6]]
    chosen = np.flatnonzero(roots.sum(1) == 1)
    assert chosen.tolist() == list(range(400, 800))
    x, y = bunch.data.toarray()[chosen], roots[chosen].argmax(1)
    train_rows: list[int] = []
    for split in splits(data):
        np.testing.assert_allclose(np.square(split.x).mean(1), 1, rtol=1e-5)
        rows = np.rint(split.x[:, 0] / split.x[:, 1]).astype(int) - 1 - 400  # the words that all documents have
        np.testing.assert_array_equal(split.y, y[rows])
        train_rows = train_rows or rows.tolist()
    counts = (x[train_rows] > 0).sum(0)
    words = np.sort(np.argsort(-counts, kind="stable")[:2000])
    expected = x[train_rows][:, words]
    expected *= np.sqrt(2000 / np.square(expected).sum(1, keepdims=True))
    np.testing.assert_allclose(data.train.x, expected, rtol=1e-5)
    shares = [np.bincount(split.y) / len(split) for split in splits(data)]
    np.testing.assert_allclose(shares[0], shares[1], atol=0.03)
    np.testing.assert_allclose(shares[0], shares[2], atol=0.03)
    np.testing.assert_array_equal(datasets.reuters(seed=3).test.x, data.test.x)
    assert not np.array_equal(datasets.reuters(seed=4).test.x, data.test.x)


def test_reuters10k_is_a_seeded_part(fetch_rcv1):
    fetch_rcv1(small_files.rcv1(20400))
    first, again, other = (datasets.load("reuters10k", seed=seed).head(50) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.train.x, again.train.x)
    assert not np.array_equal(first.train.x, other.train.x)
    assert datasets.reuters10k().protocol == "train 8000 / validation 1000 / test 1000"
    fetch_rcv1(small_files.rcv1(400))
    with pytest.raises(DatasetError, match=r"reuters10k takes 10000 documents .* has 200 here"):
        datasets.reuters10k()


def test_a_document_without_the_words_is_zero(fetch_rcv1):
    bunch = small_files.rcv1(400)
    bunch.data[300] = 0
    fetch_rcv1(bunch)
    rows = np.concatenate([split.x for split in splits(datasets.reuters())])
    assert np.isfinite(rows).all() and (~rows.any(1)).sum() == 1


def test_reuters_of_a_folder(fetch_rcv1, tmp_path):
    calls = fetch_rcv1(small_files.rcv1(400))
    with pytest.raises(DatasetError, match=r"no subfolder RCV1 .*fetch_rcv1.*--data-dir"):
        datasets.load("reuters", data_dir=tmp_path / "nowhere")
    assert not calls and not (tmp_path / "nowhere").exists()
    (tmp_path / "RCV1").mkdir()
    datasets.load("reuters", data_dir=str(tmp_path))
    assert calls == [{"data_home": tmp_path, "download_if_missing": False, "n_retries": 1}]


def test_a_folder_without_scikit_learns_files(tmp_path):
    (tmp_path / "RCV1").mkdir()
    with pytest.raises(DatasetError, match=r"cannot be had from .*No such file.*fetch_rcv1.*--data-dir"):
        datasets.load("reuters", data_dir=tmp_path)
    for name in ("samples", "sample_id", "sample_topics", "topics_names"):
        (tmp_path / "RCV1" / f"{name}_py3.pkl").write_bytes(b"damaged")
    with pytest.raises(DatasetError, match=r"cannot be had from .*--data-dir"):
        datasets.load("reuters", data_dir=tmp_path)


def not_finite(x):
    x.data[3] = np.nan
    return x


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": lambda x: x[:, :1999]}, r"shapes \[7, 400, 1999, 400, 7\]"),
        ({"data": lambda x: x.toarray()}, "must be sparse"),
        ({"data": not_finite}, "from 0 to 1"),
        ({"data": lambda x: 500 * x}, "from 0 to 1"),
        ({"data": lambda x: x.astype(np.int64)}, "must be sparse"),
        ({"target": lambda y: y[:-1]}, r"shapes \[7, 400, 2500, 399, 7\]"),
        ({"target_names": lambda names: np.roll(names, 1)[:-1]}, r"shapes \[6, "),
        ({"target_names": lambda names: np.where(names == "ECAT", "X", names)}, "classes CCAT, ECAT, GCAT, MCAT"),
        ({"target": lambda y: sparse.csr_matrix(y.shape)}, r"20 rows or more of each class, has \[0, 0, 0, 0\]"),
    ],
)
def test_another_rcv1_is_refused(fetch_rcv1, changes, message):
    bunch = small_files.rcv1(400)
    fetch_rcv1(Bunch(**{**bunch, **{name: change(bunch[name]) for name, change in changes.items()}}))
    with pytest.raises(DatasetError, match=message):
        datasets.reuters()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("first_label", [0, 1])
def test_hhar_of_a_mat_file(tmp_path, compressed, first_label):
    x, y = small_files.activities()
    scipy.io.savemat(
        tmp_path / "HAR.mat",
        {"other": "text", "X": x, "Y": (y - 1 + first_label)[:, np.newaxis].astype(np.uint8)},
        do_compression=compressed,
    )
    data = datasets.load("hhar", data_dir=str(tmp_path), seed=2)
    assert (data.protocol, data.likelihood, data.image_shape) == (
        "train 144 / validation 18 / test 18",
        "gaussian",
        None,
    )
    assert (data.input_dim, data.n_classes, data.train.x.dtype, data.train.y.dtype) == (561, 6, "float32", "int64")
    mean, std = data.train.x.mean(0), data.train.x.std(0)
    np.testing.assert_allclose(mean, 0, atol=1e-5)
    np.testing.assert_allclose(np.delete(std, 7), 1, rtol=1e-4)
    # The rows are those of the file, scaled and moved: their first column's order tells which is which.
    values, labels = (
        np.concatenate([getattr(split, name)[:, 0] if name == "x" else split.y for split in splits(data)])
        for name in ("x", "y")
    )
    np.testing.assert_array_equal(labels[np.argsort(values)], (y - 1)[np.argsort(x[:, 0])])
    np.testing.assert_allclose(np.corrcoef(np.sort(values), np.sort(x[:, 0]))[0, 1], 1)
    assert all(set(np.bincount(split.y)) == {len(split) // 6} for split in splits(data))
    assert not np.array_equal(datasets.hhar(data_dir=tmp_path, seed=3).test.x, data.test.x)


X, Y = small_files.activities()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"X": X}, r"must have X \[N, D\] and Y \[N, 1\]"),
        ({"X": X, "Y": Y[:-1]}, r"must have X .*'Y': \(1, 179\)"),
        ({"X": X[:, :560], "Y": Y}, r"finite x \[N, 561\], got \[180, 560\]"),
        ({"X": np.where(np.arange(561) == 3, np.nan, X), "Y": Y}, "or values not finite"),
        ({"X": 1e300 * X, "Y": Y}, "or values not finite"),
        ({"X": X, "Y": Y + 1}, r"labels 0 to 5, or 1 to 6, each of them, got \[2"),
        ({"X": X, "Y": np.minimum(Y, 5)}, "each of them, got"),
        ({"X": X, "Y": Y + 0.5}, "each of them, got"),
        ({"X": X[:60], "Y": Y[:60]}, r"20 rows or more of each class, has \[10, 10"),
        ({"X": X[:0], "Y": Y[:0]}, "must have X|each of them"),
        ({"X": X + 1j, "Y": Y}, "full matrices of real numbers"),
        ({"X": sparse.csr_matrix(X), "Y": Y}, "full matrices of real numbers"),
        ({"X": X[:2].astype(object), "Y": Y}, "full matrices of real numbers"),
        ({"X": X[:, :, np.newaxis], "Y": Y}, "full matrices of real numbers|must have X"),
        ({"X": "text", "Y": Y}, "full matrices of real numbers"),
    ],
)
def test_another_mat_file_is_refused(tmp_path, variables, message):
    scipy.io.savemat(tmp_path / "x.mat", variables)
    with pytest.raises(DatasetError, match=message):
        datasets.hhar(data_dir=tmp_path)


def test_no_mat_file_or_two(tmp_path):
    with pytest.raises(DatasetError, match=r"holds 0 \.mat files"):
        datasets.hhar(data_dir=tmp_path)
    for name in ("a.mat", "b.mat"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DatasetError, match=r"holds 2 \.mat files"):
        datasets.hhar(data_dir=tmp_path)


def mat_file(*elements, version=b"\x00\x01IM"):
    """A .mat file of elements (type, content, claimed size)."""
    packed = [struct.pack("<2I", kind, size) + content for kind, content, size in elements]
    return b"MATLAB 5.0 MAT-file".ljust(124) + version + b"".join(packed)


NESTED = zlib.compress(struct.pack("<2I", 15, 8) + bytes(8))
BOMB = zlib.compress(bytes(2**26), 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no .mat file of version 5 to 7"),
        (mat_file(version=b"\x00\x02IM"), "write it with save -v7"),
        (mat_file(), "must have X .* has {}"),
        (mat_file((15, BOMB, len(BOMB))), "larger than 1000000 bytes"),
        (mat_file((15, BOMB[:500], 500)), "cut off"),
        (mat_file((15, b"no zlib", 7)), "cannot be read"),
        (mat_file((14, bytes(100), 2**32 - 1)), "an element of 4294967295 bytes is cut off"),
        (mat_file((15, NESTED, len(NESTED))), "must have X"),
        (bytes(10**6 + 1), "more than the 1000000 bytes"),
    ],
)
def test_damaged_mat_files_take_no_memory(tmp_path, content, message):
    path = Path(tmp_path / "x.mat")
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        mat.read(path, limit=10**6)


def test_a_matrix_that_claims_many_rows_takes_no_memory(tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"X": np.ones((1, 561)), "Y": np.ones((1, 1))})
    content = (tmp_path / "x.mat").read_bytes()
    sizes = struct.pack("<2i", 1, 561)
    assert content.count(sizes) == 1
    (tmp_path / "x.mat").write_bytes(content.replace(sizes, struct.pack("<2i", 2**31 - 1, 561)))
    with pytest.raises(DatasetError, match=r"561 values for a matrix \(2147483647, 561\)"):
        mat.read(tmp_path / "x.mat")


@pytest.mark.parametrize("dtype", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("compressed", [False, True])
def test_matrices_are_those_of_scipy(tmp_path, dtype, compressed):
    x = np.arange(-3, 3).astype(dtype).reshape(3, 2)
    variables = {"other": {"a": [1, "b"]}, "X": x, "Y": np.array([1, 2, 1]), "Z": sparse.eye(2).tocsc()}
    scipy.io.savemat(tmp_path / "x.mat", variables, do_compression=compressed)
    read_x, read_y = mat.read(tmp_path / "x.mat")
    expected = scipy.io.loadmat(tmp_path / "x.mat")
    np.testing.assert_array_equal(read_x, expected["X"])
    np.testing.assert_array_equal(read_y, [1, 2, 1])


def test_a_file_of_the_other_byte_order(tmp_path):
    """As MATLAB wrote it on a big-endian machine, small elements too."""

    def element(kind, content):
        return struct.pack(">2I", kind, len(content)) + content.ljust(-(-len(content) // 8) * 8, b"\0")

    def matrix(name, values, shape, kind):
        parts = element(6, struct.pack(">2I", 6, 0)) + element(5, struct.pack(">2i", *shape))
        parts += struct.pack(">2H", 1, 1) + name.ljust(4, b"\0")  # a small one
        return element(14, parts + element(kind, values.tobytes()))

    x, y = np.arange(6.0).reshape(3, 2).astype(">f8"), np.array([7, 8, 9], ">i2")
    content = b"MATLAB".ljust(124) + b"\x01\x00MI" + matrix(b"X", x.T, (3, 2), 9) + matrix(b"Y", y, (1, 3), 3)
    (tmp_path / "x.mat").write_bytes(content)
    read_x, read_y = mat.read(tmp_path / "x.mat")
    np.testing.assert_array_equal(read_x, x)
    np.testing.assert_array_equal(read_y, y)
    np.testing.assert_array_equal(scipy.io.loadmat(tmp_path / "x.mat")["X"], x)
