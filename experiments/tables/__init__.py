"""Clusters of real tables: ``python -m experiments.tables``.

How well do clusters, found without the classes of a table (``named.py``), agree with them, where their number K is
given and where it is hidden? Every method (``partitions.py``) has one setting for all tables; labels choose nothing.
Defaults may be tuned on the chosen half of the tables; the held half is reported apart. Every cell is one record under
``results/tables/``: a finished one is not run again.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from experiments import grids
from experiments.tables import partitions
from experiments.tables.named import HALVES, TABLES, load

FOLDER = Path("results/tables")
PAGE = Path("docs/tables.md")
QUICK_ROWS = 200


@dataclass(frozen=True)
class Cell:
    """One clustering of a table; the seed draws the rows and the method's own numbers.

    Attributes:
        table: of ``TABLES``.
        method: of ``partitions.METHODS``.
        given: whether the method is told K.
        seed: of both.
    """

    table: str
    method: str
    given: bool
    seed: int

    @property
    def name(self) -> str:
        """Of its record."""
        number = "given" if self.given else "hidden"
        return f"{self.table.replace('/', '.')}-{self.method}-{number}-seed{self.seed}"


def measure(cell: Cell, cache: Path, quick: bool = False) -> dict[str, Any]:
    """Cluster a cell's table, and compare the clusters with its classes.

    Args:
        cell: which.
        cache: of warm starts; not used.
        quick: few rows, and a training of one epoch.

    Returns:
        ``clustering_accuracy``, ``nmi`` and ``ari`` of all rows, those in no cluster being one; ``found``, the number
        of clusters; ``classes``, ``rows``, ``columns``; ``cpu_seconds`` and ``clock_seconds`` of the clustering.
    """
    from vae_moe import metrics

    x, y = load(TABLES[cell.table], cell.seed)
    x, y = (x[:: -(-len(x) // QUICK_ROWS)], y[:: -(-len(y) // QUICK_ROWS)]) if quick else (x, y)
    n_classes = len(np.unique(y))
    started = sum(os.times()[:4]), time.perf_counter()
    clusters = partitions.clusters(cell.method, x, n_classes if cell.given else None, cell.seed, quick)
    return {
        "clustering_accuracy": metrics.clustering_accuracy(y, clusters),
        "nmi": float(normalized_mutual_info_score(y, clusters)),
        "ari": float(adjusted_rand_score(y, clusters)),
        "found": len(set(clusters.tolist()) - {-1}),
        "classes": n_classes,
        "rows": len(x),
        "columns": x.shape[1],
        "cpu_seconds": round(sum(os.times()[:4]) - started[0], 2),
        "clock_seconds": round(time.perf_counter() - started[1], 2),
    }


def _each(records: grids.Records, method: str, given: bool, names: Sequence[str], figure) -> list[float]:
    """A figure of each of these tables that has records: its mean over the seeds."""
    found = [record for record in records if record["method"] == method and record["given"] == given]
    by_table = [[figure(record) for record in found if record["table"] == name] for name in names]
    return [float(np.mean(figures)) for figures in by_table if figures]


def _accuracy(record: dict[str, Any]) -> float:
    return 100 * record["clustering_accuracy"]


def _error(record: dict[str, Any]) -> float:
    return abs(record["found"] - record["classes"])


def _methods(records: grids.Records, given: bool) -> list[str]:
    found = {record["method"] for record in records if record["given"] == given}
    return [method for method in partitions.METHODS if method in found]


def worst_below_k_means(records: grids.Records, method: str) -> float | None:
    """By how many points of accuracy the worst seed of any table is below KMeans' mean there, K given; < 0: above."""
    below = []
    for name in TABLES:
        mean = _each(records, "k-means", True, [name], _accuracy)
        own = [r for r in records if r["method"] == method and r["given"] and r["table"] == name]
        below += [mean[0] - _accuracy(record) for record in own if mean]
    return max(below) if below else None


