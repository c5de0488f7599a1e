"""Train one run and measure it: ``python -m experiments.train mnist-dmvae``."""

import argparse
import hashlib
import logging
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments import measures, recipes, runs, strategies, training

logger = logging.getLogger(__name__)

#: Runs from which on what most of them agree on says more of a clustering than its loss.
LEAST_TO_AGREE = 3
_DIVERGED = (
    "The same command goes on after the last finished epoch, and on this machine comes to the same batch again: change "
    "the recipe and give --overwrite."
)


def run(
    recipe: recipes.Recipe, workdir="runs", *, data_dir=None, restarts=1, smoke=False, overwrite=False, verbose=1
) -> dict:
    """Train a recipe and write its folder (``experiments.runs``).

    A run that was killed goes on after its last finished epoch, and ends as if nothing had been; one that is finished
    is left as it is. (Where several workers train, a killed run begins anew.)

    Args:
        recipe: what to train.
        workdir: folder of all runs.
        data_dir: folder to read the data set from, in place of its download (``vae_moe.data.datasets.load``).
        restarts: trainings from other starting weights, all kept in the run's folders ``restart0``, ``restart1``, ...;
            the run is that of lowest validation loss, and of three clusterings or more that which agrees most with the
            others.
        smoke: 64 examples of each split, one epoch of every stage.
        overwrite: whether to begin anew, whatever the folder holds.
        verbose: of Keras' ``fit``: 0 is silent, 1 a progress bar.

    Returns:
        The figures in ``metrics.json``.

    Raises:
        vae_moe.data.datasets.DatasetError: if the data cannot be had.
        ValueError: if there are fewer rows than labels asked for, restarts < 1, or the folder holds another run or is
            in use.
        FloatingPointError: if a term of the loss is no longer finite.
    """
    from vae_moe.data import datasets

    if restarts < 1:
        raise ValueError(f"restarts must be 1 or more, got {restarts}.")
    dataset = datasets.load(recipe.dataset, data_dir=data_dir, seed=recipe.seed)
    if smoke:
        recipe, dataset = recipes.smoke(recipe), dataset.head(64)
    y = training.targets(recipe, dataset)
    path = runs.folder(workdir, recipe)
    data = hashlib.sha256(dataset.train.x.tobytes()).hexdigest()[:16]
    facts = {"protocol": dataset.protocol, "data": data, "restarts": restarts, **strategies.facts()}
    with runs.held(path):
        logger.info("%s, preset %s, seed %d: %s", recipe.name, recipe.preset, recipe.seed, dataset.protocol)
        if figures := runs.begin(path, recipe, facts, overwrite):
            logger.info("finished at %s and left as it is: --overwrite trains it anew.", figures["finished_at"])
            return figures
        logger.info("computing on %s", runs.machine())
        if restarts == 1:
            return _run_once(recipe, dataset, y, path, verbose)
        return _run_restarts(recipe, dataset, y, path, restarts, verbose)


def _run_restarts(recipe: recipes.Recipe, dataset, y, path: Path, restarts: int, verbose) -> dict[str, Any]:
    """Train from several starting weights, each in its folder, and copy the chosen one to the run's folder."""
    from vae_moe.engine.files import whole_file

    def copy(source, target):
        with whole_file(Path(target)) as temporary:
            shutil.copy2(source, temporary)

    folders, tried = [path / f"restart{restart}" for restart in range(restarts)], []
    for restart, folder in enumerate(folders):
        logger.info("restart %d of %d", restart + 1, restarts)
        tried.append(_run_once(replace(recipe, restart=restart), dataset, y, folder, verbose)["val_loss"])
    facts: dict[str, Any] = {"restart": tried.index(min(tried)), "restart_val_losses": tried}
    if recipe.task is None and restarts >= LEAST_TO_AGREE:
        agreed = _agreement(folders, dataset.validation.x)
        facts |= {"restart": agreed.index(max(agreed)), "restart_agreements": agreed}
    chosen = folders[facts["restart"]]
    others = shutil.ignore_patterns("metrics.json", runs.BACKUP)
    shutil.copytree(chosen, path, ignore=others, copy_function=copy, dirs_exist_ok=True)
    figures = runs.read_json(chosen / "metrics.json") | facts
    runs.write_json(path / "metrics.json", figures)
    return figures


