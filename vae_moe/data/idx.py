"""The IDX format of MNIST: arrays of unsigned bytes, in a folder of four files, plain or packed by gzip."""

import math
from pathlib import Path

import numpy as np

from vae_moe.data import files
from vae_moe.data.files import DatasetError

DIMENSIONS = {  # of each official file, in the order of `read_folder`
    "train-images-idx3-ubyte": 3,
    "train-labels-idx1-ubyte": 1,
    "t10k-images-idx3-ubyte": 3,
    "t10k-labels-idx1-ubyte": 1,
}


def read_folder(folder: files.PathLike) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read the four files of a folder, under their official names or with the ending .gz (a plain file comes first).

    Returns:
        Training images [N, H, W] and labels [N], test images and labels, all uint8.

    Raises:
        DatasetError: a file is missing, not sound or larger than `files.LIMIT`, or has not one label for each image.
    """
    folder = Path(folder)
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
    magic = bytes([0, 0, 8, ndim])
    with files.opened(path) as stream:
        header = files.read_at_most(stream, 4 + 4 * ndim)
        if header[:4] != magic or len(header) < 4 + 4 * ndim:
            raise DatasetError(
                f"{path} is no IDX file of unsigned bytes in {ndim} dimensions: its header has {len(header)} of "
                f"{4 + 4 * ndim} bytes and begins with {header[:4].hex(' ')}, not {magic.hex(' ')}. "
                "Put a sound copy in its place."
            )
        shape = tuple(np.frombuffer(header, ">u4", count=ndim, offset=4).tolist())
        if math.prod(max(size, 1) for size in shape) > files.LIMIT:
            raise DatasetError(
                f"{path} tells of {shape} values in its header, more than the {files.LIMIT} that are read into memory. "
                "Put a sound copy in its place, or train from a .npy file (vae_moe.data.datasets.stream)."
            )
        values = np.frombuffer(files.read_at_most(stream, math.prod(shape) + 1), np.uint8)
    if values.size != math.prod(shape):
        fault = "has a surplus" if values.size > math.prod(shape) else f"is cut off after {values.size} values"
        raise DatasetError(f"{path} {fault}: its header tells of {shape}. Put a sound copy in its place.")
    return values.reshape(shape)
