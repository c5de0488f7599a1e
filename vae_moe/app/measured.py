"""A table's numbers and dates: which columns mislead, and what is far from the rows of training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from vae_moe import extremes
from vae_moe.app.inputs import Source
from vae_moe.app.report.traits import number
from vae_moe.data import columns
from vae_moe.data.preparation import Preparation, day

#: Ranges of a column in training that a new value is outside of its range where it is far.
FAR = 1.0


@dataclass(frozen=True, eq=False)
class Measured:
    """Numbers and dates of some rows.

    Attributes:
        values: [N, C] floats, dates in seconds since 1970, NaN where there is none.
        rows: N names.
        shown: how a value of each column is written.
    """

    values: pd.DataFrame
    rows: Sequence[str]
    shown: Mapping[str, Callable[[float], str]]

    @classmethod
    def of(cls, source: Source, preparation: Preparation | None, rows: np.ndarray | None = None) -> "Measured":
        """Of the rows of these positions, or of all; images have neither numbers nor dates."""
        every = source.rows
        rows = np.arange(len(every)) if rows is None else rows
        names = [every[row] for row in rows]
        if preparation is None:
            return cls(pd.DataFrame(index=range(len(rows))), names, {})
        found = replace(preparation.columns, categories=[])
        shown = {**dict.fromkeys(found.numbers, number), **dict.fromkeys(found.dates, day)}
        return cls(columns.typed(source.frame, found).iloc[rows], names, shown)

    @property
    def ruled(self) -> list[str]:
        """What rules columns: a sentence each, as ``extremes.ruled``."""
        sentences = [
            extremes.ruled(name, self._column(name), self.rows, show, f"--drop {name!r}")
            for name, show in self.shown.items()
        ]
        return [sentence for sentence in sentences if sentence]

    @property
    def numbering(self) -> list[str]:
        """The columns that number all these rows: a sentence each, as ``extremes.numbering``."""
        sentences = [extremes.numbering(name, self._column(name)) for name in self.shown]
        return [sentence for sentence in sentences if sentence]

    @property
    def ranges(self) -> dict[str, list[float]]:
        """The least and the greatest value of each column."""
        return {
            name: [float(np.nanmin(self._column(name))), float(np.nanmax(self._column(name)))] for name in self.shown
        }

    def beyond(self, name: str, ranges: Mapping[str, Sequence[float]], far: float = 0.0) -> np.ndarray:
        """Which values of a column are outside of its range in training, by more than ``far`` such ranges, [N]."""
        column, (low, high) = self._column(name), ranges.get(name, (-np.inf, np.inf))
        return np.maximum(low - column, column - high) > (far and far * (high - low))

    def far_from(self, ranges: Mapping[str, Sequence[float]]) -> dict[str, str]:
        """What is far outside of the ranges of training: a sentence a column, by its name."""
        sentences = {}
        for name, show in self.shown.items():
            far = self.beyond(name, ranges, FAR)
            if not far.any():
                continue
            first, (low, high) = int(far.argmax()), ranges[name]
            others = f", and {far.sum() - 1} more rows are" if far.sum() > 1 else ""
            sentences[name] = (
                f"column {name!r} has {show(self._column(name)[first])} in row {self.rows[first]}, far from the "
                f"{show(low)} to {show(high)} of training{others}: what is predicted there is a guess"
            )
        return sentences

    def _column(self, name: str) -> np.ndarray:
        return self.values[name].to_numpy(float)
