"""Does the command end well on tables of others? ``python -m experiments.survey``.

``vae-moe cluster`` and ``vae-moe experts`` with their defaults, each in a process of its own, on 43 tables of KEEL and
20 of R's packages (``tables.py``). Where a column is refused with the advice to ``--drop`` it, the advice is followed,
and the record says so. A run ends with a page; or it is refused, in one line before it trains; or it is stopped at the
limit of processor time; or what it trained is kept without a page; anything else is a loss. Every run is one record
under ``results/survey/``: one that is there is not done again.
"""

import argparse
import ast
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import grids, wheels
from experiments.survey import tables

FOLDER = Path("results/survey")
PAGE = Path("docs/survey.md")
COMMANDS = ("cluster", "experts")
OUTCOMES = ("page", "refused", "not ended", "no page", "lost")
EXPERTS, COMPONENTS = 4, 5
#: Seconds of processor time that a run may take, however busy the machine is; and how many times that by the clock.
LIMIT, PATIENCE = 900, 10
#: Columns that may be left out before a refusal is taken for the end.
MOST_DROPPED = 30
_MAIN = "import sys, vae_moe_command; sys.exit(vae_moe_command.main())"
_TRAINS = re.compile(r"on \d+ rows of \d+ numbers")
_NAME = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_DROP = re.compile(rf"--drop ((?:{_NAME})(?: (?:{_NAME}))*)")
_FIGURES = (
    "task",
    "n_features",
    "clustering_accuracy",
    "nmi",
    "ari",
    "accuracy",
    "linear_accuracy",
    "r2",
    "linear_r2",
    "components_used",
    "experts_used",
    "troubles",
)


@dataclass(frozen=True)
class Cell:
    """One command on one table; the seed is the command's default."""

    table: str
    command: str
    seed: int = 0

    @property
    def name(self) -> str:
        """Of its record."""
        return f"{self.table.replace('/', '.')}-{self.command}"


def measure(cell: Cell, cache: Path, quick: bool = False) -> dict[str, Any]:
    """Run a cell's command as a user would, following the advice to leave columns out.

    Args:
        cell: which.
        cache: of warm starts; not used.
        quick: one epoch.

    Returns:
        ``outcome``, one of ``OUTCOMES``; ``said``, the last line of stderr; ``run_seconds`` by the clock,
        ``cpu_seconds`` and ``arguments`` of the last attempt; ``dropped``, the columns that were refused before it and
        what was said of each; and figures of what was trained.
    """
    table = tables.TABLES[cell.table]
    path = wheels.csv_of(table.name)
    frame = wheels.read(path)
    arguments = [cell.command, path.name, *_options(cell.command, table, frame[table.target].nunique())]
    arguments += ["--epochs", "1"] if quick else []
    dropped: dict[str, str] = {}
    while True:
        words = [*arguments, *(["--drop", *dropped] if dropped else [])]
        found = attempt(words, path, LIMIT)
        advised = _advised(found) & set(frame.columns) - {table.target, *dropped}
        if not advised or len(dropped) > MOST_DROPPED:
            break
        dropped |= dict.fromkeys(sorted(advised), found["said"])
    return {**found, "rows": len(frame), "columns": frame.shape[1], "dropped": dropped, "arguments": words}


def _options(command: str, table: tables.Table, n_values: int) -> list[str]:
    if command == "experts":
        return ["--target", table.target, "--experts", str(EXPERTS)]
    if table.classes:
        return ["--labels", table.target, "--components", str(n_values)]
    return ["--components", str(COMPONENTS)]


def attempt(arguments: list[str], path: Path, limit: int) -> dict[str, Any]:
    """Run the command beside a copy of a table, and see how it ends.

    Args:
        arguments: of vae-moe, less ``--out``: the command, the table's file, options.
        path: of the table.
        limit: seconds of processor time until it is stopped.
    """
    checkout = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([checkout, os.environ.get("PYTHONPATH", "")])}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, folder)
        command = [sys.executable, "-c", _MAIN, *arguments, "--out", "out"]
        started, cpu_started = time.perf_counter(), _cpu_of_children()
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE * limit,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 10)),
            )
            code, lines = done.returncode, done.stderr.strip().splitlines()
        except subprocess.TimeoutExpired:
            code, lines = None, []
        seconds, cpu_seconds = time.perf_counter() - started, _cpu_of_children() - cpu_started
        out = Path(folder, "out")
        page = (out / "report.html").is_file()
        if code in (None, -signal.SIGXCPU):
            outcome = "not ended"
        elif code == 0 and page:
            outcome = "page"
        elif (out / "estimator").is_dir():
            outcome = "no page"
        else:
            untouched = [path.name for path in Path(folder).iterdir()] == [arguments[1]]
            outcome = "refused" if code == 2 and untouched and _is_refusal(lines, arguments[1]) else "lost"
        metrics = grids.runs.read_json(out / "metrics.json") if page else {}
    return {
        "outcome": outcome,
        "exit_code": code,
        "said": "" if outcome == "page" or not lines else lines[-1],
        "run_seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        **{name: metrics[name] for name in _FIGURES if name in metrics},
    }


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _is_refusal(lines: list[str], file: str) -> bool:
    """Whether the last line is about the file, and none before it says that training has begun."""
    return bool(lines) and lines[-1].startswith(f"error: {file}") and not any(map(_TRAINS.search, lines))


