"""Estimators as SavedModels, as NumPy's arrays and as ONNX: standardisation, scale of y and intervals are inside."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from vae_moe.engine.files import whole_folder
from vae_moe.estimators import _arrays, _onnx
from vae_moe.estimators.intervals import FAR, calibrated, stddevs_of
from vae_moe.exported import model as numpy_model
from vae_moe.exported.model import BISECTIONS, LEVEL
from vae_moe.models import serving
from vae_moe.models.base import READOUT_SAMPLES
from vae_moe.probabilities import normalised_tensor

if TYPE_CHECKING:
    from vae_moe.estimators._base import KerasEstimator

#: Forms, and the file by which an export of each is known.
FORMS = {"tf_saved_model": "saved_model.pb", "numpy": "model.json", "onnx": "model.onnx"}


def write(estimator: KerasEstimator, folder: Path, form: str) -> None:
    """Write an estimator in one of `FORMS`, as `KerasEstimator.export` tells."""
    if form == "tf_saved_model":
        serving.write(folder, signatures(estimator), (len(estimator.x_mean_),), tf.float64)
        return
    if folder.exists() and any(folder.iterdir()) and not (folder / FORMS[form]).is_file():
        raise FileExistsError(f"{folder} is there and is no such export: remove it, or export to another folder.")
    description, arrays = _arrays.of_estimator(estimator)
    graph = _onnx.graph(description, arrays) if form == "onnx" else None
    with whole_folder(folder) as made:
        if graph is not None:
            (made / "model.onnx").write_bytes(graph.SerializeToString())
            return
        (made / "model.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        np.savez(made / "arrays.npz", **arrays)  # type: ignore[arg-type]
        shutil.copyfile(str(numpy_model.__file__), made / "model.py")


def signatures(estimator: KerasEstimator) -> dict[str, Callable]:
    """Return functions of X [B, D] float64 by name, as `KerasEstimator.export` tells of them."""
    gate, scaling = estimator.model_.gate, estimator._scaling
    noise, fill = estimator.model_._noise(READOUT_SAMPLES, 0), getattr(estimator, "fill_", None)

    def scaled(X: Any) -> Any:
        x = tf.cast(tf.clip_by_value((X - scaling.mean) / scaling.scale, -scaling.limit, scaling.limit), tf.float32)
        return x if fill is None else tf.where(tf.math.is_nan(x), fill, x)

    def log_gate(x: Any) -> Any:
        return tf.nn.log_softmax(tf.cast(gate.c_log_probs(x, noise), tf.float64))

    if not hasattr(estimator.model_, "experts"):
        return _of_clustering(estimator, scaled, log_gate)
    return {"predict": _of_experts(estimator, scaled, log_gate)}


def _of_clustering(estimator: Any, scaled: Callable, log_gate: Callable) -> dict[str, Callable]:
    def predict(X: Any) -> dict[str, Any]:
        probabilities = tf.nn.softmax(log_gate(scaled(X)) / estimator.temperature_)
        return {"cluster": tf.argmax(probabilities, -1), "probabilities": probabilities}

    return {"predict": predict, "encode": lambda X: {"z_mean": estimator.model_.gate.z_mean(scaled(X))}}


def _of_experts(estimator: Any, scaled: Callable, log_gate: Callable) -> Callable:
    experts = estimator.model_.experts

    def parts(X: Any) -> tuple[Any, Any]:
        x = scaled(X)
        means = experts.mean(experts(estimator.model_._completed(x)))
        return tf.exp(log_gate(x)), tf.cast(means, tf.float64)  # [B, K], [B, K, O]

    def classify(X: Any) -> dict[str, Any]:
        gate, means = parts(X)
        probabilities = normalised_tensor(tf.einsum("bk,bko->bo", gate, normalised_tensor(means)))
        y = tf.gather(tf.constant(estimator.classes_.tolist()), tf.argmax(probabilities, -1))
        return {"y": y, "probabilities": probabilities, "gate_probabilities": gate}

    def regress(X: Any) -> dict[str, Any]:
        gate, means = parts(X)
        means = means * estimator.y_scale_ + estimator.y_mean_
        low, high = (_quantile(level, gate, means, deviations) for level in levels)
        found = {"y": tf.einsum("bk,bko->bo", gate, means), "low": low, "high": high}
        if not estimator.y_mean_.ndim:
            found = {name: value[:, 0] for name, value in found.items()}
        return {**found, "gate_probabilities": gate}

    if experts.task == "classification":
        return classify
    levels = calibrated(estimator.ranks_, LEVEL)  # [2], or [2, O]
    deviations = stddevs_of(estimator.model_) * estimator.y_scale_  # [K, O]
    return regress


def _quantile(level: Any, gate: Any, means: Any, deviations: Any) -> Any:
    """Return the y [B, O] below which a share of p(y | x) lies, as `Predictive.quantile` does."""
    low = tf.reduce_min(means - FAR * deviations, 1)
    high = tf.reduce_max(means + FAR * deviations, 1)

    def halve(low: Any, high: Any) -> tuple[Any, Any]:
        middle = (low + high) / 2
        below = tf.math.erfc((means - middle[:, tf.newaxis]) / deviations / math.sqrt(2)) / 2
        under = tf.einsum("bk,bko->bo", gate, below) < level
        return tf.where(under, middle, low), tf.where(under, high, middle)

    low, high = tf.while_loop(lambda *_: True, halve, (low, high), maximum_iterations=BISECTIONS)
    return (low + high) / 2
