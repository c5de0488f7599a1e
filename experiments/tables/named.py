"""The tables whose classes clusters are compared with, in two halves, and their rows.

KEEL's are all its balanced tables of 2 to 15 classes, 150 rows and 4 columns, numbers alone and ten values in half of
them or more, that no program drew (as it did ring and twonorm); and of its imbalanced ones that hold one class beside
another of a table that is not among these, that with most rows. Those of R's packages hold kinds of things that were
measured. scikit-learn's own iris, wine, breast cancer and digits are in KEEL's iris, wine, wdbc and optdigits.

The chosen half has those that earlier defaults could be tuned on; otherwise the halves were made alike in the size and
kind of their tables, and in what KMeans, GaussianMixture and SpectralClustering reach on them.
"""

from dataclasses import dataclass

import numpy as np

from experiments import wheels
from experiments.prepared import prepared

#: Rows of a table at most.
ROWS = 4000


@dataclass(frozen=True)
class Table:
    """A table whose rows have classes.

    Attributes:
        name: in its wheel.
        target: the column of the classes.
        columns: those that are clustered, () for all others.
    """

    name: str
    target: str = "class"
    columns: tuple[str, ...] = ()


def _keel(*names: str) -> list[Table]:
    return [Table(f"keel/{name}") for name in names]


#: Tables that defaults may be tuned on.
CHOSEN = (
    *_keel("wdbc", "segment", "vehicle", "iris", "ionosphere", "texture", "optdigits", "penbased"),
    *_keel("australian", "bupa", "bands", "phoneme", "spambase", "shuttle-2_vs_5"),
    Table("MASS/crabs", "sp", ("FL", "RW", "CL", "CW", "BD")),
    Table("Stat2Data/Hawks", "Species", ("Wing", "Weight", "Culmen", "Hallux", "Tail")),
)
#: Tables that nothing is tuned on.
HELD = (
    *_keel("wine", "wisconsin", "satimage", "vowel", "sonar", "movement_libras"),
    *_keel("tae", "pima", "magic", "ecoli-0_vs_1", "yeast-2_vs_4", "winequality-white-3_vs_7"),
    Table("MASS/fgl", "type"),
    Table(
        "palmerpenguins/penguins", "species", ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    ),
    Table(
        "dslabs/olive",
        "area",
        ("palmitic", "palmitoleic", "stearic", "oleic", "linoleic", "linolenic", "arachidic", "eicosenoic"),
    ),
    Table("modeldata/cells", "class"),
)
HALVES = {"chosen": CHOSEN, "held": HELD}
TABLES = {table.name: table for half in HALVES.values() for table in half}
#: Columns of R's packages that number the rows or part them.
_NO_MEASUREMENTS = ("rownames", "case")


def load(table: Table, seed: int, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Standardised x [N, D] and the classes y [N] of at most so many rows, drawn by the seed."""
    frame = wheels.read(wheels.csv_of(table.name))
    columns = list(table.columns) or [name for name in frame if name not in (table.target, *_NO_MEASUREMENTS)]
    frame = wheels.drawn(frame[[*columns, table.target]].dropna(), rows, seed)
    return prepared(frame[columns]), frame[table.target].to_numpy(str)
