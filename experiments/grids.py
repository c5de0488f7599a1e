"""A grid of measurements: a record a cell, resumable; means and standard deviations; a table and a picture of it."""

import argparse
import logging
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from experiments import recipes, runs, train, training

Records = list[dict[str, Any]]

#: Warm starts, which all cells of one seed share.
CACHE = Path("results/cache")
#: Seeds with which the recipes were chosen, as docs/design.md tells; figures of these are not fresh.
CHOSEN = "the recipes were chosen with seeds 0 to 2"
#: Rows of each split that a first look is at.
QUICK_ROWS = 3000
#: Below its table.
QUICK_NOTE = "A first look, at few rows and epochs: it shows that all runs, and no ranking; without --quick it does."
#: Cells measured at a time, unless told: small matrices do not keep two cores busy, and each process has its memory.
JOBS = min(2, os.cpu_count() or 1)
#: What tells TensorFlow, OpenMP and BLAS how many threads a process may have.
_THREADS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Cell(Protocol):
    """One measurement: a dataclass, whose fields are facts of its record; ``seed`` is among them."""

    @property
    def seed(self) -> int:
        """Of the data and the method."""

    @property
    def name(self) -> str:
        """Of its record, unlike any other's."""


@dataclass(frozen=True)
class Grid:
    """What is measured, and how its records are shown.

    Attributes:
        title: of the page.
        folder: of the records, the table (README.md) and the picture (figure.png).
        measure: a cell, the folder of the warm starts, and whether a first look is enough -> the figures.
        shown: the figure of a record that the progress names.
        table: records -> Markdown.
        picture: records -> a matplotlib Figure.
        timed: whether seconds are among its figures: cells are then measured one at a time.
    """

    title: str
    folder: Path
    measure: Callable[[Any, Path, bool], dict[str, Any]]
    shown: Callable[[dict[str, Any]], str]
    table: Callable[[Records], str]
    picture: Callable[[Records], Any]
    timed: bool = False

    def publish(self, folder: Path | None = None, note: str = "") -> str:
        """Write the table of a folder's records beside them, a note below it, with its picture; returns the text."""
        folder = folder or self.folder
        records = read(folder)
        text = "\n\n".join([self.table(records), *([note] if note else [])])
        (folder / "README.md").write_text(f"# {self.title}\n\n{text}\n", encoding="utf-8")
        self.picture(records).savefig(folder / "figure.png")
        return text


def parser(module: str, grid: Grid, methods: Sequence[str]) -> argparse.ArgumentParser:
    """The options every grid has: --seeds, --methods (or --models), --quick, --folder, --jobs."""
    options = argparse.ArgumentParser(prog=f"python -m {module}", description=f"{grid.title}.")
    options.add_argument(
        "--seeds", action=_Seeds, nargs="+", default=[0, 1, 2], help="0 1 2 or 0-2; default: %(default)s"
    )
    options.add_argument(
        "--methods", "--models", nargs="+", choices=list(methods), default=list(methods), help="default: all"
    )
    options.add_argument("--quick", action="store_true", help="a first look: one seed, few rows, short training")
    options.add_argument("--folder", type=Path, default=grid.folder, help=f"of the records; default: {grid.folder}")
    jobs = 1 if grid.timed else JOBS
    options.add_argument(
        "--jobs", type=_jobs, default=jobs, help=f"cells at a time, sharing the cores; default: {jobs}"
    )
    return options


def _jobs(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"give the number of cells to measure at a time, 1 or more; got {text!r}")
    return int(text)


class _Seeds(argparse.Action):
    """Numbers and ranges: "0 1 2", "0-4", "0 3-5"."""

    def __call__(self, parser, namespace, values, option_string=None):
        seeds: list[int] = []
        for text in values:
            first, _, last = text.partition("-")
            if not first.isdigit() or not (last or first).isdigit():
                parser.error(f"seeds are numbers from 0 on, or ranges such as 0-4; got {text!r}.")
            seeds += range(int(first), int(last or first) + 1)
        setattr(namespace, self.dest, seeds)


def run(grid: Grid, wanted: Sequence[Cell], folder: Path, quick: bool = False, jobs: int = 1) -> int:
    """Measure the cells that have no record, write the table and the picture of all records; returns the exit code.

    A quick look measures one seed, into a folder of its own.
    """
    if quick:
        wanted, folder = [cell for cell in wanted if cell.seed == wanted[0].seed], folder / "quick"
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _measure_all(grid, wanted, folder, quick, jobs)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    text = grid.publish(folder, QUICK_NOTE if quick else "")
    print(f"\n{text}\n\n{folder / 'README.md'}, {folder / 'figure.png'}")
    return 0


