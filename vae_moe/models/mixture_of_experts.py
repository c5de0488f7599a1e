"""DeepMoE, DVMoE, VaDE-MoE and HMoE: one model, gate + experts, with four gates.

    p(y | x) = sum_k p(c=k | x) p(y | x, c=k)

Their loss is ``expert_weight * nll + elbo_weight * (recon + kl_z + kl_c)`` (report, sections 5 and 7). The second part
is there where the gate is a clustering autoencoder, and is all that a row without y contributes.
"""

from collections.abc import Sequence
from types import MappingProxyType

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_moe.engine.pipelines import map_batches
from vae_moe.layers import BayesMixture, Experts, NetworkMixture, Regularization, SoftmaxGate, TreeMixture
from vae_moe.models.base import READOUT_SAMPLES, GatedModel, check_rows
from vae_moe.models.objectives import OBJECTIVES
from vae_moe.models.readouts import LatentReadouts
from vae_moe.probabilities import normalised, normalised_tensor

tfd = tfp.distributions


class MixtureOfExperts(GatedModel):
    """Abstract: a gate and affine experts.

    ``fit`` takes x [N, D], or images [N, *image_shape], and y: [N, O] outputs, a row with a NaN being one without y; or
    [N] classes, -1 for none (:meth:`Experts.targets`). The reported ``nll`` is the mean over the rows that have y.

    Args:
        input_dim: D, columns of x, or entries of an image.
        n_experts: K.
        n_outputs: O, outputs of a regression, or classes.
        task: "regression" or "classification".
        objective: of the experts: "mixture", -log p(y|x) with the sum over experts inside the logarithm, for each
            example; "jensen", -sum_k p(c=k|x) log p(y|x, c=k), its upper bound; "blend", -log p of y under the
            gate-weighted parameters; "as-released", the report's code, whose sum inside the logarithm runs over the
            batch too, so that the best examples hide the others: to reproduce its figures, not to use.
        expert_input: "x", or the gate's "features" (z_mean, or the last hidden layer of a softmax gate).
        learn_variance: of Gaussian experts, per expert and output; 1 otherwise.
        elbo_weight: of the terms of the gate's bound.
        expert_weight: of the experts' term, ``nll``.
        held: names of layers, its own and its gate's, that are not trained: what a saved model keeps of their
            ``trainable = False``.
        name: of the Keras model.
        dtype: of the networks, a policy; all else is in the type of its variables. Default: Keras' global policy.
        arguments: further ones of the gate, a :class:`SoftmaxGate` or a mixture (:class:`MixtureConfig`); and
            ``regularization``, the weights of :class:`Regularization`, with its settings.
    """

    #: Terms the gate contributes.
    GATE_TERMS: tuple[str, ...] = ()
    HAS_Y = True

    def __init__(
        self,
        input_dim: int,
        n_experts: int,
        n_outputs: int,
        task: str = "regression",
        objective: str = "mixture",
        expert_input: str = "x",
        learn_variance: bool = False,
        elbo_weight: float = 1.0,
        expert_weight: float = 1.0,
        *,
        held: Sequence[str] = (),
        name: str | None = None,
        trainable: bool = True,
        dtype=None,
        **arguments,
    ):
        if objective not in OBJECTIVES:
            raise ValueError(f"objective must be one of {', '.join(map(repr, OBJECTIVES))}, got {objective!r}.")
        if expert_input not in ("x", "features"):
            raise ValueError(f"expert_input must be 'x' or 'features', got {expert_input!r}.")
        terms = dict.fromkeys(self.GATE_TERMS, elbo_weight) | {"nll": expert_weight}
        regularization = Regularization.taken_from(arguments)
        super().__init__(terms, regularization, arguments.get("seed", 0), name=name, trainable=trainable, dtype=dtype)
        self.objective = objective
        self.expert_input = expert_input
        self.elbo_weight = elbo_weight
        self.expert_weight = expert_weight
        self.gate = self.GATE(input_dim, n_experts, **self.FIXED, **arguments, dtype=self.network_policy, name="gate")
        seed = 10 * self.gate.seed + 7
        self.experts = Experts(
            n_experts, n_outputs, task, learn_variance, seed, dtype=self.variable_dtype, name="experts"
        )
        self.build((None, input_dim))
        self._hold(held)

    def fit(self, x=None, *args, **options):
        """Keras' ``fit``; x and y that are arrays are looked at first, where those of batches are not.

        Raises:
            ValueError: as :meth:`GatedModel.fit`; y has a class that the model has not.
        """
        self._check_classes(args[0] if args else options.get("y"))
        return super().fit(x, *args, **options)

    def evaluate(self, x=None, y=None, *args, **options):
        """Keras' ``evaluate``; y is looked at as by ``fit``, whose ``validation_data`` comes here too."""
        self._check_classes(y)
        return super().evaluate(x, y, *args, **options)

    def _check_classes(self, y) -> None:
        if hasattr(y, "__array__") and np.asarray(y).dtype.kind in "biuf":
            self.experts.check_classes(np.asarray(y))

    def build(self, input_shape):
        """Build gate and experts for x [B, D]."""
        if not self.gate.built:
            self.gate.build(input_shape)
            n_inputs = self.gate.n_features if self.expert_input == "features" else self.gate.input_dim
            self.experts.build((None, n_inputs))
        self.built = True

    def call(self, inputs, training=False):
        """The gate's output for x and the experts' parameters, ``y_params`` [B, K, P]; inputs x, or {"x", "view"}."""
        inputs = self.row_inputs(inputs)
        outputs = self.gate_outputs(inputs, training)
        expert_inputs = outputs["features"] if self.expert_input == "features" else self._completed(inputs["x"])
        return {**outputs, "y_params": self.experts(expert_inputs)}

    def loss_terms(self, y, y_pred):
        """The gate's terms, and ``nll`` [B]: 0 where there is no y."""
        if y is None:
            return y_pred["terms"]
        y, known = self.experts.targets(y)
        nll = OBJECTIVES[self.objective](self.experts, y_pred["c_logits"], y_pred["y_params"], y, known)
        return {**y_pred["terms"], "nll": tf.where(known, nll, 0.0)}

    def predicted(self, outputs):
        """The gate-weighted mean of y, or probabilities of classes, [B, O], of what ``call`` returned."""
        return tf.einsum("bk,bko->bo", tf.nn.softmax(outputs["c_logits"]), self.experts.mean(outputs["y_params"]))

    def term_rows(self, y):
        """The rows that have y are those of ``nll``."""
        return {} if y is None else {"nll": self.experts.targets(y)[1]}

    def gate_proba(self, x, n_samples: int = READOUT_SAMPLES, seed: int = 0) -> np.ndarray:
        """p(c|x), deterministic; a VaDE gate averages p(c|z) over samples of z (report, section 5.1).

        Args:
            x: [N, D].
            n_samples: samples of z, where the gate needs them; the same noise for every row.
            seed: of those samples.

        Returns:
            [N, K] probabilities.
        """
        return np.exp(self.c_log_proba(x, n_samples, seed))

    def expert_inputs(self, x) -> np.ndarray:
        """What the experts see, x [N, D] -> [N, F]: x, or the gate's features."""
        x = check_rows(x, self.gate)
        if self.expert_input == "features":
            return map_batches(self._features, x)
        return map_batches(tf.function(self._completed, reduce_retracing=True), x) if np.isnan(x).any() else x

    def expert_params(self, x) -> np.ndarray:
        """Parameters of every expert's likelihood, x [N, D] -> [N, K, P]."""
        return map_batches(self._y_params, self.expert_inputs(x))

    def expert_predictions(self, x) -> np.ndarray:
        """Every expert's mean of y, or its class probabilities, x [N, D] -> [N, K, O]."""
        means = self.experts.mean(self.expert_params(x)).numpy()
        return normalised(means) if self.experts.task == "classification" else means

    def predict_mean(self, x, routing: str = "soft", n_samples: int = READOUT_SAMPLES, seed: int = 0) -> np.ndarray:
        """The gate-weighted mean of the experts' predictions (report, section 4.1).

        Args:
            x: [N, D].
            routing: "soft": all experts by their probability; "hard": the most probable expert alone.
            n_samples: as in ``gate_proba``.
            seed: as in ``gate_proba``.

        Returns:
            [N, O]: the mean of y, or class probabilities.
        """
        if routing not in ("soft", "hard"):
            raise ValueError(f"routing must be 'soft' or 'hard', got {routing!r}.")
        gate = self.gate_proba(x, n_samples, seed)
        if routing == "hard":
            gate = np.eye(gate.shape[1], dtype=gate.dtype)[gate.argmax(-1)]
        mean = np.einsum("nk,nko->no", gate, self.expert_predictions(x))
        return normalised(mean) if self.experts.task == "classification" else mean

    def predict_proba(self, x, routing: str = "soft", n_samples: int = READOUT_SAMPLES, seed: int = 0) -> np.ndarray:
        """Class probabilities p(y|x), [N, D] -> [N, C]; arguments as in ``predict_mean``.

        Raises:
            ValueError: if the model is one of regression.
        """
        if self.experts.task != "classification":
            raise ValueError("a regression has no class probabilities: use predict_mean or predictive_distribution.")
        return self.predict_mean(x, routing, n_samples, seed)

    def predictive_distribution(self, x, n_samples: int = READOUT_SAMPLES, seed: int = 0):
        """p(y|x) as a ``tfd.MixtureSameFamily`` with batch shape [N]: mean, variance, log_prob, sample."""
        gate = tfd.Categorical(logits=self.c_log_proba(x, n_samples, seed).astype(self.variable_dtype))
        return tfd.MixtureSameFamily(gate, self.experts.y_likelihood.distribution(tf.constant(self.expert_params(x))))

    def nll(self, x, y, n_samples: int = READOUT_SAMPLES, seed: int = 0) -> np.ndarray:
        """-log p(y|x), [N] nats; NaN for a row without y. y is as ``fit`` takes it.

        Raises:
            ValueError: if y has another shape or number of rows, or holds a class that the model has not.
        """
        y, known = self.experts.targets_of_rows(y, len(x))
        log_gate = tf.constant(self.c_log_proba(x, n_samples, seed), self.variable_dtype)
        nll = OBJECTIVES["mixture"](self.experts, log_gate, tf.constant(self.expert_params(x)), y, known)
        return np.where(known, nll.numpy(), np.nan)

    def get_config(self):
        """The constructor's arguments, flat."""
        shared = super().get_config()
        del shared["n_components"]  # is n_experts here
        return {
            **shared,
            "n_experts": self.experts.n_experts,
            "n_outputs": self.experts.n_outputs,
            "task": self.experts.task,
            "objective": self.objective,
            "expert_input": self.expert_input,
            "learn_variance": self.experts.learn_variance,
            "elbo_weight": self.elbo_weight,
            "expert_weight": self.expert_weight,
        }

    def signatures(self, noise):
        """The gate's, and the default "predict": ``y_mean`` or ``y_probabilities`` [B, O], ``gate_probabilities``."""
        regression = self.experts.task == "regression"
        name = "y_mean" if regression else "y_probabilities"

        def predict(x):
            gate = normalised_tensor(tf.exp(self.gate.c_log_probs(x, noise)))  # [B, K]
            inputs = self.gate.features(x) if self.expert_input == "features" else self._completed(x)
            means = self.experts.mean(self.experts(inputs))  # [B, K, O]
            mean = tf.einsum("bk,bko->bo", gate, means)
            mean = mean if regression else normalised_tensor(mean)
            return {name: mean, "gate_probabilities": gate}

        return {"predict": predict, **super().signatures(noise)}

    def _completed(self, x):
        """x [B, D] with its gaps filled, by a gate that takes them."""
        return self.gate.completed(x) if getattr(self.gate, "takes_gaps", False) else x

    @tf.function(reduce_retracing=True)
    def _features(self, x):
        return self.gate.features(x)

    @tf.function(reduce_retracing=True)
    def _y_params(self, inputs):
        return self.experts(inputs)


