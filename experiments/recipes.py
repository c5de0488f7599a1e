"""What each run trains, as data: one frozen recipe for a data set, a model and a preset.

This file imports neither TensorFlow nor the library, so that ``make help`` and ``--help`` are instant.

``paper`` is the report of November 2018: its networks, optimiser, temperature and prior, 500 epochs, no warm start.
``default`` is ours: an autoencoder first, a spectral start on the neighbour graph of its latents, then the bound with
consistency between neighbours. It uses no labels and knows nothing of images.
"""

import difflib
from dataclasses import dataclass, field, replace
from typing import Any

DATASETS = ("mnist", "fashion_mnist", "digits", "spiral")
MODELS = ("dmvae", "vade")
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

    @property
    def name(self) -> str:
        """The run's name, such as "mnist-dmvae"."""
        return f"{self.dataset}-{self.model}"


class UnknownRecipeError(ValueError):
    """No recipe has that name; the message gives the nearest ones."""


def names() -> list[str]:
    """All run names."""
    return [f"{dataset}-{model}" for dataset in DATASETS for model in MODELS]


def get(name: str, preset: str = "default", *, seed: int = 0, epochs: int | None = None) -> Recipe:
    """The recipe of a run.

    Args:
        name: "<dataset>-<model>", such as "mnist-dmvae".
        preset: "default" or "paper".
        seed: of everything random in the run.
        epochs: in place of the recipe's own number.

    Raises:
        UnknownRecipeError: for another name or preset.
        ValueError: for epochs < 1 or a negative seed.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names()) or names()
        raise UnknownRecipeError(f"unknown run {name!r}: did you mean {' or '.join(near)}?")
    if preset not in PRESETS:
        raise UnknownRecipeError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}.")
    if seed < 0:
        raise ValueError(f"the seed must be 0 or more, got {seed}.")
    if epochs is not None and epochs < 1:
        raise ValueError(f"epochs must be 1 or more, got {epochs}.")
    dataset, _, model = name.partition("-")
    recipe = {"default": _default, "paper": _paper}[preset](dataset, model)
    return replace(recipe, seed=seed, epochs=epochs or recipe.epochs)


def smoke(recipe: Recipe) -> Recipe:
    """The recipe at its shortest: one epoch of every stage, to see that it runs."""
    warm_start = recipe.warm_start and replace(recipe.warm_start, autoencoder_epochs=1, distill_epochs=1)
    return replace(recipe, epochs=1, warm_start=warm_start, batch_size=min(recipe.batch_size, 32))


def _paper(dataset: str, model: str) -> Recipe:
    network: dict[str, Any] = {
        "dmvae": {
            "z_encoder_sizes": (256, 256, 512),
            "c_encoder_sizes": (256, 512),
            "decoder_sizes": (512, 256),
            "relaxation": "gumbel",
            "temperature": 0.2,
        },
        "vade": {
            "z_encoder_sizes": (512, 256),
            "decoder_sizes": (256, 512),
            "prior_stddev": 5.0,
            "learn_weights": True,
        },
    }[model]
    return Recipe(
        dataset,
        model,
        "paper",
        epochs=500,
        network={"latent_dim": 10, **network},
        batch_size=200,
        learning_rate=0.002,
        learning_rate_schedule="constant",
        temperature_floor=0.2,
    )


def _default(dataset: str, model: str) -> Recipe:
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
_DEFAULT_SIZES = {
    "mnist": _IMAGES_28,
    "fashion_mnist": _IMAGES_28,
    "digits": _Size(
        (256,), (512,), 10, autoencoder_epochs=30, distill_epochs=30, epochs=20, batch_size=100, neighbors_of="x"
    ),
    "spiral": _Size((128,), (128,), 10, autoencoder_epochs=10, distill_epochs=30, epochs=20, batch_size=250),
}
