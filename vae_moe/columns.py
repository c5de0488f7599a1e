"""What each column of a table is: number, date or category; or why it is left out, or what has to be done about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from pandas.api import types

from vae_moe.idx import DatasetError

#: Share of different values among a text column's cells from which on it is taken for names or free text.
MOSTLY_DISTINCT = 0.9
#: Different values up to which text is categories all the same: in a short table many differ.
ALWAYS_CATEGORIES = 10
#: Share of a text column's cells of one form from which on the others are taken for mistakes.
MOSTLY = 0.8
LARGEST = 1e30  # number: float32 holds no more than 1e38, float64 its square
MAX_CELL = 1000  # characters of a category
MISSING = "(missing)"
OTHER = "(other)"
ISO_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
OTHER_DATE = r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}(?:[ T].*)?|\d{4}[./]\d{1,2}[./]\d{1,2}(?:[ T].*)?"
DECIMAL_COMMA = r"[+-]?\d{1,3}(?:[. ]?\d{3})*,\d+"


@dataclass(frozen=True)
class Columns:
    """The columns of a table by kind, in the table's order.

    Attributes:
        numbers, dates, categories: names.
        left_out: why, by name.
        missing: cells without a value, by name, where there are any.
    """

    numbers: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        """Raise TypeError if a name is not text."""
        if other := [name for name in (*self.numbers, *self.dates, *self.categories) if not isinstance(name, str)]:
            raise TypeError(f"a column's name is text, got {other[0]!r}")


def look_at(frame: pd.DataFrame, drop: Sequence[str] = ()) -> Columns:
    """Find out what each column is.

    Args:
        frame: [N, C].
        drop: names of columns to leave out.

    Raises:
        DatasetError: a column to drop that is not there, one that cannot be used, or none that can.
    """
    check_names(frame, drop, "--drop")
    found = Columns()
    by_kind = {"number": found.numbers, "date": found.dates, "category": found.categories}
    for name, column in frame.items():
        if name in drop:
            found.left_out[name] = "dropped"
        elif name == "":
            found.left_out[name] = "a column without a name"
        elif not column.notna().any():
            found.left_out[name] = "empty"
        elif _n_distinct(name, column) == 1:
            found.left_out[name] = "the same in every row"
        else:
            by_kind[_kind(name, column)].append(name)
            if n_missing := int(column.isna().sum()):
                found.missing[name] = n_missing
    if not (found.numbers or found.dates or found.categories):
        reasons = "; ".join(f"{name!r} is {why}" for name, why in found.left_out.items())
        raise DatasetError(f"no column is left to learn from ({reasons}): give a table with columns that vary.")
    return found


def check_names(frame: pd.DataFrame, names: Sequence[str], option: str) -> None:
    """Raise DatasetError if the table has not all of the columns that an option names."""
    if absent := [name for name in names if name not in frame]:
        known = ", ".join(map(repr, frame.columns[:20])) + (", ..." if len(frame.columns) > 20 else "")
        raise DatasetError(f"{option} names {', '.join(map(repr, absent))}, but the columns are {known}: name one.")


def typed(frame: pd.DataFrame, found: Columns) -> pd.DataFrame:
    """The columns that are used: numbers as floats, dates as seconds since 1970, NaN if missing; categories as text.

    Raises:
        DatasetError: a column is not there, or a cell is not of its column's kind.
    """
    wanted = (*found.numbers, *found.dates, *found.categories)
    if absent := [name for name in wanted if name not in frame]:
        raise DatasetError(f"the table lacks {', '.join(map(repr, absent))}, which the model was trained on: add it.")
    return pd.DataFrame(
        {name: _number(name, frame[name]) for name in found.numbers}
        | {name: _seconds(name, frame[name]) for name in found.dates}
        | {name: text(frame[name]).to_numpy() for name in found.categories},
        index=frame.index,
    )


def text(column: pd.Series) -> pd.Series:
    """Cells as text, ``MISSING`` where there is none; 1.0 as "1": whole numbers beside gaps are read as floats."""
    words = column.astype(object).map(
        lambda value: str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip(),
        na_action="ignore",
    )
    return words.where(column.notna(), MISSING)


def is_number(column: pd.Series) -> bool:
    """Whether the column holds real numbers, not truth values."""
    return types.is_any_real_numeric_dtype(column) or (
        types.is_object_dtype(column) and types.infer_dtype(column) in ("decimal", "integer", "floating")
    )


def _n_distinct(name: str, column: pd.Series) -> int:
    try:
        return column.nunique()
    except TypeError as error:
        raise DatasetError(
            f"column {name!r} has lists or other nested cells: flatten it, or --drop {name!r}."
        ) from error


def _kind(name: str, column: pd.Series) -> str:
    if is_number(column):
        return "number"
    if types.is_datetime64_any_dtype(column):
        return "date"
    if types.is_bool_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype):
        return "category"
    if not (types.is_string_dtype(column) or types.is_object_dtype(column)):
        raise DatasetError(f"column {name!r} is of the type {column.dtype}: make numbers of it, or --drop {name!r}.")
    return _kind_of_text(name, column.dropna())


def _kind_of_text(name: str, column: pd.Series) -> str:
    """Of a column of text without gaps: dates or categories."""
    cells = text(column)
    too_long = cells.str.len() > MAX_CELL
    if too_long.any():
        row, _ = _first(cells, too_long)
        raise DatasetError(f"column {name!r} has more than {MAX_CELL} characters in row {row}: --drop {name!r}.")
    cure = f"or --drop {name!r}"
    for form, kind in ((ISO_DATE, "date"), (OTHER_DATE, "other"), (DECIMAL_COMMA, "comma")):
        fits = cells.str.fullmatch(form)
        if fits.mean() < MOSTLY:
            continue
        example = cells[fits].iloc[0]
        if kind == "other":
            raise DatasetError(f"column {name!r} has dates such as {example!r}: write them as 2024-12-31, {cure}.")
        if kind == "comma":
            raise DatasetError(f"column {name!r} has decimal commas such as {example!r}: write 1234.5, {cure}.")
        return "date"
    numbers = pd.to_numeric(cells, errors="coerce").notna()
    if numbers.mean() >= MOSTLY and not numbers.all():
        row, cell = _first(cells, ~numbers)
        raise DatasetError(
            f"column {name!r} is numbers but for {cell} in row {row}: correct or empty the cell, {cure}."
        )
    distinct = cells.nunique()
    if distinct > ALWAYS_CATEGORIES and distinct >= MOSTLY_DISTINCT * len(cells):
        example = cells.iloc[0]
        raise DatasetError(
            f"column {name!r} has {distinct} different texts in {len(cells)} rows, such as {_short(example)}: names or "
            f"free text tell a model nothing. --drop {name!r}, or put numbers or categories in its place."
        )
    return "category"


def _number(name: str, column: pd.Series) -> np.ndarray:
    filled = column.astype(object).where(column.notna(), np.nan)
    numbers = pd.to_numeric(filled, errors="coerce").astype(float)
    wrong = (numbers.isna() & column.notna()) | (numbers.abs() > LARGEST)
    if wrong.any():
        row, cell = _first(column, wrong)
        raise DatasetError(
            f"column {name!r} is numbers, and has {cell} in row {row}: correct or empty it, or --drop {name!r}."
        )
    return numbers.to_numpy()


def _seconds(name: str, column: pd.Series) -> np.ndarray:
    dates = column if types.is_datetime64_any_dtype(column) else column.astype("str").where(column.notna())
    dates = pd.to_datetime(dates, errors="coerce", utc=True, format="ISO8601")
    wrong = dates.isna() & column.notna()
    if wrong.any():
        row, cell = _first(column, wrong)
        raise DatasetError(
            f"column {name!r} is dates, and has {cell} in row {row}: write it as 2024-12-31, or empty it."
        )
    return ((dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)).to_numpy(float)


def _first(column: pd.Series, wrong: pd.Series) -> tuple[int, str]:
    """Row, from 1, and cell of the first wrong one."""
    index = wrong.index[wrong][0]
    return int(index) + 1, _short(column.loc[index])


def _short(cell) -> str:
    return repr(str(cell) if len(str(cell)) <= 40 else str(cell)[:37] + "...")
