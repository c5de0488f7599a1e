"""Table 1 of the report, with ours and what a user would pick instead: ``python -m experiments.table1``.

Test error (the sum over outputs of the mean squared error) of regressions whose target is another affine map for each
class, on the spiral and on MNIST, mean and standard deviation over seeds; the seed draws the maps, too. Every cell is
one record under ``results/table1/``: a finished one is not run again.
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments import baselines, recipes, runs

FOLDER = Path("results/table1")
DATASETS = ("spiral", "mnist")
ROWS = (1, 2, 5)
#: Columns by their key: what they are called.
COLUMNS = {
    "dvmoe": "DVMoE",
    "deepmoe": "DeepMoE",
    "vademoe": "VaDE-MoE",
    "gmm-em": "GMM-EM",
    "softmax-em": "softmax-EM",
    "ridge": "Ridge",
    "mlp": "MLP 512-256",
    "boosting": "Boosting",
    "forest": "Forest",
}
NEURAL = ("dvmoe", "deepmoe", "vademoe")
#: Table 1 as published, by (data set, outputs): DeepMoE, DVMoE.
PUBLISHED = {
    ("spiral", 1): (10.0424, 0.0312),
    ("spiral", 2): (20.4247, 0.0434),
    ("spiral", 5): (180.117, 96.1049),
    ("mnist", 1): (28.4584, 34.0551),
    ("mnist", 2): (209.028, 208.142),
    ("mnist", 5): (880.126, 680.714),
}
QUICK_ROWS = 3000


@dataclass(frozen=True)
class Cell:
    """One entry of the table for one seed.

    Attributes:
        dataset: "spiral" or "mnist".
        row: what the row counts, 1, 2 or 5.
        method: a key of ``COLUMNS``.
        seed: of data, maps and model.
        rows: "outputs", the report's code, or "latent": the text's reading, entries of z with one output.
        objective: of the networks' experts.
    """

    dataset: str
    row: int
    method: str
    seed: int
    rows: str = "outputs"
    objective: str = "mixture"

    @property
    def n_outputs(self) -> int:
        return self.row if self.rows == "outputs" else 1

    def path(self, folder: Path) -> Path:
        """Of its record."""
        kind = "" if self.rows == "outputs" else "-latent"
        kind += "" if self.objective == "mixture" else f"-{self.objective}"
        return folder / f"{self.dataset}-{self.method}{kind}-{self.row}-seed{self.seed}.json"


def cells(datasets, methods, n_rows, seeds, rows: str = "outputs", objective: str = "mixture") -> Iterator[Cell]:
    """All cells, seed after seed, so that a table can be had before the last seed; a seed's share a data set."""
    for seed in seeds:
        for dataset in datasets:
            for row in n_rows:
                for method in methods:
                    yield Cell(dataset, row, method, seed, rows, objective)


def measure(cell: Cell, starts: Path, quick: bool = False) -> dict[str, Any]:
    """Train a cell's model and measure it.

    Args:
        cell: which.
        starts: folder of the warm starts, which cells of one seed share.
        quick: few rows, short training: to see that it runs.

    Returns:
        ``test_error`` and what it came from.
    """
    from vae_moe import datasets

    dataset = datasets.load(cell.dataset, seed=cell.seed)
    dataset = dataset.head(QUICK_ROWS) if quick else dataset
    started = time.perf_counter()
    if cell.method in NEURAL:
        from experiments import train

        recipe = recipes.get(
            f"{cell.dataset}-{cell.method}", seed=cell.seed, n_outputs=cell.n_outputs, objective=cell.objective
        )
        if cell.rows == "latent":
            recipe = recipes.with_latent_dim(recipe, cell.row)
        figures = train.measure(recipes.quick(recipe) if quick else recipe, dataset, starts)
    else:
        targets = datasets.affine_targets(dataset, cell.n_outputs, cell.seed)
        figures = baselines.regression(cell.method, dataset, targets, cell.seed)
    return {
        "dataset": cell.dataset,
        "row": cell.row,
        "rows": cell.rows,
        "outputs": cell.n_outputs,
        "method": cell.method,
        "objective": cell.objective if cell.method in NEURAL else None,
        "seed": cell.seed,
        **figures,
        "protocol": dataset.protocol,
        "seconds": round(time.perf_counter() - started, 1),
        "machine": runs.machine(),
        **runs.versions(),
        "git_commit": runs.git_commit(),
        "finished_at": runs.now(),
    }


def run(wanted: list[Cell], folder: Path, starts: Path, quick: bool = False) -> None:
    """Measure every cell that has no record yet, and write its record."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    folder.mkdir(parents=True, exist_ok=True)
    missing = [cell for cell in wanted if not cell.path(folder).exists()]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns) as progress:
        task = progress.add_task("", total=len(wanted), completed=len(wanted) - len(missing))
        for cell in missing:
            progress.update(task, description=cell.path(folder).stem)
            record = measure(cell, starts, quick)
            runs.write_json(cell.path(folder), record)
            progress.console.print(
                f"{cell.path(folder).stem}: test error {record['test_error']:.4g} in {record['seconds']:.0f} s"
            )
            progress.advance(task)


def read(folder: Path) -> list[dict[str, Any]]:
    """All records of a folder."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.table1", description="Table 1 of the report.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    parser.add_argument("--methods", nargs="+", choices=list(COLUMNS), default=list(COLUMNS))
    parser.add_argument("--rows", choices=("outputs", "latent"), default="outputs", help="what the rows count")
    parser.add_argument("--objective", choices=("mixture", "as-released"), default="mixture")
    parser.add_argument("--quick", action="store_true", help="a first look: one seed, one row, few images")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"of the records; default: {FOLDER}")
    options = parser.parse_args(arguments)

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    folder = options.folder / "quick" if options.quick else options.folder
    seeds, n_rows = (options.seeds[:1], ROWS[:1]) if options.quick else (options.seeds, ROWS)
    wanted = list(cells(options.datasets, options.methods, n_rows, seeds, options.rows, options.objective))
    try:
        run(wanted, folder, folder / "cache", options.quick)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
