"""Few labels on MNIST: ``python -m experiments.label_efficiency``.

Error of classification where 100, 300, 1000, 3000 or all 60000 of the training images have a label and all of them are
seen, mean and standard deviation over seeds; the seed draws which rows are labelled. Every cell is one record under
``results/label_efficiency/``: a finished one is not run again.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments import baselines, grids, recipes

FOLDER = Path("results/label_efficiency")
LABELS = (100, 300, 1000, 3000, 60000)
#: Columns by their key: what they are called.
COLUMNS = {
    "dvmoe": recipes.TITLES["dvmoe"],
    "deepmoe": recipes.TITLES["deepmoe"],
    "logistic": "LogisticRegression",
    "mlp": "MLPClassifier 512-256",
    "self-training": "SelfTraining (logistic)",
}
NEURAL = ("dvmoe", "deepmoe")
#: Error in % of a semi-supervised VAE, M1 + M2, by labels (Kingma et al. 2014, table 1).
PUBLISHED = {100: 3.33, 1000: 2.40}


@dataclass(frozen=True)
class Cell:
    """One model on one number of labels, for one seed."""

    labels: int
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Of its record."""
        return f"{self.method}-{self.labels}-seed{self.seed}"


def measure(cell: Cell, cache: Path, quick: bool = False) -> dict[str, Any]:
    """Train a cell's model and measure it: ``error`` on the test set, in %, and what it came from.

    Args:
        cell: which.
        cache: folder of the warm starts, which all numbers of labels share.
        quick: few rows, short training: to see that it runs.
    """
    from vae_moe.data import datasets, targets

    dataset = datasets.load("mnist").without_validation()
    dataset = dataset.head(grids.QUICK_ROWS) if quick else dataset
    n_labels = cell.labels if cell.labels < len(dataset.train) else None
    if cell.method in NEURAL:
        recipe = recipes.get(f"mnist-{cell.method}", task="classification", n_labels=n_labels, seed=cell.seed)
        recipe = replace(recipe, checkpoint="last")  # labels of validation rows would be further labels
        figures, _ = grids.network(recipe, dataset, cache, quick)
    else:
        y = targets.classes(dataset, n_labels, cell.seed)
        figures = baselines.classification(cell.method, dataset, y, cell.seed)
    protocol = f"train {len(dataset.train)} / test {len(dataset.test)}"
    return {**figures, "error": 100 * (1 - figures["accuracy"]), "protocol": protocol}


def table(records: grids.Records) -> str:
    """A Markdown table: error in %, mean and standard deviation over seeds."""
    methods = [method for method in COLUMNS if any(record["method"] == method for record in records)]
    lines = []
    for n_labels in sorted({record["labels"] for record in records}):
        errors = [grids.values(records, "error", labels=n_labels, method=method) for method in methods]
        cells = grids.row(errors, 2)
        published = f"{PUBLISHED[n_labels]:.2f}" if n_labels in PUBLISHED else ""
        lines.append([str(n_labels), *cells, published])
    names = ["labels", *(COLUMNS[method] for method in methods), "published: M1+M2"]
    what = "Test error on MNIST's 10000 test images, %; by that of seed 0 DVMoE's rate and radii were chosen"
    return grids.markdown(names, lines, grids.footnote(records, what))


def picture(records: grids.Records):
    """Error against labels, one line a method, bars of one standard deviation: a matplotlib Figure."""
    from vae_moe.plots import score_plots

    curves = {
        COLUMNS[method]: {n: grids.values(records, "error", labels=n, method=method) for n in LABELS}
        for method in COLUMNS
    }
    marks = {"semi-supervised VAE M1+M2 (Kingma et al. 2014)": PUBLISHED}
    return score_plots.error_curves(curves, marks, x_name="labels", y_name="test error, %")


GRID = grids.Grid(
    "Few labels on MNIST",
    FOLDER,
    measure,
    lambda record: f"error {record['error']:.2f} %",
    table,
    picture,
)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = grids.parser("experiments.label_efficiency", GRID, tuple(COLUMNS))
    parser.add_argument("--labels", type=int, nargs="+", choices=LABELS, default=list(LABELS))
    options = parser.parse_args(arguments)
    labels = options.labels[:2] if options.quick else options.labels
    wanted = [Cell(n, method, seed) for seed in options.seeds for n in labels for method in options.methods]
    return grids.run(GRID, wanted, options.folder, options.quick, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
