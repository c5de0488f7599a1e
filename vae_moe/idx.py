"""The IDX format of MNIST: arrays of unsigned bytes, in a folder of four files, plain or packed by gzip."""

import gzip
import zlib
from pathlib import Path

import numpy as np

DIMENSIONS = {  # of each official file, in the order of `read_folder`
    "train-images-idx3-ubyte": 3,
    "train-labels-idx1-ubyte": 1,
    "t10k-images-idx3-ubyte": 3,
    "t10k-labels-idx1-ubyte": 1,
}


class DatasetError(Exception):
    """A data set cannot be had or read; the message tells the user what to do."""


def read_folder(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read the four files of a folder, under their official names or with the ending .gz (a plain file comes first).

    Returns:
        Training images [N, H, W] and labels [N], test images and labels, all uint8.

    Raises:
        DatasetError: a file is missing or not sound, or has not one label for each image.
    """
    train_x, train_y, test_x, test_y = (_read(folder, file, ndim) for file, ndim in DIMENSIONS.items())
    for part, x, y in (("train", train_x, train_y), ("t10k", test_x, test_y)):
        if len(x) != len(y):
            raise DatasetError(
                f"{folder} holds {len(x)} {part} images but {len(y)} {part} labels. Give one label for each image."
            )
    return train_x, train_y, test_x, test_y


def encode(values: np.ndarray) -> bytes:
    """Encode an array of unsigned bytes as the content of an IDX file."""
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.astype(np.uint8).tobytes()


def _read(folder: Path, file: str, ndim: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes: 0 0 8 ndim, each dimension as a big-endian uint32, then the values."""
    path = next((path for path in (folder / file, folder / f"{file}.gz") if path.is_file()), None)
    if path is None:
        raise DatasetError(f"{folder} holds neither {file} nor {file}.gz. Give a folder with the four IDX files.")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {error}. Put a sound copy in its place.") from error
    magic = bytes([0, 0, 8, ndim])
    header_size = len(magic) * (1 + ndim)
    if content[:4] != magic or len(content) < header_size:
        raise DatasetError(
            f"{path} is no IDX file of unsigned bytes in {ndim} dimensions: it has {len(content)} bytes and begins "
            f"with {content[:4].hex(' ')}, not {magic.hex(' ')}. Put a sound copy in its place."
        )
    shape = tuple(np.frombuffer(content, ">u4", count=ndim, offset=4).tolist())
    values = np.frombuffer(content, np.uint8, offset=header_size)
    if values.size != np.prod(shape, dtype=object):
        raise DatasetError(
            f"{path} holds {values.size} values, but its header tells of {shape}: it is cut off or has a surplus. "
            "Put a sound copy in its place."
        )
    return values.reshape(shape)
