"""A recipe carried out: its model and its targets; it is a plan, which ``vae_moe.training.fit`` knows how to fit."""

from typing import TYPE_CHECKING

from experiments import recipes, starts

if TYPE_CHECKING:
    from vae_moe.training.fit import Fitted


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


def train(recipe: recipes.Recipe, dataset, y, *, callbacks=(), cache=None, backup=None, verbose=1) -> "Fitted":
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

    from vae_moe.training import fit

    keras.utils.set_random_seed(recipe.model_seed)
    model = build(recipe, dataset)
    options = {
        "seed": recipe.model_seed,
        "image_shape": dataset.image_shape,
        "cache": cache and starts.Cache(cache, recipe.dataset),
        "backup": backup,
        "observers": callbacks,
        "verbose": verbose,
    }
    x, validation = dataset.train.x, dataset.validation.x
    if y is None:
        return fit.fit_clustering(model, x, recipe, validation=validation, **options)
    mixture = _start_mixture(recipe, dataset, model.gate_layer().n_components) if recipe.start_network else None
    held = (validation, y.validation)
    return fit.fit_experts(model, x, y.train, recipe, validation=held, start_mixture=mixture, **options)


def build(recipe: recipes.Recipe, dataset):
    """The untrained model of a recipe."""
    from vae_moe import registry

    model_class = registry.model_class(recipe.model)
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


def compiled(recipe: recipes.Recipe, dataset, y=None, epochs: int | None = None):
    """The untrained model of a recipe, compiled as for so many epochs of its batches, and these: to time a step."""
    from vae_moe.engine import pipelines
    from vae_moe.training import fit

    model = build(recipe, dataset)
    data = fit.batches(dataset.train.x, y and y.train, recipe, recipe.model_seed, image_shape=dataset.image_shape)
    rate = recipe.learning_rate, recipe.learning_rate_schedule
    pipelines.compile_model(model, data, epochs or recipe.epochs, *rate)
    return model, data
