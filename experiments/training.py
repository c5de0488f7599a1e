"""Every stage of a recipe, from an untrained model to a trained one."""

import logging
from dataclasses import dataclass
from typing import Any

from experiments import recipes, starts

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What training gives: the model, Keras' history, and seconds.

    Attributes:
        seconds: of all that was carried out, less what was lost when a process was killed.
        warm_start_seconds: of these, before the last stage.
        shared_seconds: of the stages that were read from the cache: they come on top.
    """

    model: Any
    history: dict[str, list[float]]
    seconds: float
    warm_start_seconds: float
    shared_seconds: float


def targets(recipe: recipes.Recipe, dataset):
    """What a mixture of experts learns: ``train``, ``validation`` and ``test``; None for a clustering.

    A regression's are affine maps of x, one for each class, drawn by the seed (``vae_moe.data.targets.affine``). A
    classification's are the classes, -1 in the training rows that have no label: an equal share of each class has one.
    """
    from vae_moe.data import targets as made

    if recipe.task == "regression":
        return made.affine(dataset, recipe.n_outputs, recipe.seed)
    if recipe.task == "classification":
        return made.classes(dataset, recipe.n_labels, recipe.seed)
    return None


def train(recipe: recipes.Recipe, dataset, y, *, callbacks=(), cache=None, backup=None, verbose=1) -> Trained:
    """Carry out every stage of a recipe.

    Args:
        recipe: what to train.
        dataset: a ``vae_moe.data.datasets.Dataset``.
        y: as ``targets`` gives it.
        callbacks: Keras' callbacks of the last stage.
        cache: folder of warm starts that runs share, or None.
        backup: a ``vae_moe.engine.resume.Backup``, from which a training that was killed goes on; None keeps nothing.
        verbose: of Keras' ``fit``.
    """
    import keras

    from vae_moe.engine.resume import Backup
    from vae_moe.training import stop_on_nan

    backup = backup or Backup()
    keras.utils.set_random_seed(recipe.model_seed)
    model = build(recipe, dataset)
    neighbors, components, shared_seconds = None, None, 0.0
    if recipe.warm_start is not None:
        gate = model.gate_layer()
        mixture = _start_mixture(recipe, dataset, gate.n_components) if recipe.start_network else gate
        start, shares, components = starts.carry_out(gate, mixture, recipe, dataset.train.x, verbose, cache, backup)
        model.component_shares = shares.tolist()
        neighbors, shared_seconds = start.neighbors, start.seconds if start.cached else 0.0
    if recipe.gate_epochs:
        logger.info("the gate's bound alone, %d epochs", recipe.gate_epochs)
        data = batches(recipe, dataset)
        model.experts.trainable = False  # they have no gradient without y
        compile_model(model, recipe, recipe.gate_epochs, data)
        stops = [stop_on_nan.StopOnNaN(dataset.train.x)]
        backup.fit("gate", model, data, epochs=recipe.gate_epochs, callbacks=stops, verbose=verbose)
        model.experts.trainable = True
    if recipe.fit_experts:
        _fit_experts(model, recipe, dataset, y, backup)
    warm_start_seconds = backup.seconds
    data = batches(recipe, dataset, y, neighbors, components)
    history = fit(model, recipe, dataset, y, data, callbacks, backup, verbose)
    return Trained(model, history, backup.seconds, warm_start_seconds, shared_seconds)


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
    if recipe.encoder == "conv":
        network["image_shape"] = dataset.image_shape
    n_components = recipe.n_components or dataset.n_classes
    if recipe.task is None:
        return model_class(dataset.input_dim, n_components=n_components, seed=recipe.model_seed, **network)
    n_outputs = recipe.n_outputs if recipe.task == "regression" else dataset.n_classes
    return model_class(dataset.input_dim, n_components, n_outputs, recipe.task, seed=recipe.model_seed, **network)


def _start_mixture(recipe: recipes.Recipe, dataset, n_components: int):
    """The mixture that the start of a gate without one is made by; a DVMoE of this recipe's seed has the same."""
    from vae_moe.layers import NetworkMixture

    mixture = NetworkMixture(
        dataset.input_dim,
        n_components,
        likelihood=dataset.likelihood,
        seed=recipe.model_seed,
        **recipe.start_network,
    )
    mixture.build((None, dataset.input_dim))
    return mixture


