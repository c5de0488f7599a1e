"""A grid of measurements: a record a cell, resumable; means and standard deviations; a table and a picture of it."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from experiments import runs

#: Warm starts, which all cells of one seed share.
CACHE = Path("results/cache")


class Cell(Protocol):
    """One measurement."""

    @property
    def name(self) -> str:
        """Of its record, unlike any other's."""


def main(
    wanted: Sequence[Cell],
    measure: Callable[[Any], dict[str, Any]],
    folder: Path,
    shown: Callable[[dict[str, Any]], str],
    table: Callable[[list[dict[str, Any]]], str],
    picture: Callable[[list[dict[str, Any]]], Any],
    title: str,
) -> int:
    """Measure the cells that have no record, write the table and the picture of all records; returns the exit code."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _measure_all(wanted, measure, folder, shown)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    text = publish(folder, table, picture, title)
    print(f"\n{text}\n\n{folder / 'README.md'}, {folder / 'figure.png'}")
    return 0


def publish(folder: Path, table: Callable, picture: Callable, title: str) -> str:
    """Write the table of a folder's records beside them, with its picture; returns the table."""
    records = read(folder)
    text = table(records)
    (folder / "README.md").write_text(f"# {title}\n\n{text}\n", encoding="utf-8")
    picture(records).savefig(folder / "figure.png")
    return text


def _measure_all(wanted, measure, folder: Path, shown) -> None:
    """A progress bar over the cells; a finished one is not measured again."""
    import keras
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    missing = [cell for cell in wanted if not (folder / f"{cell.name}.json").exists()]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns) as progress:
        task = progress.add_task("", total=len(wanted), completed=len(wanted) - len(missing))
        for cell in missing:
            progress.update(task, description=cell.name)
            record = measure(cell)
            runs.write_json(folder / f"{cell.name}.json", record)
            progress.console.print(f"{cell.name}: {shown(record)} in {record['seconds']:.0f} s")
            progress.advance(task)
            keras.backend.clear_session()


def read(folder: Path) -> list[dict[str, Any]]:
    """All records of a folder, sorted by name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def values(records: list[dict[str, Any]], key: str, **facts: Any) -> list[float]:
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


def row(figures: list[list[float]], digits: int | None = None) -> list[str]:
    """One row of a table, the least mean in bold."""
    means = [np.mean(each) if each else np.inf for each in figures]
    return [
        f"**{text}**" if text and mean == min(means) else text
        for text, mean in zip((spread(each, digits) for each in figures), means, strict=True)
    ]


def footnote(records: list[dict[str, Any]], what: str) -> str:
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
    return (
        f"{what}; {over} {', '.join(map(str, seeds))}, the least of a row in bold. "
        f"{minutes:.0f} minutes in all on {machines}; {when}; commits {commits}."
    )
