"""Which rows a mixture of experts is held out: drawn ones, whole groups, the last in time, or those of another file."""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from vae_moe.app import inputs
from vae_moe.app.inputs import Source
from vae_moe.app.targets import Target
from vae_moe.data import cells, columns
from vae_moe.data.files import DatasetError

HELD_OUT = 0.2  # of the rows


@dataclass(frozen=True, eq=False)
class Split:
    """Numbers of rows.

    Attributes:
        train: to learn from.
        test: held out.
        words: which these are, where they are not drawn; "" else.
    """

    train: np.ndarray
    test: np.ndarray
    words: str = ""


def joined(source: Source, path: Path | None) -> Source:
    """A table with the rows of another file below its own, or as it is without one.

    Raises:
        DatasetError: they are images, or the file lacks columns.
    """
    if path is None:
        return source
    if source.images is not None:
        raise DatasetError("--test is for tables. Leave it out: a fifth of the images is held out.")
    other = inputs.read(path, dialect=source.dialect)
    if other.images is not None or (absent := [name for name in source.frame if name not in other.frame]):
        lacking = "images" if other.images is not None else f"no column {absent[0]!r}"
        raise DatasetError(f"{path} has {lacking}, unlike {source.path}. Give a table with the same columns.")
    return source.followed_by(other)


def split(source: Source, target: Target, options: Namespace) -> Split:
    """Part the rows with a target into those to learn from and those held out.

    Args:
        source: N rows.
        target: of them.
        options: ``test``, ``groups``, ``time``, of which one may be given, and ``seed``.

    Raises:
        DatasetError: a column is not there or cannot part rows, or what is held out has classes of its own.
    """
    known = np.flatnonzero(target.known)
    if options.test:
        found = _other_file(source, known, options.test)
    elif options.groups:
        found = _groups(source, known, options.groups, options.seed)
    elif options.time:
        found = _last(source, known, options.time)
    else:
        classes = target.y[known] if target.task == "classification" else None
        found = Split(*train_test_split(known, test_size=HELD_OUT, random_state=options.seed, stratify=classes))
    if target.task == "classification" and (alone := set(target.y[found.test]) - set(target.y[found.train])):
        raise DatasetError(
            f"the held-out rows have the class {str(min(alone))!r}, which no row to learn from has. Part the rows "
            "otherwise."
        )
    return found


def _other_file(source: Source, known: np.ndarray, path: Path) -> Split:
    train, test = known[known < source.n_first], known[known >= source.n_first]
    if not len(test):
        raise DatasetError(f"{path} has no row with the target. Give rows to score.")
    return Split(train, test, f"The held-out rows are those of {path.name}.")


def _groups(source: Source, known: np.ndarray, name: str, seed: int) -> Split:
    with inputs.naming(source.path):
        columns.check_names(source.frame, [name], "--groups")
    groups = columns.text(source.frame[name]).to_numpy(str)[known]
    if len(np.unique(groups)) < 2:
        raise DatasetError(f"--groups {name!r} is the same in every row: nothing can be held out. Name another column.")
    train, test = next(GroupShuffleSplit(1, test_size=HELD_OUT, random_state=seed).split(known, groups=groups))
    n_groups = len(np.unique(groups[test]))
    return Split(known[train], known[test], f"The held-out rows are those of {n_groups} of {name}, whole.")


def _last(source: Source, known: np.ndarray, name: str) -> Split:
    with inputs.naming(source.path):
        columns.check_names(source.frame, [name], "--time")
        column = columns.numbered(source.frame[[name]])[name].iloc[known]
        cure = "name another column by --time"
        kind = columns.kind_of(name, column, 1, cure)
        if kind.name == "category":
            raise DatasetError(f"--time {name!r} is neither dates nor numbers: {cure}.")
        dates = kind.name == "date"
        time = cells.seconds(name, column, cure) if dates else cells.numbers(name, column, kind.form, cure)
        if time.isna().any():
            raise DatasetError(f"--time {name!r} has no value in row {time.isna().idxmax()}: fill it, or {cure}.")
    first = np.sort(time)[int((1 - HELD_OUT) * len(time))]
    late = (time >= first).to_numpy()
    if late.all():
        raise DatasetError(f"--time {name!r} is {column.iloc[0]} in most rows: nothing can be held out. {cure}.")
    since = pd.Timestamp(first, unit="s").isoformat(sep=" ").removesuffix(" 00:00:00") if dates else f"{first:g}"
    return Split(known[~late], known[late], f"The held-out rows are the last by {name}, from {since} on.")
