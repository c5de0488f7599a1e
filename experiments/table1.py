"""Table 1 of the report, with ours and what a user would pick instead: ``python -m experiments.table1``.

Test error (the sum over outputs of the mean squared error) of regressions whose target is another affine map for each
class, on the spiral and on MNIST, mean and standard deviation over seeds; the seed draws the maps, too. Every cell is
one record under ``results/table1/``: a finished one is not run again.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import baselines, grids, recipes

FOLDER = Path("results/table1")
DATASETS = ("spiral", "mnist")
ROWS = (1, 2, 5)
#: DeepMoE with all that DVMoE has but the generative half of its gate.
WARM = "deepmoe-warm"
#: Columns by their key: what they are called.
COLUMNS = {
    "dvmoe": recipes.TITLES["dvmoe"],
    WARM: "DeepMoE, DVMoE's start",
    "deepmoe": recipes.TITLES["deepmoe"],
    "vademoe": recipes.TITLES["vademoe"],
    "gmm-em": "GMM-EM",
    "softmax-em": "softmax-EM",
    "ridge": "Ridge",
    "mlp": "MLP 512-256",
    "boosting": "Boosting",
    "forest": "Forest",
}
NEURAL = (*(model for model in recipes.EXPERTS if model in COLUMNS), WARM)
#: Table 1 as published, by (data set, outputs): DeepMoE, DVMoE.
PUBLISHED = {
    ("spiral", 1): (10.0424, 0.0312),
    ("spiral", 2): (20.4247, 0.0434),
    ("spiral", 5): (180.117, 96.1049),
    ("mnist", 1): (28.4584, 34.0551),
    ("mnist", 2): (209.028, 208.142),
    ("mnist", 5): (880.126, 680.714),
}


@dataclass(frozen=True)
class Cell:
    """One entry of the table for one seed.

    Attributes:
        dataset: "spiral" or "mnist".
        row: what the row counts, 1, 2 or 5.
        method: a key of ``COLUMNS``.
        seed: of data, maps and model.
        rows: "outputs", the report's code, or "latent": the text's reading, entries of z with one output.
        objective: of the networks' experts.
    """

    dataset: str
    row: int
    method: str
    seed: int
    rows: str = "outputs"
    objective: str = "mixture"

    @property
    def n_outputs(self) -> int:
        return self.row if self.rows == "outputs" else 1

    @property
    def name(self) -> str:
        """Of its record."""
        return f"{self.dataset}-{self.method}-{self.row}-seed{self.seed}"


def recipe_of(cell: Cell) -> recipes.Recipe:
    """What a network's cell trains: the default recipe, or the report's with the loss as released."""
    released = cell.objective == "as-released"
    model, _, preset = cell.method.partition("-")
    preset = "paper" if released else preset or "default"
    recipe = recipes.get(f"{cell.dataset}-{model}", preset, seed=cell.seed, n_outputs=cell.n_outputs)
    if released:
        recipe = recipes.with_network(recipe, objective=cell.objective)
    if cell.rows == "latent" and "latent_dim" in recipe.network:  # a DeepMoE has no z
        recipe = recipes.with_network(recipe, latent_dim=cell.row)
    return recipe


def measure(cell: Cell, cache: Path, quick: bool = False) -> dict[str, Any]:
    """Train a cell's model and measure it: ``test_error`` and what it came from.

    Args:
        cell: which.
        cache: folder of the warm starts, which cells of one seed share.
        quick: few rows, short training: to see that it runs.
    """
    from vae_moe.data import targets

    dataset = grids.load(cell.dataset, quick, cell.seed)
    if cell.method in NEURAL:
        figures, _ = grids.network(recipe_of(cell), dataset, cache, quick)
    else:
        y = targets.affine(dataset, cell.n_outputs, cell.seed)
        figures = baselines.regression(cell.method, dataset, y, cell.seed)
    return {**figures, "outputs": cell.n_outputs, "protocol": dataset.protocol}


def table(records: grids.Records) -> str:
    """A Markdown table: what is published, then test errors, mean and standard deviation over seeds."""
    rows = "entries of z" if any(record.get("rows") == "latent" for record in records) else "outputs"
    methods = [method for method in COLUMNS if any(record["method"] == method for record in records)]
    names = ["published DeepMoE", "published DVMoE", *(COLUMNS[method] for method in methods)]
    lines = []
    for (dataset, row), published in PUBLISHED.items():
        errors = [grids.values(records, "test_error", dataset=dataset, row=row, method=method) for method in methods]
        if any(errors):
            cells = [f"{error:g}" for error in published] + grids.row(errors)
            lines.append([dataset, str(row), *cells])
    note = grids.footnote(records, f"Test error, the sum over outputs of the mean squared error; {grids.CHOSEN}")
    return grids.markdown(["data", rows, *names], lines, note)


def picture(records: grids.Records):
    """Test errors as bars on a logarithmic axis, a panel a row of the table: a matplotlib Figure."""
    from vae_moe.plots import score_plots

    panels = {}
    for (dataset, row), published in PUBLISHED.items():
        bars = {"published DeepMoE": [published[0]], "published DVMoE": [published[1]]}
        for method, name in COLUMNS.items():
            bars[name] = grids.values(records, "test_error", dataset=dataset, row=row, method=method)
        panels[f"{dataset}, {row} output{'s' if row > 1 else ''}"] = {k: v for k, v in bars.items() if v}
    return score_plots.error_bars(panels, y_name="test error")


GRID = grids.Grid(
    "Table 1 of the report",
    FOLDER,
    measure,
    lambda record: f"test error {record['test_error']:.4g}",
    table,
    picture,
)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = grids.parser("experiments.table1", GRID, tuple(COLUMNS))
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    parser.add_argument("--rows", choices=("outputs", "latent"), default="outputs", help="what 1, 2 and 5 count")
    parser.add_argument("--objective", choices=("mixture", "as-released"), default="mixture", help="default: mixture")
    options = parser.parse_args(arguments)
    rows, methods, folder = ROWS[:1] if options.quick else ROWS, options.methods, options.folder
    if options.rows != "outputs" or options.objective != "mixture":  # they are the networks' alone
        methods = [method for method in methods if method in recipes.EXPERTS]
        folder = folder / (options.rows if options.rows != "outputs" else options.objective)
    # Last what shares DVMoE's warm start, which is then there, and no process waits for it; and the spiral's short
    # cells last, so that at the end none is idle for minutes
    methods = sorted(methods, key=lambda method: method in (WARM, "vademoe"))
    in_order = sorted(options.datasets, key=lambda dataset: dataset == "spiral")
    wanted = [
        Cell(dataset, row, method, seed, options.rows, options.objective)
        for seed in options.seeds
        for dataset in in_order
        for row in rows
        for method in methods
    ]
    return grids.run(GRID, wanted, folder, options.quick, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
