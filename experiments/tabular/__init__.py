"""Numbers and classes of real tables predicted with default settings: ``python -m experiments.tabular``.

18 regressions and 18 classifications (``named.py``), by 5-fold cross-validation over seeds; every method
(``methods.py``) has one setting for all tables. The questions: is a mixture of experts ever worse than the linear model
it contains, and where does it stand among the others by its errors, its density and its intervals? Methods are ranked
on each table, and mean ranks compared as Demsar (2006) does. Defaults may be tuned on the chosen half of the tables;
the held half is reported apart. Every cell is one record under ``results/tabular/``: a finished one is not run again.
"""

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments import grids
from experiments.tabular import methods, named, shown
from experiments.tabular.methods import METHODS
from experiments.tabular.named import HALVES, TABLES

FOLDER = Path("results/tabular")
PAGE = Path("docs/tabular.md")
N_FOLDS, QUICK_FOLDS = 5, 2


@dataclass(frozen=True)
class Cell:
    """One method on one table; the seed draws its rows, the folds and the method's own numbers."""

    table: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Of its record."""
        return f"{self.table.replace('/', '.')}-{self.method}-seed{self.seed}"


def measure(cell: Cell, cache: Path, quick: bool = False) -> dict[str, Any]:
    """Cross-validate a cell's method.

    Args:
        cell: which.
        cache: of warm starts; not used.
        quick: two folds in place of five.

    Returns:
        The figures of ``methods.regression`` or ``methods.classification``, a list of one a fold each, ``rows`` and
        ``columns``, and the estimator as text.
    """
    table = TABLES[cell.table]
    frame, y = named.load(table, cell.seed)
    n_classes = int(y.max()) + 1 if table.classes else None

    def make() -> Any:
        return methods.estimator(cell.method, n_classes, cell.seed)

    score = methods.classification if table.classes else methods.regression
    folds = named.folds(frame, y, cell.seed, QUICK_FOLDS if quick else N_FOLDS, table.classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of steps that did not converge: as it comes
        measured = [score(make, *fold, seed=cell.seed) for fold in folds]
    figures: dict[str, Any] = {f"fold_{key}": [fold[key] for fold in measured] for key in measured[0]}
    return {**figures, "estimator": " ".join(str(make()).split()), "rows": len(frame), "columns": frame.shape[1]}


GRID = grids.Grid(
    "Numbers and classes of real tables, default settings",
    FOLDER,
    measure,
    lambda record: f"{np.mean(record['fold_error']):.3g}, nll {np.mean(record['fold_nll']):.3g}",
    shown.table,
    shown.picture,
)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = grids.parser("experiments.tabular", GRID, tuple(METHODS))
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES), metavar="TABLE")
    parser.add_argument("--halves", nargs="+", choices=list(HALVES), default=list(HALVES))
    options = parser.parse_args(arguments)
    names = [table.name for half in options.halves for table in HALVES[half] if table.name in options.tables]
    wanted = [
        Cell(name, method, seed)
        for seed in options.seeds
        for name in names
        for method in options.methods
        if methods.can(method, TABLES[name].classes)
    ]
    if not wanted:
        parser.error("no method of these is installed and has the tables' task: see --methods and --tables.")
    return grids.run(GRID, wanted, options.folder, options.quick, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
