"""What each column of a table is: number, date or category; or why it is left out, or what has to be done about it."""

import difflib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from vae_moe.data import cells, forms
from vae_moe.data.cells import short, text
from vae_moe.data.files import DatasetError
from vae_moe.data.forms import PLAIN, Form

logger = logging.getLogger(__name__)

LISTED = 20  # names of columns in an error
MAX_CATEGORIES = 30  # of a column, the rest being rare
MIN_FREQUENCY = 10  # rows below which a category is rare; a fiftieth of the rows in a short table
#: Share of a text column's cells of one form from which on the others are taken for mistakes.
MOSTLY = 0.8
#: Share of a column's cells that may be in categories too rare to tell apart.
MAX_RARE = 0.5
MAX_CELL = 1000  # characters of a category
OTHER = "(other)"
ISO_DATE = r"(?:\d{4}-\d{2}-\d{2}|\d{4}/\d{2}/\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
OTHER_DATE = (
    r"(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./]\d{1,2}[./]\d{1,2}|\d{1,2}[-. ]+[A-Za-z]{3,9}[-., ]+\d{2,4}|"
    r"[A-Za-z]{3,9}[. ]+\d{1,2}[, ]+\d{4})(?:[ T].*)?"
)


@dataclass(frozen=True)
class Columns:
    """The columns of a table by kind, in the table's order.

    Attributes:
        numbers, dates, categories: names.
        left_out: why, by name.
        missing: cells without a value, by name, where there are any.
        forms: how a column's numbers are written, by name, where it is not as 1234.5.
        read_as: what was read otherwise than it is written, in words, by name.
    """

    numbers: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    forms: dict[str, Form] = field(default_factory=dict)
    read_as: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        """Raise TypeError if a name is not text."""
        if other := [name for name in (*self.numbers, *self.dates, *self.categories) if not isinstance(name, str)]:
            raise TypeError(f"a column's name is text, got {other[0]!r}")

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Columns":
        """The columns that ``dataclasses.asdict`` made plain values of."""
        written = {name: Form(**form) for name, form in kept.get("forms", {}).items()}
        return cls(**{**kept, "forms": written})


@dataclass(frozen=True)
class Kind:
    """What a column is.

    Attributes:
        name: "number", "date" or "category".
        form: how its numbers are written.
        read_as: what was read otherwise than it is written, in words.
    """

    name: str
    form: Form = PLAIN
    read_as: str = ""


def look_at(frame: pd.DataFrame, drop: Sequence[str] = (), rows: np.ndarray | None = None) -> Columns:
    """Find out what each column is.

    Args:
        frame: [N, C], its columns named by text.
        drop: names of columns to leave out.
        rows: positions of the rows to look at; None: all.

    Raises:
        DatasetError: names that are not text or not of one column, a column to drop that is not there, one that cannot
            be used, or none that can; it says which cell of which row, counted from 1, and what to do.
    """
    check_frame(frame)
    drop = [drop] if isinstance(drop, str) else drop
    check_names(frame, drop, "--drop")
    frame = numbered(frame) if rows is None else numbered(frame).iloc[rows]
    commas = has_decimal_commas(frame.drop(columns=list(drop)))
    found = Columns()
    refused: dict[str, DatasetError] = {}
    for name, column in frame.items():
        if name in drop:
            found.left_out[name] = "dropped"
        elif name == "":
            found.left_out[name] = "a column without a name"
        elif not column.notna().any():
            found.left_out[name] = "empty"
        else:
            try:
                _place(found, str(name), column, commas)
            except DatasetError as error:
                refused[str(name)] = error
    if len(refused) > 1:
        all_of_them = f"{cells.leave_out(*refused)} leaves all of them out"
        raise DatasetError(f"{next(iter(refused.values()))} Nor can {len(refused) - 1} more be used: {all_of_them}.")
    if refused:
        raise next(iter(refused.values()))
    if not (found.numbers or found.dates or found.categories):
        reasons = "; ".join(f"{name!r} is {why}" for name, why in found.left_out.items())
        raise DatasetError(f"no column is left to learn from ({reasons}): give a table with columns that vary.")
    for name, words in found.read_as.items():
        logger.info("column %r: %s", name, words)
    return found


