"""The experts p(y | x, c): one affine map each, all in one product."""

import keras
import numpy as np
import tensorflow as tf

from vae_moe import likelihoods


@keras.saving.register_keras_serializable("vae_moe")
class Experts(keras.layers.Layer):
    """K affine experts, ``params_k = x kernels_k + biases_k`` (report, sections 4.1 and 4.2).

    Weights: ``kernels`` [K, F, O], ``biases`` [K, O], and ``log_vars`` [K, O] where the variance is learned.

    Args:
        n_experts: K.
        n_outputs: O: outputs of a regression, or classes.
        task: "regression": Gaussian experts; "classification": categorical ones.
        learn_variance: of Gaussian experts, one for each expert and output; 1 otherwise, as in the report.
        seed: of the kernels' start.

    Call: x [B, F] -> parameters of the likelihood, [B, K, P].
    """

    def __init__(
        self,
        n_experts: int,
        n_outputs: int,
        task: str = "regression",
        learn_variance: bool = False,
        seed: int | None = None,
        dtype="float32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        if task not in ("regression", "classification"):
            raise ValueError(f"task must be 'regression' or 'classification', got {task!r}.")
        for name, value in (("n_experts", n_experts), ("n_outputs", n_outputs)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value!r}.")
        self.n_experts = n_experts
        self.n_outputs = n_outputs
        self.task = task
        self.learn_variance = learn_variance and task == "regression"
        self.seed = seed
        self.y_likelihood = likelihoods.get(
            "categorical"
            if task == "classification"
            else "heteroscedastic_gaussian"
            if self.learn_variance
            else "gaussian"
        )

    def build(self, input_shape):
        """Make the weights for x [B, F]; each kernel starts Glorot-uniform as a map of its own."""
        n_features = input_shape[-1]
        limit = (6.0 / (n_features + self.n_outputs)) ** 0.5
        self.kernels = self.add_weight(
            shape=(self.n_experts, n_features, self.n_outputs),
            initializer=keras.initializers.RandomUniform(-limit, limit, self.seed),
            name="kernels",
        )
        shape = (self.n_experts, self.n_outputs)
        self.biases = self.add_weight(shape=shape, initializer="zeros", name="biases")
        if self.learn_variance:
            self.log_vars = self.add_weight(shape=shape, initializer="zeros", name="log_vars")
        self.built = True

    def call(self, x):
        """Args: x [B, F]. Returns: parameters [B, K, P]."""
        params = tf.einsum("bf,kfo->bko", x, self.kernels) + self.biases  # [B, K, O]
        if self.learn_variance:
            params = tf.concat([params, tf.broadcast_to(self.log_vars, tf.shape(params))], -1)  # [B, K, 2 O]
        return params

    def targets(self, y):
        """Bring y into the shape that ``log_prob`` takes, and tell which rows have one.

        Args:
            y: [B, O] outputs, or [B] of one output; a NaN or an infinity in a row makes it one without y. Or classes,
                [B] or [B, 1]; -1, or a NaN, is none.

        Returns:
            y [B, O], or classes [B] int32, with zeros where there is none; and whether there is one, [B].

        Raises:
            ValueError: if y has another shape, or is no numbers.
        """
        y = tf.convert_to_tensor(y)
        if not (y.dtype.is_floating or y.dtype.is_integer or y.dtype.is_bool):
            raise ValueError(f"y must be numbers, got {y.dtype.name}: number classes from 0 on.")
        return self._outputs(y) if self.task == "regression" else self._classes(y)

    def targets_of_rows(self, y, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """The arrays that ``targets`` gives of all N rows.

        Raises:
            ValueError: as ``targets`` and ``check_classes`` do, or if there are not ``n_rows``.
        """
        y = np.asarray(y)
        targets, known = (tensor.numpy() for tensor in self.targets(y))
        if len(y) != n_rows:
            raise ValueError(f"x and y must have as many rows, got {n_rows} and {len(y)}.")
        self.check_classes(y)
        return targets, known

    def check_classes(self, y: np.ndarray) -> None:
        """Raise ValueError if y [N] or [N, 1] of a classification has another number than 0 to C - 1, -1 and NaN."""
        if self.task != "classification":
            return
        numbers = y.reshape(-1).astype(float)
        wrong = ~(np.isnan(numbers) | np.isin(numbers, np.arange(-1, self.n_outputs)))
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"classes must be whole numbers from 0 to {self.n_outputs - 1} for n_outputs={self.n_outputs}, or -1 "
                f"for none, got {numbers[row]:g} in row {row}: number them from 0 on."
            )

    def _outputs(self, y):
        if y.shape.rank == 1 and self.n_outputs == 1:
            y = y[:, tf.newaxis]
        if not y.shape.is_compatible_with([None, self.n_outputs]):
            also = " or [N]" if self.n_outputs == 1 else ""
            raise ValueError(
                f"y must be [N, {self.n_outputs}]{also} for n_outputs={self.n_outputs}, got shape {tuple(y.shape)}: "
                "give the model as many outputs as y has columns."
            )
        y = tf.ensure_shape(y, [None, self.n_outputs])
        y = y if y.dtype.is_floating else tf.cast(y, self.variable_dtype)
        known = tf.reduce_all(tf.math.is_finite(y), -1)
        return tf.where(known[:, tf.newaxis], y, 0.0), known

    def _classes(self, y):
        if y.shape.rank == 2 and y.shape[1] in (1, None):
            y = tf.ensure_shape(y, [None, 1])[:, 0]
        if not y.shape.is_compatible_with([None]):
            raise ValueError(
                f"y must be [N] classes, got shape {tuple(y.shape)}: of one-hot rows give the numbers, y.argmax(-1)."
            )
        y = tf.cast(y, tf.int32) if y.dtype.is_bool else tf.ensure_shape(y, [None])
        known = y >= 0
        return tf.cast(tf.where(known, y, 0), tf.int32), known

    def log_prob(self, params, y):
        """log p(y | x, c = k).

        Args:
            params: [B, K, P].
            y: [B, O] outputs, or [B] classes, as ``targets`` gives them.

        Returns:
            [B, K] nats.
        """
        y = tf.expand_dims(y, 1)
        return self.y_likelihood.log_prob(params, tf.cast(y, params.dtype) if self.task == "regression" else y)

    def mean(self, params):
        """E[y | x, c = k], or the probabilities of the classes: params [B, K, P] -> [B, K, O]."""
        params = tf.convert_to_tensor(params)
        return tf.nn.softmax(params) if self.task == "classification" else params[..., : self.n_outputs]

    def get_config(self):
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "n_experts": self.n_experts,
            "n_outputs": self.n_outputs,
            "task": self.task,
            "learn_variance": self.learn_variance,
            "seed": self.seed,
        }
