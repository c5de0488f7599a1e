"""Train one run and measure it: ``python -m experiments.train mnist-dmvae``."""

import argparse
import logging
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments import hparams, measures, recipes, runs, strategies, training

logger = logging.getLogger(__name__)


def run(recipe: recipes.Recipe, workdir="runs", *, data_dir=None, restarts=1, smoke=False, verbose=1) -> dict:
    """Train a recipe and write its folder (``experiments.runs``).

    Args:
        recipe: what to train.
        workdir: folder of all runs.
        data_dir: folder of IDX files, in place of the data set's own source.
        restarts: trainings from other starting weights; the one of lowest validation loss is the run, and all are kept
            in its folders ``restart0``, ``restart1``, ...
        smoke: 64 examples of each split, one epoch of every stage.
        verbose: of Keras' ``fit``: 0 is silent, 1 a progress bar.

    Returns:
        The figures in ``metrics.json``.

    Raises:
        vae_moe.datasets.DatasetError: if the data cannot be had.
        ValueError: if there are fewer rows than labels asked for, or restarts < 1.
        FloatingPointError: if a term of the loss is no longer finite.
    """
    from vae_moe import datasets

    if restarts < 1:
        raise ValueError(f"restarts must be 1 or more, got {restarts}.")
    dataset = datasets.load(recipe.dataset, data_dir=data_dir, seed=recipe.seed)
    if smoke:
        recipe, dataset = recipes.smoke(recipe), dataset.head(64)
    y = training.targets(recipe, dataset)
    path = runs.folder(workdir, recipe)
    runs.start(path, recipe, {"protocol": dataset.protocol})
    logger.info("%s, preset %s, seed %d: %s", recipe.name, recipe.preset, recipe.seed, dataset.protocol)
    logger.info("computing on %s", runs.machine())
    if restarts == 1:
        return _run_once(recipe, dataset, y, path, verbose)
    tried = []
    for restart in range(restarts):
        logger.info("restart %d of %d", restart + 1, restarts)
        tried.append(
            _run_once(replace(recipe, restart=restart), dataset, y, path / f"restart{restart}", verbose)["val_loss"]
        )
    lowest = tried.index(min(tried))
    chosen = path / f"restart{lowest}"
    shutil.copytree(chosen, path, ignore=shutil.ignore_patterns("metrics.json"), dirs_exist_ok=True)
    figures = runs.read_json(chosen / "metrics.json") | {"restart": lowest, "restart_val_losses": tried}
    runs.write_json(path / "metrics.json", figures)
    return figures


def _run_once(recipe: recipes.Recipe, dataset, y, path: Path, verbose) -> dict[str, Any]:
    from experiments import pictures

    (path / "figures").mkdir(parents=True, exist_ok=True)
    trained = training.train(recipe, dataset, y, callbacks=_observers(recipe, dataset, path), verbose=verbose)
    trained.model.save(path / "model.keras")
    figures = record(recipe, dataset, y, trained)
    drawn = pictures.at_the_end(trained.model, dataset.test, y and y.test, dataset.image_shape, trained.history)
    pictures.write(drawn, trained.model, dataset, path, step=recipe.epochs)
    hparams.write(recipe, figures, path / "tensorboard" / "test")
    runs.write_json(path / "metrics.json", figures)
    return figures


def record(recipe: recipes.Recipe, dataset, y, trained: training.Trained) -> dict[str, Any]:
    """All figures of a trained recipe: scores of the test set, times, and what they came from."""
    return {
        "dataset": recipe.dataset,
        "model": recipe.model,
        "preset": recipe.preset,
        "seed": recipe.seed,
        "task": recipe.task or "clustering",
        "protocol": dataset.protocol,
        "n_components": recipe.n_components or dataset.n_classes,
        **({"n_outputs": recipe.n_outputs} if recipe.task == "regression" else {}),
        **measures.scores(trained.model, recipe, dataset.test, y and y.test),
        "val_loss": min(trained.history["val_loss"]),
        "epochs": recipe.epochs,
        "n_parameters": trained.model.count_params(),
        "seconds": round(trained.seconds, 1),
        "warm_start_seconds": round(trained.warm_start_seconds, 1),
        "shared_seconds": round(trained.shared_seconds, 1),
        "epoch_seconds": round((trained.seconds - trained.warm_start_seconds) / recipe.epochs, 2),
        "command": runs.command(recipe),
        **runs.provenance(),
    }


