"""Excel, JSON lines, Feather, compressed files and SQL queries as tables, all through pandas, within bounds."""

import codecs
import contextlib
import gzip
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from vae_moe.data.csv_files import check_names, composed
from vae_moe.data.dialects import UTF8
from vae_moe.data.files import DatasetError

PACKED = (".gz", ".zst")
TEXTS = (".csv", ".tsv", ".txt", ".jsonl")
CHUNK, CHUNK_ROWS = 2**20, 10_000
#: What contents begin with, by the ending of their files.
BEGINNINGS = {
    b"\x1f\x8b": ".csv.gz",
    b"\x28\xb5\x2f\xfd": ".csv.zst",
    b"PAR1": ".parquet",
    b"ARROW1": ".feather",
    b"PK\x03\x04": ".xlsx",
    b"\x93NUMPY": ".npy",
    b"{": ".jsonl",
}


def ending_of(beginning: bytes) -> str:
    """The ending that a file of this content has; .csv where nothing else is known."""
    return next((ending for start, ending in BEGINNINGS.items() if beginning.lstrip().startswith(start)), ".csv")


@contextlib.contextmanager
def unpacked(path: str | Path, most: int) -> Iterator[Path]:
    """The file itself, or while it is needed an unpacked copy of a .gz or .zst file, of so many bytes at most.

    Raises:
        DatasetError: it cannot be unpacked, or holds more; errors inside name the file, not the copy.
    """
    path = Path(path)
    if path.suffix.lower() not in PACKED:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.stem
        try:
            with _opened(path) as packed, plain.open("wb") as copy:
                copy_at_most(packed, copy, most, path)
            yield plain
        except DatasetError as error:
            raise DatasetError(str(error).replace(str(plain), str(path))) from error


@contextlib.contextmanager
def in_utf8(path: str | Path, encoding: str) -> Iterator[Path]:
    """The file itself, or while it is needed a copy in UTF-8 of a text file of another encoding.

    Raises:
        DatasetError: it is not of that encoding; errors inside name the file, not the copy.
    """
    path = Path(path)
    if path.suffix.lower() not in TEXTS or codecs.lookup(encoding).name == UTF8:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        try:
            with path.open(encoding=encoding, newline="") as text, copy.open("w", encoding=UTF8, newline="") as file:
                shutil.copyfileobj(text, file, CHUNK)
        except UnicodeError as error:
            raise DatasetError(f"{path} is not {encoding}: {error}. Tell what it is by --encoding.") from error
        try:
            yield copy
        except DatasetError as error:
            raise DatasetError(str(error).replace(str(copy), str(path))) from error


def copy_at_most(source: Any, copy: BinaryIO, most: int, name: Any) -> None:
    """Copy a stream of bytes; DatasetError if there are more than ``most``."""
    while chunk := source.read(CHUNK):
        if copy.tell() + len(chunk) > most:
            raise DatasetError(f"{name} holds more than {most} bytes. Leave rows or columns out.")
        copy.write(chunk)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if path.suffix.lower() == ".gz":
        opening, broken = gzip.open, (OSError, EOFError, zlib.error)
    else:
        zstandard = _needed("zstandard", path, "tables")
        opening, broken = zstandard.open, (OSError, EOFError, zstandard.ZstdError)
    try:
        with opening(path) as file:
            yield file
    except broken as error:
        raise DatasetError(f"{path} cannot be unpacked: {error}. Put a sound copy in its place.") from error


def excel(path: str | Path, most: int, check_size: Any) -> pd.DataFrame:
    """The first sheet of an .xlsx file of so many bytes at most, its first line being the names."""
    _needed("openpyxl", path, "tables")
    with _sound(path, "Excel (.xlsx)"):
        with zipfile.ZipFile(path) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > most:
                raise DatasetError(f"{path} holds more than {most} bytes. Leave rows or columns out.")
        cells = pd.read_excel(path, header=None, dtype=object, engine="openpyxl")
    check_size(path, *cells.shape)
    if not len(cells):
        raise DatasetError(f"{path} is empty. Give a sheet with a line of names and rows.")
    names = ["" if pd.isna(name) else composed(str(name).strip()) for name in cells.iloc[0]]
    check_names(path, names)
    return cells.iloc[1:].set_axis(names, axis=1).reset_index(drop=True).infer_objects()


