"""Files of unknown origin, read within bounds; what goes wrong is a `DatasetError`."""

import contextlib
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from vae_moe.engine.files import whole_file

#: Bytes that a file may hold, unpacked, if it is read into memory as a whole: 1 GiB, twenty times MNIST.
LIMIT = 2**30
_CHUNK = 2**20


PathLike = str | os.PathLike[str]


class DatasetError(Exception):
    """A data set cannot be had or read; the message tells the user what to do."""


def readable(path: PathLike) -> str:
    """Return a path as text that can be written: bytes of a name that are no UTF-8 as \\xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def opened(path: PathLike, *, unpack: bool = True) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked if its name ends in .gz, unless told otherwise.

    Raises:
        DatasetError: it cannot be read, or not be unpacked, here or inside the with statement.
    """
    path = Path(path)
    try:
        with gzip.open(path) if unpack and path.suffix == ".gz" else path.open("rb") as stream:
            yield stream  # type: ignore[misc]
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {error}. Put a sound copy in its place.") from error


def read_at_most(stream: IO[bytes], n: int) -> bytearray:
    """Read n bytes, or as many as there are: memory is taken for what is there, not for what is asked."""
    content = bytearray()
    while chunk := stream.read(min(_CHUNK, n - len(content))):
        content += chunk
    return content


def read(path: PathLike, limit: int = LIMIT, *, unpack: bool = True) -> bytes:
    """Read a whole file, unpacked if its name ends in .gz, unless told otherwise.

    Raises:
        DatasetError: it cannot be read, or holds more than `limit` bytes.
    """
    with opened(path, unpack=unpack) as stream:
        content = read_at_most(stream, limit + 1)
    if len(content) > limit:
        raise DatasetError(f"{path} holds more than the {limit} bytes such a file may. Put a sound copy in its place.")
    return bytes(content)


def write(folder: PathLike, contents: Mapping[str, bytes]) -> None:
    """Write files so that each is there as a whole or not at all, even if the machine stops meanwhile.

    Raises:
        DatasetError: the folder cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in contents.items():
            with whole_file(folder / file) as temporary:
                temporary.write_bytes(content)
    except OSError as error:
        raise DatasetError(f"Cannot write to {folder}: {error}. Set VAE_MOE_DATA to a folder with space.") from error


def md5(content: bytes) -> str:
    """The MD5 of a content, in hexadecimal."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