def _advised(found: dict[str, Any]) -> set[str]:
    """The columns that a refusal advises to leave out: those after its last ``--drop``."""
    advice = _DROP.findall(found["said"]) if found["outcome"] == "refused" else []
    return {ast.literal_eval(name) for name in re.findall(_NAME, advice[-1])} if advice else set()


def table(records: grids.Records) -> str:
    """Markdown: what came of it in one line, a row a table, then what was said where there is no page."""
    names = [name for name in tables.TABLES if any(record["table"] == name for record in records)]
    by_cell = {(record["table"], record["command"]): record for record in records}
    rows = []
    for name in names:
        cells = [by_cell.get((name, command)) for command in COMMANDS]
        size = next(cell for cell in cells if cell)
        rows.append([name, str(size["rows"]), str(size["columns"]), *(text for cell in cells for text in _cells(cell))])
    heads = ["table", "rows", "columns", *(head for command in COMMANDS for head in (f"`{command}`", "s", "scores"))]
    note = grids.footnote(
        records,
        "Seconds of processor time of the last attempt. Scores of `cluster`: accuracy of the best map to the classes, "
        "ARI; of `experts`: accuracy or R² on held-out rows, then a linear model's",
        "",
    )
    told = [line for record in records for line in _told(record)]
    return "\n".join([_summary(records), "", grids.markdown(heads, rows, note), *(["", *told] if told else [])])


def _summary(records: grids.Records) -> str:
    n = {name: sum(record["outcome"] == name for record in records) for name in OUTCOMES}
    after = sum(record["outcome"] == "page" and bool(record["dropped"]) for record in records)
    missing = len(tables.TABLES) * len(COMMANDS) - len(records)
    done = (
        f"{len(records)} runs: {n['page']} end with a page, {after} of them after columns were left out as refusals "
        f"advised; {n['refused']} are refused; {n['not ended']} were stopped after {LIMIT} s of processor time; "
        f"{n['no page']} keep what they trained and have no page; {n['lost']} are lost"
    )
    return f"{done}; {missing} are still to be done." if missing else f"{done}."


def _cells(record: dict[str, Any] | None) -> list[str]:
    """Outcome, seconds and scores."""
    if record is None:
        return ["", "", ""]
    outcome = f"**{record['outcome']}**" if record["outcome"] in OUTCOMES[-2:] else record["outcome"]
    n_dropped = len(record["dropped"])
    without = f" without {n_dropped} column{'s' if n_dropped > 1 else ''}" if n_dropped else ""
    scores = [record[name] for name in _FIGURES[2:9] if name in record and name != "nmi"]
    return [outcome + without, f"{record['cpu_seconds']:.0f}", ", ".join(f"{score:.2f}" for score in scores)]


def _told(record: dict[str, Any]) -> list[str]:
    """What was said, a line each."""
    said = dict.fromkeys([*record["dropped"].values(), *([record["said"]] if record["said"] else [])])
    return [f"- `{record['command']}` {record['table']}: {line.removeprefix('error: ')}" for line in said]


def picture(records: grids.Records):
    """Processor time over cells (rows times columns) of every run with a page, on logarithmic axes: a Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(
        xscale="log", yscale="log", xlabel="rows times columns", ylabel="seconds of processor time"
    )
    for command in COMMANDS:
        ended = [record for record in records if record["command"] == command and record["outcome"] == "page"]
        sizes = [record["rows"] * record["columns"] for record in ended]
        axes.plot(sizes, [record["cpu_seconds"] for record in ended], ".", label=command)
    axes.legend()
    return figure


GRID = grids.Grid(
    "Tables of others, default settings",
    FOLDER,
    measure,
    lambda record: " ".join(f"{record['outcome']} {record['said']}".split()),
    table,
    picture,
)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code: 0; 1 if a run was lost, or its page."""
    parser = argparse.ArgumentParser(prog="python -m experiments.survey", description=f"{GRID.title}.")
    parser.add_argument(
        "--tables", nargs="+", choices=list(tables.TABLES), default=list(tables.TABLES), metavar="TABLE"
    )
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=COMMANDS)
    parser.add_argument("--again", action="store_true", help="do runs anew that are in the records")
    parser.add_argument("--quick", action="store_true", help="a first look: one epoch")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"of the records; default: {FOLDER}")
    parser.add_argument("--jobs", type=int, default=grids.JOBS, help=f"runs at a time; default: {grids.JOBS}")
    options = parser.parse_args(arguments)
    sizes = {name: wheels.csv_of(name).stat().st_size for name in options.tables}
    wanted = [Cell(name, command) for name in sorted(sizes, key=sizes.__getitem__) for command in options.commands]
    folder = options.folder / "quick" if options.quick else options.folder
    for cell in wanted if options.again else ():
        (folder / f"{cell.name}.json").unlink(missing_ok=True)
    code = grids.run(GRID, wanted, options.folder, options.quick, options.jobs)
    return code or int(any(record["outcome"] in OUTCOMES[-2:] for record in grids.read(folder)))