def json_lines(path: str | Path, check_size: Any) -> pd.DataFrame:
    """One object a line; text stays text, and what a line has not is a gap."""
    parts: list[pd.DataFrame] = []
    names: dict[str, None] = {}
    with _sound(path, "JSON lines"):
        options: dict[str, Any] = {"lines": True, "dtype": False, "convert_dates": False, "precise_float": True}
        with pd.read_json(path, chunksize=CHUNK_ROWS, **options) as found:
            for part in found:
                names |= dict.fromkeys(composed(str(name)) for name in part.columns)
                check_size(path, sum(map(len, parts)) + len(part), len(names))
                parts.append(part.set_axis([composed(str(name)) for name in part.columns], axis=1))
    if not parts:
        raise DatasetError(f"{path} is empty. Give a line with an object for each row.")
    check_names(path, list(names))
    frame = pd.concat(parts, ignore_index=True)
    return frame.replace({"": np.nan}).infer_objects()


def feather(path: str | Path, check_size: Any) -> pd.DataFrame:
    """A table of Arrow's file format."""
    ipc = _needed("pyarrow.ipc", path, "tables")
    with _sound(path, "Feather"), ipc.open_file(str(path)) as file:
        check_names(path, file.schema.names)
        n_rows, batches = 0, []
        for i in range(file.num_record_batches):
            batches.append(file.get_batch(i))
            n_rows += batches[-1].num_rows
            check_size(path, n_rows, len(file.schema.names))
        return _needed("pyarrow", path, "tables").Table.from_batches(batches, file.schema).to_pandas()


def query(url: str, words: str, out: str | Path, most: int) -> None:
    """Write what an SQL query gives as a CSV file, part by part.

    Args:
        url: of the database, as SQLAlchemy writes it, such as ``sqlite:///wine.db``.
        words: the query.
        out: the file.
        most: bytes of the file, at most.

    Raises:
        DatasetError: no such database, or one that refuses the query; passwords are not shown.
    """
    out, sqlalchemy = Path(out), _needed("sqlalchemy", "--sql", "sql")
    try:
        shown = sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except Exception as error:
        raise DatasetError("--sql is no URL of a database. Give one such as sqlite:///wine.db.") from error
    try:
        engine = sqlalchemy.create_engine(url)
        as_is = {"stream_results": True, "no_parameters": True}  # no :name and no %s is meant in the query
        with contextlib.closing(engine.connect().execution_options(**as_is)) as connection:
            for i, part in enumerate(pd.read_sql_query(words, connection, chunksize=CHUNK_ROWS)):
                if not i:
                    check_names(shown, list(map(str, part.columns)))
                part.to_csv(out, mode="a", header=not i, index=False)
                if out.stat().st_size > most:
                    raise DatasetError(f"the query gives more than {most} bytes. Ask for fewer rows or columns.")
    except DatasetError:
        raise
    except ImportError as error:
        raise DatasetError(f"--sql {shown} needs a driver: {error}. pip install it.") from error
    except Exception as error:  # each driver raises its own
        reasons = (getattr(each, "orig", None) for each in (error, error.__cause__))  # pandas repeats the query
        reason = str(next(filter(None, reasons), error)).splitlines()[0][:200]
        raise DatasetError(f"{shown} does not answer the query: {reason}. Correct --sql or --query.") from error
    if not out.exists():
        raise DatasetError(f"{shown} gives no row for the query. Ask for a table with rows.")


@contextlib.contextmanager
def _sound(path: str | Path, form: str) -> Iterator[None]:
    try:
        yield
    except DatasetError:
        raise
    except Exception as error:  # what is damaged raises anything
        raise DatasetError(
            f"{path} cannot be read as {form}: {str(error)[:200]}. Put a sound copy in its place."
        ) from error


def _needed(module: str, wanted_by: Any, extra: str) -> Any:
    """A module of an extra of this package."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DatasetError(
            f"{wanted_by} needs {module.partition('.')[0]}. pip install 'vae_moe[{extra}]', or give a CSV file."
        ) from error
