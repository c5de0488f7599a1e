"""CSV as people and programs write it: its separator, its header, its quotes, and what pandas' types leave out."""

import csv
import io
import mmap
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_moe.data import columns
from vae_moe.data.files import DatasetError

MAX_COLUMNS = 20_000
DELIMITERS = ",;\t|"
SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^\r\n"])"?\r?\n', re.IGNORECASE)  # a first line for Excel
LEADING_ZERO = re.compile(rb'[,;\t|"\r\n] *0\d+ *(?=[,;\t|"\r\n]|\Z)')
BLANK_END = re.compile(rb"[ \t\r\n]*\Z")
LINES_LOOKED_AT = 50
ORDERED = 5  # numbers in a rising or falling order that are names all the same
MISSING = ["?"]  # read as a missing value besides pandas' own (empty, NA, NaN, null, None, N/A ...)
LARGEST_WHOLE = 2.0**53  # from which on floats leave whole numbers out


def read(path: str | Path, as_text: Sequence[str] = (), decimal: str = ".") -> pd.DataFrame:
    """Read a table.

    Args:
        path: of a CSV file.
        as_text: columns whose cells stay as they are written, "1.230" being a number or not.
        decimal: the mark of numbers; those of another one are text.

    Raises:
        DatasetError: no such table; it says which line and what to do.
    """
    path = Path(path)
    with _named_errors(path):
        parse, names, delimiter = _parser(path, decimal)
        frame = parse(dtype=dict.fromkeys(as_text, str))
        _check_quotes(path, frame, delimiter)
        with path.open("rb") as binary, mmap.mmap(binary.fileno(), 0, access=mmap.ACCESS_READ) as content:
            frame = _as_written(frame, parse, coded=LEADING_ZERO.search(content) is not None)
            return frame.iloc[: len(frame) - n_blank] if len(names) == 1 and (n_blank := _blank_end(content)) else frame


def parts(
    path: str | Path, n_rows: int, as_text: Sequence[str] = (), decimal: str = "."
) -> Iterator[tuple[pd.DataFrame, float]]:
    """Read a table in parts of n_rows, with the share of the file that is read by then; errors as of ``read``.

    Pandas finds out what columns are in each part by itself, but for those that are ``as_text``.
    """
    path = Path(path)
    with _named_errors(path):
        parse, _, delimiter = _parser(path, decimal)
        n_bytes, checked = path.stat().st_size, False
        with path.open("rb") as file, parse(file, dtype=dict.fromkeys(as_text, str), chunksize=n_rows) as found:
            for frame in found:
                if not checked and _has_line_ends(frame):
                    _check_quotes(path, frame, delimiter)  # of the whole file
                    checked = True
                yield frame.reset_index(drop=True), min(file.tell() / n_bytes, 1.0)


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Raises what a broken CSV file raises as DatasetError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # surplus cells in the first line
            yield
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is not UTF-8 at byte {error.start}. Save it as UTF-8, or tell what it is: --encoding latin-1."
        ) from error
    except pd.errors.EmptyDataError as error:
        raise DatasetError(f"{path} is empty. Give a table with a header and rows.") from error
    except pd.errors.ParserWarning as error:
        raise DatasetError(f"{path} has more cells in its lines than names in its header. Name each column.") from error
    except (pd.errors.ParserError, csv.Error) as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DatasetError(f"{path} is no sound CSV file: {reason}. Correct that line.") from error


