"""How a table is written, where it does not tell by itself: encoding, gaps, decimal commas, days that come first."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from vae_moe.data import cells, forms

UTF8 = "utf-8"
_TIMES = ("", " %H:%M", " %H:%M:%S")
DAY_FIRST = tuple(f"%d.%m.{year}{time}" for year in ("%Y", "%y") for time in _TIMES)


@dataclass(frozen=True)
class Dialect:
    """How numbers and dates are written.

    Attributes:
        decimal: the decimal mark, "." or ","; with "," a number such as 1,230 is 1.23, and 1.230 is 1230. Numbers with
            "." are found out by themselves, and those with "," mostly.
        dayfirst: whether 01/02/2024 is the first of February.
        encoding: of text files.
        gaps: further texts, or numbers, of cells that have no value.
    """

    decimal: str = "."
    dayfirst: bool = False
    encoding: str = UTF8
    gaps: tuple[str, ...] = ()

    def read(self, frame: pd.DataFrame, as_text: Sequence[str] = ()) -> pd.DataFrame:
        """The table without values in gaps, and with numbers and ISO dates where its text is of this dialect, but for
        some columns."""
        if self.gaps:
            frame = frame.assign(**{str(name): self._without_gaps(column) for name, column in frame.items()})
        for name, column in frame.items():
            if (
                (self.decimal, self.dayfirst) == (PLAIN.decimal, PLAIN.dayfirst)
                or name in as_text
                or not cells.is_text(column)
                or cells.is_number(column)
            ):
                continue
            known = cells.text(column.dropna())
            values = forms.without_gaps(known)
            read = self._read(values) if len(values) else None
            if read is not None:
                frame = frame.assign(**{str(name): read.reindex(frame.index)})
        return frame

    def _without_gaps(self, column: pd.Series) -> pd.Series:
        if cells.is_text(column) and not cells.is_number(column):
            kept = column.mask(cells.text(column).isin(self.gaps))
            return kept.infer_objects() if column.dtype == object else kept
        numbers = pd.to_numeric(pd.Series(self.gaps), errors="coerce").dropna()
        return column.mask(column.isin(numbers)) if cells.is_number(column) else column

    def _read(self, values: pd.Series) -> pd.Series | None:
        """Texts as numbers or dates; None where they are not all such."""
        if self.dayfirst:
            dotted = values.str.replace(r"[/-]", ".", regex=True)
            tried = [pd.to_datetime(dotted, format=form, errors="coerce") for form in DAY_FIRST]
            dates = pd.concat(tried, axis=1).bfill(axis=1).iloc[:, 0]
            if dates.notna().all():
                return dates.dt.strftime("%Y-%m-%d" if (dates == dates.dt.normalize()).all() else "%Y-%m-%d %H:%M:%S")
        if self.decimal == ",":
            form = forms.best(values.value_counts().to_dict(), commas=True)
            numbers = form.numbers(values)
            if form.decimal == "," and numbers.notna().all():
                return numbers
        return None


PLAIN = Dialect()
