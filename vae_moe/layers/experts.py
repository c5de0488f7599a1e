"""The experts p(y | x, c): one affine map each, all in one product."""

import keras
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

    def log_prob(self, params, y):
        """log p(y | x, c = k).

        Args:
            params: [B, K, P].
            y: [B, O] outputs, or [B] classes.

        Returns:
            [B, K] nats.
        """
        return self.y_likelihood.log_prob(params, tf.expand_dims(y, 1))

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
