"""The warm start of a mixture: the stages of ``initialization`` and ``graphs`` in a row.

The first half depends on no number of components, so that several can share it.
"""

import logging
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from vae_moe.engine import threads
from vae_moe.engine.pipelines import map_batches
from vae_moe.engine.resume import Backup
from vae_moe.layers import LatentMixture
from vae_moe.training import cuts, graphs, initialization
from vae_moe.training.graphs import Neighbors

logger = logging.getLogger(__name__)

#: Up to this many, the autoencoder learns rows by heart, and distances in its latents tell nothing.
FEW_ROWS = 1000
#: Starts of each Gaussian mixture of x, which is one clustering of several.
MIXTURE_STARTS = 5
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


def learn_latents(
    mixture: LatentMixture,
    x: np.ndarray,
    *,
    epochs: int,
    n_neighbors: int = 10,
    neighbors_of: str | None = None,
    backup: Backup | None = None,
    **fit_options,
) -> tuple[np.ndarray, Neighbors]:
    """Train the autoencoder, and find each row's nearest neighbours.

    Args:
        mixture: built.
        x: [N, D].
        epochs: of the autoencoder.
        n_neighbors: M, of each row.
        neighbors_of: "z", in the latents, or "x"; None takes "x" where it has few columns or few rows.
        backup: what an earlier process did is taken from it; None keeps nothing.
        fit_options: of :func:`vae_moe.training.initialization.pretrain_autoencoder`.

    Returns:
        The latents z [N, L], and each row's neighbours.
    """
    logger.info("autoencoder, %d epochs", epochs)
    initialization.pretrain_autoencoder(mixture, x, epochs=epochs, backup=backup, **fit_options)
    near = neighbors_of or ("x" if x.shape[1] <= graphs.FEW_COLUMNS or len(x) <= FEW_ROWS else "z")

    def latents():
        z = map_batches(tf.function(mixture.z_mean, reduce_retracing=True), x)
        return {"z": z, **graphs.nearest_neighbors(z if near == "z" else x, n_neighbors)._asdict()}

    kept = (backup or Backup()).once("latents", latents)
    return kept["z"], Neighbors(kept["rows"], kept["distances"])


def cluster(
    x: np.ndarray, z: np.ndarray, neighbors: Neighbors, n_components: int, *, start: str, seed: int = 0
) -> np.ndarray:
    """Cluster the rows before a mixture is trained, several ways (``cuts.best_clustering`` chooses).

    "gmm" has a Gaussian mixture of the latents, "spectral" the clusters of the neighbour graph; both, where x has few
    columns, Gaussian mixtures of x. A component that no row is in, where there are fewer different rows, gets an equal
    part of one row's worth.

    Args:
        x: [N, D].
        z: latents [N, L].
        neighbors: of the N rows.
        n_components: K.
        start: one of ``STARTS``.
        seed: of everything random.

    Returns:
        Responsibilities [N, K].

    Raises:
        ValueError: for another start.
    """
    if start not in STARTS:
        raise ValueError(f"start must be one of {', '.join(map(repr, STARTS))}, got {start!r}.")
    logger.info("%s start on %d rows", start, len(z))
    few = x.ndim == 2 and x.shape[1] <= graphs.FEW_COLUMNS
    with threads.one_if(threads.few_rows(len(x))):
        found = [] if start == "gmm" else [graphs.spectral_start(x if few else z, neighbors, n_components, seed=seed)]
        if start == "gmm":
            found.append(initialization.gmm_start(z, n_components, seed=seed))
        if few:
            kinds = ("diag", "full") if len(x) > 2 * n_components * x.shape[1] else ("diag",)
            options = {"n_init": MIXTURE_STARTS, "seed": seed}
            found += [initialization.gmm_start(x, n_components, covariance_type=kind, **options) for kind in kinds]
        resp = cuts.best_clustering(graphs.adjacency(neighbors), found)
    empty = resp.sum(0) < initialization.LEAST_COUNT  # [K]
    return (1 - 1 / len(z)) * resp + (1 / len(z)) * empty / empty.sum() if empty.any() else resp


def place_components(
    mixture: LatentMixture,
    x: np.ndarray,
    z: np.ndarray,
    resp: np.ndarray,
    held: np.ndarray | None = None,
    **fit_options,
) -> None:
    """Set the prior to the clusters of the latents, and let the network of q(c|x), if there is one, learn them.

    Args:
        mixture: built, with a trained autoencoder.
        x: [N, D].
        z: its latents, [N, L].
        resp: of the clusters, [N, K].
        held: the rows from which the network learns, [N] booleans or row numbers; None: all.
        fit_options: of :func:`vae_moe.training.initialization.distill`.
    """
    initialization.assign_prior(mixture.prior, z, resp)
    if mixture.c_encoder is not None:
        logger.info("the network of q(c|x) learns the start, %d epochs", fit_options["epochs"])
        rows = slice(None) if held is None else held
        initialization.distill(mixture, x[rows], resp[rows], **fit_options)
