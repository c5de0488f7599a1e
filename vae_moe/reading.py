"""Own files: CSV, Parquet, NPY and NPZ as tables or images, image files and folders of them as images.

What a file may hold is bounded before it is read into memory. Nothing is unpickled.
"""

import csv
import io
import mmap
import re
import sys
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from vae_moe import columns, image_folder
from vae_moe.files import DatasetError
from vae_moe.image_folder import Images

MAX_BYTES = 2 * 2**30  # of a file, and of what an NPZ holds
MAX_COLUMNS = 20_000
MAX_ENTRIES = 300_000_000  # rows times columns: 1.2 GB as float32
DELIMITERS = ",;\t|"
SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^\r\n"])"?\r?\n', re.IGNORECASE)  # a first line for Excel
LEADING_ZERO = re.compile(rb'[,;\t|"\r\n] *0\d+ *(?=[,;\t|"\r\n]|\Z)')
LINES_LOOKED_AT = 50
ORDERED = 5  # numbers in a rising or falling order that are names all the same
MISSING = ["?"]  # read as a missing value besides pandas' own (empty, NA, NaN, null, None, N/A ...)
ENDINGS = ".csv, .parquet, .npy, .npz"


def read(
    path: str | Path,
    image_shape: Sequence[int] | None = None,
    side: int | None = None,
    white: int | None = None,
    as_text: Sequence[str] = (),
) -> pd.DataFrame | Images:
    """Read a table or images.

    Args:
        path: a .csv, .parquet, .npy or .npz file, an image file or a folder of these.
        image_shape, side, white: what to bring image files to (``image_folder.read``).
        as_text: columns of a .csv file whose cells stay as they are written, "1.230" being a number or not.

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
    readers: dict[str, Callable[[Path], pd.DataFrame | Images]]
    readers = {".csv": partial(_csv, as_text=as_text), ".parquet": _parquet, ".npy": _npy, ".npz": _npz}
    if path.suffix.lower() not in readers:
        raise DatasetError(f"{path} has the ending {path.suffix!r}. Give one of {ENDINGS}, or a folder of images.")
    _check_bytes(path, path.stat().st_size)
    try:
        found = readers[path.suffix.lower()](path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error}. Put a sound copy in its place.") from error
    return found if isinstance(found, Images) else _checked(path, found)


def _csv(path: Path, as_text: Sequence[str]) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            sample = file.read(MAX_COLUMNS * 100)
        hint = SEPARATOR_LINE.match(sample)
        sample = sample[hint.end() :] if hint else sample
        delimiter = hint["separator"] if hint else max(DELIMITERS, key=lambda delimiter: _regularity(sample, delimiter))
        records = _records(sample, delimiter)
        names = [name.strip() for name in records[0]] if records else []
        _check_header(path, names, records)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # surplus cells in the first line
            parse = partial(
                pd.read_csv,
                path,
                sep=delimiter,
                names=names or None,
                header=0,
                skiprows=1 if hint else 0,
                encoding="utf-8-sig",
                na_values=MISSING,
                skipinitialspace=True,
                index_col=False,
                low_memory=False,
            )
            return _as_written(path, parse(dtype=dict.fromkeys(as_text, str)), parse)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 at byte {error.start}. Save it as UTF-8.") from error
    except pd.errors.EmptyDataError as error:
        raise DatasetError(f"{path} is empty. Give a table with a header and rows.") from error
    except pd.errors.ParserWarning as error:
        raise DatasetError(f"{path} has more cells in its lines than names in its header. Name each column.") from error
    except (pd.errors.ParserError, csv.Error) as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DatasetError(f"{path} is no sound CSV file: {reason}. Correct that line.") from error


def _records(sample: str, delimiter: str) -> list[list[str]]:
    """The first lines' cells, without empty lines."""
    lines = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    return list(islice((cells for cells in lines if cells), LINES_LOOKED_AT))


def _regularity(sample: str, delimiter: str) -> tuple[int, int]:
    """How many lines have the same number of cells if this separates them, and how many cells: 0 if one."""
    widths = Counter(len(cells) for cells in _records(sample, delimiter))
    return max(((n, width) for width, n in widths.items() if width > 1), default=(0, 0))


