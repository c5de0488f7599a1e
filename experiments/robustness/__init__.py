"""What the project withstands, measured: ``python -m experiments.robustness``, or a part of it.

A part is a module with ``add_options(parser)`` and ``measure(options) -> figures``, ``passed`` among them. Its figures
go under its name into ``results/robustness.json``, and from there into docs/reliability.md.
"""

import argparse
import importlib
import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from experiments import grids, runs

RECORD = Path("results/robustness.json")
PAGE = Path("docs/reliability.md")
PARTS = ("kill", "fuzz", "soak", "mutants")
Figures = dict[str, Any]


def read(path: Path = RECORD) -> dict[str, Figures]:
    """The figures of each part that was measured."""
    return runs.read_json(path) if path.exists() else {}


def write(part: str, figures: Figures, path: Path = RECORD) -> None:
    """Keep the figures of a part, and what they came from, beside those of the others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    runs.write_json(path, {**read(path), part: {**figures, **runs.provenance()}})


def from_tests(name: str) -> ModuleType:
    """A module of the folder ``tests`` of this checkout, which is no package."""
    path = Path(__file__).parents[2] / "tests" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(record: dict[str, Figures]) -> str:
    """Markdown: a row a part, what was done and what came of it."""
    rows = [
        [f"`{part}`", *_CELLS[part](figures), "yes" if figures["passed"] else "**no**", figures["finished_at"][:10]]
        for part, figures in ((part, record[part]) for part in PARTS if part in record)
    ]
    machines = sorted({f"{figures['machine']}, commit `{figures['git_commit']}`" for figures in record.values()})
    note = "; ".join(machines) + "." if record else "No record yet."
    survivors = record.get("mutants", {}).get("survivors", [])
    lines = [f"- `{mutant['file']}`: `{mutant['old']}` → `{mutant['new']}`: {mutant['reason']}" for mutant in survivors]
    told = ["", "Mutants that no test kills:", "", *lines] if lines else []
    return "\n".join([grids.markdown(["part", "tried", "found", "withstood", "day"], rows, note), *told])


def _kill(figures: Figures) -> tuple[str, str]:
    stages = ", ".join(f"{stage} {n}" for stage, n in figures["killed_in"].items())
    return (
        f"{figures['kills']} times SIGKILL at random moments of `{figures['run']}` (last stage written: {stages})",
        f"{figures['ends_as_expected']} of {figures['ends']} ends are the uninterrupted run's, bit for bit (largest "
        f"difference {figures['largest_difference']:.2g}); {len(figures['unsound_files'])} files that are not whole",
    )


def _fuzz(figures: Figures) -> tuple[str, str]:
    worst = figures["slowest"]
    return (
        f"{figures['inputs']} inputs to {len(figures['targets'])} readers and commands",
        f"{figures['taken']} taken, {figures['refused']} refused by a typed error, {len(figures['findings'])} anything "
        f"else; slowest {worst['seconds']:.2f} s (`{worst['target']}`); {len(figures['outside'])} writes outside the "
        "folder",
    )


def _soak(figures: Figures) -> tuple[str, str]:
    return (
        f"{figures['fits']} fits in one process, of new models and of old ones, batches of {figures['shapes']} shapes, "
        "`clear_session` after each round of them",
        f"{figures['early_mib']:.0f} MiB after {figures['early']} fits, {figures['late_mib']:.0f} MiB at the end; at "
        f"most {figures['most_traces']:g} trace of a step a shape",
    )


def _mutants(figures: Figures) -> tuple[str, str]:
    n, killed = figures["mutants"], figures["killed"]
    return f"{n} changes of the mathematics", f"{killed} killed by the tests ({100 * killed / n:.0f} %)"


_CELLS = {"kill": _kill, "fuzz": _fuzz, "soak": _soak, "mutants": _mutants}


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code: 0; 1 if something was not withstood."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    description = "Measure what the project withstands; without a part, all of it."
    parser = argparse.ArgumentParser(prog="python -m experiments.robustness", description=description)
    parser.add_argument("--record", type=Path, default=RECORD, help=f"file of the figures; default: {RECORD}")
    commands = parser.add_subparsers(dest="part", metavar="PART")
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in PARTS}  # they import this one
    parts = {}
    for name, module in modules.items():
        summary = (module.__doc__ or "").partition("\n")[0]
        parts[name] = commands.add_parser(name, help=summary, description=summary)
        module.add_options(parts[name])
    options = parser.parse_args(arguments)

    withstood = True
    for name in [options.part] if options.part else PARTS:
        figures = modules[name].measure(options if options.part else parts[name].parse_args([]))
        write(name, figures, options.record)
        print("\n".join(f"{name}: {key}: {value}" for key, value in figures.items()), flush=True)
        withstood &= figures["passed"]
    return 0 if withstood else 1
