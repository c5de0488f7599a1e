"""Own files: CSV, Parquet and others as tables, NPY and NPZ as tables or images, image files and folders as images.

What a file may hold is bounded before it is read into memory. Nothing is unpickled.
"""

import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_moe.data import csv_files, dialects, formats, image_folder
from vae_moe.data.csv_files import MAX_COLUMNS, check_names, composed
from vae_moe.data.dialects import Dialect
from vae_moe.data.files import DatasetError
from vae_moe.data.image_folder import Images

MAX_BYTES = 2 * 2**30  # of a file, and of what an NPZ holds
MAX_ENTRIES = 300_000_000  # rows times columns: 1.2 GB as float32
LARGE_BYTES = 64 * 2**20  # of a table from which on new rows are read part by part
PART = 50_000  # rows
TEXTS = (".csv", ".tsv", ".txt")
ENDINGS = ".csv, .tsv, .txt, .xlsx, .jsonl, .parquet, .feather, also with .gz or .zst, .npy, .npz"


def read(
    path: str | Path,
    image_shape: Sequence[int] | None = None,
    side: int | None = None,
    white: int | None = None,
    as_text: Sequence[str] = (),
    dialect: Dialect = dialects.PLAIN,
) -> pd.DataFrame | Images:
    """Read a table or images.

    Args:
        path: a file of one of ``ENDINGS``, an image file or a folder of these.
        image_shape, side, white: what to bring image files to (``image_folder.read``).
        as_text: columns of a .csv file whose cells stay as they are written, "1.230" being a number or not.
        dialect: how numbers and dates are written.

    Returns:
        A table; or images, of a folder or of an array [N, H, W] or [N, H, W, 3] of bytes. An array [N, D] is a table of
        the columns x0, x1, ... An NPZ holds one array, or one named x and others [N] that are columns of their names.
        Of a .csv file codes such as 01 are text, and so is 1.230 where other columns have decimal commas.

    Raises:
        DatasetError: nothing there, another format, broken, or larger than the bounds above; it says what to do.
    """
    path = Path(path)
    is_image = path.is_file() and path.suffix.lower() in image_folder.ENDINGS
    if path.is_dir() or is_image:
        return image_folder.read(path, image_shape, side, white)
    if not path.is_file():
        raise DatasetError(f"{path} is not there. Give a file ({ENDINGS}) or a folder of images.")
    _check_bytes(path, path.stat().st_size)
    with formats.unpacked(path, MAX_BYTES) as bare, formats.in_utf8(bare, dialect.encoding) as plain:
        reader = _reader(plain, as_text, dialect)
        if reader is None:
            raise DatasetError(f"{path} has the ending {path.suffix!r}. Give one of {ENDINGS}, or a folder of images.")
        try:
            found = reader(plain)
        except OSError as error:
            raise DatasetError(f"{path} cannot be read: {error}. Put a sound copy in its place.") from error
    return found if isinstance(found, Images) else _checked(path, dialect.read(found, as_text))


def _reader(path: Path, as_text: Sequence[str], dialect: Dialect) -> Callable[[Path], pd.DataFrame | Images] | None:
    """What reads a file of this ending."""
    text = partial(csv_files.read, as_text=as_text, decimal=dialect.decimal)
    readers: dict[str, Callable[[Path], pd.DataFrame | Images]] = {
        **dict.fromkeys(TEXTS, text),
        ".xlsx": partial(formats.excel, most=MAX_BYTES, check_size=_check_size),
        ".jsonl": partial(formats.json_lines, check_size=_check_size),
        ".parquet": _parquet,
        ".feather": lambda path: _plain_index(formats.feather(path, _check_size)),
        ".npy": _npy,
        ".npz": _npz,
    }
    return readers.get(path.suffix.lower())


def is_large(path: str | Path) -> bool:
    """Whether a file is better read by ``parts``."""
    path = Path(path)
    return path.suffix.lower() in (*TEXTS, ".parquet") and path.is_file() and path.stat().st_size > LARGE_BYTES


def parts(
    path: str | Path, as_text: Sequence[str] = (), dialect: Dialect = dialects.PLAIN
) -> Iterator[tuple[pd.DataFrame, float]]:
    """Read a .csv, .tsv, .txt or .parquet file of any size in parts of ``PART`` rows.

    Args:
        path: of the file.
        as_text: as of ``read``. What cells of other columns are is found out part by part.
        dialect: as of ``read``.

    Yields:
        The rows, and the share of the file that is read by then.

    Raises:
        DatasetError: as ``read``.
    """
    path = Path(path)
    if path.suffix.lower() in TEXTS:
        with formats.in_utf8(path, dialect.encoding) as plain:
            for frame, share in csv_files.parts(plain, PART, as_text, dialect.decimal):
                yield dialect.read(frame, as_text), share
        return
    with _parquet_file(path) as file:
        done = 0
        for batch in file.iter_batches(PART):
            done += batch.num_rows
            yield dialect.read(_plain_index(batch.to_pandas()), as_text), done / file.metadata.num_rows


