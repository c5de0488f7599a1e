"""The tables with gaps: what is asked of each, whether they have gaps of their own, and which defaults may be tuned on.

They come from wheels (``experiments.wheels``); diabetes is scikit-learn's. KEEL's have lost the rows that had gaps.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments import wheels
from experiments.tabular import named

#: Rows of a table at most.
ROWS = 2000


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: in its wheel, or "sklearn/diabetes".
        target: the column of the classes, or of the number to predict; "" where there is none.
        drop: columns that name the rows, or give the target away.
        chosen: whether defaults may be tuned on it.
        gaps: share of its cells that are removed at random where it is clustered; 0 where it has gaps of its own.
    """

    name: str
    target: str = ""
    drop: tuple[str, ...] = ()
    chosen: bool = False
    gaps: float = 0.0


#: Whose cells are removed, and filled: numbers alone, and of several kinds.
FILLED = (
    Table("keel/wine", "class", chosen=True),
    Table("keel/wdbc", "class", chosen=True),
    Table("modeldata/credit_data", "", chosen=True),
    Table("sklearn/diabetes"),
    Table("modeldata/concrete"),
    Table("AER/CPS1988"),
    Table("palmerpenguins/penguins"),
    Table("ISLR/Carseats"),
)
#: Whose rows are clustered with and without the cells removed.
CLUSTERED = (Table("keel/wine", "class", chosen=True), Table("keel/optdigits", "class"), Table("keel/texture", "class"))
#: Of several kinds of columns, whose clusters are compared with the classes.
MIXED = (
    Table("modeldata/credit_data", "Status", chosen=True),
    Table("keel/crx", "class", chosen=True, gaps=0.2),
    Table("keel/housevotes", "class", chosen=True, gaps=0.2),
    Table("carData/TitanicSurvival", "survived", ("rownames",)),
    Table("palmerpenguins/penguins", "species"),
    Table("keel/mammographic", "class", gaps=0.2),
    Table("keel/heart", "class", gaps=0.2),
    Table("keel/mushroom", "class", gaps=0.2),
)
#: Of whose cells some are removed before a number is predicted.
PREDICTED = (
    Table("sklearn/diabetes", "target", chosen=True),
    Table("MASS/Boston", "medv", chosen=True),
    Table("ISLR/Auto", "mpg", ("name",), chosen=True),
    Table("modeldata/concrete", "compressive_strength"),
    Table("mosaicData/SaratogaHouses", "price"),
    Table("ISLR/College", "Outstate"),
    Table("MASS/cpus", "perf", ("name", "estperf")),
    Table("AER/CASchools", "math", ("district", "school", "county", "read")),
)
#: What is asked, and of which tables.
QUESTIONS = {"fill": FILLED, "cluster": CLUSTERED, "mixed": MIXED, "predict": PREDICTED}


def load(table: Table, seed: int, rows: int = ROWS) -> tuple[pd.DataFrame, np.ndarray]:
    """Give the columns [N, C], numbers and categories, and the target [N], of at most so many rows, by the seed.

    Of a table without a target, rows with gaps are left out: what was there is to be known.
    """
    from vae_moe.data import columns

    text = named.frame_of(table.name).drop(columns=["rownames", *table.drop], errors="ignore")
    text = text.dropna(subset=[table.target] if table.target else None)
    if table in FILLED:
        text = text.dropna()
    text = wheels.drawn(text, rows, seed)
    target = text.pop(table.target).to_numpy(str) if table.target else np.zeros(len(text))
    typed = columns.typed(text, columns.look_at(text))
    return typed.astype({name: object for name in typed if typed[name].dtype.kind not in "fiu"}), target


def with_gaps(frame: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Remove a share of the cells at random: the frame with gaps, and which cells [N, C] were removed."""
    removed = np.random.default_rng(seed).uniform(size=frame.shape) < share
    return frame.mask(pd.DataFrame(removed, frame.index, frame.columns)), removed
