"""What experts are to predict: which columns, as numbers or as classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types

from vae_moe import columns
from vae_moe.files import DatasetError

#: Rows a class must have: some for training, one to be held out.
LEAST_OF_A_CLASS = 5
MAX_CLASSES = 1000


@dataclass(frozen=True, eq=False)
class Target:
    """Targets of a table.

    Attributes:
        names: columns, O of a regression, one of a classification.
        task: "regression" or "classification".
        y: [N, O] floats, NaN where there is none; or [N] texts, ``columns.MISSING`` where there is none.
        note: why it is this task, where one could think otherwise; or "".
    """

    names: list[str]
    task: str
    y: np.ndarray
    note: str = ""

    @property
    def known(self) -> np.ndarray:
        """Whether a row has all its targets, [N]."""
        return self.y != columns.MISSING if self.task == "classification" else np.isfinite(self.y).all(-1)


def read(frame: pd.DataFrame, names: Sequence[str], task: str | None) -> Target:
    """The targets of a table.

    Args:
        frame: [N, C].
        names: of the columns.
        task: None: "classification" if the column holds text, categories, truth values or two whole numbers,
            "regression" otherwise.

    Raises:
        DatasetError: a column that is not there, has no such values, or too few of a class.
    """
    columns.check_names(frame, names, "--target")
    chosen = task or _task(frame[names[0]])
    if chosen == "classification":
        return _classes(frame, list(names), task)
    y = columns.typed(frame, columns.Columns(numbers=list(names))).to_numpy(float)
    if not np.isfinite(y).all(-1).any():
        raise DatasetError(f"target {', '.join(map(repr, names))} is empty in every row: name a column with values.")
    few = [
        name
        for name in names
        if types.is_integer_dtype(frame[name]) and frame[name].nunique() <= columns.ALWAYS_CATEGORIES
    ]
    note = (
        f"{few[0]!r} is taken as a number; --task classification takes its values as classes."
        if few and not task
        else ""
    )
    return Target(list(names), "regression", y, note)


def _task(column: pd.Series) -> str:
    if not columns.is_number(column):
        return "classification"
    whole = column.dropna()
    two = whole.nunique() == 2 and bool((whole == whole.round()).all())
    return "classification" if two else "regression"


def _classes(frame: pd.DataFrame, names: list[str], task: str | None) -> Target:
    if len(names) > 1:
        raise DatasetError(f"a classification has one target, got {', '.join(map(repr, names))}: name one --target.")
    y = columns.text(frame[names[0]]).to_numpy(str)
    classes, counts = np.unique(y[y != columns.MISSING], return_counts=True)
    if not 2 <= len(classes) <= MAX_CLASSES:
        cure = "" if task else ", or --task regression"
        raise DatasetError(
            f"target {names[0]!r} has {len(classes)} classes, 2 to {MAX_CLASSES} may be: name another{cure}."
        )
    if counts.min() < LEAST_OF_A_CLASS:
        rare = str(classes[counts.argmin()])
        raise DatasetError(
            f"target {names[0]!r} has the class {rare!r} in {counts.min()} rows, {LEAST_OF_A_CLASS} at least: leave "
            "these rows out or join classes."
        )
    return Target(names, "classification", y)