def _observers(recipe: recipes.Recipe, dataset, path: Path) -> list:
    """Scores and pictures of validation data, and the files they go to."""
    import keras

    from experiments import pictures
    from vae_moe import callbacks, health

    logs = path / "tensorboard"
    x, y = dataset.validation.x, dataset.validation.y
    clustering = [callbacks.ClusteringMetrics(x, y), health.HealthCheck(x)]
    return [
        *(clustering if recipe.task is None else [callbacks.GateMetrics(x, y)]),
        keras.callbacks.CSVLogger(path / "history.csv"),
        keras.callbacks.TensorBoard(logs, write_graph=False),
        callbacks.FigureLogger(
            logs / "figures",
            lambda trained: pictures.during(trained, dataset.validation, dataset.image_shape),
            every=max(1, recipe.epochs // 2),
        ),
    ]


def summary(figures: dict, path: Path) -> str:
    """A short table of a run's figures and where everything lies."""
    shown = {
        **measures.summary(figures),
        "data": figures["protocol"],
        "time": f"{figures['seconds']:.0f} s ({figures['warm_start_seconds']:.0f} s of it warm start)",
        "figures": str(path / "figures"),
        "model": str(path / "model.keras"),
        "all figures": str(path / "metrics.json"),
        "curves": f"tensorboard --logdir {path.parent.parent}",
    }
    title = f"{figures['dataset']}-{figures['model']}, preset {figures['preset']}, seed {figures['seed']} (test set)"
    width = max(map(len, shown))
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in shown.items())])


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code: 0, or 2 for bad input, data that cannot be had, or a bad loss."""
    parser = argparse.ArgumentParser(prog="python -m experiments.train", description="Train one run and measure it.")
    parser.add_argument("name", help="one of: " + ", ".join(recipes.names()))
    parser.add_argument("--preset", default="default", help="default (ours) or paper (the report's); default: default")
    parser.add_argument("--seed", type=int, default=0, help="of everything random; default: 0")
    parser.add_argument("--epochs", type=int, help="of the bound, in place of the recipe's")
    parser.add_argument("--task", choices=recipes.TASKS, help="of a mixture of experts; default: regression")
    parser.add_argument("--outputs", type=int, help="of a regression, targets drawn by the seed; default: 1")
    parser.add_argument("--labels", type=int, help="training rows with a class, of a classification; default: all")
    parser.add_argument("--components", type=int, help="K, components or experts; default: the number of classes")
    parser.add_argument("--encoder", choices=recipes.ENCODERS, default="mlp", help="conv: of images; default: mlp")
    parser.add_argument("--restarts", type=int, default=1, help="trainings, the lowest loss is kept; default: 1")
    parser.add_argument("--strategy", choices=strategies.NAMES, default="one", help="devices that share the batches")
    parser.add_argument("--precision", choices=strategies.PRECISIONS, default="float32", help="default: float32")
    parser.add_argument("--smoke", action="store_true", help="64 examples, one epoch: does it run?")
    parser.add_argument("--workdir", default="runs", help="folder of all runs; default: runs")
    parser.add_argument("--data-dir", help="folder of the four IDX files, in place of the download")
    options = parser.parse_args(arguments)

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        recipe = recipes.get(
            options.name,
            options.preset,
            seed=options.seed,
            epochs=options.epochs,
            task=options.task,
            n_outputs=options.outputs,
            n_labels=options.labels,
            n_components=options.components,
            encoder=options.encoder,
        )
        from vae_moe.datasets import DatasetError
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        with strategies.scope(options.strategy, options.precision), strategies.workdir(options.workdir) as workdir:
            first = strategies.is_first()
            figures = run(recipe, workdir, data_dir=options.data_dir, restarts=options.restarts, smoke=options.smoke)
    except (DatasetError, ValueError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if first:
        print(summary(figures, runs.folder(options.workdir, recipe)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
