"""Keep the records of finished runs and write README.md's table from them: ``python -m experiments.readme``.

The records are the runs' ``metrics.json``, copied to ``results/runs/``, a part of the repository: the table can be
made again, and checked, without training anything.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from experiments import runs

RECORDS = Path("results/runs")
README = Path("README.md")
BEGIN, END = "<!-- runs: made by python -m experiments.readme -->", "<!-- /runs -->"


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
    """A Markdown table: one row for each run name, mean and standard deviation over its seeds."""
    groups: dict[str, list[dict]] = defaultdict(list)
    for path in sorted(records.glob("*/seed*.json")):
        groups[path.parent.name].append(json.loads(path.read_text(encoding="utf-8")))
    lines = [
        "| run | seeds | accuracy, % | NMI | ELBO, nats | K used | minutes | last run | commit |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for _name, group in sorted(groups.items()):
        last = max(group, key=lambda record: record["finished_at"])
        seeds = ", ".join(str(record["seed"]) for record in group)
        used = sorted({f"{record['components_used']} of {record['n_components']}" for record in group})
        cells = [
            f"`{_without_seed(last['command'])}`" if len(group) > 1 else f"`{last['command']}`",
            seeds,
            _spread([100 * record["clustering_accuracy"] for record in group], 2),
            _spread([record["nmi"] for record in group], 3),
            _spread([record["elbo"] for record in group], 2),
            ", ".join(used),
            _spread([record["seconds"] / 60 for record in group], 1),
            last["finished_at"][:10],
            f"`{last['git_commit']}`",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    machines = sorted({record["machine"] for group in groups.values() for record in group})
    lines += [
        "",
        f"Test set, which nothing was chosen by; mean ± standard deviation over the seeds. {'; '.join(machines)}.",
    ]
    return "\n".join(lines)


def rewrite(text: str, section: str) -> str:
    """Put a section between the marks of a text.

    Raises:
        ValueError: if a mark is missing.
    """
    if BEGIN not in text or END not in text:
        raise ValueError(
            f"README.md has no section to write: put the lines {BEGIN!r} and {END!r} where the table goes."
        )
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{section}\n{END}{rest.partition(END)[2]}"


def _spread(values: list[float], digits: int) -> str:
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.{digits}f}"


def _without_seed(command: str) -> str:
    words = command.split()
    i = words.index("--seed")
    return " ".join(words[:i] + words[i + 2 :])


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.readme", description=__doc__)
    parser.add_argument("--workdir", default="runs", help="folder of all runs; default: runs")
    options = parser.parse_args(arguments)
    count = keep(options.workdir, RECORDS)
    README.write_text(rewrite(README.read_text(encoding="utf-8"), table(RECORDS)), encoding="utf-8")
    print(f"{count} records kept in {RECORDS}, table written to {README}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
