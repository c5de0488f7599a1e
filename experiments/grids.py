"""A grid of measurements: a record a cell, resumable; means and standard deviations; a table and a picture of it."""

import argparse
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from experiments import recipes, runs, train, training

Records = list[dict[str, Any]]

#: Warm starts, which all cells of one seed share.
CACHE = Path("results/cache")


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
    """

    title: str
    folder: Path
    measure: Callable[[Any, Path, bool], dict[str, Any]]
    shown: Callable[[dict[str, Any]], str]
    table: Callable[[Records], str]
    picture: Callable[[Records], Any]

    def publish(self, folder: Path | None = None) -> str:
        """Write the table of a folder's records beside them, with its picture; returns the table."""
        folder = folder or self.folder
        records = read(folder)
        text = self.table(records)
        (folder / "README.md").write_text(f"# {self.title}\n\n{text}\n", encoding="utf-8")
        self.picture(records).savefig(folder / "figure.png")
        return text


def parser(module: str, grid: Grid, methods: Sequence[str]) -> argparse.ArgumentParser:
    """The options every grid has: --seeds, --methods, --quick, --folder."""
    options = argparse.ArgumentParser(prog=f"python -m {module}", description=f"{grid.title}.")
    options.add_argument("--seeds", action=_Seeds, nargs="+", default=[0, 1, 2], help="0 1 2 or 0-2; default: 0-2")
    options.add_argument("--methods", nargs="+", choices=list(methods), default=list(methods), help="default: all")
    options.add_argument("--quick", action="store_true", help="a first look: one seed, few rows, short training")
    options.add_argument("--folder", type=Path, default=grid.folder, help=f"of the records; default: {grid.folder}")
    return options


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


def run(grid: Grid, wanted: Sequence[Cell], folder: Path, quick: bool = False) -> int:
    """Measure the cells that have no record, write the table and the picture of all records; returns the exit code.

    A quick look measures one seed, into a folder of its own.
    """
    if quick:
        wanted, folder = [cell for cell in wanted if cell.seed == wanted[0].seed], folder / "quick"
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _measure_all(grid, wanted, folder, quick)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    text = grid.publish(folder)
    print(f"\n{text}\n\n{folder / 'README.md'}, {folder / 'figure.png'}")
    return 0


def _measure_all(grid: Grid, wanted: Sequence[Any], folder: Path, quick: bool) -> None:
    """A progress bar over the cells; a finished one is not measured again."""
    import keras
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    missing = [cell for cell in wanted if not (folder / f"{cell.name}.json").exists()]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns) as progress:
        task = progress.add_task("", total=len(wanted), completed=len(wanted) - len(missing))
        for cell in missing:
            progress.update(task, description=cell.name)
            started = time.perf_counter()
            figures = grid.measure(cell, CACHE, quick)
            seconds = round(time.perf_counter() - started, 1)
            record = {**figures, **asdict(cell), "seconds": seconds, **runs.provenance()}
            runs.write_json(folder / f"{cell.name}.json", record)
            progress.console.print(f"{cell.name}: {grid.shown(record)} in {seconds:.0f} s")
            progress.advance(task)
            keras.backend.clear_session()


def network(
    recipe: recipes.Recipe, dataset, cache: Path, quick: bool, callbacks=()
) -> tuple[dict[str, Any], training.Trained]:
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


def row(figures: list[list[float]], digits: int | None = None) -> list[str]:
    """One row of a table, the least mean in bold."""
    means = [np.mean(each) if each else np.inf for each in figures]
    return [
        f"**{text}**" if text and mean == min(means) else text
        for text, mean in zip((spread(each, digits) for each in figures), means, strict=True)
    ]


def footnote(records: Records, what: str, bold: str = ", the least of a row in bold") -> str:
    """What the figures are, their seeds, their machines, their cost and their dates."""
    if not records:
        return "No records yet."
    seeds = sorted({record["seed"] for record in records})
    machines = "; ".join(sorted({record["machine"] for record in records}))
    minutes = sum(record["seconds"] for record in records) / 60
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
