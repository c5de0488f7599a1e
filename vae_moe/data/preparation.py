"""A table as people keep it, as the columns that an estimator takes: what each is, and which categories are rare.

Numbers stay as they are, NaN where a cell has none. Dates become dates, with month, day of the week and hour as numbers
beside them where these vary. Categories keep their values; rare ones share one, as do those that ``fit`` did not see.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from vae_moe.data import columns
from vae_moe.data.cells import MISSING
from vae_moe.data.columns import MAX_CATEGORIES, OTHER, Columns
from vae_moe.data.files import DatasetError

MAX_ENTRIES = 500_000_000  # rows times numbers that a model sees: 4 GB as float64
CODE = re.compile(r"0\d+|\d+\.\d*0")  # of which numbers would keep less
PARTS = ("month", "weekday", "hour")
FILE = "preparation.json"


@dataclass(frozen=True)
class Preparation:
    """What the columns of a table are, learned from some rows: frames of these columns -> tables for an estimator.

    Attributes:
        columns: what each is.
        seen: the values that each category has, by name.
        levels: those that it keeps apart, ``OTHER`` the last where rare ones share it.
        parts: which of ``PARTS`` vary, of each date.
        medians: of the numbers.
    """

    columns: Columns
    seen: dict[str, list[str]]
    levels: dict[str, list[str]]
    parts: dict[str, list[str]]
    medians: dict[str, float]

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, drop: Sequence[str] = (), rows: Sequence[int] | np.ndarray | None = None
    ) -> "Preparation":
        """Find out what each column is.

        Args:
            frame: [N, C], N >= 2, its columns named by text.
            drop: columns to leave out.
            rows: positions of those to learn from; None: all.

        Raises:
            DatasetError: a column that cannot be used, none that can, or too many numbers; it says what to do. Rows
                are counted from 1, whatever the frame's index.
        """
        rows = np.arange(len(frame)) if rows is None else np.asarray(rows)
        found = columns.look_at(frame, drop, rows)
        values = columns.typed(frame, found).iloc[rows]
        counts = {name: values.loc[values[name] != MISSING, name].value_counts() for name in found.categories}
        levels = {name: _kept(each, columns.rare_below(len(rows))) for name, each in counts.items()}
        n_numbers = len(found.numbers) + (1 + len(PARTS)) * len(found.dates) + sum(map(len, levels.values()))
        if len(frame) * n_numbers > MAX_ENTRIES:
            raise DatasetError(
                f"{len(frame)} rows of {n_numbers} numbers are {MAX_ENTRIES} at most: --drop columns "
                "(in Python, drop=[...])."
            )
        parts = {name: _parts(values[name]) for name in found.dates}
        varied = {name: [part for part in PARTS if each[part].nunique() > 1] for name, each in parts.items()}
        seen = {name: sorted(each.index) for name, each in counts.items()}
        return cls(found, seen, levels, varied, {name: float(values[name].median()) for name in found.numbers})

    @property
    def is_plain(self) -> bool:
        """Whether the table is of numbers without gaps: then its model knows no gaps."""
        return not (self.columns.dates or self.columns.categories or self.columns.missing)

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A frame [N, C] with the fitted columns, others being left out -> the table that an estimator takes.

        Gaps stay, but for a plain table, where they become medians.

        Raises:
            DatasetError: a column is missing or of another kind, or a number is too large.
        """
        values = columns.typed(frame, self.columns)
        made = {name: values[name] for name in self.columns.numbers}
        for name, parts in self.parts.items():
            found = _parts(values[name])
            made |= {name: found["date"]} | {self.part_name(name, part): found[part] for part in parts}
        for name, levels in self.levels.items():
            words = values[name].where(values[name].isin([*levels, MISSING]), OTHER)
            made[name] = pd.Series(pd.Categorical(words, levels), values.index)
        table = pd.DataFrame(made, values.index).set_axis(frame.index, axis=0)
        return table.fillna(self.medians) if self.is_plain else table

    def part_name(self, date: str, part: str) -> str:
        """The column of a date's part."""
        return f"{date}: {part}" + "'" * (f"{date}: {part}" in (*self.columns.numbers, *self.columns.categories))

    def origin(self, name: str) -> tuple[str, str]:
        """The column of the frame that one of the table's is made from, and what part of it: "", or of a date's."""
        of = {self.part_name(date, part): (date, part) for date, parts in self.parts.items() for part in parts}
        return of.get(name, (name, "seconds" if name in self.parts else ""))

    @property
    def written(self) -> list[str]:
        """The columns whose cells have to be read as they are written: numbers of other forms, and codes such as 01."""
        coded = [name for name, seen in self.seen.items() if any(CODE.fullmatch(each) for each in seen)]
        return [*self.columns.forms, *coded]

    def unseen(self, frame: pd.DataFrame) -> dict[str, list[str]]:
        """The categories of a frame that ``fit`` did not see, by column; they count as rare ones, or as gaps."""
        values = columns.typed(frame, replace(self.columns, numbers=[], dates=[]))
        found = {name: sorted(set(values[name]) - {*seen, MISSING}) for name, seen in self.seen.items()}
        return {name: new for name, new in found.items() if new}

    def new_gaps(self, frame: pd.DataFrame) -> dict[str, int]:
        """Cells without a value in columns of numbers or dates that had all when fitted."""
        gaps = columns.typed(frame, replace(self.columns, categories=[])).isna().sum().to_dict()
        return {name: n for name, n in gaps.items() if n and name not in self.columns.missing}

    def restore(self, table: pd.DataFrame) -> pd.DataFrame:
        """What a model generates, a table as ``transform`` gives it, as the columns were: dates as text."""
        restored = table[[*self.columns.numbers, *self.columns.dates, *self.columns.categories]].copy()
        for name in self.columns.dates:
            days = (table[name].to_numpy("datetime64[ms]") + np.timedelta64(12, "h")).astype("datetime64[D]")
            restored[name] = days.astype(str)  # the nearest midnights, of all years
        return restored

    def save(self, folder: str | Path) -> None:
        """Write it to a folder, which is made if it is not there."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "Preparation":
        """Read what ``save`` wrote.

        Raises:
            DatasetError: there is nothing of it, or it is not whole, or of an earlier version.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise DatasetError(f"{folder} is no folder. Give the one that save() was given.")
        if (folder / "transformer.skops").exists():
            raise DatasetError(f"{folder} is of an earlier version, which prepared tables otherwise. Train again.")
        try:
            kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
            return cls(**{**kept, "columns": Columns.of(kept["columns"])})
        except Exception as error:  # what is damaged raises anything
            raise DatasetError(f"{folder} is not whole, or was changed: {error}. Train again.") from error


def day(seconds: float) -> str:
    """The nearest midnight of a time in seconds since 1970, as 2024-12-31."""
    return str(np.datetime64(round(seconds / 86400), "D"))


def _kept(counts: pd.Series, rare: int) -> list[str]:
    """The categories that stay apart, and ``OTHER`` if some do not."""
    kept = sorted(counts.index[counts >= rare][:MAX_CATEGORIES])
    return kept if len(kept) == len(counts) else [*kept, OTHER]


def _parts(seconds: pd.Series) -> dict[str, pd.Series]:
    """A date, in seconds since 1970, and its ``PARTS``, NaN where it is missing; [N] each."""
    with np.errstate(invalid="ignore"):  # NaN becomes NaT
        milliseconds = np.round(seconds.to_numpy(float) * 1000).astype("datetime64[ms]")  # nanoseconds end in 2262
    date = pd.Series(milliseconds, seconds.index)
    parts = {"month": date.dt.month, "weekday": date.dt.dayofweek, "hour": date.dt.hour}
    return {"date": date, **{part: parts[part].astype(float) for part in PARTS}}