def fit(model, recipe: recipes.Recipe, dataset, y, data, observers, backup, verbose) -> dict[str, list[float]]:
    """Train the loss, keep the weights the recipe wants, and return the history.

    ``checkpoint="best"`` keeps those of least validation loss, of y's part of it where there is one.
    """
    from vae_moe.engine import pipelines
    from vae_moe.training import stop_on_nan

    compile_model(model, recipe, recipe.epochs, data)
    logger.info("%s, %d epochs", recipe.model, recipe.epochs)
    last_good = backup.folder and backup.folder / "last_good.keras"
    history = backup.fit(
        "fit",
        model,
        data,
        epochs=recipe.epochs,
        best=("val_loss" if y is None else "val_nll") if recipe.checkpoint == "best" else None,
        validation_data=pipelines.in_order(dataset.validation.x, y and y.validation),
        verbose=verbose,
        callbacks=[
            stop_on_nan.StopOnNaN(dataset.train.x, last_good),
            *_m_steps(model, recipe, dataset, y),
            *_schedules(model, recipe),
            *observers,
        ],
    )
    if y is not None and not model.experts.trainable:
        model.experts.trainable = True
        compile_model(model, recipe, recipe.epochs, data)  # for whoever trains it further
    return history.history


def batches(recipe: recipes.Recipe, dataset, y=None, neighbors=None, components=None):
    """The training batches of a recipe, with what its terms ask for (``vae_moe.engine.pipelines.batches``)."""
    import numpy as np

    from vae_moe.engine import pipelines
    from vae_moe.training import augmentation, graphs

    augment, radius = None, None
    if recipe.augmentation is not None:
        augment = augmentation.small_affine(dataset.image_shape, **recipe.augmentation, seed=recipe.model_seed)
    if recipe.adversarial_reach is not None and neighbors is not None:
        radius = recipe.adversarial_reach * graphs.neighbor_distances(dataset.train.x, neighbors)
    labelled = np.flatnonzero(y.train >= 0) if recipe.n_labelled and y is not None else None
    return pipelines.batches(
        dataset.train.x,
        y and y.train,
        batch_size=recipe.batch_size,
        seed=recipe.model_seed,
        augment=augment,
        radius=radius,
        components=components,
        labelled=labelled,
        n_labelled=recipe.n_labelled,
    )


def compile_model(model, recipe: recipes.Recipe, epochs: int, data) -> None:
    """Compile for a recipe's optimiser, whose rate falls over these epochs of these batches."""
    import keras

    from vae_moe.engine import pipelines

    rate = recipe.learning_rate
    if recipe.learning_rate_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, epochs * len(data))
    model.compile(keras.optimizers.Adam(rate), **pipelines.compile_options(model, data, epochs))


def _schedules(model, recipe: recipes.Recipe) -> list:
    from vae_moe.training import callbacks

    if recipe.model == "deepmoe":
        return []
    temperature = float(model.mixture.config.temperature)
    return [
        callbacks.TemperatureAnnealing(temperature, recipe.temperature_decay, recipe.temperature_floor),
        callbacks.KLWarmUp(recipe.kl_warm_up_epochs),
    ]


def _m_steps(model, recipe: recipes.Recipe, dataset, y) -> list:
    """The experts' part of generalised EM, where training holds them."""
    from vae_moe.training import expert_em

    if y is None or model.experts.trainable:
        return []
    return [expert_em.ExpertsMStep(dataset.train.x, y.train, alpha=recipe.expert_ridges[-1])]


def _fit_experts(model, recipe: recipes.Recipe, dataset, y, backup) -> None:
    """Set the experts by EM, and hold them."""
    from vae_moe.training import expert_em

    def weights():
        logger.info("experts by EM")
        expert_em.fit_experts(model, dataset.train.x, y.train, tied=True, alphas=recipe.expert_ridges)
        return {weight.name: weight.numpy() for weight in model.experts.weights}

    kept = backup.once("experts", weights)
    for weight in model.experts.weights:
        weight.assign(kept[weight.name])
    model.experts.trainable = False
