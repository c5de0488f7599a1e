"""How fast VaDE and DMVAE learn: ``python -m experiments.convergence``.

The same network, batch and data, with the warm start and without: epochs until 90, 94 and 96 % of MNIST's test
rows are clustered right, and seconds an epoch. Beside them DMVAE by the preset scratch. Every cell is one record under
``results/convergence/``.
"""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from experiments import grids, recipes

FOLDER = Path("results/convergence")
MODELS = {model: recipes.TITLES[model] for model in recipes.CLUSTERINGS}
STARTS = {"warm": "warm start", "none": "no warm start", "scratch": "preset scratch"}
#: Accuracies whose first epoch is asked for.
MARKS = (0.90, 0.94, 0.96)
#: VaDE's published accuracy, the best of ten runs (Jiang et al. 2017).
PUBLISHED = 0.9446


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        model: of ``MODELS``.
        start: of ``STARTS``.
        seed: of data and model.
    """

    model: str
    start: str
    seed: int

    @property
    def name(self) -> str:
        """Of its record."""
        return f"{self.model}-{self.start}-seed{self.seed}"


def recipe_of(cell: Cell) -> recipes.Recipe:
    """The default recipe, or its network trained by the bound alone from random weights; or the preset scratch."""
    if cell.start == "scratch":
        return recipes.get(f"mnist-{cell.model}", "scratch", seed=cell.seed)
    recipe = recipes.get(f"mnist-{cell.model}", seed=cell.seed)
    if cell.start == "none":
        assert recipe.warm_start is not None
        epochs = recipe.warm_start.autoencoder_epochs + recipe.epochs  # as many as the stages have together
        recipe = replace(
            recipe, warm_start=None, adversarial_reach=None, epochs=epochs, refit_prior=False, settle_epochs=0
        )
        recipe = recipes.with_network(recipe, regularization={}, covariance="diag")
    return recipe


def measure(cell: Cell, cache: Path, quick: bool = False) -> dict[str, Any]:
    """Train and score each epoch: the figures of the run, with ``accuracies`` on the test rows and ``elapsed``.

    The latter are the seconds from nothing to the end of each epoch, the scoring left out; ``start_accuracy`` and
    ``start_elapsed`` are those of the model before the first.

    Args:
        cell: which.
        cache: folder of the warm starts, which cells share.
        quick: few rows, short training: to see that it runs.
    """
    dataset = grids.load("mnist", quick, cell.seed)
    curve = _curve(dataset.test)
    figures, trained = grids.network(recipe_of(cell), dataset, cache, quick, [curve])
    start_accuracy, *accuracies = curve.accuracies
    start_elapsed, *elapsed = (round(seconds + trained.shared_seconds, 1) for seconds in curve.elapsed)
    return {
        **figures,
        "accuracies": accuracies,
        "elapsed": elapsed,
        "start_accuracy": start_accuracy,
        "start_elapsed": start_elapsed,
    }


def _curve(test):
    """A callback that scores test rows before the first epoch and after each, and keeps the time."""
    import keras

    from vae_moe import metrics

    class Curve(keras.callbacks.Callback):
        """Keeps ``accuracies`` and ``elapsed``."""

        def __init__(self):
            super().__init__()
            self.accuracies, self.elapsed = [], []
            self.started = time.perf_counter()

        def on_train_begin(self, logs=None):
            self._score()

        def on_epoch_end(self, epoch, logs=None):
            self._score()

        def _score(self):
            now = time.perf_counter()
            self.elapsed.append(now - self.started)
            self.accuracies.append(metrics.clustering_accuracy(test.y, self.model.cluster(test.x)))
            self.started += time.perf_counter() - now  # the scoring is no part of it

    return Curve()


def seconds_to(records: grids.Records, mark: float) -> list[float | None]:
    """Seconds from nothing to an accuracy, of each record; None where it was not reached."""
    found = []
    for record in records:
        accuracies = [record["start_accuracy"], *record["accuracies"]]
        elapsed = [record["start_elapsed"], *record["elapsed"]]
        found.append(next((s for s, accuracy in zip(elapsed, accuracies, strict=True) if accuracy >= mark), None))
    return found


def first_epochs(records: grids.Records, mark: float) -> list[int | None]:
    """The first epoch at an accuracy, of each record; None where it was not reached."""
    return [
        next((epoch for epoch, accuracy in enumerate(record["accuracies"], 1) if accuracy >= mark), None)
        for record in records
    ]


def of(records: grids.Records, model: str, start: str) -> grids.Records:
    """The records of a model and a start, seeds in order."""
    chosen = [record for record in records if (record["model"], record["start"]) == (model, start)]
    return sorted(chosen, key=lambda record: record["seed"])


def table(records: grids.Records) -> str:
    """A Markdown table: a row a model and a start."""
    names = ["model", "start", *(f"epochs to {mark:.0%}" for mark in MARKS), "at the end, %", "s an epoch"]
    names += [f"s to {PUBLISHED:.2%}", "seeds"]
    lines = []
    for start, start_name in STARTS.items():
        for model, model_name in MODELS.items():
            group = of(records, model, start)
            if group:
                cells = [
                    model_name,
                    start_name,
                    *(_median(first_epochs(group, mark)) for mark in MARKS),
                    grids.spread([100 * record["accuracies"][-1] for record in group], 2),
                    grids.spread([record["epoch_seconds"] for record in group], 1),
                    _median(seconds_to(group, PUBLISHED)),
                    ", ".join(str(record["seed"]) for record in group),
                ]
                lines.append(cells)
    what = f"Epochs of the bound, seconds from nothing, medians; accuracy on MNIST's test set; {grids.CHOSEN}"
    note = grids.footnote(records, what, "")
    return grids.markdown(names, lines, note)


def _median(found: Sequence[float | None]) -> str:
    """The median, or how many seeds got there."""
    reached = [epoch for epoch in found if epoch is not None]
    if len(reached) < len(found):
        return f"{len(reached)} of {len(found)} seeds"
    return f"{np.median(reached):.0f}"


def picture(records: grids.Records):
    """Accuracy against epochs, a band over the seeds: a matplotlib Figure."""
    from vae_moe.plots import score_plots

    panels: dict[str, dict[str, dict[float, list[float]]]] = {}
    for start, start_name in STARTS.items():
        for model, model_name in MODELS.items():
            group = of(records, model, start)
            if group:
                curves = [[record["start_accuracy"], *record["accuracies"]] for record in group]
                seconds = np.median([[record["start_elapsed"], *record["elapsed"]] for record in group], 0)
                panels.setdefault(start_name, {})[model_name] = _points(range(len(seconds)), curves)
                panels.setdefault(f"{start_name}, by the clock", {})[model_name] = _points(seconds, curves)
    x_names = {name: "seconds from nothing (median)" if "clock" in name else "epoch" for name in panels}
    return score_plots.bands(panels, x_name=x_names, y_names=dict.fromkeys(panels, "clustering accuracy, %"))


def _points(numbers: Iterable[float], curves: list[list[float]]) -> dict[float, list[float]]:
    """{number: accuracies in %, one a seed}."""
    return {number: [100 * curve[i] for curve in curves] for i, number in enumerate(numbers)}


GRID = grids.Grid(
    "How fast VaDE and DMVAE learn",
    FOLDER,
    measure,
    lambda record: f"accuracy {100 * record['accuracies'][-1]:.2f} %",
    table,
    picture,
    timed=True,
)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = grids.parser("experiments.convergence", GRID, tuple(MODELS))
    parser.add_argument("--starts", nargs="+", choices=list(STARTS), default=list(STARTS), help="default: both")
    options = parser.parse_args(arguments)
    cells = product(options.seeds, options.starts, options.methods)
    wanted = [Cell(model, start, seed) for seed, start, model in cells if start != "scratch" or model == "dmvae"]
    return grids.run(GRID, wanted, options.folder, options.quick, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
