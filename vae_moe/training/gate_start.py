"""How a gate begins, by a plan: latents, their clusters, and the gate that learns them."""

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from sklearn.preprocessing import StandardScaler

from vae_moe.em import CategoricalExperts, EvidenceExperts, SoftmaxGate, run_em
from vae_moe.engine.resume import Backup
from vae_moe.layers import LatentMixture
from vae_moe.training import expert_em, graphs, initialization, warm_start
from vae_moe.training.plan import Plan, WarmStart
from vae_moe.training.warm_start import Latents

logger = logging.getLogger(__name__)

#: Ridge of the linear gate that moves the start's clusters, and steps of its inner loop.
ALPHA_GATE, INNER_MAX_ITER = 1.0, 20
#: E and M steps of these moves at most, and the gain in nats a row that ends them.
MOVES, LEAST_MOVE = 50, 1e-3
#: Each expert's part of a row where clusters are moved: none is without rows.
SMOOTHING = 1e-3


class StartCache(Protocol):
    """Where the part of a start that depends on no number of components is kept for other trainings."""

    def get(
        self, mixture: LatentMixture, x: np.ndarray, stages: WarmStart, seed: int, make: Callable[[], Latents]
    ) -> Latents:
        """Return the latents of x as they were kept, with the mixture's weights set; or make and keep them."""


def latents_of(mixture, x, plan: Plan, seed, cache: StartCache | None, backup, verbose) -> Latents:
    """Return what is clustered before there are components: an autoencoder's latents, or x itself."""
    stages = plan.warm_start
    assert stages is not None
    if mixture is None:
        return Latents(x, graphs.nearest_neighbors(x, stages.n_neighbors))

    def make() -> Latents:
        started = time.perf_counter()
        found = warm_start.learn_latents(
            mixture,
            x,
            epochs=stages.autoencoder_epochs,
            n_neighbors=stages.n_neighbors,
            neighbors_of=stages.neighbors_of,
            **_stage_options(stages, seed, backup, verbose),
        )
        return Latents(*found, seconds=time.perf_counter() - started)

    return make() if cache is None else cache.get(mixture, x, stages, seed, make)


def clusters_of(x, latents: Latents, n_components: int, start: str, seed: int, backup: Backup) -> np.ndarray:
    """Return the start's responsibilities, [N, K]."""

    def resp():
        return {"resp": warm_start.cluster(x, latents.z, latents.neighbors, n_components, start=start, seed=seed)}

    return backup.once("clusters", resp)["resp"]


def begin(model, mixture, x, latents: Latents, resp, plan: Plan, seed, backup, verbose) -> np.ndarray | None:
    """Bring the gate to the clusters; return the components it is held to, -1 where to none, [N]."""
    stages = plan.warm_start
    assert stages is not None
    held = graphs.core(latents.neighbors, resp) if plan.hold_start else np.full(len(x), True)
    options = {"epochs": stages.distill_epochs, **_stage_options(stages, seed, backup, verbose)}
    if model.gate_layer() is mixture:
        warm_start.place_components(mixture, x, latents.z, resp, held=held, **options)
        if stages.sharpen:
            initialization.sharpen_posterior(mixture)
    else:
        initialization.distill(model.gate_layer(), x[held], resp[held], **options)
    model.component_shares = resp.mean(0).tolist()
    return np.where(held, resp.argmax(-1), -1) if plan.hold_start else None


def _stage_options(stages: WarmStart, seed: int, backup: Backup, verbose) -> dict[str, Any]:
    return {
        "batch_size": stages.batch_size,
        "learning_rate": stages.learning_rate,
        "least_steps": stages.least_steps,
        "seed": seed,
        "backup": backup,
        "verbose": verbose,
    }


def moved(model, x, y, rows, weights, resp, reg_variance: float, backup: Backup) -> np.ndarray:
    """Return p(c|x) [N, K] of a linear gate that EM fits to some rows, from responsibilities [N, K] on.

    It moves the clusters to where one affine map does not do.
    """

    def move():
        inputs = StandardScaler().set_output(transform="default").fit_transform(x.astype(np.float64))
        center = expert_em.shared_kernel(model.experts, inputs[rows], y[rows], weights[rows])
        if y.ndim == 2:
            experts: Any = EvidenceExperts(1.0, reg_variance, center=center)
        else:
            experts = CategoricalExperts(center.shape[1], 1.0, INNER_MAX_ITER, center=center)
        gate, log_resp = SoftmaxGate(ALPHA_GATE, INNER_MAX_ITER), np.log(_smooth(resp)[rows])
        result = run_em(inputs[rows], y[rows], gate, experts, log_resp, y_weight=1.0, max_iter=MOVES, tol=LEAST_MOVE)
        return {"resp": _smooth(np.exp(result.gate.log_prob(inputs)))}

    return backup.once("moved", move)["resp"]


def _smooth(resp: np.ndarray) -> np.ndarray:
    """Return responsibilities [N, K] in which no component is without rows."""
    return (1 - SMOOTHING) * resp + SMOOTHING / resp.shape[1]
