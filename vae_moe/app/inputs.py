"""What a command reads: rows as numbers, with what is needed to show them to a person."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_moe.data import columns, dialects, reading
from vae_moe.data.dialects import Dialect
from vae_moe.data.files import DatasetError
from vae_moe.data.image_folder import Images
from vae_moe.data.preparation import Preparation

FOLDER = "folder"  # the column of an image's class
SIXTEEN_BITS = 2**16 - 1  # white of deep images, where an early config.json does not say
CHUNK = 2**20


@dataclass(frozen=True, eq=False)
class Source:
    """What was read.

    Attributes:
        path: of the file or folder.
        frame: the table; of images a column ``folder`` if they have classes.
        images: or None.
        first: number of the first row of a table.
        dialect: of a table.
        last: a file whose rows are the last of the table.
        n_first: how many rows are not of that file.
    """

    path: Path
    frame: pd.DataFrame
    images: Images | None
    first: int = 1
    dialect: Dialect = dialects.PLAIN
    last: Path | None = None
    n_first: int = 0

    @property
    def rows(self) -> list[str]:
        """N names: numbers from 1, or files."""
        if self.images is not None:
            return self.images.names
        return list(map(str, range(self.first, self.first + len(self.frame))))

    @property
    def image_shape(self) -> list[int] | None:
        """(H, W) or (H, W, 3), of images."""
        return None if self.images is None else list(self.images.image_shape)

    def followed_by(self, other: "Source") -> "Source":
        """The table with the rows of another below its own, in its columns."""
        frame = pd.concat([self.frame, other.frame[list(self.frame)]], ignore_index=True)
        return replace(self, frame=frame, last=other.path, n_first=len(self.frame))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the files, or of a folder's images and their names: the same data have the same one."""
        found = hashlib.sha256()
        if self.path.is_file():
            for path in filter(None, (self.path, self.last)):
                with path.open("rb") as file:
                    while chunk := file.read(CHUNK):
                        found.update(chunk)
        elif self.images is not None:
            found.update("\n".join(self.images.names).encode())
            found.update(np.ascontiguousarray(self.images.pixels).data)
        return found.hexdigest()


def read(
    path: Path,
    image_shape: Sequence[int] | None = None,
    side: int | None = None,
    white: int | None = None,
    as_text: Sequence[str] = (),
    dialect: Dialect = dialects.PLAIN,
) -> Source:
    """Read a table or images; arguments as in ``reading.read``."""
    found = reading.read(path, image_shape, side, white, as_text, dialect)
    if isinstance(found, pd.DataFrame):
        return Source(path, found, None, dialect=dialect)
    classes = {} if found.classes is None else {FOLDER: pd.Categorical(found.classes)}
    return Source(path, pd.DataFrame(classes, index=range(len(found.names))), found)


def labels(source: Source, name: str | None) -> np.ndarray | None:
    """Known classes of the rows to compare with, [N]: a column's, or the images' sub-folders; None without.

    Raises:
        DatasetError: there is no such column.
    """
    if name is None:
        return source.frame[FOLDER].to_numpy(str) if source.images and FOLDER in source.frame else None
    with naming(source.path):
        columns.check_names(source.frame, [name], "--labels")
    return columns.text(source.frame[name]).to_numpy(str)


def with_categories(source: Source, names: Sequence[str]) -> Source:
    """The table with columns that are categories though they are numbers, such as codes."""
    with naming(source.path):
        columns.check_names(source.frame, names, "--categorical")
    kinds = {name: pd.Categorical(columns.text(source.frame[name]).where(source.frame[name].notna())) for name in names}
    return replace(source, frame=source.frame.assign(**kinds))


def prepare(
    source: Source, rows: np.ndarray, drop: Sequence[str], apart: Mapping[str, str]
) -> tuple[Any, Preparation | None]:
    """Learn from some rows how to prepare a table, and prepare all rows; images need no learning.

    Args:
        source: N rows.
        rows: numbers of those to learn from.
        drop: columns to leave out.
        apart: further columns that are not learned from, and why.

    Returns:
        What an estimator takes: a table [N, C] and its preparation, or x [N, D] float32 of images.
    """
    with naming(source.path):
        if source.images is not None:
            columns.check_names(source.frame, drop, "--drop")
            return source.images.x, None
        preparation = Preparation.fit(source.frame, [*drop, *apart], rows)
        preparation.columns.left_out.update(apart)
        return preparation.transform(source.frame), preparation


def dialect(config: Mapping[str, Any]) -> Dialect:
    """How the numbers and dates of a training's tables are written."""
    kept = {name: config[name] for name in ("decimal", "dayfirst", "encoding") if name in config}
    return Dialect(**kept, gaps=tuple(config.get("na_values", ())))


def preparation(folder: Path, config: Mapping[str, Any]) -> Preparation | None:
    """What a training's folder holds to prepare tables; None of images."""
    return Preparation.load(folder / "preparation") if config["image_shape"] is None else None


def prepare_again(path: Path, config: dict[str, Any], preparation: Preparation | None) -> tuple[Source, Any]:
    """Read new rows and prepare them as those of training were.

    Args:
        path: file or folder.
        config: of the trained folder.
        preparation: of a table, or None of images.

    Returns:
        What was read, and what an estimator takes of it, as of ``prepare``.
    """
    shape = config["image_shape"]
    as_text = list(preparation.columns.forms) if preparation else []
    source = read(path, shape, white=config.get("image_white", SIXTEEN_BITS), as_text=as_text, dialect=dialect(config))
    if source.image_shape != shape:
        received = "a table" if source.images is None else f"images of {source.image_shape}"
        wanted = "a table" if shape is None else f"images of {shape}"
        raise DatasetError(f"{path} holds {received}, the training data was {wanted}. Give data of the same form.")
    return source, prepared(source, preparation)


def parts(path: Path, config: dict[str, Any], preparation: Preparation | None) -> Iterator[tuple[Source, Any, float]]:
    """Read and prepare new rows, those of large tables part by part; arguments as of ``prepare_again``.

    Yields:
        What was read, what an estimator takes of it, and the share of the file that is read by then.
    """
    if preparation is None or not reading.is_large(path):
        yield (*prepare_again(path, config, preparation), 1.0)
        return
    first = 1
    for frame, share in reading.parts(path, preparation.written, dialect(config)):
        source = Source(path, frame, None, first)
        with naming(path, first):
            rows = preparation.transform(frame)
        yield source, rows, share
        first += len(frame)


def prepared(source: Source, preparation: Preparation | None) -> Any:
    """Rows of a table as it was learned to prepare them, or of images, as of ``prepare``."""
    if preparation is None:
        assert source.images is not None
        return source.images.x
    with naming(source.path):
        return preparation.transform(source.frame)


def rows_at(rows: Any, positions: np.ndarray | slice) -> Any:
    """Some of the rows that an estimator takes."""
    return rows.iloc[positions] if isinstance(rows, pd.DataFrame) else rows[positions]


@contextmanager
def naming(path: Path, first: int = 1) -> Iterator[None]:
    """Names the file in errors that its columns raise, and the row from which on these count."""
    try:
        yield
    except DatasetError as error:
        counted = f" (rows are counted from row {first} on)" if first > 1 else ""
        raise DatasetError(f"{path}{counted}: {error}") from error
