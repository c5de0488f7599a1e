"""Few labels on MNIST: ``python -m experiments.label_efficiency``.

Error of classification where 100, 300, 1000, 3000 or all 60000 of the training images have a label and all of them are
seen, mean and standard deviation over seeds; the seed draws which rows are labelled. Every cell is one record under
``results/label_efficiency/``: a finished one is not run again.
"""

import argparse
import logging
import os
import sys
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments import grids, recipes, runs

FOLDER = Path("results/label_efficiency")
LABELS = (100, 300, 1000, 3000, 60000)
#: Columns by their key: what they are called.
COLUMNS = {
    "dvmoe": "DVMoE",
    "deepmoe": "DeepMoE",
    "logistic": "LogisticRegression",
    "mlp": "MLPClassifier 512-256",
    "self-training": "SelfTraining (logistic)",
}
NEURAL = ("dvmoe", "deepmoe")
#: Error in % of a semi-supervised VAE, M1 + M2, by labels (Kingma et al. 2014, table 1).
PUBLISHED = {100: 3.33, 1000: 2.40}
QUICK_ROWS = 3000


@dataclass(frozen=True)
class Cell:
    """One model on one number of labels, for one seed."""

    n_labels: int
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Of its record."""
        return f"{self.method}-{self.n_labels}-seed{self.seed}"


def measure(cell: Cell, cache: Path, quick: bool = False) -> dict[str, Any]:
    """Train a cell's model and measure it.

    Args:
        cell: which.
        cache: folder of the warm starts, which all numbers of labels share.
        quick: few rows, short training: to see that it runs.

    Returns:
        ``error`` on the test set, in %, and what it came from.
    """
    from experiments import train
    from vae_moe import datasets

    dataset = datasets.load("mnist").without_validation()
    dataset = dataset.head(QUICK_ROWS) if quick else dataset
    n_labels = None if cell.n_labels >= len(dataset.train) else cell.n_labels
    started = time.perf_counter()
    if cell.method in NEURAL:
        recipe = recipes.get(f"mnist-{cell.method}", task="classification", n_labels=n_labels, seed=cell.seed)
        recipe = replace(recipe, checkpoint="last")  # labels of validation rows would be further labels
        recipe = recipes.quick(recipe) if quick else recipe
        y = train.targets(recipe, dataset)
        figures = train.record(recipe, dataset, y, train.train(recipe, dataset, y, cache=cache, verbose=0))
    else:
        y = datasets.class_targets(dataset, n_labels, cell.seed)
        estimator = _estimator(cell.method, cell.seed)
        known = y.train >= 0
        seen = slice(None) if cell.method == "self-training" and not known.all() else known
        fitted = estimator if not known.all() or cell.method != "self-training" else estimator.estimator
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of steps that did not converge: the settings are in the record
            fitted.fit(dataset.train.x[seen], y.train[seen])
        figures = {
            "accuracy": float(fitted.score(dataset.test.x, dataset.test.y)),
            "estimator": str(fitted),
            "n_labels": int(known.sum()),
        }
    return {
        **figures,
        "labels": cell.n_labels,
        "method": cell.method,
        "seed": cell.seed,
        "error": 100 * (1 - figures["accuracy"]),
        "protocol": f"train {len(dataset.train)} / test {len(dataset.test)}",
        "seconds": round(time.perf_counter() - started, 1),
        **runs.provenance(),
    }


def _estimator(method: str, seed: int):
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.semi_supervised import SelfTrainingClassifier

    if method == "mlp":
        return MLPClassifier(hidden_layer_sizes=(512, 256), max_iter=30, random_state=seed)
    logistic = LogisticRegression(max_iter=100, tol=1e-3)
    return logistic if method == "logistic" else SelfTrainingClassifier(logistic, threshold=0.9, max_iter=3)


def table(records: list[dict[str, Any]]) -> str:
    """A Markdown table: error in %, mean and standard deviation over seeds."""
    methods = [method for method in COLUMNS if any(record["method"] == method for record in records)]
    lines = [
        "| labels | " + " | ".join(COLUMNS[method] for method in methods) + " | published: M1+M2 |",
        "|---" * (len(methods) + 2) + "|",
    ]
    for n_labels in sorted({record["labels"] for record in records}):
        errors = [grids.values(records, "error", labels=n_labels, method=method) for method in methods]
        cells = grids.row(errors, 2)
        published = f"{PUBLISHED[n_labels]:.2f}" if n_labels in PUBLISHED else ""
        lines.append(f"| {n_labels} | {' | '.join(cells)} | {published} |")
    lines += ["", grids.footnote(records, "Test error on MNIST's 10000 test images, %")]
    return "\n".join(lines)


def picture(records: list[dict[str, Any]]):
    """Error against labels, one line a method, bars of one standard deviation: a matplotlib Figure."""
    from vae_moe import expert_plots

    curves = {
        COLUMNS[method]: {n: grids.values(records, "error", labels=n, method=method) for n in LABELS}
        for method in COLUMNS
    }
    marks = {"semi-supervised VAE M1+M2 (Kingma et al. 2014)": PUBLISHED}
    return expert_plots.error_curves(curves, marks, x_name="labels", y_name="test error, %")


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.label_efficiency", description="Few labels on MNIST.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--labels", type=int, nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--methods", nargs="+", choices=list(COLUMNS), default=list(COLUMNS))
    parser.add_argument("--quick", action="store_true", help="a first look: one seed, few images, short training")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"of the records; default: {FOLDER}")
    options = parser.parse_args(arguments)

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    folder = options.folder / "quick" if options.quick else options.folder
    seeds, labels = (options.seeds[:1], options.labels[:2]) if options.quick else (options.seeds, options.labels)
    wanted = [Cell(n, method, seed) for seed in seeds for n in labels for method in options.methods]
    return grids.main(
        wanted,
        lambda cell: measure(cell, grids.CACHE, options.quick),
        folder,
        lambda record: f"error {record['error']:.2f} %",
        table,
        picture,
        title="Few labels on MNIST",
    )


if __name__ == "__main__":
    sys.exit(main())
