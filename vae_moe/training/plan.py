"""What a training does, as plain data: :mod:`vae_moe.training.fit` carries it out.

Nothing here imports TensorFlow, so that a recipe can be looked at in an instant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar


@dataclass(frozen=True)
class WarmStart:
    """The stages before the bound is trained (:mod:`vae_moe.training.initialization`)."""

    autoencoder_epochs: int
    distill_epochs: int
    start: str = "spectral"  # the clusters: of the neighbour graph, or "gmm", of a Gaussian mixture of the latents
    n_neighbors: int = 10
    neighbors_of: str | None = "z"  # the autoencoder's latents, or "x"; None: x where it has few columns or few rows
    batch_size: int = 256
    learning_rate: float = 1e-3
    least_steps: int = 1  # of an epoch; fewer rows are gone through several times
    sharpen: bool = False  # whether variances of q(z|x) begin at a tenth of the components'


@dataclass(frozen=True)
class ExpertsByEM:
    """How the experts of a mixture are fitted by EM, before the gate is trained and after each epoch."""

    ridges: tuple[float, ...] | None = (
        1.0,
        0.1,
    )  # one stage after the other; None: by evidence
    class_ridges: tuple[float, ...] = ()  # of experts of classes, of which rows held out choose; none: 1
    tied: bool = True  # whether regressions' variances are tied until the last epoch
    reg_variance: float = 1e-4  # least variance, in units of the squared targets
    max_iter: int = 6  # E and M steps before the gate is trained
    tol: float = 1e-2  # gain in nats a row that ends them
    moved_start: bool = False  # whether EM with a linear gate first moves the start's clusters to where y differs
    gate_ridge: float = 3.0  # of that gate, in units of each column's variance


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The stages of a training and their numbers; those of the network and of its terms are the model's."""

    epochs: int
    batch_size: int = 256
    learning_rate: float = 1e-3
    learning_rate_schedule: str = "cosine"  # or "constant"
    least_steps: int = 1  # of an epoch; fewer rows are gone through several times
    warm_start: WarmStart | None = None
    hold_start: bool = False  # whether q(c|x) is held to the components of the start's core
    adversarial_reach: float | None = None  # of a row's mean distance to its neighbours: how far its changes go
    augmentation: Mapping[str, float] | None = None  # ranges of the changes of images that make the views
    temperature_decay: float = 1.0  # factor an epoch
    temperature_floor: float = 0.1
    kl_warm_up_epochs: int = 0
    checkpoint: str = "best"  # the epoch of least loss on rows held out, or "last"
    patience: int | None = None  # epochs without a lower loss that end the training; the start counts as one
    refit_prior: bool = False  # whether a clustering's prior is then fitted to q(z|x)
    settle_epochs: int = 0  # after that, with a network's q(c|x) held: z, and what is drawn, move to their component
    settle_weights: tuple[float, float] = (10.0, 5.0)  # of the terms agreement and samples there
    gate_epochs: int = 0  # of the gate's bound alone, before y is seen
    experts: ExpertsByEM | None = None  # None: by gradients, with the gate
    n_labelled: int = 0  # rows with a class that are added to each batch


#: Rows from which on a training is long by its steps, and not by its epochs.
MANY_ROWS = 20_000
_START = WarmStart(30, 30, neighbors_of=None, batch_size=100, least_steps=20, sharpen=True)
#: The default of a clustering of few rows, and of many.
FEW = Plan(
    epochs=60,
    batch_size=100,
    learning_rate=2e-3,
    least_steps=20,
    warm_start=_START,
    hold_start=True,
    adversarial_reach=0.25,
)
MANY = replace(
    FEW,
    epochs=16,
    batch_size=256,
    warm_start=WarmStart(15, 3, neighbors_of=None, batch_size=128, learning_rate=2e-3),
)
#: Ridges of experts of classes towards one logistic regression: the last ones leave nothing but that.
CLASS_RIDGES = (1.0, 10.0, 100.0, 1000.0)
#: Least variance of an expert of a table, in units of the squared targets.
REG_VARIANCE = 1e-3
#: The default of a mixture of experts.
EXPERTS = replace(
    FEW,
    epochs=100,
    batch_size=64,
    warm_start=replace(_START, batch_size=64),
    hold_start=False,
    patience=10,
    experts=ExpertsByEM(
        None,
        CLASS_RIDGES,
        tied=False,
        reg_variance=REG_VARIANCE,
        max_iter=50,
        tol=1e-3,
        moved_start=True,
    ),
)


def default_plan(n_rows: int) -> Plan:
    """The default plan of a clustering of so many rows."""
    return MANY if n_rows >= MANY_ROWS else FEW


AnyPlan = TypeVar("AnyPlan", bound=Plan)


def generative(plan: AnyPlan) -> AnyPlan:
    """The plan with what makes samples of a component be of its kind."""
    return replace(plan, refit_prior=True, settle_epochs=plan.epochs // 4)


def augmented(plan: Plan) -> Plan:
    """The plan with views of images: rotated, shifted and zoomed a little. They take twice as many epochs."""
    return replace(plan, augmentation={"rotation": 10.0, "shift": 0.08, "zoom": 0.1}, epochs=2 * plan.epochs)
