"""The experts of a training by a plan: by EM before the gate is trained, and then held against gradients."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from vae_moe.engine.resume import Backup
from vae_moe.training import expert_em
from vae_moe.training.plan import ExpertsByEM

logger = logging.getLogger(__name__)


def options(model, x, y, weights, by_em: ExpertsByEM) -> dict[str, Any]:
    """Return how ``expert_em`` fits the experts to rows, before training and after each epoch."""
    center = (
        None if by_em.ridges else expert_em.shared_kernel(model.experts, model.expert_inputs(x), y, weights)
    )  # [D, O]
    return {"center": center, "reg_variance": by_em.reg_variance, "sample_weight": weights}


def fit(
    model, x, y, by_em: ExpertsByEM, how: dict[str, Any], backup: Backup, judge: Callable[[], float] | None
) -> dict[str, Any]:
    """Set the experts by EM, and hold them against gradients.

    Of experts of classes the plan's ridge of least ``judge``, the loss on rows held out, is taken: where all that the
    rows tell is one logistic regression, the experts are that one. It is returned as an option of ``expert_em``.
    """
    stages: dict[str, Any] = {"tied": by_em.tied, "max_iter": by_em.max_iter, "tol": by_em.tol}
    stages |= {"alphas": by_em.ridges or (1.0,), **how}
    choose = judge if by_em.class_ridges and model.experts.task == "classification" else None

    def fitted(**ridge):
        expert_em.fit_experts(model, x, y, **stages, **ridge)
        return {weight.name: weight.numpy() for weight in model.experts.weights}

    def weights():
        logger.info("experts by EM")
        if not choose:
            return {**fitted(), "ridge": np.array(1.0)}
        found = [(fitted(class_alpha=ridge), choose(), ridge) for ridge in by_em.class_ridges]
        best, _, ridge = min(found, key=lambda each: each[1])
        return {**best, "ridge": np.array(ridge)}

    kept = backup.once("experts", weights)
    for weight in model.experts.weights:
        weight.assign(kept[weight.name])
    model.experts.trainable = False
    return {"class_alpha": float(kept["ridge"])}
