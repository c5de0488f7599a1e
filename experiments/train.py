"""Train one run and measure it: ``python -m experiments.train mnist-dmvae``."""

import argparse
import logging
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import measures, recipes, runs, starts

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What training gives: the model, Keras' history, and seconds."""

    model: Any
    history: dict[str, list[float]]
    seconds: float
    warm_start_seconds: float


def run(recipe: recipes.Recipe, workdir="runs", *, data_dir=None, smoke=False, verbose=1) -> dict:
    """Train a recipe and write its folder (``experiments.runs``).

    Args:
        recipe: what to train.
        workdir: folder of all runs.
        data_dir: folder of IDX files, in place of the data set's own source.
        smoke: 64 examples of each split, one epoch of every stage.
        verbose: of Keras' ``fit``: 0 is silent, 1 a progress bar.

    Returns:
        The figures in ``metrics.json``.

    Raises:
        vae_moe.datasets.DatasetError: if the data cannot be had.
        ValueError: if there are fewer rows than labels asked for.
        FloatingPointError: if a term of the loss is no longer finite.
    """
    from experiments import pictures
    from vae_moe import datasets

    dataset = datasets.load(recipe.dataset, data_dir=data_dir, seed=recipe.seed)
    if smoke:
        recipe, dataset = recipes.smoke(recipe), dataset.head(64)
    y = targets(recipe, dataset)
    path = runs.folder(workdir, recipe)
    runs.start(path, recipe, {"protocol": dataset.protocol})
    logger.info("%s, preset %s, seed %d: %s", recipe.name, recipe.preset, recipe.seed, dataset.protocol)
    logger.info("computing on %s", runs.machine())

    trained = train(recipe, dataset, y, path=path, verbose=verbose)
    trained.model.save(path / "model.keras")
    figures = record(recipe, dataset, y, trained)
    drawn = pictures.at_the_end(trained.model, dataset.test, y and y.test, dataset.image_shape, trained.history)
    pictures.write(drawn, trained.model, dataset, path, step=recipe.epochs)
    runs.write_json(path / "metrics.json", figures)
    return figures


def record(recipe: recipes.Recipe, dataset, y, trained: Trained) -> dict[str, Any]:
    """All figures of a trained recipe: scores of the test set, times, and what they came from."""
    return {
        "dataset": recipe.dataset,
        "model": recipe.model,
        "preset": recipe.preset,
        "seed": recipe.seed,
        "task": recipe.task or "clustering",
        "protocol": dataset.protocol,
        "n_components": dataset.n_classes,
        **({"n_outputs": recipe.n_outputs} if recipe.task == "regression" else {}),
        **measures.scores(trained.model, recipe, dataset.test, y and y.test),
        "val_loss": min(trained.history["val_loss"]),
        "epochs": recipe.epochs,
        "n_parameters": trained.model.count_params(),
        "seconds": round(trained.seconds, 1),
        "warm_start_seconds": round(trained.warm_start_seconds, 1),
        "epoch_seconds": round((trained.seconds - trained.warm_start_seconds) / recipe.epochs, 2),
        "command": runs.command(recipe),
        **runs.provenance(),
    }


def targets(recipe: recipes.Recipe, dataset):
    """What a mixture of experts learns: ``train``, ``validation`` and ``test``; None for a clustering.

    A regression's are affine maps of x, one for each class, drawn by the seed (``vae_moe.datasets.affine_targets``). A
    classification's are the classes, -1 in the training rows that have no label: an equal share of each class has one.
    """
    from vae_moe import datasets

    if recipe.task == "regression":
        return datasets.affine_targets(dataset, recipe.n_outputs, recipe.seed)
    if recipe.task == "classification":
        return datasets.class_targets(dataset, recipe.n_labels, recipe.seed)
    return None


def train(recipe: recipes.Recipe, dataset, y, *, path: Path | None = None, cache=None, verbose=1) -> Trained:
    """Carry out every stage of a recipe.

    Args:
        recipe: what to train.
        dataset: a ``vae_moe.datasets.Dataset``.
        y: as ``targets`` gives it.
        path: folder for curves and pictures; None writes none.
        cache: folder of warm starts that runs share, or None.
        verbose: of Keras' ``fit``.
    """
    import keras

    keras.utils.set_random_seed(recipe.seed)
    started = time.perf_counter()
    model = build(recipe, dataset)
    neighbors = None
    if recipe.warm_start is not None:
        mixture = model.mixture
        neighbors = starts.carry_out(mixture, recipe, dataset.train.x, verbose, cache).neighbors
    if recipe.gate_epochs:
        logger.info("the gate's bound alone, %d epochs", recipe.gate_epochs)
        data = _batches(recipe, dataset, None, None)
        _compile(model, recipe, recipe.gate_epochs, data)
        model.fit(data, epochs=recipe.gate_epochs, shuffle=False, verbose=verbose)
    if recipe.fit_experts:
        from vae_moe import generalized_em

        logger.info("experts by EM")
        generalized_em.fit_experts(model, dataset.train.x, y.train, tied=True, alphas=recipe.expert_ridges)
        model.experts.trainable = False
    warm_start_seconds = time.perf_counter() - started
    history = fit(model, recipe, dataset, y, neighbors, path, verbose)
    return Trained(model, history, time.perf_counter() - started, warm_start_seconds)


