"""Training batches from files larger than memory: ``.npy`` arrays, TFRecord files, any ``tf.data.Dataset``."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from vae_moe.data import files
from vae_moe.data.files import DatasetError
from vae_moe.engine.files import whole_file

#: Rows are read in runs of about this many bytes, in random order: a disk likes runs.
BLOCK_BYTES = 4 * 2**20
#: So many of these runs are mixed row by row at a time; memory is a few times their product.
BLOCKS_MIXED = 16


def stream(
    source: str | os.PathLike | Sequence[str | os.PathLike] | tf.data.Dataset,
    *,
    batch_size: int = 256,
    seed: int = 0,
    n_columns: int | None = None,
) -> tf.data.Dataset:
    """Shuffled training batches that are read as they are needed.

    Args:
        source: a ``.npy`` file of a float array [N, D]; one or more ``.tfrecord`` files of ``tf.train.Example`` with a
            float list ``x`` of D entries (:func:`write_tfrecord`); or a ``tf.data.Dataset`` of batches [B, D] or of
            tuples that begin with one, which is passed on.
        batch_size: rows a batch; the last, smaller one is left out, so that the compiled step has one shape.
        seed: of the order, which is another one each epoch. Runs of rows are shuffled, and sixteen of them at a time
            are mixed row by row: near to a full shuffle unless the file is sorted.
        n_columns: D, for TFRecord files, which do not say it.

    Returns:
        A ``tf.data.Dataset`` of ``(x,)``, x [B, D] float32, for ``model.fit(..., shuffle=False)``.

    Raises:
        DatasetError: if the source cannot be read, has another shape, or too few rows for one batch. TFRecord files
            are read once to see.
    """
    if isinstance(source, tf.data.Dataset):
        return source.map(lambda batch: batch if isinstance(batch, tuple) else (batch,)).prefetch(2)
    paths = [Path(source)] if isinstance(source, str | os.PathLike) else [Path(path) for path in source]
    endings = {path.suffix for path in paths}
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise DatasetError(f"there is no file {', '.join(missing)}: give existing .npy or .tfrecord files.")
    if endings == {".npy"} and len(paths) == 1:
        return _npy(paths[0], batch_size, seed)
    if endings == {".tfrecord"}:
        return _tfrecord(paths, batch_size, seed, n_columns)
    raise DatasetError(
        f"stream reads one .npy file or .tfrecord files, got {', '.join(map(str, paths)) or 'no file'}: convert them "
        "(numpy.save, vae_moe.data.streaming.write_tfrecord), or give a tf.data.Dataset."
    )


def write_tfrecord(rows, path: str | os.PathLike) -> None:
    """Write rows [N, D] as a TFRecord file that :func:`stream` reads: whole or, if it fails, not at all."""
    with whole_file(path) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
        for row in rows:
            values = tf.train.FloatList(value=np.asarray(row, np.float32))
            features = tf.train.Features(feature={"x": tf.train.Feature(float_list=values)})
            writer.write(tf.train.Example(features=features).SerializeToString())


def _npy(path: Path, batch_size: int, seed: int) -> tf.data.Dataset:
    try:
        x = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header makes NumPy raise anything
        raise DatasetError(f"{path} is no sound .npy file ({error}): write it with numpy.save.") from error
    if x.ndim != 2 or x.dtype.kind != "f" or len(x) < batch_size or not x.size:
        raise DatasetError(
            f"{path} must hold floats [N, D] with N of at least batch_size={batch_size}, got {x.dtype} {list(x.shape)}."
        )
    if not x.flags.c_contiguous:
        raise DatasetError(f"{path} is stored by columns: write it with numpy.save(path, numpy.ascontiguousarray(x)).")
    n_batches = len(x) // batch_size
    rngs = np.random.default_rng(seed)  # one child an epoch
    rows = _Rows(path, x.shape, x.dtype, x.offset)

    def epoch() -> Iterator[np.ndarray]:
        yield from _mixed(rows, batch_size, rngs.spawn(1)[0])

    signature = tf.TensorSpec((batch_size, x.shape[1]), tf.float32)
    data = tf.data.Dataset.from_generator(epoch, output_signature=signature)
    return data.map(lambda batch: (batch,)).apply(tf.data.experimental.assert_cardinality(n_batches)).prefetch(4)


@dataclass(frozen=True)
class _Rows:
    """The rows of a ``.npy`` file, read run by run: the pages of a memory map would stay with the process."""

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    offset: int

    def read(self, start: int, n_rows: int) -> np.ndarray:
        """Rows from ``start`` on, ``n_rows`` of them or as many as are left, [n, D]."""
        n_rows = min(n_rows, self.shape[0] - start)
        row_bytes = self.shape[1] * self.dtype.itemsize
        entries = np.fromfile(self.path, self.dtype, n_rows * self.shape[1], offset=self.offset + start * row_bytes)
        return entries.reshape(n_rows, self.shape[1])


def _mixed(x: _Rows, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Batches of the rows of x, in runs of random order that are mixed a few at a time."""
    n_rows, n_columns = x.shape
    run = max(1, BLOCK_BYTES // (x.dtype.itemsize * n_columns))
    starts = rng.permutation(np.arange(0, n_rows, run))
    left = np.empty((0, n_columns), np.float32)
    for i in range(0, len(starts), BLOCKS_MIXED):
        runs = [x.read(start, run) for start in starts[i : i + BLOCKS_MIXED]]
        rows = np.concatenate([left, *runs]).astype(np.float32, copy=False)
        rows = rows[rng.permutation(len(rows))]
        whole = len(rows) // batch_size * batch_size
        yield from rows[:whole].reshape(-1, batch_size, n_columns)
        left = rows[whole:]


def _tfrecord(paths: list[Path], batch_size: int, seed: int, n_columns: int | None) -> tf.data.Dataset:
    if n_columns is None or n_columns < 1:
        raise DatasetError(f"TFRecord files do not say how many columns x has: give n_columns, got {n_columns}.")

    def parse(examples):
        return tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([n_columns], tf.float32)})["x"]

    n_rows = sum(_count_rows(path, parse) for path in paths)
    if n_rows < batch_size:
        raise DatasetError(f"{', '.join(map(str, paths))}: {n_rows} rows are no batch of batch_size={batch_size}.")
    names = tf.data.Dataset.from_tensor_slices([str(path) for path in paths])
    names = names.shuffle(len(paths), seed=seed, reshuffle_each_iteration=True)
    rows = names.interleave(tf.data.TFRecordDataset, cycle_length=min(len(paths), 4), deterministic=True)
    buffer = BLOCKS_MIXED * max(1, BLOCK_BYTES // (4 * n_columns))
    rows = rows.shuffle(buffer, seed=seed, reshuffle_each_iteration=True).batch(batch_size, drop_remainder=True)
    data = rows.map(lambda batch: (parse(batch),))
    return data.apply(tf.data.experimental.assert_cardinality(n_rows // batch_size)).prefetch(4)


def _count_rows(path: Path, parse: Callable) -> int:
    """Rows of a TFRecord file, each of which is read and parsed once: no fault is left to end a training of hours."""
    _check_lengths(path)
    try:
        return sum(len(rows) for rows in tf.data.TFRecordDataset(str(path)).batch(1024).map(parse))
    except (tf.errors.OpError, UnicodeDecodeError) as error:  # TensorFlow's message quotes the record
        reason = str(error).splitlines()[0]
        raise DatasetError(f"{path} is no sound TFRecord file of such rows ({reason}): write it again.") from error


def _check_lengths(path: Path) -> None:
    """Refuse a record longer than the file: TensorFlow would take memory for it."""
    size, position = path.stat().st_size, 0
    with files.opened(path, unpack=False) as stream:
        while position < size:
            stream.seek(position)
            position += int.from_bytes(stream.read(8), "little") + 16  # and two sums
    if position > size:
        raise DatasetError(f"{path} is cut off, or its lengths are damaged: write it again.")
