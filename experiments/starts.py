"""The warm start of a gate: what it takes from x alone, made once for all runs that share it."""

import hashlib
import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from experiments.recipes import Recipe

logger = logging.getLogger(__name__)

#: Arguments of the network that the autoencoder depends on; the gate's and the experts' are not among them.
_NETWORK = ("latent_dim", "trunk_sizes", "z_encoder_sizes", "decoder_sizes")


@dataclass(frozen=True)
class Start:
    """What the stages before the components give: any number of them starts from it.

    Attributes:
        weights: of trunk, z-encoder and decoder, in this order.
        z: latents of the training rows, [N, L].
        neighbors: row numbers of their nearest neighbours, [N, M].
        seconds: these stages took.
        cached: whether they were read and not carried out.
    """

    weights: list[np.ndarray]
    z: np.ndarray
    neighbors: np.ndarray
    seconds: float
    cached: bool = False


def carry_out(mixture, recipe: Recipe, x: np.ndarray, verbose, cache: Path | None = None) -> Start:
    """Bring a mixture to its warm start: autoencoder, clusters of its latents, prior, network of q(c|x).

    Args:
        mixture: a built ``LatentMixture``.
        recipe: with a warm start.
        x: the training rows, [N, D].
        verbose: of Keras' ``fit``.
        cache: folder in which the start is looked for, and kept; None makes it anew.

    Returns:
        The start.
    """
    from vae_moe import warm_start

    stages = recipe.warm_start
    assert stages is not None
    start = _make(mixture, recipe, x, verbose) if cache is None else _cached(mixture, recipe, x, verbose, cache)
    resp = warm_start.cluster(
        start.z, start.neighbors, mixture.n_components, start=stages.start, seed=recipe.model_seed
    )
    options = _fit_options(recipe, verbose)
    warm_start.place_components(mixture, x, start.z, resp, epochs=stages.distill_epochs, **options)
    return start


def _cached(mixture, recipe: Recipe, x: np.ndarray, verbose, cache: Path) -> Start:
    """The start from its file, which is made if it is not there; of several processes one makes it, and others wait."""
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{recipe.dataset}-{_key(mixture, recipe, x)}.npz"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            start = _make(mixture, recipe, x, verbose)
            _write(path, start)
            return start
    logger.info("the warm start of %s", path)
    start = _read(path)
    _set_weights(mixture, start.weights)
    return start


def _make(mixture, recipe: Recipe, x: np.ndarray, verbose) -> Start:
    from vae_moe import warm_start

    stages = recipe.warm_start
    assert stages is not None
    started = time.perf_counter()
    z, neighbors = warm_start.learn_latents(
        mixture,
        x,
        epochs=stages.autoencoder_epochs,
        n_neighbors=stages.n_neighbors,
        neighbors_of=stages.neighbors_of,
        **_fit_options(recipe, verbose),
    )
    return Start([weight.numpy() for weight in _weights(mixture)], z, neighbors, time.perf_counter() - started)


def _fit_options(recipe: Recipe, verbose) -> dict[str, Any]:
    assert recipe.warm_start is not None
    return {
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.warm_start.learning_rate,
        "seed": recipe.model_seed,
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
        "network": {name: mixture.get_config()[name] for name in _NETWORK},
        "likelihood": mixture.likelihood,
        "warm_start": asdict(recipe.warm_start) | {"distill_epochs": None, "start": None},  # type: ignore[arg-type]
        "batch_size": recipe.batch_size,
        "seed": recipe.model_seed,
        "x": hashlib.sha256(x.tobytes()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, start: Start) -> None:
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        weights: dict[str, Any] = {f"weight{i}": value for i, value in enumerate(start.weights)}
        np.savez(file, z=start.z, neighbors=start.neighbors, seconds=start.seconds, **weights)
    os.replace(temporary, path)


def _read(path: Path) -> Start:
    with np.load(path) as arrays:
        n_weights = sum(name.startswith("weight") for name in arrays.files)
        weights = [arrays[f"weight{i}"] for i in range(n_weights)]
        return Start(weights, arrays["z"], arrays["neighbors"], float(arrays["seconds"]), cached=True)