def check_frame(frame: pd.DataFrame) -> None:
    """Raise DatasetError unless this is a table whose columns have texts of their own as names."""
    if not isinstance(frame, pd.DataFrame):
        received = f"{type(frame).__module__.partition('.')[0]}.{type(frame).__name__}"
        raise DatasetError(f"a table is a pandas.DataFrame, got a {received}: make one of it.")
    if frame.columns.nlevels > 1 or not all(isinstance(name, str) for name in frame.columns):
        odd = next(name for name in frame.columns if not isinstance(name, str))
        raise DatasetError(
            f"the table has a column named {odd!r}, of the type {type(odd).__name__}: names are text. "
            "frame.columns = [str(name) for name in frame.columns] makes them so."
        )
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise DatasetError(f"the table has the column {twice!r} twice: give each column a name of its own.")


def check_names(frame: pd.DataFrame, names: Sequence[str], option: str) -> None:
    """Raise DatasetError if the table has not all of the columns that an option names."""
    if absent := [name for name in names if name not in frame]:
        like = difflib.get_close_matches(_folded(absent[0]), list(map(_folded, frame.columns)), cutoff=0.7)
        near = [name for name in frame.columns if _folded(name) in like]
        cure = f"did you mean {near[0]!r}?" if near else f"the columns are {listed(frame)}: name one."
        raise DatasetError(f"{option} names {', '.join(map(repr, absent))}, which is no column: {cure}")


def listed(frame: pd.DataFrame) -> str:
    """The names of a table's columns, of many the first and the last."""
    names = list(map(repr, frame.columns))
    return ", ".join(names if len(names) <= LISTED else [*names[: LISTED - 5], "...", *names[-5:]])


def _folded(name: str) -> str:
    """A name without what is mistaken in names: case, spaces, underlines."""
    return "".join(letter for letter in str(name).casefold() if letter.isalnum())


def has_decimal_commas(frame: pd.DataFrame) -> bool:
    """Whether text has numbers that can only be such as 1,5, and nothing such as 1.5: then 1.230 is 1230."""
    texts = [
        forms.without_gaps(text(column.dropna()))
        for _, column in frame.items()
        if cells.is_text(column) and not cells.is_number(column)
    ]
    return (
        any(forms.decimal_mark(values) == "," for values in texts)
        and not any(forms.decimal_mark(values, commas=True) == "." for values in texts)
        and not any(types.is_float_dtype(column) and (column.dropna() % 1).any() for _, column in frame.items())
    )


def typed(frame: pd.DataFrame, found: Columns) -> pd.DataFrame:
    """The columns that are used: numbers as floats, dates as seconds since 1970, NaN if missing; categories as text.

    Raises:
        DatasetError: a column is not there, or a cell is not of its column's kind.
    """
    wanted = [*found.numbers, *found.dates, *found.categories]
    if absent := [name for name in wanted if name not in frame]:
        raise DatasetError(f"the table lacks {', '.join(map(repr, absent))}, which the model was trained on: add it.")
    frame = frame[wanted]
    check_frame(frame)
    frame = numbered(frame)
    return pd.DataFrame(
        {name: cells.numbers(name, frame[name], found.forms.get(name, PLAIN)) for name in found.numbers}
        | {name: cells.seconds(name, frame[name]) for name in found.dates}
        | {name: text(frame[name]).astype(object) for name in found.categories},
        index=frame.index,
    )


