"""Starts that runs share: what a warm start takes from x alone, in files (``training.warm_start.StartCache``)."""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

if TYPE_CHECKING:
    from vae_moe.training.plan import WarmStart
    from vae_moe.training.warm_start import Latents

logger = logging.getLogger(__name__)

#: Arguments of the network that the autoencoder depends on; the gate's and the experts' are not among them.
_NETWORK = (
    *("latent_dim", "trunk_sizes", "z_encoder_sizes", "decoder_sizes"),
    *("encoder", "decoder", "image_shape", "filters"),
)


class Cache:
    """A folder of starts, one file for all that depends on the same data, network and numbers.

    Args:
        folder: made when it is needed.
        name: of the data set, with which the files' names begin.
    """

    def __init__(self, folder: Path, name: str):
        self.folder, self.name = Path(folder), name

    def get(self, mixture, x: np.ndarray, stages: "WarmStart", seed: int, make: Callable[[], "Latents"]) -> "Latents":
        """The start from its file, or made if it is not there; of several processes one makes it, and others wait.

        Args:
            mixture: built; its autoencoder gets the start's weights.
            x: the training rows, [N, D].
            stages: of the start.
            seed: of it.
            make: trains the mixture's autoencoder, and gives the latents.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}-{_key(mixture, x, stages, seed)}.npz"
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                latents = make()
                _write(path, _weights(mixture), latents)
                return latents
        logger.info("the warm start of %s", path)
        return _read(path, _weights(mixture))


def _weights(mixture) -> list:
    return [*mixture.trunk.weights, *mixture.z_encoder.weights, *mixture.decoder.weights]


def _key(mixture, x: np.ndarray, stages: "WarmStart", seed: int) -> str:
    """Of everything the start depends on."""
    facts = {
        "format": 2,  # neighbours with their distances
        "network": {name: mixture.get_config()[name] for name in _NETWORK},
        "likelihood": mixture.likelihood,
        "warm_start": asdict(stages) | {"distill_epochs": None, "start": None},
        "seed": seed,
        "x": hashlib.sha256(x.tobytes()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, weights: list, latents: "Latents") -> None:
    from vae_moe.engine.files import whole_file

    values: dict[str, Any] = {f"weight{i}": weight.numpy() for i, weight in enumerate(weights)}
    with whole_file(path) as temporary:
        np.savez(temporary, z=latents.z, **latents.neighbors._asdict(), seconds=latents.seconds, **values)


def _read(path: Path, weights: list) -> "Latents":
    from vae_moe.training.graphs import Neighbors
    from vae_moe.training.warm_start import Latents

    with np.load(path) as arrays:
        for i, weight in enumerate(weights):
            weight.assign(arrays[f"weight{i}"])
        neighbors = Neighbors(arrays["rows"], arrays["distances"])
        return Latents(arrays["z"], neighbors, float(arrays["seconds"]), cached=True)