def _means(records: grids.Records, given: bool) -> str:
    """A Markdown table of means over tables: a row a method, the halves beside each other."""
    figures = {"accuracy, %": (_accuracy, 1), "NMI": (lambda r: r["nmi"], 3), "ARI": (lambda r: r["ari"], 3)}
    if not given:
        figures["error in K"] = (_error, 1)
    methods = _methods(records, given)
    columns: list[list[str]] = []
    heads = ["K given" if given else "K hidden"]
    for half, tables in HALVES.items():
        names = [table.name for table in tables]
        for head, (figure, digits) in figures.items():
            heads.append(f"{half}: {head}")
            means = [_each(records, method, given, names, figure) for method in methods]
            columns.append(_in_bold([float(np.mean(m)) if m else None for m in means], digits, head != "error in K"))
    counts = [len(_each(records, method, given, list(TABLES), _error)) for method in methods]
    seconds = [np.mean(_each(records, method, given, list(TABLES), lambda r: r["cpu_seconds"])) for method in methods]
    if given:
        heads.append("worst seed below KMeans, points")
        below = [worst_below_k_means(records, method) for method in methods]
        columns.append(["" if value is None else f"{value:.1f}" for value in below])
    else:
        heads.append("within 1 of K, tables")
        near = [sum(error <= 1 for error in _each(records, m, given, list(TABLES), _error)) for m in methods]
        columns.append([str(n) for n in near])
    heads += ["tables", "s"]
    columns += [[str(n) for n in counts], [f"{value:.1f}" for value in seconds]]
    return grids.markdown(heads, [[partitions.METHODS[m], *cells] for m, *cells in zip(methods, *columns, strict=True)])


def _in_bold(means: list[float | None], digits: int, high: bool) -> list[str]:
    return grids.bold(["" if mean is None else f"{mean:.{digits}f}" for mean in means], means, high)


def means(records: grids.Records) -> str:
    """Markdown: means over the tables of each half, K given and K hidden."""
    what = (
        "Means over the tables of a half of means over the seeds, the best in bold; accuracy of the best one-to-one "
        "map of clusters to classes; seconds of processor time"
    )
    parts = [_means(records, given) for given in (True, False) if _methods(records, given)]
    return "\n\n".join([*parts, grids.footnote(records, what, "")])


def each(records: grids.Records) -> str:
    """Markdown: accuracy of every table with K given, and what was found of each with K hidden."""
    parts = []
    for given in (True, False):
        methods = _methods(records, given)
        rows = []
        for half, tables in HALVES.items():
            for table in tables:
                own = [r for r in records if r["table"] == table.name and r["given"] == given]
                if own:
                    size = [str(own[0][fact]) for fact in ("rows", "columns", "classes")]
                    shown = [_shown([r for r in own if r["method"] == method], given) for method in methods]
                    rows.append([table.name, half, *size, *shown])
        heads = ["table", "half", "rows", "columns", "classes", *(partitions.METHODS[method] for method in methods)]
        what = "Accuracy in %, K given" if given else "Clusters found and their ARI, K hidden"
        if rows:
            parts.append(f"{what}; mean ± standard deviation over the seeds:\n\n{grids.markdown(heads, rows)}")
    return "\n\n".join(parts)


def _shown(records: grids.Records, given: bool) -> str:
    if given:
        return grids.spread([_accuracy(record) for record in records], 1)
    if not records:
        return ""
    ari = np.mean([record["ari"] for record in records])
    return f"{grids.spread([record['found'] for record in records], 1)}, {ari:.2f}"


def table(records: grids.Records) -> str:
    """Markdown: means by half, then every table."""
    return f"{means(records)}\n\n{each(records)}".strip()


def picture(records: grids.Records):
    """Figures of every table as dots, a row a method and a panel a question: a matplotlib Figure."""
    from vae_moe.plots import score_plots

    panels = {}
    for given, title, figure in (
        (True, "K given: accuracy, %", _accuracy),
        (False, "K hidden: adjusted Rand index", lambda record: record["ari"]),
    ):
        found = {
            partitions.METHODS[method]: _each(records, method, given, list(TABLES), figure)
            for method in _methods(records, given)
        }
        if found:
            panels[title] = found
    return score_plots.dots(panels, {}, x_name="each table's mean over the seeds")


GRID = grids.Grid(
    "Clusters of real tables",
    FOLDER,
    measure,
    lambda record: f"accuracy {_accuracy(record):.1f} %, {record['found']} of {record['classes']} clusters",
    table,
    picture,
)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = grids.parser("experiments.tables", GRID, tuple(partitions.METHODS))
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES), metavar="TABLE")
    parser.add_argument("--halves", nargs="+", choices=list(HALVES), default=list(HALVES))
    parser.add_argument("--numbers", nargs="+", choices=("given", "hidden"), default=("given", "hidden"))
    options = parser.parse_args(arguments)
    names = [table.name for half in options.halves for table in HALVES[half] if table.name in options.tables]
    ways = [(method, number == "given") for method in options.methods for number in options.numbers]
    possible = [(method, given) for method, given in ways if partitions.can(method, given)]
    wanted = [Cell(name, method, given, seed) for seed in options.seeds for name in names for method, given in possible]
    if not wanted:
        parser.error("no method of these is installed and takes K so: see --methods and --numbers.")
    return grids.run(GRID, wanted, options.folder, options.quick, options.jobs)