def _agreement(folders: list[Path], x) -> list[float]:
    """How much the clusters of rows x [N, D] by each of these runs agree with the others'."""
    import keras

    from vae_moe import metrics

    return metrics.agreement(
        [keras.saving.load_model(folder / "model.keras").cluster(x) for folder in folders]
    ).tolist()


def _run_once(recipe: recipes.Recipe, dataset, y, path: Path, verbose) -> dict[str, Any]:
    """One training and its files; ``metrics.json`` is the last of them, and tells that it is finished."""
    from experiments import pictures
    from vae_moe.engine.files import whole_file
    from vae_moe.engine.resume import Backup
    from vae_moe.engine.steps import several_workers

    if (path / "metrics.json").exists():
        return runs.read_json(path / "metrics.json")
    (path / "figures").mkdir(parents=True, exist_ok=True)
    backup = Backup(None if several_workers() else path / runs.BACKUP)
    observers = _observers(recipe, dataset, path)
    trained = training.train(recipe, dataset, y, callbacks=observers, backup=backup, verbose=verbose)
    with whole_file(path / "model.keras") as temporary:
        trained.model.save(temporary)
    figures = record(recipe, dataset, y, trained)
    drawn = pictures.at_the_end(trained.model, dataset.test, y and y.test, dataset.image_shape, trained.history)
    pictures.write(drawn, trained.model, dataset, path, step=recipe.epochs)
    pictures.write_settings(recipe, figures, path / "tensorboard" / "test")
    runs.write_json(path / "metrics.json", figures)
    backup.remove()
    return figures


def record(recipe: recipes.Recipe, dataset, y, trained: "training.Fitted") -> dict[str, Any]:
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
        **measures.scores(trained.model, recipe, dataset, y and y.test),
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
    from vae_moe.training import callbacks, health

    logs = path / "tensorboard"
    x, y = dataset.validation.x, dataset.validation.y
    clustering = [callbacks.ClusteringMetrics(x, y), health.HealthCheck(x)]
    return [
        *(clustering if recipe.task is None else [callbacks.GateMetrics(x, y)]),
        callbacks.HistoryFile(path / "history.csv"),
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
    """The command line. Returns the exit code: 0; 2 for bad input, data that cannot be had, a folder that is another
    run's or cannot be written, or a bad loss; 130 if interrupted."""
    parser = argparse.ArgumentParser(prog="python -m experiments.train", description="Train one run and measure it.")
    parser.add_argument("name", help="one of: " + ", ".join(recipes.names()))
    parser.add_argument("--preset", default="default", help="default, augment, scratch, paper (the report's) or warm")
    parser.add_argument("--seed", type=int, default=0, help="of everything random; default: 0")
    parser.add_argument("--epochs", type=int, help="of the bound, in place of the recipe's")
    parser.add_argument("--task", choices=recipes.TASKS, help="of a mixture of experts; default: regression")
    parser.add_argument("--outputs", type=int, help="of a regression, targets drawn by the seed; default: 1")
    parser.add_argument("--labels", type=int, help="training rows with a class, of a classification; default: all")
    parser.add_argument("--components", type=int, help="K, components or experts; default: the number of classes")
    parser.add_argument("--encoder", choices=recipes.ENCODERS, default="mlp", help="conv: of images; default: mlp")
    parser.add_argument("--restarts", type=int, default=1, help="trainings, of which one is kept; default: 1")
    parser.add_argument("--strategy", choices=strategies.NAMES, default="one", help="devices that share the batches")
    parser.add_argument("--precision", choices=strategies.PRECISIONS, default="float32", help="default: float32")
    parser.add_argument("--smoke", action="store_true", help="64 examples, one epoch: does it run?")
    parser.add_argument("--overwrite", action="store_true", help="begin anew, whatever the run's folder holds")
    parser.add_argument("--workdir", default="runs", help="folder of all runs; default: runs")
    parser.add_argument("--data-dir", help="folder of the data set's files, in place of the download")
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
        from vae_moe.data.datasets import DatasetError
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        with strategies.scope(options.strategy, options.precision), strategies.workdir(options.workdir) as workdir:
            first = strategies.is_first()
            figures = run(
                recipe,
                workdir,
                data_dir=options.data_dir,
                restarts=options.restarts,
                smoke=options.smoke,
                overwrite=options.overwrite,
                verbose=int(sys.stdout.isatty()),
            )
    except (DatasetError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"error: {error}\n{_DIVERGED}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the same command goes on after the last finished epoch.", file=sys.stderr)
        return 130
    if first:
        print(summary(figures, runs.folder(options.workdir, recipe)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