@contextmanager
def _parquet_file(path: Path) -> Iterator[Any]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise DatasetError(f"{path} needs pyarrow. pip install 'vae_moe[tables]', or give a CSV file.") from error
    try:
        with parquet.ParquetFile(path) as file:
            check_names(path, file.schema_arrow.names)
            yield file
    except DatasetError:
        raise
    except Exception as error:  # damaged notes of pandas' in the file make it raise anything
        raise DatasetError(
            f"{path} cannot be read as Parquet: {str(error)[:200]}. Put a sound copy in its place."
        ) from error


def _parquet(path: Path) -> pd.DataFrame:
    with _parquet_file(path) as file:
        _check_size(path, file.metadata.num_rows, file.metadata.num_columns)
        return _plain_index(pd.read_parquet(path))


def _plain_index(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame whose index, that is columns to all but pandas, is columns."""
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(names=["" if name is None else name for name in frame.index.names])
    return frame.reset_index(drop=True).set_axis([composed(str(name)) for name in frame.columns], axis=1)


def _npy(path: Path) -> pd.DataFrame | Images:
    return _from_arrays(path, {"x": _array(path, path)})


def _npz(path: Path) -> pd.DataFrame | Images:
    try:
        with zipfile.ZipFile(path) as packed:
            _check_bytes(path, sum(entry.file_size for entry in packed.infolist()))
            names = [name.removesuffix(".npy") for name in packed.namelist()]
            arrays = {}
            for name, entry in zip(names, packed.namelist(), strict=True):
                with packed.open(entry) as file:
                    arrays[name] = _array(path, file)
    except (zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: packed in a way that Python cannot undo
        raise DatasetError(f"{path} is no NPZ file: {error}. Write it with numpy.savez.") from error
    if len(arrays) == 1:
        arrays = {"x": next(iter(arrays.values()))}
    if "x" not in arrays:
        raise DatasetError(f"{path} holds {', '.join(names) or 'no array'}. Name the array of the rows x.")
    return _from_arrays(path, arrays)


def _array(path: Path, file) -> np.ndarray:
    try:
        array = np.load(file, allow_pickle=False)
        if isinstance(array, np.ndarray) and array.dtype.kind == "U":
            _check_characters(array)
    except Exception as error:  # a damaged header makes NumPy raise anything
        raise DatasetError(f"{path} holds no sound array of numbers or text. Write it with numpy.save.") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufU":
        kind = getattr(array, "dtype", type(array).__name__)
        raise DatasetError(f"{path} holds {kind}. Save arrays of numbers or text.")
    return array


def _check_characters(array: np.ndarray) -> None:
    if array.size and array.dtype.itemsize:
        codes = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).view(np.uint32)
        if codes.max() > sys.maxunicode:
            raise ValueError("text has characters that are none")


def _from_arrays(path: Path, arrays: dict[str, np.ndarray]) -> pd.DataFrame | Images:
    x = arrays.pop("x")
    if x.dtype == np.uint8 and (x.ndim == 3 or (x.ndim == 4 and x.shape[-1] == 3)):
        labels = arrays.get("y")
        classes = None if labels is None or labels.shape != (len(x),) else labels.astype(str).tolist()
        image_folder.check_size(path, len(x), x.shape[1:])
        return Images(x, [str(i) for i in range(len(x))], classes)
    if x.ndim != 2:
        raise DatasetError(f"{path} holds x of the shape {x.shape}. Give rows [N, D], or images [N, H, W] of bytes.")
    _check_size(path, *x.shape)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])
    for name, column in arrays.items():
        if column.shape != (len(x),):
            raise DatasetError(
                f"{path} holds {name} of the shape {column.shape}, x of {x.shape}. Give one value a row."
            )
        frame[name] = column
    return frame


def _checked(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """The table, within the bounds, with at least one row."""
    _check_size(path, *frame.shape)
    if frame.empty:
        raise DatasetError(f"{path} has {frame.shape[1]} columns and no row. Give a table with rows below its header.")
    return frame


def _check_size(path: Path, n_rows: int, n_columns: int) -> None:
    if n_columns > MAX_COLUMNS or n_rows * n_columns > MAX_ENTRIES:
        raise DatasetError(
            f"{path} has {n_rows} rows of {n_columns} columns, {MAX_COLUMNS} columns and {MAX_ENTRIES} cells at most. "
            "Leave rows or columns out; vae_moe.data.datasets.stream trains on what is larger than memory."
        )


def _check_bytes(path: Path, n_bytes: int) -> None:
    if n_bytes > MAX_BYTES:
        raise DatasetError(f"{path} holds {n_bytes} bytes, {MAX_BYTES} at most. Leave rows or columns out.")
