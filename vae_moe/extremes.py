"""Columns that mislead a model: few rows rule them, or they number the rows.

Once a column that few rows rule is standardised, all other rows look nearly the same.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

#: Share of a column's variance that one row has where it rules it, and how many of the other rows' standard deviations
#: it is away from them: of 500 rows of exp(z), one in 2000 times.
RULING_SHARE = 0.5
RULING_DISTANCE = 50.0
#: Interquartile range below which a column is heavily skewed, in standard deviations: 1.35 of a normal one, 0.6 of
#: exp(z), below 0.1 of exp(2 z).
SKEWED_RANGE = 0.1


class ExtremesWarning(UserWarning):
    """A column of a fit is ruled by few rows."""


def numbering(name: str, values: np.ndarray) -> str | None:
    """A sentence with a cure, if the values [N] of a column number the rows, in any order; None of most columns."""
    low, high = np.nanmin(values), np.nanmin(values) + len(values) - 1
    if low % 1 or not np.array_equal(np.sort(values), low + np.arange(len(values))):
        return None
    return (
        f"column {name!r} numbers the rows: each has one of the whole numbers from {low:.0f} to {high:.0f}. A model "
        f"takes them for a measurement: --drop {name!r}, unless they are one."
    )


def ruled(
    name: Any, values: np.ndarray, rows: Sequence[Any], shown: Callable[[float], str], leave_out: str
) -> str | None:
    """What rules a column, in a sentence with its cure; None of most.

    The most distant row rules a column if it has more than half of the variance and is 50 standard deviations of the
    other rows away from them. A column is heavily skewed if half of its rows lie within a tenth of a standard
    deviation, and are not all the same. A column of two values is neither.

    Args:
        name: of the column.
        values: [N], NaN where there is none.
        rows: N names of the rows.
        shown: a value in words.
        leave_out: how to leave the column out, in words.
    """
    known = np.flatnonzero(np.isfinite(values))
    x = values[known]
    if not len(x) or x.min() == x.max():
        return None
    low, high = np.quantile(x, [0.25, 0.75])
    furthest = int(np.abs(x - x.mean()).argmax())
    others = np.delete(x, furthest)
    share = np.square(x[furthest] - x.mean()) / np.square(x - x.mean()).sum()
    middle = f"half of the rows lie between {shown(low)} and {shown(high)}" if low < high else f"most have {shown(low)}"
    rules = share > RULING_SHARE and abs(x[furthest] - others.mean()) > RULING_DISTANCE * others.std()
    skewed = 0 < high - low < SKEWED_RANGE * x.std()
    if not (rules or skewed) or len(np.unique(x)) < 3:
        return None
    extreme = f"row {rows[known[furthest]]}"
    of = {1: "the column", 0: "1 + the column"}.get(int(np.sign(x.min())))
    logarithm = f"take the logarithm of {of}, " if of else ""
    if rules:
        return (
            f"column {name!r} is ruled by {extreme}, which has {shown(x[furthest])} where {middle}: correct or empty "
            f"the cell, {logarithm}or {leave_out}."
        )
    cure = logarithm or "group its values, "
    return f"column {name!r} is heavily skewed, {middle} and {extreme} has {shown(x[furthest])}: {cure}or {leave_out}."