def _check_header(path: Path, names: Sequence[str], records: Sequence[Sequence[str]]) -> None:
    """Raise DatasetError if the first line is a title or a row, or does not name each column."""
    widths = Counter(map(len, records[1:]))
    width = max(widths, key=widths.__getitem__, default=0)
    if len(names) < width and widths[width] > 1:
        raise DatasetError(
            f"{path} has {width} cells in its lines and {len(names)} names in the first, {', '.join(names)[:60]!r}. "
            "Remove it if it is a title, or name each column."
        )
    if _is_row(names):
        raise DatasetError(
            f"{path} has no names of columns: its first line is a row, {', '.join(names[:5])} ... "
            "Put a line above it with a name for each column."
        )
    _check_names(path, names)


def _is_row(names: Sequence[str]) -> bool:
    """Whether a first line is a row: it has numbers, and not in an order as years, wavelengths or positions have it."""
    given = pd.Series([name.replace(",", ".") for name in names if name], dtype=object)
    numbers = pd.to_numeric(given, errors="coerce").dropna().to_numpy(float)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers) or numbers.tolist() == list(range(len(numbers))):
        return False
    in_order = (np.diff(numbers) > 0).all() or (np.diff(numbers) < 0).all()
    if in_order and len(numbers) >= ORDERED:
        return False
    return len(numbers) == len(given) or bool((numbers % 1 != 0).any()) or not in_order


def _as_written(path: Path, frame: pd.DataFrame, parse: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """The table with text where pandas' numbers say less: codes such as 01, and 1.230 beside decimal commas."""
    texts = frame.select_dtypes(exclude="number")
    commas = columns.has_decimal_commas(texts)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        codes = LEADING_ZERO.search(content)
    numeric = frame.columns.difference(texts.columns, sort=False)
    if len(numeric) and (commas or codes):
        written = parse(usecols=list(numeric), dtype=str)
        commas = commas and columns.has_decimal_commas(pd.concat([texts, written], axis=1))
        form = r"\s*0\d+\s*" + (r"|.*\..*" if commas else "")
        for name in numeric:
            if written[name].str.fullmatch(form).any():
                frame[name] = written[name]
    return frame


def _parquet(path: Path) -> pd.DataFrame:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise DatasetError(f"{path} needs pyarrow. pip install 'vae_moe[tables]', or give a CSV file.") from error
    try:
        with parquet.ParquetFile(path) as file:
            _check_size(path, file.metadata.num_rows, file.metadata.num_columns)
            _check_names(path, file.schema_arrow.names)
        frame = pd.read_parquet(path).reset_index(drop=True)
        return frame.set_axis([str(name) for name in frame.columns], axis=1)
    except DatasetError:
        raise
    except Exception as error:  # damaged notes of pandas' in the file make it raise anything
        raise DatasetError(
            f"{path} cannot be read as Parquet: {str(error)[:200]}. Put a sound copy in its place."
        ) from error


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


def _check_names(path: Path, names: Sequence[str]) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DatasetError(f"{path} has the column {twice[0]!r} twice. Give each column a name of its own.")
    if "" in names[1:]:
        raise DatasetError(f"{path} has no name for column {names.index('', 1) + 1}. Give each column a name.")
    if len(names) > MAX_COLUMNS:
        raise DatasetError(f"{path} has {len(names)} columns, {MAX_COLUMNS} at most. Leave some out.")


def _check_size(path: Path, n_rows: int, n_columns: int) -> None:
    if n_columns > MAX_COLUMNS or n_rows * n_columns > MAX_ENTRIES:
        raise DatasetError(
            f"{path} has {n_rows} rows of {n_columns} columns, {MAX_COLUMNS} columns and {MAX_ENTRIES} cells at most. "
            "Leave rows or columns out; vae_moe.datasets.stream trains on what is larger than memory."
        )


def _check_bytes(path: Path, n_bytes: int) -> None:
    if n_bytes > MAX_BYTES:
        raise DatasetError(f"{path} holds {n_bytes} bytes, {MAX_BYTES} at most. Leave rows or columns out.")
