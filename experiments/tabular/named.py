"""The tables a number or a class of which is predicted, in two halves, and their folds.

They come from wheels (``experiments.wheels``); diabetes is scikit-learn's. The chosen half has those that earlier
defaults have seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments import wheels
from experiments.prepared import prepared

#: Rows of a table at most.
ROWS = 4000


@dataclass(frozen=True)
class Table:
    """A table and what is predicted of its rows.

    Attributes:
        name: in its wheel, or "sklearn/diabetes".
        target: the column that is predicted.
        drop: columns that name the rows, or give the target away.
        classes: whether the target holds classes.
    """

    name: str
    target: str
    drop: tuple[str, ...] = ()
    classes: bool = False


def _keel(*names: str) -> list[Table]:
    return [Table(f"keel/{name}", "class", classes=True) for name in names]


#: Tables that defaults may be tuned on.
CHOSEN = (
    Table("sklearn/diabetes", "target"),
    Table("modeldata/concrete", "compressive_strength"),
    Table("MASS/Boston", "medv"),
    Table("ISLR/Auto", "mpg", ("name",)),
    Table("Ecdat/Computers", "price"),
    Table("modeldata/Sacramento", "price", ("zip",)),
    Table("ggplot2/diamonds", "price"),
    Table("ISLR/Hitters", "Salary"),
    Table("AER/CPS1988", "wage"),
    *_keel("wine", "wdbc", "vehicle", "segment", "vowel", "phoneme", "german", "australian", "splice"),
)
#: Tables that nothing is tuned on.
HELD = (
    Table("modeldata/ames", "Sale_Price"),
    Table("mosaicData/SaratogaHouses", "price"),
    Table("modeldata/car_prices", "Price"),
    Table("robustbase/NOxEmissions", "LNOx"),
    Table("ISLR/College", "Outstate"),
    Table("modeldata/biomass", "HHV", ("sample", "dataset")),
    Table("MASS/cpus", "perf", ("name", "estperf")),
    Table("ISLR/Wage", "wage", ("logwage",)),
    Table("AER/CASchools", "math", ("district", "school", "county", "read")),
    *_keel("sonar", "heart", "contraceptive", "crx", "satimage", "penbased", "spambase", "magic"),
    Table("modeldata/attrition", "Attrition", classes=True),
)
HALVES = {"chosen": CHOSEN, "held": HELD}
TABLES = {table.name: table for half in HALVES.values() for table in half}


def load(table: Table, seed: int, rows: int = ROWS) -> tuple[pd.DataFrame, np.ndarray]:
    """The columns [N, C] as text, and y [N], numbers or those of classes, of at most so many rows, by the seed."""
    frame = frame_of(table.name)
    frame = wheels.drawn(frame.dropna(subset=[table.target]), rows, seed)
    target = frame[table.target]
    y = np.unique(target.to_numpy(str), return_inverse=True)[1] if table.classes else target.to_numpy(float)
    return frame.drop(columns=[table.target, *table.drop, "rownames"], errors="ignore"), y


def frame_of(name: str) -> pd.DataFrame:
    """A whole table as text, [N, C], by its name."""
    if name == "sklearn/diabetes":
        from sklearn.datasets import load_diabetes

        return load_diabetes(as_frame=True, scaled=False).frame.astype(str)
    return wheels.read(wheels.csv_of(name))


def folds(
    frame: pd.DataFrame, y: np.ndarray, seed: int, n_folds: int, classes: bool
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """x and y of the rows to learn from, and of those held out, fold by fold.

    What makes numbers of columns (``experiments.prepared``) learns from the first alone.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    splitter = (StratifiedKFold if classes else KFold)(n_folds, shuffle=True, random_state=seed)
    for train, test in splitter.split(frame, y):
        x = prepared(frame, train)
        yield x[train], y[train], x[test], y[test]
