"""Small files in the formats of the data sets, written apart from the readers."""

import io
import pickle
import struct
import tarfile
from typing import ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils import Bunch

CIFAR_SUBFOLDERS = {"python": "cifar-10-batches-py", "binary": "cifar-10-batches-bin"}
CIFAR_FILES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


class _Python2Pickler(pickle._Pickler):
    """Protocol 2 as Python 2 wrote it: bytes and text are both its strings."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        value = value.encode("latin1") if isinstance(value, str) else value
        length = b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value))
        self.write(length + value)

    dispatch[bytes] = dispatch[str] = save_string


def python2_pickle(value):
    """A value as a pickle of Python 2 and the NumPy of its time."""
    stream = io.BytesIO()
    _Python2Pickler(stream, 2).dump(value)
    return stream.getvalue().replace(b"numpy._core", b"numpy.core")


def cifar_rows(n_rows=20, seed=0):
    """Images [N, 32, 32, 3] and labels [N] for each file, and its content in both layouts."""
    rng = np.random.default_rng(seed)
    rows = {}
    for file in CIFAR_FILES:
        images, labels = rng.integers(0, 256, (n_rows, 32, 32, 3), np.uint8), np.arange(n_rows) % 10
        pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2).reshape(n_rows, 3072))
        batch = {"batch_label": "batch", "labels": labels.tolist(), "data": pixels, "filenames": ["x.png"] * n_rows}
        binary = np.column_stack([labels.astype(np.uint8), pixels]).tobytes()
        rows[file] = {"images": images, "labels": labels, "python": python2_pickle(batch), "binary": binary}
    return rows


def write_cifar(folder, layout, rows):
    """Write the files of a layout into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, row in rows.items():
        (folder / (file + ".bin" * (layout == "binary"))).write_bytes(row[layout])


def write_cifar_archive(path, layout, rows):
    """Write them as an archive, with others before them, as in the official one."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in [
            ("batches.meta", b"other"),
            *((file + ".bin" * (layout == "binary"), row[layout]) for file, row in reversed(rows.items())),
        ]:
            member = tarfile.TarInfo(f"{CIFAR_SUBFOLDERS[layout]}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def rcv1(n_rows, n_columns=2500, seed=0):
    """What scikit-learn's fetch_rcv1 gives, with few rows, columns and topics; half the rows have one root class."""
    rng = np.random.default_rng(seed)
    names = np.array(["C11", "CCAT", "E11", "ECAT", "GCAT", "M11", "MCAT"], object)
    target = np.zeros((n_rows, len(names)), np.uint8)
    roots = np.array([1, 3, 4, 6])
    target[np.arange(n_rows), roots[rng.integers(0, 4, n_rows)]] = 1
    target[: n_rows // 4] = 0  # no root class
    target[n_rows // 4 : n_rows // 2, roots[:2]] = 1  # two or three
    target[:, [0, 2, 5]] = rng.integers(0, 2, (n_rows, 3))
    n_words = 40
    columns = 2 + ((n_columns - 2) * rng.random((n_rows, n_words)) ** 2).astype(np.int64)
    values = (rng.random((n_rows, n_words)) + 0.1) / 10
    columns[:, :2] = [0, 1]
    values[:, 0], values[:, 1] = (1 + np.arange(n_rows)) / n_rows, 1 / n_rows  # their quotient tells the document
    rows = np.repeat(np.arange(n_rows), n_words)
    x = sparse.csr_matrix((values.ravel(), (rows, columns.ravel())), (n_rows, n_columns))
    return Bunch(data=x, target=sparse.csr_matrix(target), target_names=names, sample_id=np.arange(n_rows))


def activities(n_rows=180, seed=0):
    """Features [N, 561], one of them constant, and labels [N] from 1 to 6."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1, 1, (n_rows, 561)), 1 + np.arange(n_rows) % 6
    x[:, 7] = 0.25
    return x, y
