"""CIFAR-10 as its authors give it (Krizhevsky 2009): five batches and a test batch, pickled or binary, or an archive.

Nothing is unpacked to disk: an archive cannot write anywhere.
"""

import io
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vae_moe.data import files, pickles
from vae_moe.data.files import DatasetError

BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
N_CLASSES = 10
_PIXELS = 3 * 32 * 32
_BATCH_LIMIT = 2**26  # bytes; an official batch has 31 million
_ARCHIVE_LIMIT = 2**28  # bytes; the official ones have 171 million

_Batch = tuple[np.ndarray, np.ndarray]  # pixels [N, 3072], colour after colour, and labels [N]


def read_folder(folder: files.PathLike) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read the batches of a folder, of its subfolder cifar-10-batches-py or -bin, or of an official archive in it.

    Batches may have other numbers of rows than the official 10000; an archive has to have the official MD5.

    Returns:
        Training images [N, 32, 32, 3] and labels [N], test images and labels, all uint8.

    Raises:
        DatasetError: no batches, or one that is missing, not sound, empty, or has labels above 9.
    """
    for layout in _LAYOUTS:
        contents = layout.contents(Path(folder))
        if contents is not None:
            batches = [layout.decode(content, source) for source, content in contents.items()]
            train_x, train_y = (np.concatenate(parts) for parts in zip(*batches[:-1], strict=True))
            return _images(train_x), train_y, _images(batches[-1][0]), batches[-1][1]
    known = " or ".join(f"{layout.archive} (or what it holds, {layout.files[0]}, ...)" for layout in _LAYOUTS)
    raise DatasetError(f"{folder} holds no CIFAR-10: give a folder with {known}.")


def _images(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # [N, 32, 32, 3]


def _decode_pickle(content: bytes, source: str) -> _Batch:
    """A dict of data, uint8 [N, 3072], and labels, a list of N integers, among others."""
    batch = pickles.loads(content, source)
    pixels, labels = (batch.get(key) if isinstance(batch, dict) else None for key in (b"data", b"labels"))
    if not (isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.shape[1:] == (_PIXELS,)):
        found = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else "none"
        raise DatasetError(f"{source} must have data of uint8 [N, {_PIXELS}], got {found}. Put a sound copy there.")
    if not isinstance(labels, list) or len(labels) != len(pixels) or any(type(label) is not int for label in labels):
        raise DatasetError(f"{source} must have a list of {len(pixels)} integers as labels. Put a sound copy there.")
    return _checked(np.asarray(pixels), np.array(labels, object), source)


def _decode_binary(content: bytes, source: str) -> _Batch:
    """Rows of a label and its pixels, all unsigned bytes."""
    if not content or len(content) % (1 + _PIXELS):
        raise DatasetError(
            f"{source} holds {len(content)} bytes, not some rows of {1 + _PIXELS}: it is cut off or has a surplus. "
            "Put a sound copy in its place."
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, 1 + _PIXELS)
    return _checked(rows[:, 1:], rows[:, 0], source)


def _checked(pixels: np.ndarray, labels: np.ndarray, source: str) -> _Batch:
    if labels.min() < 0 or labels.max() >= N_CLASSES:
        raise DatasetError(
            f"{source} has labels from {labels.min()} to {labels.max()}: CIFAR-10's are 0 to {N_CLASSES - 1}. "
            "Put a sound copy in its place."
        )
    return pixels, labels.astype(np.uint8)


@dataclass(frozen=True)
class _Layout:
    """One of the two forms of CIFAR-10."""

    archive: str
    md5: str
    subfolder: str
    ending: str
    decode: Callable[[bytes, str], _Batch]

    @property
    def files(self) -> list[str]:
        return [batch + self.ending for batch in BATCHES]

    def contents(self, folder: Path) -> dict[str, bytes] | None:
        """The batches by where they are from, in order; None if the folder has none of this layout."""
        for place in (folder, folder / self.subfolder):
            if (place / self.files[0]).is_file():
                return {str(place / file): files.read(place / file, _BATCH_LIMIT) for file in self.files}
        return self._unpacked(folder / self.archive) if (folder / self.archive).is_file() else None

    def _unpacked(self, archive: Path) -> dict[str, bytes]:
        content = files.read(archive, _ARCHIVE_LIMIT, unpack=False)
        if files.md5(content) != self.md5:
            raise DatasetError(
                f"{archive} has the MD5 {files.md5(content)}, not the official {self.md5}; it was not opened. Fetch it "
                "again."
            )
        wanted = {f"{self.subfolder}/{file}": f"{archive}: {file}" for file in self.files}
        found: dict[str, bytes] = {}
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as members:
                for member in members:
                    if member.name in wanted and member.isfile() and member.size <= _BATCH_LIMIT:
                        found[wanted[member.name]] = members.extractfile(member).read()  # type: ignore[union-attr]
        except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
            raise DatasetError(f"{archive} cannot be unpacked: {error}. Fetch it again.") from error
        if missing := [source for source in wanted.values() if source not in found]:
            raise DatasetError(f"{missing[0]} is not there. Fetch the archive again.")
        return {source: found[source] for source in wanted.values()}


_LAYOUTS = (
    _Layout(
        "cifar-10-python.tar.gz",
        "c58f30108f718f92721af3b95e74349a",
        "cifar-10-batches-py",
        "",
        _decode_pickle,
    ),
    _Layout(
        "cifar-10-binary.tar.gz",
        "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar-10-batches-bin",
        ".bin",
        _decode_binary,
    ),
)
