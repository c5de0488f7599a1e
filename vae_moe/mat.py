"""Tables in MATLAB's .mat files of version 5 to 7: X [N, D] and its labels Y, read within bounds."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from vae_moe import files
from vae_moe.files import DatasetError

_HEADER = 128  # bytes; the last four tell version and byte order
_COMPRESSED = 15  # the type of an element that zlib has packed
_NUMBERS = ("double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))


def read(path: Path, limit: int = files.LIMIT) -> tuple[np.ndarray, np.ndarray]:
    """Read the variables X and Y.

    Args:
        path: the file.
        limit: bytes that it may hold, packed or unpacked.

    Returns:
        X [N, D] and Y [N], of real numbers.

    Raises:
        DatasetError: the file is not sound, of another version or too large, or has no such X and Y.
    """
    from scipy.io import loadmat, whosmat

    content = files.read(path, limit)
    if content[124:_HEADER] not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise DatasetError(f"{path} is no .mat file of version 5 to 7: write it with save -v7, or scipy.io.savemat.")
    try:
        unpacked = io.BytesIO(_unpacked(content, limit))
        found = [(name, shape, kind) for name, shape, kind in whosmat(unpacked) if name in ("X", "Y")]
        sound = sorted(name for name, _, kind in found if kind in _NUMBERS) == ["X", "Y"] and len(found) == 2
        variables = loadmat(unpacked, variable_names=["X", "Y"]) if sound else {}
    except Exception as error:  # a damaged file makes scipy raise anything
        raise DatasetError(f"{path} cannot be read ({error}). Put a sound copy in its place.") from error
    if not sound or not _is_table(**variables):
        raise DatasetError(f"{path} must have X [N, D] and Y [N, 1], full matrices of real numbers, has {found}.")
    return variables["X"], variables["Y"].ravel()


def _is_table(X: np.ndarray, Y: np.ndarray, **_: Any) -> bool:
    return X.ndim == 2 and Y.shape in ((len(X), 1), (1, len(X))) and X.dtype.kind != "c" != Y.dtype.kind


def _unpacked(content: bytes, limit: int) -> bytes:
    """The file with its packed elements unpacked: scipy would take memory for all that an element claims to hold."""
    byte_order = "<" if content[126:_HEADER] == b"IM" else ">"
    parts, position, size = [content[:_HEADER]], _HEADER, 0
    while position + 8 <= len(content):
        kind, n_bytes = struct.unpack_from(f"{byte_order}2I", content, position)
        element = content[position : position + 8 + n_bytes]
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            element = unpacker.decompress(element[8:], limit - size + 1)
            if not unpacker.eof and size + len(element) <= limit:
                raise ValueError("it is cut off")
        size += len(element)
        if size > limit:
            raise ValueError(f"it unpacks to more than {limit} bytes")
        parts.append(element)
        position += 8 + n_bytes
    return b"".join(parts)
