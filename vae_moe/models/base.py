"""What all models share: a gate, its training terms and its readouts."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from vae_moe.engine.pipelines import map_batches
from vae_moe.layers import batch_part, consistency, networks
from vae_moe.layers.noise import normal
from vae_moe.models import serving
from vae_moe.models.terms import LAYER_LOSSES, TermModel
from vae_moe.probabilities import normalised_logs, normalised_tensor

#: Samples of z over which readouts average p(c|z) where q(c|x) is Bayes' rule.
READOUT_SAMPLES = 16


class GatedModel(TermModel):
    """Abstract: a model around a gate, with the terms that hold q(c|x) together in training.

    None of these terms is the report's, and all are 0 unless asked for (:mod:`vae_moe.layers.consistency`). Inputs are
    x [B, D], or a dictionary of ``x``, ``view`` [B, D], augmentations or neighbours of the rows of x, for the
    consistency, ``radius`` [B], each row's own, and ``component`` [B], where a start put each row, or -1
    (``engine.pipelines`` makes such batches). Of images, x and view may be [B, H, W, C]; all inside are rows.

    Args:
        term_weights: of the model's other terms, by name.
        regularization: weights of these terms, by name; those left out are 0.
            "consistency": KL(q(c|x) || q(c|view));
            "balance": the KL of the batch mean of q(c|x) to ``component_shares``, or its negative entropy;
            "entropy": the entropy of q(c|x);
            "adversarial": KL(q(c|x) || q(c|x + r)), r the small change that raises it most;
            "start": the cross-entropy of q(c|x) to the start's components.
        adversarial_radius: length of r, in units of x.
        adversarial_probe: how far from x the direction of r is sought, in units of that length.
        adversarial_share: share of each training batch on which that term is computed, as ``bound_share`` of a
            :class:`LatentMixture`; a gate with large networks spends most of its time there.
        component_shares: of the rows that each component should have, [K]; a start that is found later sets the
            attribute before ``fit``. None: as many in each as in the others.
        seed: of the directions in which r is sought.
    """

    def __init__(
        self,
        term_weights: dict[str, float],
        regularization: Mapping[str, float] | None,
        adversarial_radius: float,
        adversarial_probe: float,
        adversarial_share: float,
        component_shares: Sequence[float] | None,
        seed: int,
        **kwargs,
    ):
        for what, length in (("adversarial_radius", adversarial_radius), ("adversarial_probe", adversarial_probe)):
            if not length > 0:
                raise ValueError(f"{what} must be positive, got {length!r}: the radius is in units of x.")
        weights = dict(regularization or {})
        if unknown := set(weights) - set(self.TRAINING_TERMS):
            raise ValueError(
                f"regularization weighs {', '.join(self.TRAINING_TERMS)}, got {', '.join(map(repr, sorted(unknown)))}."
            )
        super().__init__({**term_weights, **dict.fromkeys(self.TRAINING_TERMS, 0.0), **weights}, **kwargs)
        self.adversarial_radius = adversarial_radius
        batch_part.check_share("adversarial_share", adversarial_share)
        self.adversarial_probe = adversarial_probe
        self.adversarial_share = adversarial_share
        self.component_shares = component_shares
        self.seed_generator = keras.random.SeedGenerator(10 * seed + 8)

    def fit(self, x=None, *args, **options):
        """Keras' ``fit``; x that is an array is looked at first, where that of batches is not.

        Raises:
            ValueError: x is no rows of finite numbers, as many as the model has columns; or is beyond [0, 1], where
                p(x|z) is Bernoulli's.
        """
        rows = x.get("x") if isinstance(x, Mapping) else x
        if hasattr(rows, "__array__"):
            rows = np.asarray(rows, np.float32)
            images = rows.ndim > 2 and len(rows) > 0  # are rows inside, whatever their shape
            check_range(
                check_rows(rows.reshape(len(rows), -1) if images else rows, self.gate_layer()), self.gate_layer()
            )
        return super().fit(x, *args, **options)

    @staticmethod
    def row_inputs(inputs) -> dict:
        """Inputs, x or a dictionary with it, as a dictionary of rows; whole numbers in x become float32."""
        inputs = inputs if isinstance(inputs, Mapping) else {"x": inputs}
        rows = {name: networks.rows(value) for name, value in inputs.items()}
        whole = [name for name in ("x", "view") if name in rows and tf.as_dtype(rows[name].dtype).is_integer]
        return rows | {name: tf.cast(rows[name], tf.float32) for name in whole}

    def gate_layer(self):
        """The gate, a layer with ``call`` and ``c_log_probs`` (:mod:`vae_moe.layers.gates`)."""
        raise NotImplementedError

    def gate_outputs(self, inputs, training):
        """The gate's outputs for x, with the terms of q(c|x) that training uses.

        Args:
            inputs: as :meth:`row_inputs` gives them.
            training: whether these terms apply.

        Returns:
            The gate's dictionary.
        """
        gate = self.gate_layer()
        outputs = gate(inputs["x"], training=training)
        if training:
            if losses := self.losses:  # taken here: the terms call its layers again
                outputs[LAYER_LOSSES] = tf.add_n([tf.cast(loss, outputs["c_logits"].dtype) for loss in losses])
            outputs["terms"] = {**outputs["terms"], **self._training_terms(gate, outputs["c_logits"], **inputs)}
        return outputs

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
        rows = check_rows(x, self.gate_layer())
        return normalised_logs(map_batches(lambda batch: self._c_log_probs(batch, noise), rows))

    def export(self, filepath, *, n_samples: int = READOUT_SAMPLES, seed: int = 0) -> None:
        """Write what the model tells as a SavedModel: TensorFlow alone, without this package, loads and serves it.

        Its signatures take one float32 tensor ``x``, [B, D], or [B, *image_shape] of images, for any B, and give
        dictionaries: "cluster" ``probabilities`` [B, K] and the most probable ``component`` [B]; of a latent mixture
        "encode" and "reconstruct"; of a mixture of experts "predict" (:meth:`signatures`). The figures are those of the
        methods in Python.

        Args:
            filepath: the folder, written whole or not at all; a SavedModel that is there is replaced.
            n_samples: samples of z, as in ``c_log_proba``.
            seed: of those samples.

        Raises:
            FileExistsError: if something else is there.
        """
        gate = self.gate_layer()
        functions = self.signatures(self._noise(n_samples, seed))
        serving.write(filepath, functions, gate.image_shape or (gate.input_dim,))

    def signatures(self, noise):
        """What :meth:`export` serves, by name: functions of x [B, D] that give dictionaries of tensors.

        Args:
            noise: [S, L], the gate's.
        """

        def cluster(x):
            probabilities = normalised_tensor(tf.exp(self.gate_layer().c_log_probs(x, noise)))  # [B, K]
            return {"probabilities": probabilities, "component": tf.argmax(probabilities, -1)}

        return {"cluster": cluster}

    def _noise(self, n_samples: int, seed: int):
        return tf.random.stateless_normal([n_samples, self.gate_layer().latent_dim], seed=[seed, 0])  # [S, L]

    @tf.function(reduce_retracing=True)
    def _c_log_probs(self, x, noise):
        return self.gate_layer().c_log_probs(x, noise)

    def _training_terms(self, gate, c_logits, x, view=None, radius=None, component=None):
        def log_probs(rows):
            return gate.c_log_probs(rows, tf.zeros([1, gate.latent_dim]))  # z at its mean

        terms = {}
        if view is not None and self.term_weights["consistency"]:
            terms["consistency"] = consistency.consistency(c_logits, log_probs(view))
        if self.term_weights["balance"]:
            terms["balance"] = consistency.balance(c_logits, self.component_shares)
        if self.term_weights["entropy"]:
            terms["entropy"] = consistency.entropy(c_logits)
        if self.term_weights["adversarial"]:
            noise = self._directions(*tf.unstack(tf.shape(x)))
            radius = tf.fill([tf.shape(x)[0]], self.adversarial_radius) if radius is None else radius

            def adversarial(x, radius, noise):
                lengths = radius[:, tf.newaxis]
                change = log_probs, x, log_probs(x), lengths, noise, self.adversarial_probe
                return {"adversarial": consistency.adversarial(*change)}

            terms |= batch_part.terms_of_part(adversarial, self.adversarial_share, x, radius, noise)
        if component is not None and self.term_weights["start"]:
            terms["start"] = consistency.start(c_logits, component)
        return terms

    def _directions(self, n_rows, n_columns):
        """Standard normal [B, D], where the adversarial change is first sought: windows of one sequence.

        To draw B D numbers would take a tenth of a step on MNIST. One row of them for the whole batch would not do: a
        change that all rows share is what a batch normalisation takes away.
        """
        sequence = normal((n_rows + n_columns,), self.seed_generator)
        return tf.gather(sequence, tf.range(n_rows)[:, tf.newaxis] + tf.range(n_columns))

    def _parts(self) -> dict[str, keras.layers.Layer]:
        """The model's layers and its gate's, by name."""
        layers = [*vars(self).values(), *vars(self.gate_layer()).values()]
        return {layer.name: layer for layer in layers if isinstance(layer, keras.layers.Layer)}

    def _hold(self, names: Sequence[str]) -> None:
        """Take these layers out of training, as their ``trainable = False`` does."""
        parts = self._parts()
        if unknown := set(names) - set(parts):
            raise ValueError(f"held may name {', '.join(parts)}, got {', '.join(map(repr, sorted(unknown)))}.")
        for name in names:
            parts[name].trainable = False

    def get_config(self):
        """The regularization, and which layers are held."""
        weights = {name: self.term_weights[name] for name in self.TRAINING_TERMS}
        return {
            **super().get_config(),
            "regularization": weights,
            "adversarial_radius": self.adversarial_radius,
            "adversarial_probe": self.adversarial_probe,
            "adversarial_share": self.adversarial_share,
            "component_shares": None if self.component_shares is None else list(self.component_shares),
            "held": [name for name, layer in self._parts().items() if not layer.trainable],
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
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(
            f"x has NaN or infinite entries, the first at row {row}, column {column}: impute or drop them."
        )
    return x


def check_range(x, gate) -> None:
    """Raise ValueError if x [N, D] has entries beyond [0, 1] and the gate gives it a Bernoulli likelihood."""
    least, most = x.min(), x.max()
    if getattr(gate, "likelihood", None) == "bernoulli" and not 0 <= least <= most <= 1:
        raise ValueError(
            f"x must be in [0, 1] for likelihood='bernoulli', got values from {least:.3g} to {most:.3g}: divide bytes "
            "by 255, scale x, or take likelihood='gaussian'."
        )
