"""Keep the records of finished runs and write the tables of README.md and docs: ``python -m experiments.readme``.

The records are the runs' ``metrics.json``, copied to ``results/runs/``, a part of the repository: the table can be
made again, and checked, without training anything.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from experiments import (
    benchmark,
    clustering,
    convergence,
    drawn,
    gaps,
    grids,
    label_efficiency,
    reproduction,
    robustness,
    runs,
    scaling,
    survey,
    table1,
    tables,
    tabular,
    trees,
    waits,
)

README = Path("README.md")
#: The pages with generated sections.
PAGES = (README, Path("docs/results.md"), robustness.PAGE, survey.PAGE, tables.PAGE, tabular.PAGE, gaps.PAGE)
#: Grids whose tables stand in these, by the name of their section.
SECTIONS = {
    "clustering": clustering.GRID,
    "components": clustering.COMPONENTS_GRID,
    "table1": table1.GRID,
    "labels": label_efficiency.GRID,
    "survey": survey.GRID,
    "gaps": gaps.GRID,
    "trees": trees.GRID,
}
#: All grids; each one's table and picture lie beside its records.
GRIDS = (convergence.GRID, tables.GRID, tabular.GRID, *SECTIONS.values())
BEGIN, END = "<!-- {}: made by python -m experiments.readme -->", "<!-- /{} -->"


def keep(workdir, records: Path) -> int:
    """Copy the ``metrics.json`` of every finished run to ``<records>/<run>/seed<k>.json``; returns how many."""
    count = 0
    for record in runs.finished(workdir):
        folder = Path(record.pop("folder"))
        target = records / folder.parent.name / f"{folder.name}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        runs.write_json(target, record)
        count += 1
    return count


def table(records: Path) -> str:
    """Markdown tables of the clusterings and of the mixtures of experts: a row a run, mean and deviation over seeds."""
    groups: dict[str, list[dict]] = defaultdict(list)
    for record in runs.kept(records):
        groups[record["run"]].append(record)
    clusterings = [group for group in groups.values() if "clustering_accuracy" in group[0]]
    experts = [group for group in groups.values() if "gate_accuracy" in group[0]]
    lines = [_table(["accuracy, %", "NMI", "ELBO, nats", "K used"], clusterings, _clustering_cells)]
    if experts:
        names = ["error or accuracy", "nll, nats", "gate accuracy, %", "experts used"]
        lines += ["", _table(names, experts, _expert_cells)]
    machines = sorted({record["machine"] for group in groups.values() for record in group})
    lines += [
        "",
        "Test set, single runs of seeds with which the recipes were chosen; mean ± standard deviation over the seeds. "
        f"{'; '.join(machines)}.",
    ]
    return "\n".join(lines)


def _table(names: list[str], groups: list[list[dict]], cells: Callable[[list[dict]], list[str]]) -> str:
    """A table whose own columns ``cells`` gives for each group of records."""
    lines = []
    for group in groups:
        last = max(group, key=lambda record: record["finished_at"])
        row = [
            f"`{_without_seed(last['command'])}`" if len(group) > 1 else f"`{last['command']}`",
            ", ".join(str(record["seed"]) for record in group),
            *cells(group),
            grids.spread([record["seconds"] / 60 for record in group], 1),
            last["finished_at"][:10],
            f"`{last['git_commit']}`",
        ]
        lines.append(row)
    return grids.markdown(["run", "seeds", *names, "minutes", "last run", "commit"], lines)


def _clustering_cells(group: list[dict]) -> list[str]:
    return [
        grids.spread([100 * record["clustering_accuracy"] for record in group], 2),
        grids.spread([record["nmi"] for record in group], 3),
        grids.spread([record["elbo"] for record in group], 2),
        ", ".join(sorted({f"{record['components_used']} of {record['n_components']}" for record in group})),
    ]


def _expert_cells(group: list[dict]) -> list[str]:
    if "test_error" in group[0]:
        figure = grids.spread([record["test_error"] for record in group])
    else:
        figure = grids.spread([100 * record["accuracy"] for record in group], 2) + " %"
    return [
        figure,
        grids.spread([record["nll"] for record in group], 3),
        grids.spread([100 * record["gate_accuracy"] for record in group], 2),
        ", ".join(sorted({f"{record['experts_used']} of {record['n_components']}" for record in group})),
    ]


def sections() -> dict[str, str]:
    """The generated sections of the pages by the name in their marks, from the committed records."""
    newest, *older = [benchmark.table(records) for records in benchmark.read()] or [benchmark.table([])]
    written = {
        "runs": table(runs.RECORDS),
        "speed": newest,
        "waits": waits.table(waits.read()),
        "waits-told": waits.sentence(waits.read()),
        "older-speed": "\n\n".join(older),
        "drawn": drawn.table(grids.read(clustering.FOLDER)),
        "scaling": scaling.table(scaling.read()),
        "robustness": robustness.table(robustness.read()),
        "tables-means": tables.means(grids.read(tables.FOLDER)),
        "tables-each": tables.each(grids.read(tables.FOLDER)),
        "gaps-means": gaps.means(grids.read(gaps.FOLDER)),
        "tabular-ranks": tabular.shown.overall(grids.read(tabular.FOLDER)),
        "tabular-gates": tabular.shown.gates(grids.read(tabular.FOLDER)),
        "tabular-means": tabular.shown.means(grids.read(tabular.FOLDER)),
        "tabular-each": tabular.shown.each(grids.read(tabular.FOLDER)),
    }
    return written | {name: grid.table(grids.read(grid.folder)) for name, grid in SECTIONS.items()}


def pages() -> dict[Path, str]:
    """The pages with their sections written anew.

    Raises:
        ValueError: if a section is on no page.
    """
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    for name, section in sections().items():
        page = next((page for page in PAGES if BEGIN.format(name) in texts[page]), README)
        texts[page] = rewrite(texts[page], name, section)
    return texts


def rewrite(text: str, name: str, section: str) -> str:
    """Put a section between its marks in a text.

    Raises:
        ValueError: if a mark is missing.
    """
    begin, end = BEGIN.format(name), END.format(name)
    if begin not in text or end not in text:
        raise ValueError(f"No page has a section {name!r}: put the lines {begin!r} and {end!r} where the table goes.")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{section}\n{end}{rest.partition(end)[2]}"


def _without_seed(command: str) -> str:
    words = command.split()
    i = words.index("--seed")
    return " ".join(words[:i] + words[i + 2 :])


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.readme", description=__doc__)
    parser.add_argument("--workdir", default="runs", help="folder of all runs; default: runs")
    options = parser.parse_args(arguments)
    count = keep(options.workdir, runs.RECORDS)
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
    for grid in GRIDS:
        if grids.read(grid.folder):
            grid.publish()
    reproduction.write()
    names = ", ".join(str(page) for page in (*PAGES, reproduction.PAGE))
    print(f"{count} records kept in {runs.RECORDS}, tables written to {names}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
