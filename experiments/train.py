"""Train one run and measure it: ``python -m experiments.train mnist-dmvae``."""

import argparse
import logging
import os
import sys
import time
from pathlib import Path

from experiments import recipes, runs

logger = logging.getLogger(__name__)


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
        FloatingPointError: if a term of the loss is no longer finite.
    """
    import keras

    from vae_moe import datasets

    dataset = datasets.load(recipe.dataset, data_dir=data_dir, seed=recipe.seed)
    if smoke:
        recipe, dataset = recipes.smoke(recipe), dataset.head(64)
    path = runs.folder(workdir, recipe)
    runs.start(path, recipe, {"protocol": dataset.protocol})
    logger.info("%s, preset %s, seed %d: %s", recipe.name, recipe.preset, recipe.seed, dataset.protocol)
    logger.info("computing on %s", runs.machine())

    keras.utils.set_random_seed(recipe.seed)
    started = time.perf_counter()
    model = build(recipe, dataset)
    neighbors = warm_start(model, recipe, dataset.train.x, verbose)
    warm_start_seconds = time.perf_counter() - started
    history = fit(model, recipe, dataset, path, neighbors, verbose)
    seconds = time.perf_counter() - started

    figures = {
        "dataset": recipe.dataset,
        "model": recipe.model,
        "preset": recipe.preset,
        "seed": recipe.seed,
        "protocol": dataset.protocol,
        "n_components": model.mixture.n_components,
        **scores(model, dataset.test, recipe.seed),
        "val_loss": min(history["val_loss"]),
        "epochs": recipe.epochs,
        "n_parameters": model.count_params(),
        "seconds": round(seconds, 1),
        "warm_start_seconds": round(warm_start_seconds, 1),
        "epoch_seconds": round((seconds - warm_start_seconds) / recipe.epochs, 2),
        "command": runs.command(recipe),
        "machine": runs.machine(),
        **runs.versions(),
        "git_commit": runs.git_commit(),
        "finished_at": runs.now(),
    }
    draw(model, dataset, history, path)
    runs.write_json(path / "metrics.json", figures)
    return figures


def build(recipe: recipes.Recipe, dataset):
    """The untrained model of a recipe."""
    from vae_moe import models

    model_class = {"dmvae": models.DMVAE, "vade": models.VaDE}[recipe.model]
    return model_class(
        dataset.input_dim,
        n_components=dataset.n_classes,
        likelihood=dataset.likelihood,
        seed=recipe.seed,
        **recipe.network,
    )


def warm_start(model, recipe: recipes.Recipe, x, verbose):
    """Carry out the recipe's warm start, if it has one; returns the rows' neighbours [N, M], or None."""
    if recipe.warm_start is None:
        return None
    from vae_moe import initialization

    stages = recipe.warm_start
    options = {
        "batch_size": recipe.batch_size,
        "learning_rate": stages.learning_rate,
        "seed": recipe.seed,
        "verbose": verbose,
    }
    logger.info("autoencoder, %d epochs", stages.autoencoder_epochs)
    initialization.pretrain_autoencoder(model.mixture, x, epochs=stages.autoencoder_epochs, **options)
    logger.info("%s start on %d rows", stages.start, len(x))
    z = model.encode(x)
    n_components = model.mixture.n_components
    neighbors = initialization.nearest_neighbors(z if stages.neighbors_of == "z" else x, stages.n_neighbors)
    if stages.start == "spectral":
        resp = initialization.spectral_start(neighbors, n_components, seed=recipe.seed)
    else:
        resp = initialization.gmm_start(z, n_components, seed=recipe.seed)
    initialization.assign_prior(model.mixture.prior, z, resp)
    if model.mixture.c_encoder is not None:
        logger.info("the network of q(c|x) learns the start, %d epochs", stages.distill_epochs)
        initialization.distill(model.mixture, x, resp, epochs=stages.distill_epochs, **options)
    return neighbors


def fit(model, recipe: recipes.Recipe, dataset, path: Path, neighbors, verbose) -> dict[str, list[float]]:
    """Train the bound, keep the weights of least validation loss, and return the history."""
    import keras

    from experiments import pictures
    from vae_moe import callbacks, pipelines

    data = pipelines.batches(
        dataset.train.x,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        neighbors=neighbors if recipe.consistency == "neighbors" else None,
    )
    rate = recipe.learning_rate
    if recipe.learning_rate_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, recipe.epochs * len(data))
    steps = pipelines.steps_per_execution(len(data))
    model.compile(keras.optimizers.Adam(rate), jit_compile=True, steps_per_execution=steps)
    best = path / "best.weights.h5"
    logs = path / "tensorboard"
    logger.info("%s, %d epochs", recipe.model, recipe.epochs)
    history = model.fit(
        data,
        epochs=recipe.epochs,
        validation_data=pipelines.in_order(dataset.validation.x),
        verbose=verbose,
        shuffle=False,  # the batches come shuffled
        callbacks=[
            callbacks.StopOnNaN(),
            callbacks.TemperatureAnnealing(
                float(model.mixture.temperature), recipe.temperature_decay, recipe.temperature_floor
            ),
            callbacks.KLWarmUp(recipe.kl_warm_up_epochs),
            callbacks.ClusteringMetrics(dataset.validation.x, dataset.validation.y),
            keras.callbacks.ModelCheckpoint(best, monitor="val_loss", save_best_only=True, save_weights_only=True),
            keras.callbacks.CSVLogger(path / "history.csv"),
            keras.callbacks.TensorBoard(logs, write_graph=False),
            callbacks.FigureLogger(
                logs / "figures",
                lambda trained: pictures.during(trained, dataset.validation, dataset.image_shape),
                every=max(1, recipe.epochs // 2),
            ),
        ],
    )
    model.load_weights(best)
    best.unlink()
    model.save(path / "model.keras")
    return history.history


def scores(model, test, seed: int) -> dict[str, float]:
    """The figures of the test set, which is read here and nowhere before."""
    from vae_moe import metrics

    return {
        **metrics.clustering_scores(test.y, model.predict_proba(test.x)),
        "elbo": float(model.elbo(test.x, seed=seed).mean()),
    }


def draw(model, dataset, history: dict[str, list[float]], path: Path) -> None:
    """Write the run's figures of the test set as PNG and to TensorBoard, and z for TensorBoard's projector."""
    from experiments import pictures

    figures = pictures.at_the_end(model, dataset.test, dataset.image_shape, history)
    pictures.save(figures, path / "figures")
    logs = path / "tensorboard" / "test"
    pictures.write_summaries(figures, logs, step=len(history["loss"]))
    pictures.write_projector(model, dataset.test, dataset.image_shape, logs)


def summary(figures: dict, path: Path) -> str:
    """A short table of a run's figures and where everything lies."""
    shown = {
        "clustering accuracy": f"{figures['clustering_accuracy']:.4f}",
        "NMI / ARI": f"{figures['nmi']:.4f} / {figures['ari']:.4f}",
        "ELBO": f"{figures['elbo']:.2f} nats",
        "components used": f"{figures['components_used']} of {figures['n_components']}",
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
    parser.add_argument("--smoke", action="store_true", help="64 examples, one epoch: does it run?")
    parser.add_argument("--workdir", default="runs", help="folder of all runs; default: runs")
    parser.add_argument("--data-dir", help="folder of the four IDX files, in place of the download")
    options = parser.parse_args(arguments)

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        recipe = recipes.get(options.name, options.preset, seed=options.seed, epochs=options.epochs)
        from vae_moe.datasets import DatasetError
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        figures = run(recipe, options.workdir, data_dir=options.data_dir, smoke=options.smoke)
    except (DatasetError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(summary(figures, runs.folder(options.workdir, recipe)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