@keras.saving.register_keras_serializable("vae_moe")
class DeepMoE(MixtureOfExperts):
    """Mixture of experts gated by a softmax network on x (report, section 8.2)."""

    GATE = SoftmaxGate


@keras.saving.register_keras_serializable("vae_moe")
class DVMoE(LatentReadouts, MixtureOfExperts):
    """Discrete variational mixture of experts: a DMVAE's q(c|x) is the gate (report, section 7)."""

    GATE = NetworkMixture
    GATE_TERMS = NetworkMixture.TERMS


@keras.saving.register_keras_serializable("vae_moe")
class VaDEMoE(LatentReadouts, MixtureOfExperts):
    """Mixture of experts gated by VaDE's p(c|z) at a sample of z (report, section 5)."""

    GATE = BayesMixture
    FIXED = MappingProxyType({"relaxation": "exact"})
    GATE_TERMS = BayesMixture.TERMS


@keras.saving.register_keras_serializable("vae_moe")
class HMoE(LatentReadouts, MixtureOfExperts):
    """Hierarchical mixture of experts: a DVMoE whose experts are the leaves of a tree, gated by an HDMVAE's q(c|x).

    EM shrinks each expert to its branch's (:func:`vae_moe.training.expert_em.fit_experts`); gradients alone do not.
    """

    GATE = TreeMixture
    GATE_TERMS = TreeMixture.TERMS
