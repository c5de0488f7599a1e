"""What the project withstands: the table of docs/reliability.md, from the record that ``tests/stress`` keeps."""

from pathlib import Path
from typing import Any

from experiments import grids, runs

RECORD = Path("results/robustness.json")
PAGE = Path("docs/reliability.md")
PARTS = ("kill", "fuzz", "soak", "serve", "exports", "mutants")
Figures = dict[str, Any]


def read(path: Path = RECORD) -> dict[str, Figures]:
    """The figures of each part that was measured."""
    return runs.read_json(path) if path.exists() else {}


def write(part: str, figures: Figures, path: Path = RECORD) -> None:
    """Keep the figures of a part, and what they came from, beside those of the others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    runs.write_json(path, {**read(path), part: {**figures, **runs.provenance()}})


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


def _serve(figures: Figures) -> tuple[str, str]:
    statuses = ", ".join(f"{status} {n}" for status, n in figures["statuses"].items())
    return (
        f"{figures['requests']} requests to the service, most of them damaged; then {figures['at_once']} at once",
        f"by status {statuses}, {figures['untyped']} without a reason; {figures['early_mib']:.0f} MiB after a tenth of "
        f"them, {figures['late_mib']:.0f} MiB at the end; of {figures['answered']} at once {figures['failed']} failed, "
        f"half took {figures['p50_ms']:.0f} ms, 99 in 100 at most {figures['p99_ms']:.0f} ms",
    )


def _exports(figures: Figures) -> tuple[str, str]:
    apart, worst = figures["apart"], figures["worst"]
    return (
        f"an estimator of each of {figures['tables']} tables of the benchmarks, exported as NumPy and as ONNX, "
        f"asked for {figures['rows']} rows",
        f"probabilities, means and intervals differ from `predict`'s by at most {apart['numpy']:.1g} "
        f"({worst['numpy']}) and {apart['onnx']:.1g} ({worst['onnx']}), numbers in standard deviations of y",
    )


def _mutants(figures: Figures) -> tuple[str, str]:
    n, killed = figures["mutants"], figures["killed"]
    return f"{n} changes of the mathematics", f"{killed} killed by the tests ({100 * killed / n:.0f} %)"


_CELLS = {"kill": _kill, "fuzz": _fuzz, "soak": _soak, "serve": _serve, "exports": _exports, "mutants": _mutants}
