"""A table of columns of several kinds, with gaps, as the entries that a mixture sees, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from vae_moe import validation
from vae_moe.estimators._fields import KINDS, NUMBERS, Field, typed


@dataclass(frozen=True)
class Table:
    """The columns of a table.

    Attributes
    ----------
    fields : list of Field
    is_frame : bool
        Whether it came as a frame, and is given back as one.
    """

    fields: list[Field]
    is_frame: bool

    @classmethod
    def fit(cls, X: Any, likelihood: Any = "mixed", missing: str = "random") -> Table:
        """Return what the columns of X [N, C], a frame or an array, are.

        A likelihood that is a dictionary gives the kinds of some, by name or number. With "auto" a table of numbers
        alone is one of Gaussian ones, as it would be without gaps. Where what is missing is "informative", a column
        with gaps has a field beside it that tells of them.

        Raises
        ------
        ValueError
            If a kind is none, or its column is not there or cannot be of it.
        """
        frame, given = as_frame(X), dict(likelihood) if isinstance(likelihood, Mapping) else {}
        if isinstance(likelihood, str) and likelihood == "auto" and all(map(types.is_numeric_dtype, frame.dtypes)):
            given = {name: "gaussian" for name in frame.columns if not _is_flag(frame[name])}
        for name, kind in given.items():
            validation.check_option(f"likelihood[{name!r}]", kind, KINDS)
        if unknown := set(given) - set(frame.columns):
            raise ValueError(f"likelihood names {sorted(map(str, unknown))}, the columns are {list(frame.columns)}.")
        fields = [Field.found(name, frame[name], given.get(name)) for name in frame.columns]
        if missing == "informative":
            fields += [field.indicator() for field in fields if frame[field.name].isna().nunique() > 1]
        return cls(fields, isinstance(X, pd.DataFrame) or hasattr(X, "__dataframe__"))

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Table:
        """Return the table that `kept` made plain values of."""
        return cls([Field(**field) for field in kept["fields"]], kept["is_frame"])

    def kept(self) -> dict[str, Any]:
        """Return the columns as plain values."""
        return {"fields": [asdict(field) for field in self.fields], "is_frame": self.is_frame}

    @property
    def likelihood(self) -> list[dict[str, Any]]:
        """The columns as a mixture's likelihood."""
        return [asdict(field.column) for field in self.fields]

    @property
    def columns(self) -> list[Field]:
        """The fields that are columns of X, [C]."""
        return [field for field in self.fields if field.of is None]

    @property
    def column_of(self) -> np.ndarray:
        """The field of each entry of x, [D]."""
        return np.repeat(np.arange(len(self.fields)), [field.column.size for field in self.fields])

    @property
    def is_number(self) -> np.ndarray:
        """Which entries of x are those of numbers, [D]."""
        return np.array([self.fields[column].kind in NUMBERS for column in self.column_of])

    def encode(self, X: Any) -> np.ndarray:
        """Return x [N, D] as float32, NaN in the entries of cells without a value, for X [N, C]."""
        frame = as_frame(X)
        cells = [frame[field.name] if field.of is None else frame[field.of].isna() for field in self.fields]
        entries = [field.encode(values) for field, values in zip(self.fields, cells, strict=True)]
        return np.concatenate(entries, 1).astype(np.float32)

    def decode(self, x: np.ndarray) -> Any:
        """Return a table of entries x [N, D], such as a mixture generates, as X was."""
        parts = np.split(np.asarray(x), np.flatnonzero(np.diff(self.column_of)) + 1, 1)
        made = [(field, field.decode(part)) for field, part in zip(self.fields, parts, strict=True) if field.of is None]
        if not self.is_frame:
            return np.stack([np.asarray(values, float) for _, values in made], 1)
        return pd.DataFrame({field.name: typed(values, field) for field, values in made})

    def fill(self, X: Any, x: np.ndarray) -> Any:
        """Return X [N, C] with its gaps filled from entries x [N, D]."""
        made, gaps = self.decode(x), self.gaps(X)
        if not self.is_frame:
            return np.where(gaps, made, np.asarray(X, float))
        frame = as_frame(X).copy()
        for field, missing in zip(self.columns, gaps.T, strict=True):
            if missing.any():
                filled = frame[field.name].astype(object)
                filled[missing] = made[field.name].to_numpy(object)[missing]
                frame[field.name] = typed(filled.to_numpy(object), field, frame.index)
        return frame

    def gaps(self, X: Any) -> np.ndarray:
        """Return which cells of X [N, C] have no value, [N, C]."""
        return np.stack([values.isna().to_numpy() for _, values in self._columns(X)], 1)

    def log_jacobian(self, X: Any) -> np.ndarray:
        """Return what turns log p of x into log p of X [N, C] in its own units, [N]."""
        return np.sum([field.log_jacobian(values) for field, values in self._columns(X)], 0)

    def _columns(self, X: Any) -> list[tuple[Field, pd.Series]]:
        frame = as_frame(X)
        return [(field, frame[field.name]) for field in self.columns]


def is_mixed(X: Any) -> bool:
    """Whether X has gaps, or columns that are no numbers."""
    if isinstance(X, pd.DataFrame) or hasattr(X, "__dataframe__"):
        frame = as_frame(X)
        return bool(frame.isna().any(axis=None)) or not all(map(types.is_numeric_dtype, frame.dtypes))
    values = np.asarray(X) if isinstance(X, (np.ndarray, Sequence)) and not isinstance(X, str) else np.zeros(0)
    return values.ndim == 2 and values.dtype.kind == "f" and bool(np.isnan(values).any())


def _is_flag(values: pd.Series) -> bool:
    return bool(values.dropna().isin((0, 1)).all())


def as_frame(X: Any) -> pd.DataFrame:
    """Return X [N, C] as a frame; an array's columns are called 0, 1, ...

    Raises
    ------
    ValueError
        If two columns have one name.
    """
    if isinstance(X, pd.DataFrame):
        frame = X
    elif hasattr(X, "__dataframe__"):
        frame = pd.api.interchange.from_dataframe(X)
    else:
        frame = pd.DataFrame(np.asarray(X, float))
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"two columns of X are called {twice!r}. Rename one.")
    return frame
