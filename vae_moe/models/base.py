"""What all models share: a gate, a loss of named terms, and readouts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vae_moe.engine.pipelines import map_batches
from vae_moe.engine.steps import LoopingModel, batch_mean, replicas_share
from vae_moe.layers import Regularization, networks, regularization
from vae_moe.models import serving
from vae_moe.models.interface import Shown
from vae_moe.probabilities import normalised_logs, normalised_tensor

#: Samples of z over which readouts average p(c|z) where q(c|x) is Bayes' rule.
READOUT_SAMPLES = 16
#: The name of what layers add to the loss.
LAYER_LOSSES = "layer_losses"
#: Terms whose training weight is multiplied by ``kl_weight``.
KL_TERMS = ("kl_z", "kl_c", "kl_c2")


class GatedModel(Shown, LoopingModel):
    """Abstract: a model around a gate, whose loss is the weighted sum of named per-example terms.

    ``call`` returns a dictionary with ``"terms": {name: [B] in nats}``. The terms become one number in one place,
    ``compute_loss``. In evaluation every term of the bound counts once: ``val_loss`` is minus the bound itself,
    whatever weights training is at, and the terms that hold q(c|x) together in training (:class:`Regularization`, none
    of which is the report's) count nothing.

    Inputs are x [B, D], or a dictionary of ``x``, ``view`` [B, D], ``radius`` [B] and ``component`` [B], of which
    :meth:`Regularization.terms` tells (``engine.pipelines`` makes such batches). Of images, x and view may be
    [B, H, W, C]; all inside are rows.

    In training ``call`` gives ``"layer_losses"`` too, a scalar, if layers add to the loss, as a user's ``encoder`` with
    a regularizer does: this is added as it is, whatever the examples' weights, and reported by that name.

    Weights: ``kl_weight``, a non-trainable scalar that a warm-up callback raises.

    Args:
        term_weights: in training, of the model's terms by name; those of ``KL_TERMS`` are times ``kl_weight``.
        regularization: of q(c|x) in training.
        seed: of the directions in which the adversarial change is sought.
        dtype: of the networks, a policy; all else is in the type of its variables. Default: Keras' global policy.
    """

    #: The arguments of the gate, a ``GATE``, that make the model what it is.
    FIXED: Mapping[str, Any] = MappingProxyType({})
    SETTINGS = ("regularization",)

    def __init__(
        self, term_weights: Mapping[str, float], regularization: Regularization, seed: int, dtype=None, **kwargs
    ):
        policy = keras.dtype_policies.get(dtype)
        super().__init__(dtype=policy.variable_dtype, **kwargs)
        self.network_policy = policy
        self.regularization = regularization
        self.term_weights = {**term_weights, **regularization.weights}
        self.kl_weight = self.add_weight(shape=(), initializer="ones", trainable=False, name="kl_weight")
        self.term_trackers = {name: keras.metrics.Mean(name) for name in [*self.term_weights, LAYER_LOSSES]}
        self.seed_generator = keras.random.SeedGenerator(10 * seed + 8)

    @property
    def component_shares(self) -> Sequence[float] | None:
        """Of the rows that each component should have, [K], or None; a start found later sets them before ``fit``."""
        return self.regularization.component_shares

    @component_shares.setter
    def component_shares(self, shares: Sequence[float] | None) -> None:
        self.regularization = replace(self.regularization, component_shares=shares)

    def step_constants(self) -> tuple:
        """The terms that hold q(c|x), with the shares where these have a weight."""
        return (self.regularization.weights, self.regularization.weights["balance"] and self.component_shares)

    def fit(self, x=None, *args, **options):
        """Keras' ``fit``; x that is an array is looked at first, where that of batches is not.

        Raises:
            ValueError: x is no rows of finite numbers, one a column; or is beyond [0, 1], where p(x|z) is Bernoulli's.
        """
        rows = x.get("x") if isinstance(x, Mapping) else x
        if hasattr(rows, "__array__"):
            rows = np.asarray(rows, np.float32)
            images = rows.ndim > 2 and len(rows) > 0  # are rows inside, whatever their shape
            check_range(check_rows(rows.reshape(len(rows), -1) if images else rows, self.gate), self.gate)
        return super().fit(x, *args, **options)

    @staticmethod
    def row_inputs(inputs) -> dict:
        """Inputs, x or a dictionary with it, as a dictionary of rows; whole numbers in x become float32."""
        inputs = inputs if isinstance(inputs, Mapping) else {"x": inputs}
        rows = {name: networks.rows(value) for name, value in inputs.items()}
        whole = [name for name in ("x", "view") if name in rows and tf.as_dtype(rows[name].dtype).is_integer]
        return rows | {name: tf.cast(rows[name], tf.float32) for name in whole}

    def gate_layer(self) -> keras.layers.Layer:
        """The gate, a layer with ``call`` and ``c_log_probs`` (:mod:`vae_moe.layers.gates`)."""
        return self.gate

    def gate_outputs(self, inputs, training):
        """The gate's outputs for x, with the terms of q(c|x) that training uses.

        Args:
            inputs: as :meth:`row_inputs` gives them.
            training: whether these terms apply.

        Returns:
            The gate's dictionary.
        """
        gate = self.gate
        outputs = gate(inputs["x"], training=training)
        if training:
            if losses := self.losses:  # taken here: the terms call its layers again
                outputs[LAYER_LOSSES] = tf.add_n([tf.cast(loss, outputs["c_logits"].dtype) for loss in losses])
            held = self.regularization.terms(gate, outputs, self.seed_generator, **inputs)
            outputs["terms"] = {**outputs["terms"], **held}
        return outputs

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mean over the batch of the weighted sum of the terms, in nats.

        Args:
            x: unused; the terms know it.
            y: targets, if the model has any.
            y_pred: what ``call`` returned.
            sample_weight: [B], or None.
            training: whether training weights apply.

        Returns:
            A scalar.
        """
        terms, rows = self.loss_terms(y, y_pred), self.term_rows(y)
        loss = tf.zeros((), self.variable_dtype)
        for name, term in terms.items():
            self.term_trackers[name].update_state(term, _product(sample_weight, rows.get(name)))
            loss += self._weight(name, training) * term  # [B]
        if sample_weight is not None:
            loss *= tf.cast(tf.reshape(sample_weight, [-1]), loss.dtype)
        loss = batch_mean(loss)
        if LAYER_LOSSES in y_pred:
            self.term_trackers[LAYER_LOSSES].update_state(y_pred[LAYER_LOSSES])
            loss += replicas_share(y_pred[LAYER_LOSSES])
        return loss

    def loss_terms(self, y, y_pred):
        """The terms {name: [B]} of a batch from its targets and outputs; a model with targets adds theirs."""
        del y
        return y_pred["terms"]

    def term_rows(self, y):
        """The rows over which a term's reported mean goes, {name: [B] booleans}; all of them, where it is not named."""
        del y
        return {}

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The means of the terms this batch has; a term that was not computed is not reported."""
        absent = set(self.term_trackers) - set(self.loss_terms(y, y_pred)) - set(y_pred)
        results = super().compute_metrics(x, y, self.predicted(y_pred), sample_weight)
        return {name: value for name, value in results.items() if name not in absent}

    def c_log_proba(self, x, n_samples: int = READOUT_SAMPLES, seed: int = 0) -> np.ndarray:
        """log p(c|x), deterministic.

        Args:
            x: [N, D].
            n_samples: samples of z to average p(c|z) over, where the gate needs them; the same noise for every row.
            seed: of those samples.

        Returns:
            [N, K] log-probabilities, float64.
        """
        noise = self._noise(n_samples, seed)
        rows = check_rows(x, self.gate)
        return normalised_logs(map_batches(lambda batch: self._c_log_probs(batch, noise), rows))

    def export(self, filepath, *, n_samples: int = READOUT_SAMPLES, seed: int = 0) -> None:
        """Write what the model tells as a SavedModel: TensorFlow alone, without this package, loads and serves it.

        Its signatures take one float32 tensor ``x``, [B, D], or [B, *image_shape] of images, for any B, and give
        dictionaries: "cluster" ``probabilities`` [B, K] and the most probable ``component`` [B]; of a latent mixture
        "encode" and "reconstruct"; of a mixture of experts "predict" (:meth:`signatures`), which is its default one.
        The figures are those of the methods in Python: x, and y, are as the model saw them in training. What an
        estimator's ``model_`` saw is standardised: ``export`` of the estimator has that inside.

        Args:
            filepath: the folder, written whole or not at all; a SavedModel that is there is replaced.
            n_samples: samples of z, as in ``c_log_proba``.
            seed: of those samples.

        Raises:
            FileExistsError: if something else is there.
        """
        gate = self.gate
        functions = self.signatures(self._noise(n_samples, seed))
        serving.write(filepath, functions, gate.image_shape or (gate.input_dim,))

    def signatures(self, noise):
        """What :meth:`export` serves, by name: functions of x [B, D] that give dictionaries of tensors.

        Args:
            noise: [S, L], the gate's.
        """

        def cluster(x):
            probabilities = normalised_tensor(tf.exp(self.gate.c_log_probs(x, noise)))  # [B, K]
            return {"probabilities": probabilities, "component": tf.argmax(probabilities, -1)}

        return {"cluster": cluster}

    def _noise(self, n_samples: int, seed: int):
        return tf.random.stateless_normal([n_samples, self.gate.latent_dim], seed=[seed, 0])  # [S, L]

    @tf.function(reduce_retracing=True)
    def _c_log_probs(self, x, noise):
        return self.gate.c_log_probs(x, noise)

    def _parts(self) -> dict[str, keras.layers.Layer]:
        """The model's layers and its gate's, by name."""
        layers = [*vars(self).values(), *vars(self.gate).values()]
        return {layer.name: layer for layer in layers if isinstance(layer, keras.layers.Layer)}

    def _hold(self, names: Sequence[str]) -> None:
        """Take these layers out of training, as their ``trainable = False`` does."""
        parts = self._parts()
        if unknown := set(names) - set(parts):
            raise ValueError(f"held may name {', '.join(parts)}, got {', '.join(map(repr, sorted(unknown)))}.")
        for name in names:
            parts[name].trainable = False

    def _weight(self, name: str, training: bool):
        if not training:
            return 0.0 if name in regularization.NAMES else 1.0
        return self.term_weights[name] * (self.kl_weight if name in KL_TERMS else 1.0)

    def get_config(self):
        """The constructor's arguments, flat: the gate's, the regularization's, and which layers are held."""
        gate = self.gate.get_config()
        return {
            **{name: value for name, value in gate.items() if name not in self.FIXED},
            **super().get_config(),
            **self.regularization.arguments(),
            "held": [name for name, layer in self._parts().items() if not layer.trainable],
            "dtype": keras.dtype_policies.serialize(self.network_policy),
        }


def check_rows(x, gate) -> np.ndarray:
    """x as a float32 array [N, D], or an error that says what is wrong with it.

    Args:
        x: [N, D], or [N, *image_shape] where the gate has one.
        gate: with ``input_dim``, D, and ``image_shape``.

    Raises:
        ValueError: if x has another shape, no row, or entries that are not finite.
    """
    x = np.asarray(x, np.float32)
    shapes = [(gate.input_dim,), *([gate.image_shape] if gate.image_shape else [])]
    if x.shape[1:] not in shapes or not len(x):
        wanted = " or ".join(f"[N, {', '.join(map(str, shape))}]" for shape in shapes)
        cure = "" if gate.image_shape else ": flatten images to rows, or give the model their image_shape"
        raise ValueError(f"x must be {wanted} with N >= 1, got shape {x.shape}{cure}.")
    x = x.reshape(len(x), -1)
    usable = np.isfinite(x) | np.isnan(x) if getattr(gate, "takes_gaps", False) else np.isfinite(x)
    if not usable.all():
        row, column = np.argwhere(~usable)[0]
        raise ValueError(f"x has NaN or infinite entries, the first at row {row}, column {column}: fill or drop them.")
    return x


def check_range(x, gate) -> None:
    """Raise ValueError if x [N, D] has entries beyond [0, 1] and the gate gives it a Bernoulli likelihood."""
    least, most = x.min(), x.max()
    if getattr(gate, "likelihood", None) == "bernoulli" and not 0 <= least <= most <= 1:
        raise ValueError(
            f"x must be in [0, 1] for likelihood='bernoulli', got values from {least:.3g} to {most:.3g}: divide bytes "
            "by 255, scale x, or take likelihood='gaussian'."
        )


def _product(sample_weight, rows):
    """Weights of a reported mean from those of the examples and the rows that have it; each [B], or None: all alike."""
    if rows is None or sample_weight is None:
        return sample_weight if rows is None else rows
    weights = tf.reshape(sample_weight, [-1])
    return weights * tf.cast(rows, weights.dtype)
