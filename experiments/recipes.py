"""What each run trains, as data: one frozen recipe for a data set, a model and a preset.

This file imports neither TensorFlow nor the library, so that ``make help`` and ``--help`` are instant.

``paper`` is the report of November 2018: its networks, optimiser, temperature and prior, 500 epochs, no warm start.
``default`` is ours: an autoencoder first, a spectral start on the neighbour graph of its latents, then the bound with
consistency between neighbours. It uses no labels and knows nothing of images. Mixtures of experts start alike; their
experts are fitted by EM before the gate is trained, and adversarial changes of x stand in for the neighbours.
"""

import difflib
from dataclasses import dataclass, field, replace
from typing import Any

DATASETS = ("mnist", "fashion_mnist", "digits", "spiral")
CLUSTERINGS = ("dmvae", "vade")
EXPERTS = ("dvmoe", "deepmoe", "vademoe")
MODELS = CLUSTERINGS + EXPERTS
TASKS = ("regression", "classification")
PRESETS = ("default", "paper")


@dataclass(frozen=True)
class WarmStart:
    """The stages before the bound is trained (:mod:`vae_moe.initialization`)."""

    autoencoder_epochs: int
    distill_epochs: int
    start: str = "spectral"  # or "gmm"
    n_neighbors: int = 10
    neighbors_of: str = "z"  # the autoencoder's latents, or "x": few or low-dimensional rows need no autoencoder
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
    consistency: str | None = None  # views: "neighbors" of the warm start's latents, or None
    batch_size: int = 256
    learning_rate: float = 1e-3
    learning_rate_schedule: str = "cosine"  # or "constant"
    temperature_decay: float = 1.0  # factor an epoch
    temperature_floor: float = 0.1
    kl_warm_up_epochs: int = 0
    checkpoint: str = "best"  # of validation loss, or "last"
    seed: int = 0
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
    def folder(self) -> str:
        """The name of its folder: the run's name, and what differs from the usual: "mnist-dvmoe-5-outputs"."""
        parts = [self.name]
        if self.task == "classification":
            parts.append(self.task)
        if self.n_labels is not None:
            parts.append(f"{self.n_labels}-labels")
        if self.n_outputs > 1:
            parts.append(f"{self.n_outputs}-outputs")
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
) -> Recipe:
    """The recipe of a run.

    Args:
        name: "<dataset>-<model>", such as "mnist-dmvae".
        preset: "default" or "paper".
        seed: of everything random in the run.
        epochs: in place of the recipe's own number.
        task: of a mixture of experts: "regression" (default) or "classification".
        n_outputs: of a regression; default: 1.
        n_labels: rows with a class, of a classification; default: all.

    Raises:
        UnknownRecipeError: for another name or preset.
        ValueError: for epochs, outputs or labels < 1, a negative seed, or an option the model has no use for.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names()) or names()
        raise UnknownRecipeError(f"unknown run {name!r}: did you mean {' or '.join(near)}?")
    if preset not in PRESETS:
        raise UnknownRecipeError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}.")
    if seed < 0:
        raise ValueError(f"the seed must be 0 or more, got {seed}.")
    for what, value in (("epochs", epochs), ("outputs", n_outputs), ("labels", n_labels)):
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
    recipe = {"default": _default, "paper": _paper}[preset](dataset, model)
    recipe = replace(recipe, seed=seed, epochs=epochs or recipe.epochs)
    return recipe if task is None else _with_task(recipe, task, n_outputs or 1, n_labels)


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
        recipe = replace(with_network(recipe, expert_input="features"), expert_ridges=(1000.0,))
    if n_labels is None:
        return recipe
    n_labelled = min(n_labels, recipe.batch_size // 2)
    batch_size = recipe.batch_size + n_labelled
    recipe = with_network(recipe, expert_weight=batch_size / n_labelled)  # the mean over rows with a class
    return replace(recipe, n_labelled=n_labelled)


def _paper(dataset: str, model: str) -> Recipe:
    if model == "deepmoe":
        network: dict[str, Any] = {"hidden_sizes": (512, 256)}
    else:
        gate = {"dvmoe": "dmvae", "vademoe": "vade"}.get(model, model)
        network = {"latent_dim": 10, **_PAPER_NETWORKS[gate]}
    return Recipe(
        dataset,
        model,
        "paper",
        epochs=500,
        network=network,
        batch_size=200,
        learning_rate=0.002,
        learning_rate_schedule="constant",
        temperature_floor=0.2,
        gate_epochs=100 if model in ("dvmoe", "vademoe") else 0,
    )


def _default(dataset: str, model: str) -> Recipe:
    return _default_clustering(dataset, model) if model in CLUSTERINGS else _default_experts(dataset, model)


def _default_experts(dataset: str, model: str) -> Recipe:
    size = _EXPERT_SIZES[dataset]
    if model == "deepmoe":
        return Recipe(
            dataset,
            model,
            "default",
            epochs=size.deepmoe_epochs,
            network={"hidden_sizes": _GATE},
            batch_size=size.batch_size,
            learning_rate=0.002,
        )
    network = {
        "latent_dim": 10,
        "z_encoder_sizes": size.encoder,
        "decoder_sizes": size.encoder[::-1],
        "learn_variance": True,
        "elbo_weight": 0.01,
        "bound_share": size.bound_share,
        "balance_weight": 0.4,
        "entropy_weight": 0.1,
        "adversarial_weight": 1.0,
        "adversarial_radius": size.adversarial_radius,
        **({"c_encoder_sizes": _GATE} if model == "dvmoe" else {"learn_weights": True}),
    }
    return Recipe(
        dataset,
        model,
        "default",
        epochs=size.epochs,
        network=network,
        warm_start=WarmStart(size.autoencoder_epochs, size.distill_epochs, neighbors_of=size.neighbors_of),
        fit_experts=True,
        checkpoint="last",
        batch_size=size.batch_size,
    )


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


def _default_clustering(dataset: str, model: str) -> Recipe:
    size = _DEFAULT_SIZES[dataset]
    network: dict[str, Any] = {
        "latent_dim": size.latent_dim,
        "trunk_sizes": size.trunk,
        "z_encoder_sizes": size.head,
        "decoder_sizes": (*size.head, *reversed(size.trunk)),
        "consistency_weight": 30.0,
        "balance_weight": 30.0,
    }
    if model == "dmvae":
        network["c_encoder_sizes"] = size.head
    else:
        network["learn_weights"] = True
    return Recipe(
        dataset,
        model,
        "default",
        epochs=size.epochs,
        network=network,
        warm_start=WarmStart(size.autoencoder_epochs, size.distill_epochs, neighbors_of=size.neighbors_of),
        consistency="neighbors",
        batch_size=size.batch_size,
    )


@dataclass(frozen=True)
class _Size:
    trunk: tuple[int, ...]
    head: tuple[int, ...]
    latent_dim: int
    autoencoder_epochs: int
    distill_epochs: int
    epochs: int
    batch_size: int
    neighbors_of: str = "z"


_IMAGES_28 = _Size((500, 500), (2000,), 10, autoencoder_epochs=20, distill_epochs=3, epochs=12, batch_size=256)
#: Hidden layers of every network gate on x in ``default``; the report's DeepMoE has these.
_GATE = (512, 256)
_DEFAULT_SIZES = {
    "mnist": _IMAGES_28,
    "fashion_mnist": _IMAGES_28,
    "digits": _Size(
        (256,), (512,), 10, autoencoder_epochs=30, distill_epochs=30, epochs=20, batch_size=100, neighbors_of="x"
    ),
    "spiral": _Size((128,), (128,), 10, autoencoder_epochs=10, distill_epochs=30, epochs=20, batch_size=250),
}


@dataclass(frozen=True)
class _ExpertSize:
    encoder: tuple[int, ...]  # hidden layers of q(z|x); the decoder's are these backwards
    adversarial_radius: float  # in units of x: a fifth to a quarter of the distance to near neighbours
    autoencoder_epochs: int
    distill_epochs: int
    epochs: int
    deepmoe_epochs: int
    batch_size: int
    neighbors_of: str = "z"
    bound_share: float = 1.0


_EXPERTS_28 = _ExpertSize((500, 500, 2000), 1.0, 20, 3, 6, 20, 256, bound_share=0.25)
_EXPERT_SIZES = {
    "mnist": _EXPERTS_28,
    "fashion_mnist": _EXPERTS_28,
    "digits": _ExpertSize((256, 512), 0.3, 30, 30, 20, 60, 100, neighbors_of="x"),
    "spiral": _ExpertSize((128, 128), 0.05, 10, 30, 20, 30, 250),
}
