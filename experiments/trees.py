"""Trees of clusters over seeds, without labels: ``python -m experiments.trees``.

An HDMVAE's ten leaves, on the test set: the purity of the tree that it is trained as, and of the one that overlaps of
its leaves give (``vae_moe.training.hierarchy.tree``), which a DMVAE has too. Records are under ``results/trees/``.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import grids, recipes

DATASETS = ("mnist", "fashion_mnist", "digits")
METHODS = {model: recipes.TITLES[model] for model in ("hdmvae", "dmvae")}
#: Dendrogram and leaf purity of TreeVAE with ten leaves, as published (Manduchi et al. 2023).
PUBLISHED = {"mnist": (0.879, 0.96), "fashion_mnist": (0.54, 0.71)}
NAMES = ["data", "method", "dendrogram purity", "of the tree of overlaps", "leaf purity", "minutes", "seeds"]


@dataclass(frozen=True)
class Cell:
    """A clustering whose tree is looked at, by the default preset."""

    dataset: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Of its record."""
        return f"{self.dataset}-{self.method}-seed{self.seed}"


def measure(cell: Cell, cache: Path, quick: bool = False) -> dict[str, Any]:
    """The figures of a run, and the purity of the tree of overlaps; arguments as of ``clustering.measure``."""
    from vae_moe import metrics
    from vae_moe.training import hierarchy

    dataset = grids.load(cell.dataset, quick, cell.seed)
    recipe = recipes.get(f"{cell.dataset}-{cell.method}", seed=cell.seed)
    figures, trained = grids.network(recipe, dataset, cache, quick)
    log_probs = trained.model.c_log_proba(dataset.test.x)
    of_overlaps = metrics.dendrogram_purity(dataset.test.y, log_probs.argmax(-1), hierarchy.tree(log_probs))
    return {**figures, "overlaps_dendrogram_purity": of_overlaps}


def table(records: grids.Records) -> str:
    """A Markdown table: a row a data set and method, with what is published below."""
    lines = []
    for dataset in DATASETS:
        for method, title in METHODS.items():
            group = [r for r in records if (r["dataset"], r["method"]) == (dataset, method)]
            figures = (
                [record[key] for record in group]
                for key in ("dendrogram_purity", "overlaps_dendrogram_purity", "many_to_one_accuracy")
            )
            minutes = [(record["seconds"] + record["shared_seconds"]) / 60 for record in group]
            seeds = ", ".join(str(record["seed"]) for record in sorted(group, key=lambda record: record["seed"]))
            texts = [*(grids.spread(each, 3) for each in figures), grids.spread(minutes, 1), seeds]
            lines += [[dataset, title, *texts]] if group else []
        if dataset in PUBLISHED and any(record["dataset"] == dataset for record in records):
            dendrogram, leaf = map(str, PUBLISHED[dataset])
            lines.append([dataset, "published: TreeVAE (Manduchi et al. 2023)", dendrogram, "", leaf, "", ""])
    return grids.markdown(NAMES, lines, grids.footnote(records, "Ten leaves, test set", bold=""))


def picture(records: grids.Records):
    """Dendrogram purity of every seed, a panel a data set: a matplotlib Figure."""
    from vae_moe.plots import score_plots

    panels: dict[str, dict[str, list[float]]] = {}
    for record in records:
        of_method = panels.setdefault(record["dataset"], {}).setdefault(METHODS[record["method"]], [])
        of_method.append(100 * record["dendrogram_purity"])
    marks = {f"published: TreeVAE, {name}": 100 * purity for name, (purity, _) in PUBLISHED.items() if name in panels}
    return score_plots.dots(panels, marks, x_name="dendrogram purity, %", best=100)


GRID = grids.Grid(
    "Trees of clusters",
    Path("results/trees"),
    measure,
    lambda record: f"dendrogram purity {record['dendrogram_purity']:.3f}",
    table,
    picture,
    timed=True,
)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = grids.parser("experiments.trees", GRID, tuple(METHODS))
    parser.set_defaults(seeds=list(range(5, 10)), methods=["hdmvae"])
    parser.add_argument("--data", nargs="+", choices=DATASETS, default=["mnist"], help="default: mnist")
    options = parser.parse_args(arguments)
    wanted = [Cell(d, method, seed) for d in options.data for seed in options.seeds for method in options.methods]
    return grids.run(GRID, wanted, options.folder, options.quick, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
