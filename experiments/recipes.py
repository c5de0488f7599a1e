"""What each run trains, as data: one frozen recipe for a data set, a model and a preset.

This file imports neither TensorFlow nor the library, so that ``make help`` and ``--help`` are instant.

``paper`` is the report of November 2018: its networks, optimiser, temperature and prior, 500 epochs, no warm start.
``default`` is ours: an autoencoder first, a spectral start on the neighbour graph of its latents, then the bound with
q(c|x) held to the start's core and against small adversarial changes of x. It uses no labels and knows nothing of
images. Mixtures of experts start alike; their experts are fitted by EM before the gate is trained.
``augment`` is for images: ``default`` where q(c|x) is also held against small rotations, shifts and zooms.
``scratch`` is a DMVAE from random weights: the bound, and q(c|x) held against small adversarial changes, in one stage.
"""

import difflib
from dataclasses import dataclass, field, replace
from typing import Any

from experiments.sizes import SIZES, Size

IMAGES = ("mnist", "fashion_mnist", "cifar10", "digits")
DATASETS = (*IMAGES, "spiral", "reuters", "reuters10k", "hhar")
CLUSTERINGS = ("dmvae", "vade")
EXPERTS = ("dvmoe", "deepmoe", "vademoe")
MODELS = CLUSTERINGS + EXPERTS
TITLES = {"dmvae": "DMVAE", "vade": "VaDE", "dvmoe": "DVMoE", "deepmoe": "DeepMoE", "vademoe": "VaDE-MoE"}
TASKS = ("regression", "classification")
PRESETS = ("default", "augment", "scratch", "paper")
ENCODERS = ("mlp", "conv")


@dataclass(frozen=True)
class WarmStart:
    """The stages before the bound is trained (:mod:`vae_moe.initialization`)."""

    autoencoder_epochs: int
    distill_epochs: int
    start: str = "spectral"  # or "gmm"
    n_neighbors: int = 10
    neighbors_of: str = "z"  # the autoencoder's latents, or "x"
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class Recipe:
    """Everything a run depends on besides the data: plain values, written to its ``config.json``."""

    dataset: str
    model: str
    preset: str
    epochs: int
    network: dict[str, Any] = field(default_factory=dict)  # arguments of the model's constructor
    warm_start: WarmStart | None = None
    augmentation: dict[str, float] | None = None  # ranges of the changes of images that make the views
    hold_start: bool = False  # whether q(c|x) is held to the components of the start's core
    adversarial_reach: float | None = None  # of a row's mean distance to its neighbours: how far its changes go
    batch_size: int = 256
    learning_rate: float = 1e-3
    learning_rate_schedule: str = "cosine"  # or "constant"
    temperature_decay: float = 1.0  # factor an epoch
    temperature_floor: float = 0.1
    kl_warm_up_epochs: int = 0
    checkpoint: str = "best"  # of validation loss, or "last"
    seed: int = 0
    restart: int = 0  # of the runs of one seed: the same data, other starting weights
    n_components: int | None = None  # K; None: as many as the data has classes
    encoder: str = "mlp"  # of x; "conv", of images, has a decoder alike
    task: str | None = None  # of a mixture of experts: "regression" or "classification"
    n_outputs: int = 1  # of a regression
    gate_epochs: int = 0  # of the gate's bound alone, before y is seen
    fit_experts: bool = False  # by EM before training and after each epoch, and held between; else by gradients
    expert_ridges: tuple[float, ...] = (1.0, 0.1)  # of that EM, one stage after the other
    n_labels: int | None = None  # rows with a class, of a classification; None: all
    n_labelled: int = 0  # rows with a class that are added to each batch

    @property
    def name(self) -> str:
        """The run's name, such as "mnist-dmvae"."""
        return f"{self.dataset}-{self.model}"

    @property
    def model_seed(self) -> int:
        """The seed of everything but the data."""
        return self.seed + 1009 * self.restart

    @property
    def folder(self) -> str:
        """The name of its folder: the run's name, and what differs from the usual: "mnist-dvmoe-5-outputs"."""
        parts = [self.name]
        if self.task == "classification":
            parts.append(self.task)
        if self.n_labels is not None:
            parts.append(f"{self.n_labels}-labels")
        if self.n_outputs > 1:
            parts.append(f"{self.n_outputs}-outputs")
        if self.n_components is not None:
            parts.append(f"{self.n_components}-components")
        if self.encoder != "mlp":
            parts.append(self.encoder)
        if self.preset != "default":
            parts.append(self.preset)
        return "-".join(parts)

    @property
    def arguments(self) -> str:
        """The arguments of ``python -m experiments.train`` that give this recipe."""
        options = {
            "--preset": (self.preset, "default"),
            "--task": (self.task, None if self.task is None else "regression"),
            "--outputs": (self.n_outputs, 1),
            "--labels": (self.n_labels, None),
            "--components": (self.n_components, None),
            "--encoder": (self.encoder, "mlp"),
            "--seed": (self.seed, None),
            "--epochs": (self.epochs, None),
        }
        return " ".join([self.name, *(f"{flag} {value}" for flag, (value, usual) in options.items() if value != usual)])


