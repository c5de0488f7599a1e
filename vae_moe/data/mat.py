"""Tables in MATLAB's .mat files of version 5 to 7: X [N, D] and its labels Y.

Our own reader of real matrices, for SciPy's ends the process where one byte of a type is wrong, and takes memory for
whatever a size claims.
"""

import math
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from vae_moe.data import files
from vae_moe.data.files import DatasetError

_HEADER = 128  # bytes; the last four tell version and byte order
_BYTE_ORDERS = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
_DTYPES = dict(enumerate(("i1", "u1", "i2", "u2", "i4", "u4", "f4", None, "f8", None, None, "i8", "u8"), 1))
_MATRIX, _COMPRESSED = 14, 15  # the other types of elements
_NUMBER_CLASSES = range(6, 16)  # of matrices: double, single, integers
_COMPLEX = 0x800


def read(path: files.PathLike, limit: int = files.LIMIT) -> tuple[np.ndarray, np.ndarray]:
    """Read the variables X and Y.

    Args:
        path: the file.
        limit: bytes that it may hold, packed or unpacked.

    Returns:
        X [N, D] and Y [N], of real numbers.

    Raises:
        DatasetError: the file is not sound, of another version or too large, or has no such X and Y.
    """
    content = files.read(path, limit)
    byte_order = _BYTE_ORDERS.get(content[124:_HEADER])
    if byte_order is None:
        raise DatasetError(f"{path} is no .mat file of version 5 to 7: write it with save -v7, or scipy.io.savemat.")
    try:
        found = dict(_matrices(content[_HEADER:], byte_order, limit))
    except (ValueError, struct.error, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read ({error}). Put a sound copy in its place.") from error
    x, y = found.get(b"X"), found.get(b"Y")
    if x is None or y is None or y.shape not in ((len(x), 1), (1, len(x))):
        shapes = {name.decode("ascii", "replace"): None if a is None else a.shape for name, a in found.items()}
        raise DatasetError(f"{path} must have X [N, D] and Y [N, 1], full matrices of real numbers, has {shapes}.")
    return x, y.ravel()


def _matrices(content: bytes, byte_order: str, limit: int) -> Iterator[tuple[bytes, np.ndarray | None]]:
    """Names and values of all variables, None for what is no real matrix."""
    for kind, element in _elements(content, byte_order):
        elements = [(kind, element)]
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(element, limit)
            if not unpacker.eof:
                raise ValueError(f"a variable is cut off, or larger than {limit} bytes with those before it")
            limit = max(1, limit - len(unpacked))
            elements = list(_elements(unpacked, byte_order))
        yield from (_matrix(element, byte_order) for kind, element in elements if kind == _MATRIX)


def _matrix(content: bytes, byte_order: str) -> tuple[bytes, np.ndarray | None]:
    parts = _elements(content, byte_order)
    (_, flags), (_, sizes), (_, name) = (next(parts, (0, b"")) for _ in range(3))
    flag = int.from_bytes(flags[:4], "little" if byte_order == "<" else "big")
    if flag & 0xFF not in _NUMBER_CLASSES or flag & _COMPLEX:
        return name, None
    kind, values = next(parts, (0, b""))
    shape = tuple(np.frombuffer(sizes, f"{byte_order}i4").tolist())
    dtype = _DTYPES.get(kind)
    if dtype is None:
        raise ValueError(f"values of the type {kind}")
    if len(shape) != 2 or min(shape) < 1:
        return name, None
    array = np.frombuffer(values, byte_order + dtype)
    if array.size != math.prod(shape):
        raise ValueError(f"{array.size} values for a matrix {shape}")
    return name, array.reshape(shape, order="F")


def _elements(content: bytes, byte_order: str) -> Iterator[tuple[int, bytes]]:
    """Types and contents of the elements that follow each other; each begins at a multiple of 8 unless packed."""
    position = 0
    while position < len(content):
        kind, size = struct.unpack_from(f"{byte_order}2I", content, position)
        start = position + 8
        if kind >> 16:  # a small one: size, type and up to 4 bytes in eight
            kind, size, start = kind & 0xFFFF, min(kind >> 16, 4), position + 4
        end = start + size
        if end > len(content):
            raise ValueError(f"an element of {size} bytes is cut off")
        yield kind, content[start:end]
        position = end if kind == _COMPRESSED else -(-end // 8) * 8
