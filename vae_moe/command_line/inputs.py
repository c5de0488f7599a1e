"""What a command reads: rows as numbers, with what is needed to show them to a person."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_moe import columns, reading
from vae_moe.idx import DatasetError
from vae_moe.image_folder import Images
from vae_moe.tables import Preparation

FOLDER = "folder"  # the column of an image's class
SIXTEEN_BITS = 2**16 - 1  # white of deep images, where an early config.json does not say


@dataclass(frozen=True, eq=False)
class Source:
    """What was read.

    Attributes:
        path: of the file or folder.
        frame: the table; of images a column ``folder`` if they have classes.
        images: or None.
    """

    path: Path
    frame: pd.DataFrame
    images: Images | None

    @property
    def rows(self) -> list[str]:
        """N names: numbers from 1, or files."""
        return [str(row) for row in range(1, len(self.frame) + 1)] if self.images is None else self.images.names

    @property
    def image_shape(self) -> list[int] | None:
        """(H, W) or (H, W, 3), of images."""
        return None if self.images is None else list(self.images.image_shape)


def read(
    path: Path, image_shape: Sequence[int] | None = None, side: int | None = None, white: int | None = None
) -> Source:
    """Read a table or images; arguments as in ``reading.read``."""
    found = reading.read(path, image_shape, side, white)
    if isinstance(found, pd.DataFrame):
        return Source(path, found, None)
    classes = {} if found.classes is None else {FOLDER: found.classes}
    return Source(path, pd.DataFrame(classes, index=range(len(found.names))), found)


def prepare(source: Source, rows: np.ndarray, drop: Sequence[str]) -> tuple[np.ndarray, Preparation | None]:
    """Learn from some rows how to prepare a table, and prepare all rows; images need no learning.

    Args:
        source: N rows.
        rows: numbers of those to learn from.
        drop: columns to leave out.

    Returns:
        x [N, D] float32, and the preparation of a table.
    """
    with about(source.path):
        if source.images is not None:
            columns.check_names(source.frame, drop, "--drop")
            return source.images.x, None
        preparation = Preparation.fit(source.frame.iloc[rows], drop)
        return preparation.transform(source.frame), preparation


def prepare_again(path: Path, config: dict[str, Any], preparation: Preparation | None) -> tuple[Source, np.ndarray]:
    """Read new rows and prepare them as those of training were.

    Args:
        path: file or folder.
        config: of the trained folder.
        preparation: of a table, or None of images.

    Returns:
        What was read, and x [N, D] float32.
    """
    shape = config["image_shape"]
    source = read(path, shape, white=config.get("image_white", SIXTEEN_BITS))
    if source.image_shape != shape:
        received = "a table" if source.images is None else f"images of {source.image_shape}"
        wanted = "a table" if shape is None else f"images of {shape}"
        raise DatasetError(f"{path} holds {received}, the training data was {wanted}. Give data of the same form.")
    if source.images is not None:
        return source, source.images.x
    assert preparation is not None
    with about(path):
        return source, preparation.transform(source.frame)


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Names the file in what is said about its columns."""
    try:
        yield
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from error