def _parser(path: Path, decimal: str) -> tuple[Callable[..., Any], list[str], str]:
    """What parses a file, the names of its columns, and what separates them."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        sample = file.read(MAX_COLUMNS * 100)
    if "\0" in sample:
        raise DatasetError(
            f"{path} has characters that are none (NUL): it is UTF-16, or damaged. Save it as UTF-8, or tell it: "
            "--encoding utf-16."
        )
    hint = SEPARATOR_LINE.match(sample)
    sample = sample[hint.end() :] if hint else sample
    delimiter = hint["separator"] if hint else max(DELIMITERS, key=lambda delimiter: _regularity(sample, delimiter))
    records = _records(sample, delimiter)
    names = [composed(name.strip()) for name in records[0]] if records else []
    _check_header(path, names, records)

    def parse(source: Any = path, **options: Any) -> Any:
        return pd.read_csv(
            source,
            sep=delimiter,
            names=names or None,
            header=0,
            skiprows=bool(hint) + sample[: -len(sample.lstrip()) or None].count("\n"),
            skip_blank_lines=len(names) > 1,
            encoding="utf-8-sig",
            na_values=MISSING,
            skipinitialspace=True,
            index_col=False,
            low_memory=False,
            decimal=decimal,
            **options,
        )

    return parse, names, delimiter


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
    check_names(path, names)


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


def _check_quotes(path: Path, frame: pd.DataFrame, delimiter: str) -> None:
    """Raise DatasetError if a quote that is not closed takes the next lines into its cell: where a cell has several."""
    if not _has_line_ends(frame):
        return
    spaced = re.compile(rf'" +(?={re.escape(delimiter)}|\r?$)')  # a quote is closed before spaces, too
    with path.open(encoding="utf-8-sig", newline="") as file:
        tidy = (spaced.sub('"', line) for line in file)
        lines, first = csv.reader(tidy, delimiter=delimiter, skipinitialspace=True, strict=True), 1
        try:
            for found in lines:
                if len(found) != frame.shape[1] and any("\n" in cell for cell in found):
                    raise csv.Error(f"{len(found)} cells in place of {frame.shape[1]}")
                first = lines.line_num + 1
        except csv.Error as error:
            raise DatasetError(
                f"{path} has a quote in line {first} that is not closed there: up to line {lines.line_num} all is one "
                f'row ({error}). Close it, or write "" for a quote within quotes.'
            ) from error


def _has_line_ends(frame: pd.DataFrame) -> bool:
    """Whether a cell is of several lines."""
    texts = frame.select_dtypes(exclude="number")
    return any(column.astype("str").str.contains("\n", regex=False).any() for _, column in texts.items())


def _as_written(frame: pd.DataFrame, parse: Callable[..., pd.DataFrame], coded: bool) -> pd.DataFrame:
    """The table with text where pandas' numbers say less.

    Text are codes such as 01 (``coded``: there are some), 1.230 beside decimal commas, and whole numbers beside gaps
    that are too long for floats.
    """
    texts = frame.select_dtypes(exclude="number")
    commas = columns.has_decimal_commas(texts)
    numeric = frame.columns.difference(texts.columns, sort=False)
    long = [name for name in frame.select_dtypes("float") if frame[name].abs().max() >= LARGEST_WHOLE]
    if len(numeric) and (commas or coded or long):
        written = parse(usecols=list(numeric), dtype=str)
        commas = commas and columns.has_decimal_commas(pd.concat([texts, written], axis=1))
        form = r"\s*0\d+\s*" + (r"|.*\..*" if commas else "")
        for name in numeric:
            whole = name in long and written[name].dropna().str.fullmatch(r"\s*[+-]?\d+\s*").all()
            if whole or written[name].str.fullmatch(form).any():
                frame[name] = written[name]
    return frame


def _blank_end(content: mmap.mmap) -> int:
    """How many blank lines a file ends in: of one column they would be gaps."""
    end = BLANK_END.search(content)
    return max(len(end.group().splitlines()) - 1, 0) if end else 0


def composed(name: str) -> str:
    """A column's name with é as one character, as keyboards write it; some programs write two."""
    return unicodedata.normalize("NFC", name)


def check_names(path: str | Path, names: Sequence[str]) -> None:
    """Raise DatasetError unless all columns, but for the first, have names of their own, and are not too many."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DatasetError(f"{path} has the column {twice[0]!r} twice. Give each column a name of its own.")
    if "" in names[1:]:
        raise DatasetError(f"{path} has no name for column {names.index('', 1) + 1}. Give each column a name.")
    if len(names) > MAX_COLUMNS:
        raise DatasetError(f"{path} has {len(names)} columns, {MAX_COLUMNS} at most. Leave some out.")
