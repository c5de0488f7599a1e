import hashlib
import io
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import small_files

from vae_moe.data import cifar, datasets
from vae_moe.data.files import DatasetError

LAYOUTS = pytest.mark.parametrize("layout", ["python", "binary"])


@pytest.fixture
def rows():
    return small_files.cifar_rows()


@pytest.fixture
def small_archives_are_official(monkeypatch):
    """A function that takes an archive's sum for the official one."""

    def trust(archive):
        md5 = hashlib.md5(archive.read_bytes()).hexdigest()
        monkeypatch.setattr(cifar, "_LAYOUTS", [replace(layout, md5=md5) for layout in cifar._LAYOUTS])

    return trust


def assert_right(data, rows):
    """The images as they were before they were written, whatever was read."""
    expected_x, expected_y = (np.concatenate([row[part] for row in rows.values()]) for part in ("images", "labels"))
    x, y = (np.concatenate([getattr(s, part) for s in (data.train, data.validation, data.test)]) for part in "xy")
    np.testing.assert_array_equal(np.rint(255 * x).reshape(-1, 32, 32, 3), expected_x)
    np.testing.assert_array_equal(y, expected_y)
    assert data.protocol == "train 90 / validation 10 / test 20"
    assert (data.input_dim, data.image_shape, data.likelihood, data.n_classes) == (3072, (32, 32, 3), "bernoulli", 10)
    assert (data.train.x.dtype, data.train.y.dtype, data.train.x.max()) == (np.float32, np.int64, 1)


@LAYOUTS
@pytest.mark.parametrize("in_subfolder", [False, True])
def test_a_folder(tmp_path, rows, layout, in_subfolder):
    small_files.write_cifar(tmp_path / small_files.CIFAR_SUBFOLDERS[layout] if in_subfolder else tmp_path, layout, rows)
    assert_right(datasets.load("cifar10", data_dir=str(tmp_path)), rows)


@LAYOUTS
def test_an_archive(tmp_path, rows, layout, small_archives_are_official):
    archive = tmp_path / f"cifar-10-{layout}.tar.gz"
    small_files.write_cifar_archive(archive, layout, rows)
    with pytest.raises(DatasetError, match=r"has the MD5 .*not the official c[35].*not opened"):
        datasets.cifar10(data_dir=tmp_path)
    small_archives_are_official(archive)
    assert_right(datasets.cifar10(data_dir=tmp_path), rows)
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


def test_the_official_sums():
    assert {layout.archive: layout.md5 for layout in cifar._LAYOUTS} == {
        "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be unpacked"), (b"no archive", "cannot be unpacked"), (None, "data_batch_1 is not there")],
)
def test_a_damaged_archive(tmp_path, content, message, small_archives_are_official):
    archive = tmp_path / "cifar-10-python.tar.gz"
    small_files.write_cifar_archive(archive, "python", {})
    if content is not None:
        archive.write_bytes(content)
    small_archives_are_official(archive)
    with pytest.raises(DatasetError, match=message):
        datasets.cifar10(data_dir=tmp_path)


def test_an_archive_writes_nothing(tmp_path, rows, small_archives_are_official):
    """Members that would be written elsewhere, and links, are passed over."""
    archive = tmp_path / "folder" / "cifar-10-binary.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as members:
        for name in ("../escaped", str(tmp_path / "escaped")):
            member = tarfile.TarInfo(name)
            member.size = 4
            members.addfile(member, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        members.addfile(link)
    small_archives_are_official(archive)
    with pytest.raises(DatasetError, match=r"data_batch_1\.bin is not there"):
        datasets.cifar10(data_dir=archive.parent)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cifar-10-binary.tar.gz", "folder"]


def batch(**changes):
    value = {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 9], **changes}
    return small_files.python2_pickle(value)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("data_batch_2", batch(labels=[0, 10]), "data_batch_2 has labels from 0 to 10"),
        ("data_batch_2", batch(labels=[0, -1]), "labels from -1 to 0"),
        ("data_batch_2", batch(labels=[0, 10**30]), "labels from 0 to 1000000"),
        ("data_batch_2", batch(labels=[0]), "list of 2 integers as labels"),
        ("data_batch_2", batch(labels=[0, 0.5]), "list of 2 integers as labels"),
        ("data_batch_2", batch(labels=np.zeros(2, np.uint8)), "list of 2 integers as labels"),
        ("data_batch_2", batch(data=np.zeros((2, 3072), "f4")), r"uint8 \[N, 3072\], got float32 \(2, 3072\)"),
        ("data_batch_2", batch(data=np.zeros((2, 784), np.uint8)), r"got uint8 \(2, 784\)"),
        ("data_batch_2", batch(data=None), "got none"),
        ("data_batch_2", small_files.python2_pickle([1]), "got none"),
        ("test_batch", batch()[:-1000], "test_batch is no sound pickle"),
        ("test_batch", b"cos\nsystem\n(S'exit 1'\ntR.", "test_batch asks for os.system"),
        ("test_batch", bytes(2**26 + 1), "more than the 67108864 bytes"),
        ("data_batch_5", None, "data_batch_5 cannot be read: .*No such file"),
    ],
)
def test_a_damaged_batch(tmp_path, rows, file, content, message):
    small_files.write_cifar(tmp_path, "python", rows)
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        datasets.cifar10(data_dir=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds 0 bytes"),
        (bytes(3073 * 2 - 1), "holds 6145 bytes, not some rows of 3073: it is cut off"),
        (b"\x0a" + bytes(3072), "labels from 10 to 10"),
    ],
)
def test_a_damaged_binary_batch(tmp_path, rows, content, message):
    small_files.write_cifar(tmp_path, "binary", rows)
    (tmp_path / "test_batch.bin").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        datasets.cifar10(data_dir=tmp_path)


def test_no_batches_or_few(tmp_path):
    with pytest.raises(DatasetError, match=r"holds no CIFAR-10: .*cifar-10-python.tar.gz .*data_batch_1\.bin"):
        datasets.cifar10(data_dir=tmp_path / "nowhere")
    small_files.write_cifar(tmp_path, "binary", small_files.cifar_rows(n_rows=1))
    with pytest.raises(DatasetError, match="holds 5 training images: give 10 or more"):
        datasets.cifar10(data_dir=tmp_path)
