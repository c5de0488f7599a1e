"""Tables of several kinds of columns, with gaps: ``python -m experiments.gaps``.

Four questions of real tables (``named.py``), each answered by ours and by others with one setting (``methods.py``):

- fill: 10, 30 and 50 % of the cells are removed at random. How near is what is put there?
- cluster: do rows of which 30 % of the cells are gone come into the clusters of the full rows?
- mixed: how well do clusters of mixed columns agree with the classes?
- predict: how well is a number predicted from rows of which 30 % of the cells are gone?

Every cell is one record under ``results/gaps/``: a finished one is not run again.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments import grids
from experiments.gaps import methods
from experiments.gaps.named import QUESTIONS, load, with_gaps

FOLDER = Path("results/gaps")
PAGE = Path("docs/gaps.md")
QUICK_ROWS = 200
#: Shares of the cells that are removed.
SHARES, GONE = (0.1, 0.3, 0.5), 0.3
#: Share of the rows that a number is predicted of.
HELD_OUT = 0.25


@dataclass(frozen=True)
class Cell:
    """One answer.

    Attributes:
        question: of ``QUESTIONS``.
        table: its name.
        method: of ``methods.METHODS``.
        share: of the cells that are removed.
        seed: of the rows, of the gaps and of the method.
    """

    question: str
    table: str
    method: str
    share: float
    seed: int

    @property
    def name(self) -> str:
        """Of its record."""
        share = f"-{100 * self.share:.0f}" if self.question == "fill" else ""
        return f"{self.question}-{self.table.replace('/', '.')}-{self.method}{share}-seed{self.seed}"


def measure(cell: Cell, cache: Path, quick: bool = False) -> dict[str, Any]:
    """Answer a question of a table.

    Args:
        cell: which.
        cache: of warm starts; not used.
        quick: few rows, and a training of one epoch.

    Returns:
        Of "fill" ``error`` of numbers, in standard deviations (root mean square, mean over columns), ``wrong``, the
        share of wrong levels, and of ours ``coverage`` of numbers by intervals of 90 %; of "cluster" ``ari`` between
        the clusters of full rows and of those with gaps, and ``accuracy`` of both against the classes; of "mixed"
        ``ari``, ``nmi`` and ``accuracy``; of "predict" ``rmse`` and ``deviation`` of y.
    """
    table = next(table for table in QUESTIONS[cell.question] if table.name == cell.table)
    frame, target = load(table, cell.seed)
    if quick:
        step = -(-len(frame) // QUICK_ROWS)
        frame, target = frame.iloc[::step].reset_index(drop=True), target[::step]
    short = {"epochs": 1, "start_epochs": 1} if quick else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figures = _ANSWERS[cell.question](cell, frame, target, short, table.gaps)
    chosen = "chosen" if table.chosen else "held"
    return {**figures, "rows": len(frame), "columns": frame.shape[1], "half": chosen}


def _fill(cell: Cell, frame: pd.DataFrame, target, short, gaps) -> dict[str, Any]:
    gappy, removed = with_gaps(frame, cell.share, cell.seed)
    filled, fitted = methods.fill(cell.method, gappy, cell.seed, **short)
    errors, wrong, inside = [], [], []
    draws = fitted.sample_missing(gappy, methods.DRAWS) if fitted is not None else []
    for place, name in enumerate(frame):
        gone = removed[:, place]
        if not gone.any():
            continue
        if frame[name].dtype.kind != "f":
            wrong.append(float((filled[name].astype(str) != frame[name].astype(str))[gone].mean()))
            continue
        truth, deviation = frame[name].to_numpy(float), frame[name].std() or 1.0
        errors.append(float(np.sqrt(np.mean(np.square(filled[name].to_numpy(float) - truth)[gone])) / deviation))
        if draws:
            drawn = np.stack([draw[name].to_numpy(float)[gone] for draw in draws])
            low, high = np.quantile(drawn, [(1 - methods.LEVEL) / 2, (1 + methods.LEVEL) / 2], axis=0)
            inside += ((low <= truth[gone]) & (truth[gone] <= high)).tolist()
    found = {"error": errors, "wrong": wrong, "coverage": inside}
    return {name: float(np.mean(values)) for name, values in found.items() if values}


def _cluster(cell: Cell, frame: pd.DataFrame, target, short, gaps) -> dict[str, Any]:
    from sklearn.metrics import adjusted_rand_score

    from vae_moe.metrics import clustering_accuracy

    n_classes = len(np.unique(target))
    full = methods.clusters(cell.method, frame, n_classes, cell.seed, **short)
    gappy = methods.clusters(cell.method, with_gaps(frame, cell.share, cell.seed)[0], n_classes, cell.seed, **short)
    return {
        "ari": float(adjusted_rand_score(full, gappy)),
        "accuracy": clustering_accuracy(target, gappy),
        "full_accuracy": clustering_accuracy(target, full),
    }


def _mixed(cell: Cell, frame: pd.DataFrame, target, short, gaps) -> dict[str, Any]:
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    from vae_moe.metrics import clustering_accuracy

    frame = with_gaps(frame, gaps, cell.seed)[0] if gaps else frame
    found = methods.clusters(cell.method, frame, len(np.unique(target)), cell.seed, **short)
    return {
        "ari": float(adjusted_rand_score(target, found)),
        "nmi": float(normalized_mutual_info_score(target, found)),
        "accuracy": clustering_accuracy(target, found),
    }


def _predict(cell: Cell, frame: pd.DataFrame, target, short, gaps) -> dict[str, Any]:
    from sklearn.model_selection import train_test_split

    y, gappy = target.astype(float), with_gaps(frame, cell.share, cell.seed)[0]
    rows, others = train_test_split(np.arange(len(y)), test_size=HELD_OUT, random_state=cell.seed)
    predicted = methods.predict(cell.method, gappy, y, rows, cell.seed, **short)
    rmse = float(np.sqrt(np.mean(np.square(predicted - y)[others])))
    return {"rmse": rmse, "deviation": float(y[others].std())}


_ANSWERS = {"fill": _fill, "cluster": _cluster, "mixed": _mixed, "predict": _predict}


def _cells(questions: Sequence[str], wanted: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    cells = []
    for seed in seeds:
        for question in questions:
            for table in QUESTIONS[question]:
                for method in methods.ANSWER[question]:
                    shares = SHARES if question == "fill" else (GONE,)
                    shares = (table.gaps,) if question == "mixed" else shares
                    cells += [
                        Cell(question, table.name, method, share, seed)
                        for share in shares
                        if method in wanted and methods.can(method)
                    ]
    return cells


#: What is shown of a question: the figure, how it is called, and whether much of it is good.
_SHOWN = {
    "fill": (("error", "error of numbers, standard deviations", False), ("wrong", "wrong levels, %", False)),
    "mixed": (
        ("ari", "adjusted Rand index with the classes", True),
        ("nmi", "normalised mutual information with the classes", True),
        ("accuracy", "accuracy, %", True),
    ),
    "predict": (("rmse", "root mean square error", False),),
}


def _mean_table(records: grids.Records, question: str, figure: str, title: str, high: bool) -> str:
    """A Markdown table of one figure: a row a table, and share of cells removed, a column a method; the mean last."""
    own = [record for record in records if record["question"] == question and figure in record]
    shown = [method for method in methods.ANSWER[question] if any(record["method"] == method for record in own)]
    scale = 100 if title.endswith("%") else 1
    rows, every = [], []
    for share in sorted({record["share"] for record in own}) if question == "fill" else [None]:
        for table in QUESTIONS[question]:
            facts = {"question": question, "table": table.name, **({} if share is None else {"share": share})}
            found = [[scale * value for value in grids.values(own, figure, method=method, **facts)] for method in shown]
            if not all(found):
                continue
            means = [float(np.mean(values)) for values in found]
            every.append((share, means))
            cells = grids.bold([grids.spread(values) for values in found], list(means), high)
            removed = [] if share is None else [f"{100 * share:.0f} %"]
            rows.append([*removed, table.name, "chosen" if table.chosen else "held", *cells])
        if every and figure != "rmse":
            means = np.mean([means for where, means in every if where == share], 0).tolist()
            removed = [] if share is None else [f"{100 * share:.0f} %"]
            rows.append([*removed, "mean", "", *grids.bold([f"{mean:.3g}" for mean in means], means, high)])
    heads = [*(["removed"] if question == "fill" else []), "table", "half"]
    return f"{title[0].upper()}{title[1:]}:\n\n" + grids.markdown(heads + [methods.METHODS[m] for m in shown], rows)


def table(records: grids.Records) -> str:
    """Markdown: the four questions."""
    parts = []
    for question, figures in _SHOWN.items():
        if any(record["question"] == question for record in records):
            parts += [f"## {question.capitalize()}", *(_mean_table(records, question, *each) for each in figures)]
    if coverage := [record["coverage"] for record in records if "coverage" in record]:
        parts.append(f"Intervals of 90 % of DMVAE's draws hold {100 * np.mean(coverage):.1f} % of the numbers removed.")
    if any(record["question"] == "cluster" for record in records):
        rows = [_cluster_row(records, each.name) for each in QUESTIONS["cluster"]]
        heads = ["table", "adjusted Rand index of rows with gaps and full rows", "accuracy, %", "of full rows, %"]
        parts += ["## Cluster", grids.markdown(heads, rows)]
    what = "30 % of the cells are removed at random where nothing else is said"
    return "\n\n".join([*parts, grids.footnote(records, what, ", the best of a row in bold")])


def means(records: grids.Records) -> str:
    """A Markdown table of the means over tables of what is put into gaps: a row a share and a figure."""
    shown, rows = methods.ANSWER["fill"], []
    for share in SHARES:
        for key, title, _ in _SHOWN["fill"]:
            facts = {"question": "fill", "share": share}
            by_table = [
                [grids.values(records, key, method=method, table=table.name, **facts) for method in shown]
                for table in QUESTIONS["fill"]
            ]
            whole = [[float(np.mean(values)) for values in row] for row in by_table if all(row)]
            if whole:
                figures = ((100 if key == "wrong" else 1) * np.mean(whole, 0)).tolist()
                rows.append([f"{100 * share:.0f} %", title, *grids.bold([f"{mean:.3g}" for mean in figures], figures)])
    own = [record for record in records if record["question"] == "fill"]
    what = "Means over tables, the least of a row in bold"
    heads = ["cells removed", "figure", *(methods.METHODS[method] for method in shown)]
    return grids.markdown(heads, rows) + "\n\n" + grids.footnote(own, what, "")


def _cluster_row(records: grids.Records, name: str) -> list[str]:
    figures = (("ari", 1, 3), ("accuracy", 100, 1), ("full_accuracy", 100, 1))
    own = {"question": "cluster", "table": name}
    return [name, *(grids.spread([s * v for v in grids.values(records, key, **own)], d) for key, s, d in figures)]


def picture(records: grids.Records):
    """Figures of every table as dots, a row a method and a panel a question: a matplotlib Figure."""
    from vae_moe.plots import score_plots

    panels: dict[str, dict[str, list[float]]] = {}
    for question, figures in _SHOWN.items():
        figure, title, _ = figures[0]
        own = [record for record in records if record["question"] == question and figure in record]
        found = {
            methods.METHODS[method]: [
                record[figure] / record.get("deviation", 1.0) for record in own if record["method"] == method
            ]
            for method in methods.ANSWER[question]
        }
        if own:
            title = f"{question}: {title}" + (", of y's deviation" if figure == "rmse" else "")
            panels[title] = {name: values for name, values in found.items() if values}
    return score_plots.dots(panels, {}, x_name="each record")


GRID = grids.Grid(
    "Tables of several kinds of columns, with gaps",
    FOLDER,
    measure,
    lambda record: ", ".join(f"{key} {record[key]:.3g}" for key in ("error", "wrong", "ari", "rmse") if key in record),
    table,
    picture,
)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = grids.parser("experiments.gaps", GRID, tuple(methods.METHODS))
    parser.add_argument("--questions", nargs="+", choices=list(QUESTIONS), default=list(QUESTIONS))
    options = parser.parse_args(arguments)
    wanted = _cells(options.questions, options.methods, options.seeds)
    if not wanted:
        parser.error("none of these methods answers these questions: see --methods and --questions.")
    return grids.run(GRID, wanted, options.folder, options.quick, options.jobs)
