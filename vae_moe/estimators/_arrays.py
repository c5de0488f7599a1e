"""A fitted estimator as named arrays and a few words, which `vae_moe.exported.model` computes with."""

from __future__ import annotations

from typing import Any

import numpy as np

from vae_moe.estimators.intervals import calibrated, stddevs_of
from vae_moe.exported.model import LEVEL
from vae_moe.layers import BayesMixture, SoftmaxGate, TreeMLP
from vae_moe.layers.mlp import MLP
from vae_moe.models.base import READOUT_SAMPLES


class ExportError(ValueError):
    """An estimator cannot be exported in this form."""


def of_estimator(estimator: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a description for JSON, and the arrays by name, of which `exported.model.Model` makes its answers."""
    model, gate = estimator.model_, estimator.model_.gate
    arrays = {name: getattr(estimator, f"{name}_") for name in ("x_mean", "x_scale", "x_limit")}
    if isinstance(gate, SoftmaxGate):
        networks = {"gate": [gate.hidden, gate.output_layer]}
    else:
        networks = {"gate": [gate.trunk, gate.z_encoder if isinstance(gate, BayesMixture) else gate.c_encoder]}
    if getattr(gate, "takes_gaps", False) and hasattr(model, "experts"):  # which see what the gate's model fills in
        networks |= {"z": [gate.trunk, gate.z_encoder], "decoder": [gate.decoder]}
    activations = {name: _add_network(arrays, name, parts) for name, parts in networks.items()}
    if hasattr(estimator, "fill_"):
        arrays |= {"fill": estimator.fill_}
    if isinstance(gate, BayesMixture):
        arrays |= {"noise": model._noise(READOUT_SAMPLES, 0), "prior_log_weights": gate.prior.log_weights()}
        arrays |= {"prior_means": gate.prior.means, "prior_log_vars": gate.prior.log_vars}
        arrays["prior_mixing"] = gate.prior.mixing()
    description = {"n_features": len(estimator.x_mean_), "activations": activations, "task": "clustering"}
    description["branching"] = getattr(gate, "branching", ())
    if getattr(gate, "takes_gaps", False):
        description["columns"] = gate.mixed.config()
    if not hasattr(model, "experts"):
        return description, _plain(arrays | {"temperature": estimator.temperature_})
    arrays |= {"expert_kernels": np.swapaxes(model.experts.kernels, 0, 1), "expert_biases": model.experts.biases}
    description["task"] = model.experts.task
    if model.experts.task == "classification":
        classes = estimator.classes_
        return description, _plain(arrays) | {"classes": classes.astype(str) if classes.dtype == object else classes}
    arrays |= {"y_mean": np.atleast_1d(estimator.y_mean_), "y_scale": np.atleast_1d(estimator.y_scale_)}
    arrays |= {"stddevs": stddevs_of(model) * estimator.y_scale_, "levels": calibrated(estimator.ranks_, LEVEL)}
    return {**description, "one_output": estimator.y_mean_.ndim == 0}, _plain(arrays)


def _add_network(arrays: dict[str, Any], name: str, networks: list[Any]) -> list[str]:
    """Add the kernels and biases of dense layers one after the other, and return their activations."""
    if other := [each.name for each in networks if type(each) not in (MLP, TreeMLP) or each.batch_normalization]:
        raise ExportError(
            f"this form has plain dense layers alone, and {', '.join(other)} of this estimator are others. Export a "
            "SavedModel."
        )
    layers = [layer for each in networks for layer in each.layers]
    for i, layer in enumerate(layers):
        arrays |= {f"{name}_{i}_kernel": layer.kernel, f"{name}_{i}_bias": layer.bias}
    return [layer.activation.__name__ for layer in layers]


def _plain(arrays: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(array) for name, array in arrays.items()}
