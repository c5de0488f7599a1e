"""The cells of a column as text, as numbers and as seconds, and what is said of those that are none."""

import numpy as np
import pandas as pd
from pandas.api import types

from vae_moe.data import forms
from vae_moe.data.files import DatasetError
from vae_moe.data.forms import PLAIN, Form
from vae_moe.validation import LARGEST

MISSING = "(missing)"
DAY = "2024-12-31"  # an example
OTHER_DATES = f"write them as {DAY}, tell by --dayfirst that the day comes first"
EPOCH = pd.Timestamp("1970-01-01", tz="UTC")


def text(column: pd.Series) -> pd.Series:
    """Cells as text, ``MISSING`` where there is none; 1.0 as "1": whole numbers beside gaps are read as floats."""
    if isinstance(column.dtype, pd.StringDtype):
        words = column.str.strip()
    else:
        words = column.astype(object).map(_word, na_action="ignore")
    return words.astype(object).where(column.notna(), MISSING).astype("str")


def is_number(column: pd.Series) -> bool:
    """Whether the column holds real numbers, not truth values."""
    return types.is_any_real_numeric_dtype(column) or (
        types.is_object_dtype(column) and types.infer_dtype(column) in ("decimal", "integer", "floating")
    )


def is_text(column: pd.Series) -> bool:
    """Whether the column holds text, categories or Python's objects."""
    return (
        isinstance(column.dtype, pd.CategoricalDtype) or types.is_string_dtype(column) or types.is_object_dtype(column)
    )


def numbers(name: str, column: pd.Series, form: Form = PLAIN, cure: str = "") -> pd.Series:
    """A column's numbers [N] as floats, NaN where it has none.

    Args:
        name: of the column.
        column: [N], its index the numbers of its rows.
        form: how they are written, where they are text.
        cure: what can be done besides if a cell is none.

    Raises:
        DatasetError: a cell is no number, or is infinite or too large.
    """
    if is_number(column) or types.is_bool_dtype(column):
        floats = pd.Series(column.to_numpy(float, na_value=np.nan), column.index)
    else:
        floats = form.numbers(text(column)).astype(float)
    what = "numbers" if form == PLAIN else f"numbers such as {form.example!r}"
    check(name, what, column, floats.where(np.isfinite(floats)), cure)
    if (large := floats.abs() > LARGEST).any():
        raise DatasetError(
            f"column {name!r} has {floats[large].iloc[0]:g} in row {large.idxmax()}, which is too large: {LARGEST:g} "
            f"is the most. Correct or empty the cell, or give the column in another unit{cure and f', or {cure}'}."
        )
    return floats


def seconds(name: str, column: pd.Series, cure: str = "") -> pd.Series:
    """A column's dates [N] as seconds since 1970, in years 1 to 9999; arguments and errors as of ``numbers``."""
    dates = column
    if not types.is_datetime64_any_dtype(column):
        dates = text(column).str.replace(r"(\.\d{6})\d+", r"\1", regex=True)  # nanoseconds reach back to 1677 alone
    dates = pd.to_datetime(dates, errors="coerce", utc=True, format="ISO8601")
    check(name, f"dates such as {DAY!r}", column, dates, cure)
    return (dates - EPOCH) / pd.Timedelta(seconds=1)


def check(name: str, what: str, column: pd.Series, values: pd.Series, cure: str) -> None:
    """Raise DatasetError if a cell has no value that neither is empty nor says so."""
    suspects = values.isna() & column.notna()
    if not suspects.any():
        return
    wrong = text(column[suspects])[lambda words: ~forms.is_gap(words)]
    if len(wrong):
        more = f", one of {len(wrong)} such cells" if len(wrong) > 1 else ""
        raise DatasetError(
            f"column {name!r} is {what}, and has {short(wrong.iloc[0])} in row {wrong.index[0]}{more}: "
            f"correct or empty {'them' if more else 'it'}{cure and f', or {cure}'}."
        )


def short(cell: str) -> str:
    """A cell in quotes, its end cut off if it is long."""
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")


def form_read(values: pd.Series, floats: pd.Series) -> str:
    """Say how cells [N] were read, as floats [N], whose plain reading is another one; "" where none is."""
    odd = floats.notna() & (pd.to_numeric(values, errors="coerce") != floats)
    return f"{short(values[odd].iloc[0])} is read as {floats[odd].iloc[0]:.15g}" if odd.any() else ""


def gaps_read(known: pd.Series, values: pd.Series) -> str:
    """Say which cells are words for a gap: those of ``known`` [N] that ``values`` has not; "" where none is."""
    gaps = known.drop(values.index).unique()
    return f"{', '.join(map(short, gaps[:3]))} {'is' if len(gaps) == 1 else 'are'} read as missing" if len(gaps) else ""


def _word(value) -> str:
    whole = isinstance(value, float | np.floating) and value.is_integer()
    return str(int(value)) if whole else str(value).strip()


def leave_out(*names: str) -> str:
    """How columns are left out, in words for the command and for Python."""
    return f"--drop {' '.join(map(repr, names))} (in Python, drop={list(names)})"
