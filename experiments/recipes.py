"""Recipes by name: a run's preset (:mod:`experiments.presets`), its options applied.

This file imports neither TensorFlow nor the library, so that ``make help`` and ``--help`` are instant.
"""

import difflib
from dataclasses import replace
from typing import Any

from experiments.presets import (
    CLUSTERINGS,
    EXPERTS,
    IMAGES,
    PRESETS,
    TITLES,
    ExpertsByEM,
    Recipe,
    UnknownRecipeError,
    with_network,
)
from experiments.sizes import SIZES

DATASETS = (*IMAGES, "spiral", "reuters", "reuters10k", "hhar")
MODELS = tuple(TITLES)
TASKS = ("regression", "classification")
ENCODERS = ("mlp", "conv")


def names() -> list[str]:
    """All run names."""
    return [f"{dataset}-{model}" for dataset in DATASETS for model in MODELS]


def get(
    name: str,
    preset: str = "default",
    *,
    seed: int = 0,
    epochs: int | None = None,
    task: str | None = None,
    n_outputs: int | None = None,
    n_labels: int | None = None,
    n_components: int | None = None,
    encoder: str = "mlp",
) -> Recipe:
    """The recipe of a run.

    Args:
        name: "<dataset>-<model>", such as "mnist-dmvae".
        preset: one of ``PRESETS``.
        seed: of everything random in the run.
        epochs: in place of the recipe's own number.
        task: of a mixture of experts: "regression" (default) or "classification".
        n_outputs: of a regression; default: 1.
        n_labels: rows with a class, of a classification; default: all.
        n_components: components, or experts; default: as many as the data has classes.
        encoder: one of ``ENCODERS``.

    Raises:
        UnknownRecipeError: for another name, preset or encoder.
        ValueError: for epochs, outputs, labels or components < 1, a negative seed, or an option without a use.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names()) or names()
        raise UnknownRecipeError(f"unknown run {name!r}: did you mean {' or '.join(near)}?")
    if preset not in PRESETS:
        raise UnknownRecipeError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}.")
    if seed < 0:
        raise ValueError(f"the seed must be 0 or more, got {seed}.")
    for what, value in (("epochs", epochs), ("outputs", n_outputs), ("labels", n_labels), ("components", n_components)):
        if value is not None and value < 1:
            raise ValueError(f"{what} must be 1 or more, got {value}.")
    dataset, _, model = name.partition("-")
    if model in CLUSTERINGS and (task or n_outputs or n_labels):
        raise ValueError(f"{model} clusters and has no task, outputs or labels: leave them out, or take a dvmoe.")
    if model in EXPERTS:
        task = task or "regression"
        if task not in TASKS:
            raise ValueError(f"unknown task {task!r}: choose one of {', '.join(TASKS)}.")
        if (n_outputs and task == "classification") or (n_labels and task == "regression"):
            raise ValueError("outputs are a regression's, labels a classification's: choose the task that has them.")
    recipe = PRESETS[preset](dataset, model)
    if task is not None:
        recipe = _with_task(recipe, task, n_outputs or 1, n_labels)
    if encoder != "mlp":
        recipe = _convolutional(recipe, encoder)
    return replace(recipe, seed=seed, epochs=epochs or recipe.epochs, n_components=n_components)


def smoke(recipe: Recipe) -> Recipe:
    """The recipe at its shortest: one epoch of every stage, to see that it runs."""
    return replace(quick(recipe, 1), batch_size=min(recipe.batch_size, 32))


def quick(recipe: Recipe, epochs: int = 2) -> Recipe:
    """The recipe with few epochs of every stage, for a first look at its results on few rows."""
    warm_start = recipe.warm_start and replace(
        recipe.warm_start,
        autoencoder_epochs=min(recipe.warm_start.autoencoder_epochs, epochs),
        distill_epochs=min(recipe.warm_start.distill_epochs, epochs),
    )
    fewer = {name: min(getattr(recipe, name), epochs) for name in ("epochs", "gate_epochs", "settle_epochs")}
    return replace(recipe, **fewer, warm_start=warm_start)


def _with_task(recipe: Recipe, task: str, n_outputs: int, n_labels: int | None) -> Recipe:
    recipe = replace(recipe, task=task, n_outputs=n_outputs, n_labels=n_labels)
    if task == "regression" or recipe.preset == "paper":
        return recipe
    if recipe.experts is not None:
        # An expert that can tell classes apart by itself explains the labels and leaves the gate as it was. This ridge
        # leaves it the frequencies of the classes in its component, nearly: the gate has to learn.
        # Where few rows have a label, the others have to be told by theirs: wider changes, each row's after its own.
        epochs = SIZES[recipe.dataset].classification_epochs
        recipe = replace(
            recipe, experts=ExpertsByEM((1000.0,)), epochs=epochs, learning_rate=0.002, adversarial_reach=0.25
        )
    if n_labels is None:
        return recipe
    n_labelled = min(n_labels, recipe.batch_size // 2)
    batch_size = recipe.batch_size + n_labelled
    recipe = with_network(recipe, expert_weight=batch_size / n_labelled)  # the mean over rows with a class
    return replace(recipe, n_labelled=n_labelled)


def _convolutional(recipe: Recipe, encoder: str) -> Recipe:
    """Convolutions in the trunk and the decoder, as in the report's later code; q(c|x) keeps its own dense layers."""
    size = SIZES[recipe.dataset]
    if encoder not in ENCODERS or size.convolutions is None or recipe.start_network:
        raise UnknownRecipeError(
            f"an encoder is one of {', '.join(ENCODERS)}, and conv is for images, but not of the preset warm: there is "
            f"no {encoder!r} for {recipe.dataset}."
        )
    dense = size.encoder[:1]
    network: dict[str, Any] = {"encoder": encoder, "filters": size.convolutions.filters}
    if recipe.model != "deepmoe":
        network |= {"decoder": encoder, "trunk_sizes": dense, "z_encoder_sizes": (), "decoder_sizes": dense}
    warm_start = recipe.warm_start and replace(
        recipe.warm_start,
        autoencoder_epochs=size.convolutions.autoencoder_epochs,
        batch_size=size.batch_size,
        learning_rate=0.003,
    )
    return with_network(replace(recipe, encoder=encoder, warm_start=warm_start), **network)
