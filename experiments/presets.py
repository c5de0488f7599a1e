"""The presets: what a run of a data set and a model trains, as data.

This file imports no TensorFlow, so that ``make help`` and ``--help`` are instant.

``paper`` is the report of November 2018: its networks, optimiser, temperature and prior, 500 epochs, no warm start.
``default`` is ours: an autoencoder first, a spectral start on the neighbour graph of its latents, then the bound with
q(c|x) held to the start's core and against small adversarial changes of x. Its training uses no labels and knows
nothing of images; its numbers were chosen with labels (docs/design.md, what chose what). Mixtures of experts start
alike; their experts are fitted by EM before the gate is trained.
Of images the prior's covariances are full and fitted once more at the end, and what a DMVAE draws of a component is
made to be of its kind; q(c|x) then stays as it is.
``augment`` is for images: ``default`` where q(c|x) is also held against small rotations, shifts and zooms.
``scratch`` is a DMVAE from random weights: the bound, and q(c|x) held against small adversarial changes, in one stage.
``warm`` is a DeepMoE that has all a DVMoE has by ``default`` but the generative half of its gate: the same start, which
its softmax network learns, experts, variances and terms.
"""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from experiments.sizes import SIZES, Size


def _alone(name: str) -> ModuleType:
    """Import a module of ``vae_moe`` without the package around it, which imports TensorFlow."""
    if name not in sys.modules:
        package = importlib.util.find_spec("vae_moe")
        assert package is not None and package.origin is not None  # it is installed with this file
        path = Path(package.origin).parent.joinpath(*name.split(".")[1:]).with_suffix(".py")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


if TYPE_CHECKING:
    from vae_moe import registry
    from vae_moe.training.plan import ExpertsByEM, Plan, WarmStart, generative
else:
    registry, _plan = _alone("vae_moe.registry"), _alone("vae_moe.training.plan")
    ExpertsByEM, Plan, WarmStart, generative = _plan.ExpertsByEM, _plan.Plan, _plan.WarmStart, _plan.generative

IMAGES = ("mnist", "fashion_mnist", "cifar10", "digits")
CLUSTERINGS, EXPERTS = registry.names("clustering"), registry.names("experts")
TITLES = {name: entry.title for name, entry in registry.MODELS.items()}


@dataclass(frozen=True)
class Recipe(Plan):
    """A plan with all else that a run depends on besides the data: plain values, written to its ``config.json``."""

    dataset: str
    model: str
    preset: str
    network: dict[str, Any] = field(default_factory=dict)  # arguments of the model's constructor
    start_network: dict[str, Any] = field(default_factory=dict)  # of the mixture whose start it is, if the gate is none
    seed: int = 0
    restart: int = 0  # of the runs of one seed: the same data, other starting weights
    n_components: int | None = None  # K; None: as many as the data has classes
    encoder: str = "mlp"  # of x; "conv", of images, has a decoder alike
    task: str | None = None  # of a mixture of experts: "regression" or "classification"
    n_outputs: int = 1  # of a regression
    n_labels: int | None = None  # rows with a class, of a classification; None: all

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


def with_network(recipe: Recipe, **arguments: Any) -> Recipe:
    """The recipe with other arguments of the model's constructor."""
    return replace(recipe, network={**recipe.network, **arguments})


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
_PAPER_NETWORKS |= {
    "hdmvae": _PAPER_NETWORKS["dmvae"],
    "dvmoe": _PAPER_NETWORKS["dmvae"],
    "hmoe": _PAPER_NETWORKS["dmvae"],
    "vademoe": _PAPER_NETWORKS["vade"],
}


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
    warm_start = WarmStart(
        size.autoencoder_epochs,
        size.distill_epochs,
        neighbors_of=size.neighbors_of,
        batch_size=size.start_batch_size or size.batch_size,
        learning_rate=size.start_learning_rate,
    )
    recipe = replace(recipe, warm_start=warm_start)
    if model in CLUSTERINGS:
        recipe = replace(recipe, hold_start=True, adversarial_reach=0.25, learning_rate=0.002)
        held = {"regularization": _CLUSTERING, "adversarial_probe": 6.0}
        if dataset in IMAGES:
            recipe, held = generative(recipe), held | {"covariance": "full"}
        return replace(recipe, network=_latent_network(size, model) | held)
    network = _latent_network(size, model) | _experts_network(size, model)
    return replace(
        recipe,
        epochs=size.expert_epochs,
        learning_rate=0.003,
        experts=ExpertsByEM(),
        checkpoint="last",
        network=network,
    )


def _augment(dataset: str, model: str) -> Recipe:
    if model not in CLUSTERINGS or dataset not in IMAGES:
        raise UnknownRecipeError(
            f"the preset augment changes images a little, for {' or '.join(CLUSTERINGS)} to cluster them: "
            f"there is none for {dataset}-{model}."
        )
    recipe = with_network(_default(dataset, model), regularization={**_CLUSTERING, "consistency": 100.0})
    augmentation = {"rotation": 10.0, "shift": 0.08, "zoom": 0.1}
    return generative(replace(recipe, preset="augment", augmentation=augmentation, epochs=2 * recipe.epochs))


def _scratch(dataset: str, model: str) -> Recipe:
    if model != "dmvae":
        raise UnknownRecipeError(
            f"the preset scratch is of a dmvae, whose q(c|x) is a network of x: there is none for {dataset}-{model}."
        )
    size = SIZES[dataset]
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
        epochs=size.scratch_epochs,
        network=network,
        batch_size=size.batch_size,
        learning_rate=0.002,
        temperature_decay=0.9,
        temperature_floor=0.2,
        # From random weights the prior's components are no guide to the classes.
        kl_warm_up_epochs=size.scratch_epochs // 2,
    )


def _warm(dataset: str, model: str) -> Recipe:
    if model != "deepmoe":
        raise UnknownRecipeError(
            f"the preset warm gives a deepmoe what a dvmoe has by default: there is none for {dataset}-{model}."
        )
    recipe = _default(dataset, "dvmoe")
    start_network = _latent_network(SIZES[dataset], "dvmoe")
    of_the_bound = (*start_network, "elbo_weight", "bound_share")
    network = {name: value for name, value in recipe.network.items() if name not in of_the_bound}
    network |= {"hidden_sizes": start_network["c_encoder_sizes"]}
    return replace(recipe, model=model, preset="warm", network=network, start_network=start_network)


#: Of a clustering, whose bound has the weight 1; a mixture of experts' has 0.01, and its gate a hundredth of these.
_CLUSTERING = {"start": 100.0, "adversarial": 100.0, "balance": 40.0, "entropy": 10.0}


def _latent_network(size: Size, model: str) -> dict[str, Any]:
    return {
        "latent_dim": 10,
        "z_encoder_sizes": size.encoder,
        "decoder_sizes": size.encoder[::-1],
        **({"learn_weights": True} if model in ("vade", "vademoe") else {"c_encoder_sizes": _GATE}),
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


#: Preset -> the recipe of a data set and a model.
PRESETS: dict[str, Callable[[str, str], Recipe]] = {
    "default": _default,
    "augment": _augment,
    "scratch": _scratch,
    "paper": _paper,
    "warm": _warm,
}
