"""What experts are to predict: which columns, as numbers or as classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types

from vae_moe.data import cells, columns
from vae_moe.data.cells import MISSING
from vae_moe.data.columns import Kind
from vae_moe.data.files import DatasetError

#: Rows a class must have: some for training, one to be held out.
LEAST_OF_A_CLASS = 5
MAX_CLASSES = 1000
FEW_VALUES = 10  # whole numbers that may be classes all the same


@dataclass(frozen=True, eq=False)
class Target:
    """Targets of a table.

    Attributes:
        names: columns, O of a regression, one of a classification.
        task: "regression" or "classification".
        y: [N, O] floats, NaN where there is none; or [N] texts, ``cells.MISSING`` where there is none.
        note: why it is this task, where one could think otherwise; or "".
    """

    names: list[str]
    task: str
    y: np.ndarray
    note: str = ""

    @property
    def known(self) -> np.ndarray:
        """Whether a row has all its targets, [N]."""
        return self.y != MISSING if self.task == "classification" else np.isfinite(self.y).all(-1)


def read(frame: pd.DataFrame, names: Sequence[str], task: str | None) -> Target:
    """The targets of a table.

    Args:
        frame: [N, C].
        names: of the columns.
        task: None: "classification" if a column holds text, categories or truth values, or the only one two whole
            numbers; "regression" otherwise.

    Raises:
        DatasetError: a column that is not there, has no such values, the same in every row, or too few of a class; it
            says which cell, and what to do.
    """
    columns.check_frame(frame)
    columns.check_names(frame, names, "--target")
    frame = columns.numbered(frame[list(names)])
    for name in names:
        if not frame[name].notna().any():
            raise DatasetError(f"target {name!r} is empty in every row: name a column with values.")
    declared = any(isinstance(frame[name].dtype, pd.CategoricalDtype) for name in names)
    if task == "classification" or (declared and not task):
        return _classes(frame, list(names), task)
    commas = columns.has_decimal_commas(frame)
    kinds = {name: _kind(name, frame[name], task, commas) for name in names}
    one = len(names) == 1  # several, whichever comes first, are numbers
    tasks = {
        _task(name, frame[name], kind) if one or kind.name != "number" else "regression" for name, kind in kinds.items()
    }
    chosen = task or min(tasks)
    if chosen == "classification":
        return _classes(frame, list(names), task)
    y = np.stack([cells.numbers(name, frame[name], kind.form) for name, kind in kinds.items()], -1)
    known = y[np.isfinite(y).all(-1)]
    for name, values in zip(names, known.T, strict=True):
        if len(known) and np.ptp(values) == 0:
            raise DatasetError(
                f"target {name!r} is {values[0]:g} in every row that has one: nothing is left to predict."
            )
    if not len(known):
        raise DatasetError(f"no row has all of the targets {', '.join(map(repr, names))}: name them apart.")
    return Target(list(names), "regression", y, _note(frame, kinds, task))


def _kind(name: str, column: pd.Series, task: str | None, commas: bool) -> Kind:
    """What a target is, for which dates are nothing."""
    cure = "name another target, or --task classification if these are classes"
    kind = columns.kind_of(name, column, LEAST_OF_A_CLASS, cure, commas)
    if kind.name == "date" and task is None:
        raise DatasetError(
            f"target {name!r} is dates: give a number in its place, such as the days since a certain one, or {cure}."
        )
    return kind


def _note(frame: pd.DataFrame, kinds: dict[str, Kind], task: str | None) -> str:
    """How the targets of a regression were read, where one could think otherwise."""
    notes = [f"{name!r}: {kind.read_as}." for name, kind in kinds.items() if kind.read_as]
    for name in kinds:
        if not task and types.is_integer_dtype(frame[name]) and frame[name].nunique() <= FEW_VALUES:
            return " ".join(
                [*notes, f"{name!r} is taken as a number; --task classification takes its values as classes."]
            )
    return " ".join(notes)


def _task(name: str, column: pd.Series, kind: Kind) -> str:
    if kind.name != "number":
        return "classification"
    values = cells.numbers(name, column, kind.form).dropna()
    two = values.nunique() == 2 and bool((values == values.round()).all())
    return "classification" if two else "regression"


def _classes(frame: pd.DataFrame, names: list[str], task: str | None) -> Target:
    if len(names) > 1:
        raise DatasetError(
            f"a classification has one target, got {', '.join(map(repr, names))}: name one --target, "
            "or say --task regression if all are numbers."
        )
    name = names[0]
    y = cells.text(frame[name]).to_numpy(str)
    classes, counts = np.unique(y[y != MISSING], return_counts=True)
    cure = "" if task else ", or --task regression"
    if len(classes) == 1:
        empty = int((y == MISSING).sum())
        others = f" and {empty} cells that are empty or say NA, None or the like" if empty else " in every row"
        raise DatasetError(f"target {name!r} has the one class {str(classes[0])!r}{others}: write the other class out.")
    if len(classes) > MAX_CLASSES:
        raise DatasetError(f"target {name!r} has {len(classes)} classes, {MAX_CLASSES} at most: name another{cure}.")
    if counts.min() < LEAST_OF_A_CLASS:
        rare, numbers = str(classes[counts.argmin()]), pd.to_numeric(pd.Series(classes), errors="coerce").notna().all()
        raise DatasetError(
            f"target {name!r} has the class {rare!r} in {counts.min()} rows, {LEAST_OF_A_CLASS} at least: leave "
            f"these rows out or join classes{cure if numbers else ''}."
        )
    return Target(names, "classification", y)
