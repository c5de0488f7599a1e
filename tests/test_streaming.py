"""Batches from files: every row once, mixed, another order each epoch, the same for the same seed."""

import struct

import keras
import numpy as np
import pytest
import tensorflow as tf

from vae_moe import DMVAE
from vae_moe.data import datasets, streaming
from vae_moe.data.idx import DatasetError


@pytest.fixture
def table(tmp_path):
    """1000 rows of 3 columns, the first one the row's number, as a file and an array."""
    x = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    x[:, 0] = np.arange(1000)
    np.save(tmp_path / "x.npy", x)
    return tmp_path / "x.npy", x


def _epoch(data):
    return np.concatenate([batch.numpy() for (batch,) in data])


@pytest.mark.parametrize("block_bytes", [12 * 10, 12 * 300, 2**20])
def test_every_row_once_an_epoch(table, monkeypatch, block_bytes):
    monkeypatch.setattr(streaming, "BLOCK_BYTES", block_bytes)
    path, x = table
    data = datasets.stream(path, batch_size=50, seed=1)
    first, second = _epoch(data), _epoch(data)
    for rows in (first, second):
        np.testing.assert_array_equal(rows[np.argsort(rows[:, 0])], x)
    assert not np.array_equal(first, second)
    assert abs(np.corrcoef(first[:, 0], np.arange(1000))[0, 1]) < 0.3
    np.testing.assert_array_equal(first, _epoch(streaming.stream(path, batch_size=50, seed=1)))


def test_the_last_smaller_batch_is_left_out(table):
    data = streaming.stream(table[0], batch_size=300)
    assert len(data) == 3 and {batch.shape for (batch,) in data} == {(300, 3)}


def test_tfrecord_files_and_datasets(table, tmp_path):
    _, x = table
    streaming.write_tfrecord(x[:600], tmp_path / "a.tfrecord")
    streaming.write_tfrecord(x[600:], tmp_path / "b.tfrecord")
    rows = _epoch(streaming.stream([tmp_path / "a.tfrecord", tmp_path / "b.tfrecord"], batch_size=100, n_columns=3))
    np.testing.assert_array_equal(rows[np.argsort(rows[:, 0])], x)
    np.testing.assert_array_equal(_epoch(streaming.stream(tf.data.Dataset.from_tensor_slices(x).batch(10))), x)


def test_a_model_learns_from_a_stream(table):
    path, _ = table
    model = DMVAE(3, n_components=2, latent_dim=2, likelihood="gaussian")
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=True)
    history = model.fit(streaming.stream(path, batch_size=100), epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_what_cannot_be_read_is_named(tmp_path, table):
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY nonsense")
    np.save(tmp_path / "integers.npy", np.arange(6).reshape(2, 3))
    np.save(tmp_path / "objects.npy", np.array([[{}]]), allow_pickle=True)
    np.save(tmp_path / "by_columns.npy", np.ones((300, 2), order="F"))
    np.save(tmp_path / "no_columns.npy", np.ones((300, 0)))
    with (tmp_path / "archive.npy").open("wb") as archive:
        np.savez(archive, x=np.ones((300, 2)))
    for name, shape in (("long", (2**31, 3)), ("longer", (2**99, 3)), ("odd", (True, 3)), ("negative", (-300, -3))):
        header = repr({"descr": "<f4", "fortran_order": False, "shape": shape}).encode() + b"\n"
        magic = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
        (tmp_path / f"{name}.npy").write_bytes(magic + header + bytes(3600))
    (tmp_path / "x.csv").write_text("1,2")
    for source, message in (
        (tmp_path / "none.npy", "there is no file"),
        (tmp_path / "broken.npy", "no sound .npy file"),
        (tmp_path / "objects.npy", "no sound .npy file"),
        (tmp_path / "archive.npy", "no sound .npy file"),
        (tmp_path / "long.npy", "no sound .npy file"),
        (tmp_path / "longer.npy", "no sound .npy file"),
        (tmp_path / "odd.npy", "no sound .npy file"),
        (tmp_path / "negative.npy", "no sound .npy file"),
        (tmp_path / "no_columns.npy", "must hold floats"),
        (tmp_path / "integers.npy", "must hold floats"),
        (tmp_path / "by_columns.npy", "stored by columns"),
        (tmp_path / "x.csv", "one .npy file or .tfrecord files"),
    ):
        with pytest.raises(DatasetError, match=message):
            streaming.stream(source)
    with pytest.raises(DatasetError, match="at least batch_size=2000"):
        streaming.stream(table[0], batch_size=2000)
    streaming.write_tfrecord(np.ones((2, 3)), tmp_path / "x.tfrecord")
    with pytest.raises(DatasetError, match="give n_columns"):
        streaming.stream(tmp_path / "x.tfrecord")


def _stream_tfrecord(path, n_columns=3):
    return streaming.stream(path, batch_size=2, n_columns=n_columns)


def test_tfrecord_files_are_read_once_to_see(tmp_path):
    """What is wrong is told before training, not in the middle of it."""
    path = tmp_path / "x.tfrecord"
    streaming.write_tfrecord(np.ones((5, 3)), path)
    content = path.read_bytes()
    record = len(content) // 5
    assert len(_stream_tfrecord(path)) == 2
    for n_columns in (None, 0):
        with pytest.raises(DatasetError, match=f"give n_columns, got {n_columns}"):
            _stream_tfrecord(path, n_columns)
    with pytest.raises(DatasetError, match="no sound TFRecord file of such rows"):
        _stream_tfrecord(path, n_columns=4)
    for damaged, message in (
        (b"", "0 rows are no batch of batch_size=2"),
        (content[:record], "1 rows are no batch"),
        (content[:-3], "cut off"),
        (content[:3], "cut off"),
        (b"\xff" * 7 + content[7:], "lengths are damaged"),
        (content[:-20] + bytes([content[-20] ^ 1]) + content[-19:], "no sound TFRecord file"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(DatasetError, match=message):
            _stream_tfrecord(path)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"no tf.train.Example")
    with pytest.raises(DatasetError, match="no sound TFRecord file"):
        _stream_tfrecord(path)
