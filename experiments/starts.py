"""The warm start of a gate: what it takes from x alone, made once for all runs that share it."""

import functools
import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from experiments.recipes import Recipe

if TYPE_CHECKING:
    from vae_moe.engine.resume import Backup
    from vae_moe.training.graphs import Neighbors

logger = logging.getLogger(__name__)

#: Arguments of the network that the autoencoder depends on; the gate's and the experts' are not among them.
_NETWORK = (
    *("latent_dim", "trunk_sizes", "z_encoder_sizes", "decoder_sizes"),
    *("encoder", "decoder", "image_shape", "filters"),
)


@dataclass(frozen=True)
class Start:
    """What the stages before the components give: any number of them starts from it.

    Attributes:
        weights: of trunk, z-encoder and decoder, in this order.
        z: latents of the training rows, [N, L].
        neighbors: of these rows.
        seconds: these stages took.
        cached: whether they were read and not carried out.
    """

    weights: list[np.ndarray]
    z: np.ndarray
    neighbors: "Neighbors"
    seconds: float
    cached: bool = False


def carry_out(
    gate, mixture, recipe: Recipe, x: np.ndarray, verbose, cache: Path | None, backup: "Backup"
) -> tuple[Start, np.ndarray, np.ndarray | None]:
    """Bring a gate to its warm start: autoencoder, clusters of its latents, prior, network of q(c|x).

    Args:
        gate: what the start is for, built: the mixture, or a ``SoftmaxGate``, which learns its clusters.
        mixture: a built ``LatentMixture``, whose autoencoder the start is of.
        recipe: with a warm start.
        x: the training rows, [N, D].
        verbose: of Keras' ``fit``.
        cache: folder in which the start is looked for, and kept; None makes it anew.
        backup: where each stage is kept.

    Returns:
        The start, the share of the rows that each component has in it [K], and for a recipe that holds it the
        component of each row of its core, -1 elsewhere [N].
    """
    from vae_moe.training import graphs, initialization, warm_start

    stages = recipe.warm_start
    assert stages is not None
    make = functools.partial(_make, mixture, recipe, x, verbose, backup)
    start = make() if cache is None else _cached(mixture, recipe, x, cache, make)

    def clusters():
        z, neighbors, k = start.z, start.neighbors, mixture.n_components
        return {"resp": warm_start.cluster(x, z, neighbors, k, start=stages.start, seed=recipe.model_seed)}

    resp = backup.once("clusters", clusters)["resp"]
    held = graphs.core(start.neighbors, resp) if recipe.hold_start else np.full(len(x), True)
    options = _fit_options(recipe, verbose, backup) | {"epochs": stages.distill_epochs}
    if gate is mixture:
        warm_start.place_components(mixture, x, start.z, resp, held=held, **options)
    else:
        initialization.distill(gate, x[held], resp[held], **options)
    return start, resp.mean(0), np.where(held, resp.argmax(-1), -1) if recipe.hold_start else None


def _cached(mixture, recipe: Recipe, x: np.ndarray, cache: Path, make: Callable[[], Start]) -> Start:
    """The start from its file, which is made if it is not there; of several processes one makes it, and others wait."""
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{recipe.dataset}-{_key(mixture, recipe, x)}.npz"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            start = make()
            _write(path, start)
            return start
    logger.info("the warm start of %s", path)
    start = _read(path)
    _set_weights(mixture, start.weights)
    return start


def _make(mixture, recipe: Recipe, x: np.ndarray, verbose, backup: "Backup") -> Start:
    from vae_moe.training import warm_start

    stages = recipe.warm_start
    assert stages is not None
    started = time.perf_counter()
    z, neighbors = warm_start.learn_latents(
        mixture,
        x,
        epochs=stages.autoencoder_epochs,
        n_neighbors=stages.n_neighbors,
        neighbors_of=stages.neighbors_of,
        **_fit_options(recipe, verbose, backup),
    )
    return Start([weight.numpy() for weight in _weights(mixture)], z, neighbors, time.perf_counter() - started)


def _fit_options(recipe: Recipe, verbose, backup: "Backup") -> dict[str, Any]:
    assert recipe.warm_start is not None
    return {
        "batch_size": recipe.warm_start.batch_size,
        "learning_rate": recipe.warm_start.learning_rate,
        "seed": recipe.model_seed,
        "backup": backup,
        "verbose": verbose,
    }


def _weights(mixture):
    return [*mixture.trunk.weights, *mixture.z_encoder.weights, *mixture.decoder.weights]


def _set_weights(mixture, values: list[np.ndarray]) -> None:
    for weight, value in zip(_weights(mixture), values, strict=True):
        weight.assign(value)


def _key(mixture, recipe: Recipe, x: np.ndarray) -> str:
    """Of everything the start depends on."""
    facts = {
        "format": 2,  # neighbours with their distances
        "network": {name: mixture.get_config()[name] for name in _NETWORK},
        "likelihood": mixture.likelihood,
        "warm_start": asdict(recipe.warm_start) | {"distill_epochs": None, "start": None},  # type: ignore[arg-type]
        "seed": recipe.model_seed,
        "x": hashlib.sha256(x.tobytes()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, start: Start) -> None:
    from vae_moe.engine.resume import whole

    weights: dict[str, Any] = {f"weight{i}": value for i, value in enumerate(start.weights)}
    with whole(path) as temporary:
        np.savez(temporary, z=start.z, **start.neighbors._asdict(), seconds=start.seconds, **weights)


def _read(path: Path) -> Start:
    from vae_moe.training.graphs import Neighbors

    with np.load(path) as arrays:
        n_weights = sum(name.startswith("weight") for name in arrays.files)
        weights = [arrays[f"weight{i}"] for i in range(n_weights)]
        neighbors = Neighbors(arrays["rows"], arrays["distances"])
        return Start(weights, arrays["z"], neighbors, float(arrays["seconds"]), cached=True)
