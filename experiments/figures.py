"""Figures 4 to 11 of the report from our runs, one page a data set: ``python -m experiments.figures``."""

import argparse
import sys
from pathlib import Path

from experiments import recipes, runs

#: The report's number of each figure, by data set, model and picture.
REPORT_FIGURES = {
    ("mnist", "dmvae", "reconstructed"): 4,
    ("mnist", "vade", "reconstructed"): 5,
    ("mnist", "dmvae", "generated"): 6,
    ("mnist", "vade", "generated"): 7,
    ("spiral", "dmvae", "reconstructed"): 8,
    ("spiral", "vade", "reconstructed"): 9,
    ("spiral", "dmvae", "generated"): 10,
    ("spiral", "vade", "generated"): 11,
}


def chosen_runs(workdir, preset: str = "default") -> dict[tuple[str, str], dict]:
    """The run of each data set and model that has the lowest validation loss over its seeds; labels do not choose."""
    chosen: dict[tuple[str, str], dict] = {}
    for run in runs.finished(workdir):
        key = run["dataset"], run["model"]
        if run["model"] not in recipes.CLUSTERINGS:
            continue
        if run["preset"] == preset and (key not in chosen or run["val_loss"] < chosen[key]["val_loss"]):
            chosen[key] = run
    return chosen


def page(dataset: str, chosen: dict[tuple[str, str], dict]):
    """One page of a data set: reconstructions above, generated samples below, DMVAE on the left, VaDE on the right.

    Args:
        dataset: its name.
        chosen: as ``chosen_runs`` gives them.

    Returns:
        A matplotlib Figure.
    """
    from matplotlib.image import imread

    from vae_moe.plots import cluster_plots

    pictures = []
    for picture in ("reconstructed", "generated"):
        for model in recipes.CLUSTERINGS:
            if (dataset, model) in chosen:
                run = chosen[dataset, model]
                number = REPORT_FIGURES.get((dataset, model, picture))
                title = f"{recipes.TITLES[model]} on {dataset}: {picture}, seed {run['seed']}"
                title = title if number is None else f"Figure {number} of the report. {title}"
                pictures.append((title, imread(Path(run["folder"]) / "figures" / f"{picture}.png")))
    return cluster_plots.side_by_side(pictures)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.figures", description=__doc__)
    parser.add_argument("--workdir", default="runs", help="folder of all runs; default: runs")
    parser.add_argument("--preset", default="default", choices=recipes.PRESETS, help="default: default")
    options = parser.parse_args(arguments)

    chosen = chosen_runs(options.workdir, options.preset)
    if not chosen:
        print(
            f"error: no finished run of preset {options.preset} under {options.workdir}: train one, for instance "
            "'make spiral-dmvae'.",
            file=sys.stderr,
        )
        return 2
    for dataset in sorted({dataset for dataset, _ in chosen}):
        path = Path(options.workdir) / f"figures-{dataset}.png"
        page(dataset, chosen).savefig(path)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