def rare_below(n_rows: int) -> int:
    """Rows that a category must have among so many in order not to be rare."""
    return max(2, min(MIN_FREQUENCY, n_rows // 50))


def kind_of(name: str, column: pd.Series, rare: int, cure: str, commas: bool = False) -> Kind:
    """Find out what a column is.

    Args:
        name: of the column.
        column: [N], its index the numbers of its rows; not all missing.
        rare: rows below which a category is rare.
        cure: what can be done if it cannot be used.
        commas: whether the table has decimal commas elsewhere.

    Raises:
        DatasetError: it cannot be used, or not without losing what most of its cells say.
    """
    if cells.is_number(column):
        return Kind("number")
    if types.is_datetime64_any_dtype(column):
        return Kind("date")
    if types.is_bool_dtype(column):
        return Kind("category")
    if not cells.is_text(column):
        raise DatasetError(f"column {name!r} is of the type {column.dtype}: make numbers of it, or {cure}.")
    try:
        column.nunique()
    except TypeError as error:
        raise DatasetError(f"column {name!r} has lists or other nested cells: flatten it, or {cure}.") from error
    words = text(column)
    known = words[column.notna()]
    if (too_long := known.str.len() > MAX_CELL).any():
        raise DatasetError(f"column {name!r} has more than {MAX_CELL} characters in row {too_long.idxmax()}: {cure}.")
    counts = words.value_counts()
    lost = known[~known.isin(counts.index[counts >= rare][:MAX_CATEGORIES])]
    if isinstance(column.dtype, pd.CategoricalDtype) and len(lost) <= MAX_RARE * len(known):
        return Kind("category")
    kind = _kind_of_text(name, known, lost, cure, commas)
    if kind.name != "category" or len(lost) <= MAX_RARE * len(known):
        return kind
    different = f"{known.nunique()} different texts in {len(known)} rows, such as {short(lost.iloc[0])}"
    if len(known) < len(column) / 2:
        return Kind("category", read_as=f"most of its {different}, are too rare to tell apart: they become {OTHER!r}")
    raise DatasetError(
        f"column {name!r} has {different}. It looks like names or free text: most of its rows have one that fewer than "
        f"{rare} rows have, or that is not among the {MAX_CATEGORIES} most frequent ones, and could not be told apart. "
        f"{cure[0].upper()}{cure[1:]}, or put numbers or at most {MAX_CATEGORIES} categories in its place."
    )


def _kind_of_text(name: str, known: pd.Series, lost: pd.Series, cure: str, commas: bool) -> Kind:
    """Of the cells that are not empty, [M], and those of them that are too rare to be categories."""
    values = forms.without_gaps(known)
    form = forms.of_most(values, commas)
    floats, dates = form.numbers(values), values.str.fullmatch(ISO_DATE)
    if dates.mean() >= MOSTLY:
        return Kind("date", read_as=cells.gaps_read(known, values))
    if (other := values.str.fullmatch(OTHER_DATE)).mean() >= MOSTLY:
        example = values[other].iloc[0]
        raise DatasetError(f"column {name!r} has dates such as {example!r}: {cells.OTHER_DATES}, or {cure}.")
    losing = len(lost) > (1 - MOSTLY) * len(known)
    if floats.notna().all() or (floats.notna().mean() >= MOSTLY and (losing or not (form.prefix or form.suffix))):
        return Kind(
            "number", form, "; ".join(filter(None, [cells.form_read(values, floats), cells.gaps_read(known, values)]))
        )
    if not losing:
        return Kind("category")
    bare = lost.map(forms.bare)
    form = forms.of_most(bare, commas)
    if form.numbers(bare).notna().sum() > (1 - MOSTLY) * len(known):
        cells.check(name, f"partly numbers such as {form.example!r}", values, form.numbers(values), cure)
    if lost.str.fullmatch(ISO_DATE).sum() > (1 - MOSTLY) * len(known):
        cells.check(name, f"partly dates such as {cells.DAY!r}", values, dates.where(dates), cure)
    return Kind("category")


def _place(found: Columns, name: str, column: pd.Series, commas: bool) -> None:
    """Put a column where it belongs."""
    cure, rare = cells.leave_out(name), rare_below(len(column))
    kind = kind_of(name, column, rare, cure, commas)
    if kind.name == "number":
        values = cells.numbers(name, column, kind.form, cure)
    else:
        values = cells.seconds(name, column, cure) if kind.name == "date" else text(column).where(column.notna())
    n_missing = int(values.isna().sum())
    if values.nunique() == 1 and min(n_missing, len(values) - n_missing) < rare:
        found.left_out[name] = "the same in every row" + (f" that has a value, {n_missing} not" if n_missing else "")
        return
    if values.nunique() == 1:  # what it says is whether there is a value
        kind, n_missing = Kind("category"), int(column.isna().sum())
    {"number": found.numbers, "date": found.dates, "category": found.categories}[kind.name].append(name)
    if n_missing:
        found.missing[name] = n_missing
    if kind.form != PLAIN:
        found.forms[name] = kind.form
    if kind.read_as:
        found.read_as[name] = kind.read_as


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with the numbers of its rows, from 1, as its index: what messages name."""
    return frame.set_axis(range(1, len(frame) + 1), axis=0)