class UnknownRecipeError(ValueError):
    """No recipe has that name; the message gives the nearest ones."""


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
    recipe = {"default": _default, "augment": _augment, "scratch": _scratch, "paper": _paper}[preset](dataset, model)
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
    gate_epochs = min(recipe.gate_epochs, epochs)
    return replace(recipe, epochs=min(recipe.epochs, epochs), gate_epochs=gate_epochs, warm_start=warm_start)


def with_network(recipe: Recipe, **arguments: Any) -> Recipe:
    """The recipe with other arguments of the model's constructor."""
    return replace(recipe, network={**recipe.network, **arguments})


def _with_task(recipe: Recipe, task: str, n_outputs: int, n_labels: int | None) -> Recipe:
    recipe = replace(recipe, task=task, n_outputs=n_outputs, n_labels=n_labels)
    if task == "regression" or recipe.preset == "paper":
        return recipe
    if recipe.model != "deepmoe":
        # An expert that can tell classes apart by itself explains the labels and leaves the gate as it was. This ridge
        # leaves it the frequencies of the classes in its component, nearly: the gate has to learn.
        # Where few rows have a label, the others have to be told by theirs: wider changes, each row's after its own.
        epochs = SIZES[recipe.dataset].classification_epochs
        recipe = replace(recipe, expert_ridges=(1000.0,), epochs=epochs, learning_rate=0.002, adversarial_reach=0.25)
    if n_labels is None:
        return recipe
    n_labelled = min(n_labels, recipe.batch_size // 2)
    batch_size = recipe.batch_size + n_labelled
    recipe = with_network(recipe, expert_weight=batch_size / n_labelled)  # the mean over rows with a class
    return replace(recipe, n_labelled=n_labelled)


def _convolutional(recipe: Recipe, encoder: str) -> Recipe:
    """Convolutions in the trunk and the decoder, as in the report's later code; q(c|x) keeps its own dense layers."""
    size = SIZES[recipe.dataset]
    if encoder not in ENCODERS or size.convolutions is None:
        raise UnknownRecipeError(
            f"an encoder is one of {', '.join(ENCODERS)}, and conv is for images: there is no {encoder!r} for "
            f"{recipe.dataset}."
        )
    dense = size.encoder[:1]
    network: dict[str, Any] = {"encoder": encoder, "filters": size.convolutions.filters}
    if recipe.model != "deepmoe":
        network |= {"decoder": encoder, "trunk_sizes": dense, "z_encoder_sizes": (), "decoder_sizes": dense}
    warm_start = recipe.warm_start and replace(
        recipe.warm_start, autoencoder_epochs=size.convolutions.autoencoder_epochs, learning_rate=0.003
    )
    return with_network(replace(recipe, encoder=encoder, warm_start=warm_start), **network)


#: Hidden layers of every network gate on x in ``default``; the report's DeepMoE has these.
_GATE = (512, 256)

_PAPER_NETWORKS: dict[str, dict[str, Any]] = {
    "dmvae": {
        "z_encoder_sizes": (256, 256, 512),
        "c_encoder_sizes": (256, 512),
        "decoder_sizes": (512, 256),
        "relaxation": "gumbel",
        "temperature": 0.2,
    },
    "vade": {"z_encoder_sizes": (512, 256), "decoder_sizes": (256, 512), "prior_stddev": 5.0, "learn_weights": True},
}
_PAPER_NETWORKS |= {"dvmoe": _PAPER_NETWORKS["dmvae"], "vademoe": _PAPER_NETWORKS["vade"]}


def _paper(dataset: str, model: str) -> Recipe:
    latent = model != "deepmoe"
    return Recipe(
        dataset,
        model,
        "paper",
        epochs=500,
        network={"latent_dim": 10, **_PAPER_NETWORKS[model]} if latent else {"hidden_sizes": _GATE},
        batch_size=200,
        learning_rate=0.002,
        learning_rate_schedule="constant",
        temperature_floor=0.2,
        gate_epochs=100 if latent and model in EXPERTS else 0,
    )


def _default(dataset: str, model: str) -> Recipe:
    size = SIZES[dataset]
    recipe = Recipe(dataset, model, "default", epochs=size.epochs, batch_size=size.batch_size)
    if model == "deepmoe":
        network = {"hidden_sizes": _GATE}
        return replace(recipe, epochs=size.deepmoe_epochs, learning_rate=0.002, network=network)
    warm_start = WarmStart(size.autoencoder_epochs, size.distill_epochs, neighbors_of=size.neighbors_of)
    recipe = replace(recipe, warm_start=warm_start)
    if model in CLUSTERINGS:
        recipe = replace(recipe, hold_start=True, adversarial_reach=0.25, learning_rate=0.002)
        held = {"regularization": _CLUSTERING, "adversarial_probe": 6.0}
        return replace(recipe, network=_latent_network(size, model) | held)
    network = _latent_network(size, model) | _experts_network(size, model)
    return replace(recipe, epochs=size.expert_epochs, fit_experts=True, checkpoint="last", network=network)


def _augment(dataset: str, model: str) -> Recipe:
    if model not in CLUSTERINGS or dataset not in IMAGES:
        raise UnknownRecipeError(
            f"the preset augment changes images a little, for {' or '.join(CLUSTERINGS)} to cluster them: "
            f"there is none for {dataset}-{model}."
        )
    recipe = with_network(_default(dataset, model), regularization={**_CLUSTERING, "consistency": 100.0})
    augmentation = {"rotation": 10.0, "shift": 0.08, "zoom": 0.1}
    return replace(recipe, preset="augment", augmentation=augmentation, epochs=2 * recipe.epochs)


def _scratch(dataset: str, model: str) -> Recipe:
    if model != "dmvae":
        raise UnknownRecipeError(
            f"the preset scratch is of a dmvae, whose q(c|x) is a network of x: there is none for {dataset}-{model}."
        )
    size = SIZES[dataset]
    epochs = size.autoencoder_epochs + size.epochs  # as many as default has in all
    network = _PAPER_NETWORKS[model] | {
        "latent_dim": 10,
        "c_encoder_sizes": _GATE,
        "c_batch_normalization": True,
        "temperature": 1.0,
        "regularization": {name: weight for name, weight in _CLUSTERING.items() if name != "start"},
        "adversarial_radius": 1.5 * size.adversarial_radius,
        "adversarial_probe": 10.0,
    }
    return Recipe(
        dataset,
        model,
        "scratch",
        epochs=epochs,
        network=network,
        batch_size=size.batch_size,
        learning_rate=0.002,
        temperature_decay=0.9,
        temperature_floor=0.2,
        kl_warm_up_epochs=epochs // 2,  # from random weights the prior's components are no guide to the classes
    )


#: Of a clustering, whose bound has the weight 1; a mixture of experts' has 0.01, and its gate a hundredth of these.
_CLUSTERING = {"start": 100.0, "adversarial": 100.0, "balance": 40.0, "entropy": 10.0}


def _latent_network(size: Size, model: str) -> dict[str, Any]:
    return {
        "latent_dim": 10,
        "z_encoder_sizes": size.encoder,
        "decoder_sizes": size.encoder[::-1],
        **({"c_encoder_sizes": _GATE} if model in ("dmvae", "dvmoe") else {"learn_weights": True}),
    }


def _experts_network(size: Size, model: str) -> dict[str, Any]:
    return {
        "learn_variance": True,
        "elbo_weight": 0.01,
        "bound_share": size.bound_share,
        "regularization": {"balance": 0.4, "entropy": 0.1, "adversarial": 1.0},
        "adversarial_radius": size.adversarial_radius,
        "adversarial_share": 0.25 if model == "vademoe" else 1.0,  # its q(c|x) is the large network of z
    }
