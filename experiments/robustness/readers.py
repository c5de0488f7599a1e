"""Readers of files as targets of fuzzing.

A target is made in an empty folder and gives a function of a random generator and another empty folder: it writes a
damaged content where its reader expects it, and reads.
"""

import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from experiments.robustness import from_tests
from experiments.robustness.damage import damaged

Target = Callable[[np.random.Generator, Path], Any]

ROWS = np.arange(15, dtype=np.float32).reshape(5, 3)


def idx() -> Target:
    """One of MNIST's four files, plain or packed."""
    from vae_moe.data import idx

    images, labels = idx.encode(np.arange(24).reshape(4, 2, 3)), idx.encode(np.arange(4))
    contents = dict(zip(idx.DIMENSIONS, (images, labels, images, labels), strict=True))

    def read(rng, folder):
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        path = folder / list(contents)[rng.integers(4)]
        if rng.random() < 0.5:
            path.write_bytes(damaged(rng, [images, labels]))
        else:
            path.unlink()
            path.with_suffix(".gz").write_bytes(_packed(rng, [images, labels]))
        return idx.read_folder(folder)

    return read


def pickles() -> Target:
    """Pickles of arrays and plain values."""
    from vae_moe.data import pickles

    make = from_tests("small_files").python2_pickle
    batch = {"labels": [3, 300, -1], "data": np.arange(6, dtype=np.uint8).reshape(2, 3)}
    seeds = [make(batch), make([np.arange(3.0), "text", 1.5, None, (2, 3)])]
    return lambda rng, folder: pickles.loads(damaged(rng, seeds), folder)


def cifar() -> Target:
    """A batch of CIFAR-10 in both layouts."""
    from vae_moe.data import cifar

    small_files = from_tests("small_files")
    rows = small_files.cifar_rows(n_rows=2)

    def read(rng, folder):
        layout, ending = (("python", ""), ("binary", ".bin"))[rng.integers(2)]
        small_files.write_cifar(folder, layout, rows)
        (folder / f"data_batch_3{ending}").write_bytes(damaged(rng, [rows["data_batch_3"][layout]]))
        return cifar.read_folder(folder)

    return read


def archive() -> Target:
    """CIFAR-10's archive, as if its sum were right."""
    from vae_moe.data import cifar, files

    small_files = from_tests("small_files")
    small_files.write_cifar_archive(Path("x"), "binary", small_files.cifar_rows(n_rows=2))
    seeds = [gzip.decompress(Path("x").read_bytes())]
    (md5,) = (layout.md5 for layout in cifar._LAYOUTS if "binary" in layout.archive)

    def read(rng, folder):
        (folder / "cifar-10-binary.tar.gz").write_bytes(_packed(rng, seeds))
        with mock.patch.object(files, "md5", lambda _: md5):
            return cifar.read_folder(folder)

    return read


def mat() -> Target:
    """A .mat file of X and Y, plain or with packed elements."""
    import scipy.io

    from vae_moe.data import mat

    def savemat(compressed=False, **variables):
        stream = io.BytesIO()
        scipy.io.savemat(stream, variables, do_compression=compressed)
        return stream.getvalue()

    small = {"X": np.arange(6.0).reshape(3, 2), "Y": np.array([[1], [2], [1]], np.uint8)}
    seeds = [savemat(**small), savemat(compressed=True, **small), savemat(C=np.array([1, "a", {}], object), **small)]

    def packed(content):
        element = zlib.compress(content[128:])
        return content[:128] + b"\x0f\0\0\0" + len(element).to_bytes(4, "little") + element

    def read(rng, folder):
        content = damaged(rng, seeds)
        (folder / "x.mat").write_bytes(packed(content) if rng.random() < 0.3 else content)
        return mat.read(folder / "x.mat", limit=10**6)

    return read


def stream() -> Target:
    """A .npy or TFRecord file of batches that are read as they are needed, all of them."""
    from vae_moe.data import streaming

    np.save("x.npy", ROWS)
    np.save("y.npy", ROWS.astype(">f8"))
    streaming.write_tfrecord(ROWS, "x.tfrecord")
    arrays, records = [Path("x.npy").read_bytes(), Path("y.npy").read_bytes()], [Path("x.tfrecord").read_bytes()]

    def read(rng, folder):
        seeds, ending = ((arrays, ".npy"), (records, ".tfrecord"))[rng.integers(2)]
        path = folder / f"x{ending}"
        path.write_bytes(damaged(rng, seeds))
        return [batch.numpy() for (batch,) in streaming.stream(path, batch_size=2, n_columns=3)]

    return read


def csv() -> Target:
    """A CSV table of the user's, in several dialects and encodings."""
    from vae_moe.data import reading

    wine = from_tests("own_files").wine().head(20)
    plain = wine.to_csv(index=False)
    texts = [plain, wine.to_csv(index=False, sep=";"), wine.to_csv(sep="\t"), plain.replace("north", '"no,r\nth"')]
    texts += [wine.to_csv(index=False, sep=";", decimal=","), "sep=|\n" + wine.to_csv(sep="|", index=False)]
    texts += [wine.assign(alcohol="$1,230", ash="01", hue="-").to_csv(index=False), wine.to_csv(header=False)]
    seeds = [*(text.encode() for text in texts), plain.encode("utf-16"), plain.encode("utf-8-sig"), b"a,b\n1,2\n"]
    return _one_file("x.csv", seeds, reading.read)


def arrays() -> Target:
    """A .npy or .npz file of the user's."""
    from vae_moe.data import reading

    def saved(save, *values, **named):
        stream = io.BytesIO()
        save(stream, *values, **named)
        return stream.getvalue()

    images = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    npy = [saved(np.save, ROWS), saved(np.save, images), saved(np.save, np.array([["a", "b"]] * 3))]
    npz = [saved(np.savez, ROWS), saved(np.savez_compressed, x=images, y=np.arange(3))]
    readers = _one_file("x.npy", npy, reading.read), _one_file("x.npz", npz, reading.read)
    return lambda rng, folder: readers[rng.integers(2)](rng, folder)


def parquet() -> Target:
    """A Parquet table of the user's."""
    from vae_moe.data import reading

    wine = from_tests("own_files").wine().head(20)
    return _one_file("x.parquet", [wine.to_parquet(), wine[["alcohol", "region"]].to_parquet()], reading.read)


def images() -> Target:
    """A folder of a sound PNG and a damaged PNG or JPEG."""
    from PIL import Image

    from vae_moe.data import reading

    def saved(mode, kind):
        stream = io.BytesIO()
        Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).convert(mode).save(stream, kind)
        return stream.getvalue()

    sound = saved("L", "PNG")
    seeds = {".png": [saved(mode, "PNG") for mode in ("L", "RGB", "RGBA", "P")], ".jpg": [saved("RGB", "JPEG")]}

    def read(rng, folder):
        ending = list(seeds)[rng.integers(2)]
        (folder / "a.png").write_bytes(sound)
        (folder / f"b{ending}").write_bytes(damaged(rng, seeds[ending]))
        return reading.read(folder)

    return read


def _one_file(name: str, seeds: list[bytes], read: Callable[[Path], Any]) -> Target:
    """A reader of one file."""

    def target(rng, folder):
        (folder / name).write_bytes(damaged(rng, seeds))
        return read(folder / name)

    return target


def _packed(rng, seeds: list[bytes]) -> bytes:
    """Damaged after it is packed, or packed after it is damaged."""
    packed = [gzip.compress(seed, 1) for seed in seeds]
    return damaged(rng, packed) if rng.random() < 0.5 else gzip.compress(damaged(rng, seeds), 1)