def _measure_all(grid: Grid, wanted: Sequence[Any], folder: Path, quick: bool, jobs: int) -> None:
    """A progress bar over the cells; a finished one is not measured again."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    missing = [cell for cell in wanted if not (folder / f"{cell.name}.json").exists()]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns) as progress:
        task = progress.add_task(grid.title, total=len(wanted), completed=len(wanted) - len(missing))
        for record, name in _records(grid, missing, folder, quick, jobs):
            progress.console.print(f"{name}: {grid.shown(record)} in {record['seconds']:.0f} s")
            progress.advance(task)


def _records(grid: Grid, cells, folder: Path, quick: bool, jobs: int) -> Iterator[tuple[dict[str, Any], str]]:
    """Measure cells, several at a time in processes of their own, which share the cores."""
    if jobs == 1 or len(cells) < 2:
        for cell in cells:
            yield _measure(grid.measure, cell, folder, quick, jobs), cell.name
        return
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, threads))  # what is imported by a new process reads them
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(jobs, context) as pool:
            futures = {pool.submit(_measure, grid.measure, cell, folder, quick, jobs): cell.name for cell in cells}
            try:
                for future in as_completed(futures):
                    yield future.result(), futures[future]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _measure(measure, cell, folder: Path, quick: bool, jobs: int) -> dict[str, Any]:
    """Measure one cell and write its record."""
    import keras

    started = time.perf_counter()
    figures = measure(cell, CACHE, quick)
    seconds = round(time.perf_counter() - started, 1)
    record = {**figures, **asdict(cell), "seconds": seconds, "jobs": jobs, **runs.provenance()}
    runs.write_json(folder / f"{cell.name}.json", record)
    keras.backend.clear_session()
    return record


def load(name: str, quick: bool, seed: int = 0):
    """A data set by name; a first look is at its first ``QUICK_ROWS``."""
    from vae_moe.data import datasets

    dataset = datasets.load(name, seed=seed)
    return dataset.head(QUICK_ROWS) if quick else dataset


def network(
    recipe: recipes.Recipe, dataset, cache: Path, quick: bool, callbacks=()
) -> tuple[dict[str, Any], "training.Fitted"]:
    """The figures of a trained recipe (``train.record``) and what they are of; ``quick`` trains its short version."""
    recipe = recipes.quick(recipe) if quick else recipe
    y = training.targets(recipe, dataset)
    trained = training.train(recipe, dataset, y, callbacks=callbacks, cache=cache, verbose=0)
    return train.record(recipe, dataset, y, trained), trained


def read(folder: Path) -> Records:
    """All records of a folder, sorted by name."""
    return [runs.read_json(path) for path in sorted(folder.glob("*.json"))]


def values(records: Records, key: str, **facts: Any) -> list[float]:
    """A figure of all records that have it and these facts, seed by seed."""
    measured = [record for record in records if key in record]
    chosen = [r for r in measured if all(r.get(name) == value for name, value in facts.items())]
    return [record[key] for record in sorted(chosen, key=lambda record: record["seed"])]


def spread(figures: Sequence[float], digits: int | None = None) -> str:
    """Mean and, of several figures, standard deviation: "2.31 ± 0.05"; three significant digits unless told."""
    if not figures:
        return ""
    mean, deviation = np.mean(figures), np.std(figures, ddof=1) if len(figures) > 1 else None
    text = f"{mean:.3g}" if digits is None else f"{mean:.{digits}f}"
    if deviation is None:
        return text
    return f"{text} ± " + (f"{deviation:.2g}" if digits is None else f"{deviation:.{digits}f}")


def markdown(names: Sequence[str], rows: Sequence[Sequence[str]], note: str | None = None) -> str:
    """A Markdown table, and a note below it."""
    rule = "|---" * len(names) + "|"
    table = [f"| {' | '.join(cells)} |" for cells in (names, *rows)]
    return "\n".join([table[0], rule, *table[1:], *(["", note] if note else [])])


def bold(texts: Sequence[str], values: Sequence[float | None], high: bool = False) -> list[str]:
    """Texts of values, that of the best one in bold: the least, or the greatest; None is no value."""
    best = (max if high else min)((value for value in values if value is not None), default=None)
    pairs = zip(texts, values, strict=True)
    return [f"**{text}**" if value is not None and value == best else text for text, value in pairs]


def row(figures: list[list[float]], digits: int | None = None) -> list[str]:
    """One row of a table, the least mean in bold."""
    return bold(
        [spread(each, digits) for each in figures], [float(np.mean(each)) if each else None for each in figures]
    )


def footnote(records: Records, what: str, bold: str = ", the least of a row in bold") -> str:
    """What the figures are, their seeds, their machines, their cost and their dates."""
    if not records:
        return "No records yet."
    seeds = sorted({record["seed"] for record in records})
    machines = "; ".join(sorted({record["machine"] for record in records}))
    minutes = sum(record["seconds"] / record.get("jobs", 1) for record in records) / 60
    dates = sorted({record["finished_at"][:10] for record in records})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    commits = ", ".join(sorted({f"`{record['git_commit']}`" for record in records}))
    over = "mean ± standard deviation over the seeds" if len(seeds) > 1 else "one seed,"
    if len(set(Counter(record["seed"] for record in records).values())) > 1:
        bold = f" (not every cell has all of them yet){bold}"
    return (
        f"{what}; {over} {', '.join(map(str, seeds))}{bold}. "
        f"{minutes:.0f} minutes in all on {machines}; {when}; commits {commits}."
    )
