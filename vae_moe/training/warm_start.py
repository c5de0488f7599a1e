"""The warm start of a gate by a plan: latents, their clusters, and the gate that learns them.

The first of these depends on no number of components, so that several trainings can share it.
"""

import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from sklearn.exceptions import ConvergenceWarning

from vae_moe.engine import threads
from vae_moe.engine.pipelines import map_batches
from vae_moe.engine.resume import Backup
from vae_moe.layers import LatentMixture
from vae_moe.training import consensus, graphs, hierarchy, initialization
from vae_moe.training.graphs import Neighbors
from vae_moe.training.plan import Plan, WarmStart

logger = logging.getLogger(__name__)

#: Up to this many, the autoencoder learns rows by heart, and distances in its latents tell nothing.
FEW_ROWS = 1000
STARTS = ("spectral", "gmm")


@dataclass(frozen=True)
class Latents:
    """What the stages before the components give: any number of them starts from it.

    Attributes:
        z: latents of the training rows, [N, L].
        neighbors: of these rows.
        seconds: these stages took.
        cached: whether they were read and not carried out.
    """

    z: np.ndarray
    neighbors: Neighbors
    seconds: float = 0.0
    cached: bool = False


class StartCache(Protocol):
    """Where the part of a start that depends on no number of components is kept for other trainings."""

    def get(
        self, mixture: LatentMixture, x: np.ndarray, stages: WarmStart, seed: int, make: Callable[[], Latents]
    ) -> Latents:
        """Return the latents of x as they were kept, with the mixture's weights set; or make and keep them."""


def start_gate(
    model,
    mixture: LatentMixture | None,
    x: np.ndarray,
    plan: Plan,
    *,
    seed: int,
    filled: np.ndarray | None = None,
    move: Callable[[np.ndarray], np.ndarray] | None = None,
    cache: StartCache | None = None,
    backup: Backup,
    verbose: Any = 0,
) -> tuple[Latents, np.ndarray | None]:
    """Bring a model's gate to clusters of x.

    Args:
        model: built; its gate learns the clusters, and its ``component_shares`` are set to theirs.
        mixture: whose autoencoder has the latents: the gate, or another; None clusters x itself.
        x: [N, D].
        plan: with a warm start.
        seed: of everything random.
        filled: x with its gaps filled, for what compares rows; None: it has none.
        move: gives other responsibilities [N, K] for those that were found.
        cache: of latents.
        backup: what an earlier process did is taken from it.
        verbose: of Keras' ``fit``.

    Returns:
        The latents, and the components [N] that q(c|x) is held to, -1 where to none; None if the plan holds nothing.
    """
    gate: Any = model.gate_layer()
    filled = x if filled is None else filled
    stages = plan.warm_start
    assert stages is not None
    options = {
        "batch_size": stages.batch_size,
        "learning_rate": stages.learning_rate,
        "least_steps": stages.least_steps,
        "seed": seed,
        "backup": backup,
        "verbose": verbose,
    }
    if mixture is None:
        latents = Latents(filled, graphs.nearest_neighbors(filled, stages.n_neighbors))
    else:

        def make() -> Latents:
            return _learn_latents(mixture, x, filled, stages, **options)

        latents = make() if cache is None else cache.get(mixture, x, stages, seed, make)

    def clusters():
        z, neighbors = latents.z, latents.neighbors
        resp, core = cluster(filled, z, neighbors, gate.n_components, start=stages.start, seed=seed)
        if len(getattr(gate, "branching", ())) > 1:
            resp = resp[:, hierarchy.order(z, resp)]
        return {"resp": resp if move is None else move(resp), "core": core}

    kept = backup.once("clusters", clusters)
    resp, held = kept["resp"], kept["core"] if plan.hold_start else np.full(len(x), True)
    is_mixture = gate is mixture
    if is_mixture:
        initialization.assign_prior(gate.prior, latents.z, resp)
    if not is_mixture or gate.c_encoder is not None:
        logger.info("the network of q(c|x) learns the start, %d epochs", stages.distill_epochs)
        initialization.distill(gate, x[held], resp[held], epochs=stages.distill_epochs, **options)
    if is_mixture and stages.sharpen:
        initialization.sharpen_posterior(gate)
    model.component_shares = resp.mean(0).tolist()
    return latents, np.where(held, resp.argmax(-1), -1) if plan.hold_start else None


def _learn_latents(
    mixture: LatentMixture, x: np.ndarray, filled: np.ndarray, stages: WarmStart, *, backup: Backup, **options
) -> Latents:
    """Train the autoencoder, and find each row's nearest neighbours."""
    logger.info("autoencoder, %d epochs", stages.autoencoder_epochs)
    started = time.perf_counter()
    initialization.pretrain_autoencoder(mixture, x, epochs=stages.autoencoder_epochs, backup=backup, **options)
    near = stages.neighbors_of or ("x" if x.shape[1] <= graphs.FEW_COLUMNS or len(x) <= FEW_ROWS else "z")

    def latents():
        z = map_batches(tf.function(mixture.z_mean, reduce_retracing=True), x)
        return {"z": z, **graphs.nearest_neighbors(z if near == "z" else filled, stages.n_neighbors)._asdict()}

    kept = backup.once("latents", latents)
    neighbors = Neighbors(kept["rows"], kept["distances"])
    return Latents(kept["z"], neighbors, seconds=time.perf_counter() - started)


def cluster(
    x: np.ndarray, z: np.ndarray, neighbors: Neighbors, n_components: int, *, start: str, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Cluster the rows before a mixture is trained.

    "gmm" has a Gaussian mixture of the latents, "spectral" the clusters of the neighbour graph. Where x has few columns
    and the graph does not tell these clusters apart, k-means and Gaussian mixtures of x have a say (:mod:`.consensus`).
    A component that no row is in, where there are fewer different rows, gets an equal part of one row's worth.

    Args:
        x: [N, D].
        z: latents [N, L].
        neighbors: of the N rows.
        n_components: K.
        start: one of ``STARTS``.
        seed: of everything random.

    Returns:
        Responsibilities [N, K]; and [N] whether a row is in its cluster's core.

    Raises:
        ValueError: for another start.
    """
    if start not in STARTS:
        raise ValueError(f"start must be one of {', '.join(map(repr, STARTS))}, got {start!r}.")
    logger.info("%s start on %d rows", start, len(z))
    few = x.ndim == 2 and x.shape[1] <= graphs.FEW_COLUMNS

    def one_way(rows: np.ndarray) -> np.ndarray:
        if start == "gmm":
            return initialization.gmm_start(z[rows], n_components, seed=seed)
        of, near = (x if few else z)[rows], neighbors
        if len(rows) < len(x):
            near = graphs.nearest_neighbors(of, neighbors.rows.shape[1])
        return graphs.spectral_start(of, near, n_components, seed=seed)

    with threads.one_if(threads.few_rows(len(x))), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters
        if few and n_components > 1:
            resp, core = consensus.agreed(x, neighbors, one_way, seed=seed)
        else:
            resp = one_way(np.arange(len(x)))
            core = graphs.core(neighbors, resp)
    empty = resp.sum(0) < initialization.LEAST_COUNT  # [K]
    if empty.any():
        resp = (1 - 1 / len(z)) * resp + (1 / len(z)) * empty / empty.sum()
    return resp, core