def build(recipe: recipes.Recipe, dataset):
    """The untrained model of a recipe."""
    from vae_moe import models

    model_class = {
        "dmvae": models.DMVAE,
        "vade": models.VaDE,
        "dvmoe": models.DVMoE,
        "deepmoe": models.DeepMoE,
        "vademoe": models.VaDEMoE,
    }[recipe.model]
    network = dict(recipe.network)
    if recipe.model != "deepmoe":
        network["likelihood"] = dataset.likelihood
    if recipe.task is None:
        return model_class(dataset.input_dim, n_components=dataset.n_classes, seed=recipe.seed, **network)
    n_outputs = recipe.n_outputs if recipe.task == "regression" else dataset.n_classes
    return model_class(dataset.input_dim, dataset.n_classes, n_outputs, recipe.task, seed=recipe.seed, **network)


def fit(model, recipe: recipes.Recipe, dataset, y, neighbors, path: Path | None, verbose) -> dict[str, list[float]]:
    """Train the loss, keep the weights the recipe wants, and return the history.

    ``checkpoint="best"`` keeps those of least validation loss, of y's part of it where there is one.
    """
    import keras

    from vae_moe import callbacks, pipelines

    data = _batches(recipe, dataset, y, neighbors)
    _compile(model, recipe, recipe.epochs, data)
    logger.info("%s, %d epochs", recipe.model, recipe.epochs)
    with tempfile.TemporaryDirectory() as folder:
        best = Path(folder) / "best.weights.h5"
        keep = keras.callbacks.ModelCheckpoint(
            best,
            monitor="val_loss" if y is None else "val_nll",
            mode="min",
            save_best_only=recipe.checkpoint == "best",
            save_weights_only=True,
        )
        history = model.fit(
            data,
            epochs=recipe.epochs,
            validation_data=pipelines.in_order(dataset.validation.x, y and y.validation),
            verbose=verbose,
            shuffle=False,  # the batches come shuffled
            callbacks=[
                callbacks.StopOnNaN(),
                *_m_steps(model, recipe, dataset, y),
                *_schedules(model, recipe),
                *([] if path is None else _observers(recipe, dataset, path)),
                keep,
            ],
        )
        model.load_weights(best)
    if y is not None and not model.experts.trainable:
        model.experts.trainable = True
        _compile(model, recipe, recipe.epochs, data)  # for whoever trains it further
    return history.history


def _batches(recipe: recipes.Recipe, dataset, y, neighbors):
    import numpy as np

    from vae_moe import pipelines

    labelled = np.flatnonzero(y.train >= 0) if recipe.n_labelled and y is not None else None
    return pipelines.batches(
        dataset.train.x,
        y and y.train,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        neighbors=neighbors if recipe.consistency == "neighbors" else None,
        labelled=labelled,
        n_labelled=recipe.n_labelled,
    )


def _compile(model, recipe: recipes.Recipe, epochs: int, data) -> None:
    import keras

    from vae_moe import pipelines

    rate = recipe.learning_rate
    if recipe.learning_rate_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, epochs * len(data))
    steps = pipelines.steps_per_execution(len(data))
    model.compile(keras.optimizers.Adam(rate), jit_compile=True, steps_per_execution=steps)


def _schedules(model, recipe: recipes.Recipe) -> list:
    from vae_moe import callbacks

    if recipe.model == "deepmoe":
        return []
    temperature = float(model.mixture.temperature)
    return [
        callbacks.TemperatureAnnealing(temperature, recipe.temperature_decay, recipe.temperature_floor),
        callbacks.KLWarmUp(recipe.kl_warm_up_epochs),
    ]


def _m_steps(model, recipe: recipes.Recipe, dataset, y) -> list:
    """The experts' part of generalised EM, where training holds them."""
    from vae_moe import generalized_em

    if y is None or model.experts.trainable:
        return []
    return [generalized_em.ExpertsMStep(dataset.train.x, y.train, alpha=recipe.expert_ridges[-1])]


def _observers(recipe: recipes.Recipe, dataset, path: Path) -> list:
    """Scores and pictures of validation data, and the files they go to."""
    import keras

    from experiments import pictures
    from vae_moe import callbacks

    logs = path / "tensorboard"
    scored = callbacks.ClusteringMetrics if recipe.task is None else callbacks.GateMetrics
    return [
        scored(dataset.validation.x, dataset.validation.y),
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
        )
        from vae_moe.datasets import DatasetError
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        figures = run(recipe, options.workdir, data_dir=options.data_dir, smoke=options.smoke)
    except (DatasetError, ValueError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(summary(figures, runs.folder(options.workdir, recipe)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
