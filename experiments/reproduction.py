"""The report's claims checked with our records: ``python -m experiments.reproduction`` writes docs/reproduction.md.

Nothing is trained here. A claim whose records are missing says which command makes them.
"""

import argparse
import sys
from itertools import product
from pathlib import Path

import numpy as np

from experiments import clustering, convergence, grids, label_efficiency, table1
from experiments.claims import claims
from experiments.grids import Records

PAGE = Path("docs/reproduction.md")
#: Of the trainings that should have a record.
SEEDS = (0, 1, 2)


def page(
    clusterings: Records, cells: Records, speeds: Records, released: Records, latent: Records, labels: Records
) -> str:
    """The whole page, Markdown."""
    parts = ["# The report's claims, checked", "", "Made by `python -m experiments.reproduction` from the records."]
    parts += ["", "| | claim | verdict | our figures |", "|---|---|---|---|"]
    parts += [
        f"| {letter} | {claim} | **{verdict}** | {figures} |"
        for letter, claim, verdict, figures in claims(clusterings, cells, speeds, released)
    ]
    parts += ["", "## Table 1", "", table1.table(cells) if cells else "Made by `python -m experiments.table1`."]
    parts += ["", _DIFFERENCES, "", "### With the loss as released", "", _released(released)]
    if latent:
        parts += ["", "### Rows as entries of z, one output", "", table1.table(latent)]
    parts += ["", "### Not run", "", *_not_run({"Table 1": cells, "The loss as released": released})]
    if not latent:
        parts += ["- Rows as entries of z, `python -m experiments.table1 --rows latent`: none was run."]
    if speeds:
        parts += ["", "## How fast VaDE and DMVAE learn", "", convergence.table(speeds)]
    parts += ["", "## Few labels", "", label_efficiency.table(labels) if labels else _command(label_efficiency)]
    return "\n".join(parts) + "\n"


_DIFFERENCES = """Ours differ from the report's: the sum inside the logarithm runs over the experts of one example, in
log space; DVMoE and VaDE-MoE start from a spectral clustering of an autoencoder's latents, their experts are fitted by
EM and their gate by gradients, with a term against adversarial changes of x; the targets' maps are drawn anew for each
seed. DeepMoE is the report's: gradients alone; the one with DVMoE's start has all that DVMoE has but the bound of its
gate: a softmax network of the same size learns the same start. GMM-EM, softmax-EM and scikit-learn's columns are fitted
to the validation rows too; the forest tries the root of the number of columns at each split of an image. EM takes 5
iterations on MNIST and does not converge in them. The MLP gets x and y as they come: with the
spiral's on a scale it stops sooner, as its tolerance is absolute, and 8 of 9 errors come out higher (0.0026 to 0.039 in
place of 0.0008 to 0.073); MNIST's, whose x are from 0 to 1, have not been tried."""


def _released(records: Records) -> str:
    if not records:
        return "Not measured: `python -m experiments.table1 --objective as-released` does it."
    return "\n".join(
        [
            "The report's networks, optimiser, epochs and loss, whose sum inside the logarithm ran over the batch as "
            "well as the experts (`python -m experiments.table1 --objective as-released`):",
            "",
            table1.table(records),
            "",
            _released_verdict(records),
        ]
    )


def _released_verdict(records: Records) -> str:
    """How near the published figures the released loss comes, data set by data set, and what its gates make of them."""
    verdicts = []
    for dataset in table1.DATASETS:
        ratios = [
            np.mean(found) / error
            for row in table1.ROWS
            for method, error in zip(("deepmoe", "dvmoe"), table1.PUBLISHED[dataset, row], strict=True)
            if (found := grids.values(records, "test_error", dataset=dataset, row=row, method=method))
        ]
        if ratios:
            near = sum(1 / 2 < ratio < 2 for ratio in ratios)
            used = grids.values(records, "experts_used", dataset=dataset)
            gates = grids.values(records, "gate_accuracy", dataset=dataset)
            (n_components,) = set(grids.values(records, "n_components", dataset=dataset))
            verdicts.append(
                f"On {dataset} {near} of {len(ratios)} published figures are met to within a factor of 2; all are "
                f"{min(ratios):.2g} to {max(ratios):.2g} times the published ones. Gates trained by this loss use "
                f"{min(used)} to {max(used)} of {n_components} experts and tell {min(gates):.0%} to {max(gates):.0%} "
                "of the classes."
            )
    return " ".join(verdicts)


def _not_run(records: dict[str, Records]) -> list[str]:
    """A line for each table of networks: how many of its trainings have no record, and how long they would take."""
    lines = []
    for name, of_all in records.items():
        found = [record for record in of_all if record["method"] in table1.NEURAL]
        seconds: dict[tuple[str, str], list[float]] = {}
        for record in found:
            key = record["dataset"], record["method"]
            seconds.setdefault(key, []).append(record["seconds"] + record.get("shared_seconds", 0))
        done = {(record["dataset"], record["row"], record["method"], record["seed"]) for record in found}
        methods = sorted({record["method"] for record in found})
        wanted = product(table1.DATASETS, table1.ROWS, methods, SEEDS)
        missing = [cell for cell in wanted if cell not in done]
        of_dataset = {d: [s for (data, _), times in seconds.items() if data == d for s in times] for d, *_ in missing}
        hours = sum(np.mean(seconds.get((d, m)) or of_dataset[d] or 0) for d, _, m, _ in missing) / 3600
        if missing:
            which = ", ".join(sorted({f"{d}-{m}" for d, _, m, _ in missing}))
            lines.append(f"- {name}: {len(missing)} trainings, some {hours:.1f} hours by what others took ({which}).")
    return lines or ["All of these were."]


def _command(module) -> str:
    return f"Made by `python -m {module.__name__}`."


def write(path: Path = PAGE) -> str:
    """The page of the committed records, and where it goes."""
    folder = table1.FOLDER
    text = page(
        grids.read(clustering.FOLDER),
        grids.read(folder),
        grids.read(convergence.FOLDER),
        grids.read(folder / "as-released"),
        grids.read(folder / "latent"),
        grids.read(label_efficiency.FOLDER),
    )
    path.write_text(text, encoding="utf-8")
    return text


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    argparse.ArgumentParser(prog="python -m experiments.reproduction", description=__doc__).parse_args(arguments)
    write()
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
