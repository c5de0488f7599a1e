"""A latent mixture whose components are the leaves of a tree."""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from vae_moe.layers.latent_mixture import LatentMixture, NetworkMixture
from vae_moe.layers.mlp import MLP
from vae_moe.validation import check_branching


@keras.saving.register_keras_serializable("vae_moe")
class TreeMLP(MLP):
    """An :class:`MLP` whose outputs are the choices at the nodes of a tree, from the root on.

    Args:
        hidden_sizes: as of :class:`MLP`, and so are the other arguments.
        branching: children of each node, level by level; the leaves of a node are next to each other.

    Call: [B, D] -> log-probabilities of the leaves, [B, K].
    """

    def __init__(self, hidden_sizes: Sequence[int], branching: Sequence[int], **arguments):
        self.branching = check_branching(tuple(branching))
        self.n_leaves = [math.prod(self.branching[: level + 1]) for level in range(len(self.branching))]
        arguments.pop("output_size", None)  # of a configuration: it follows from the tree
        super().__init__(hidden_sizes, sum(self.n_leaves), **arguments)

    def call(self, x, training=None):
        """Args: x [B, D]; training, as of :class:`MLP`. Returns: [B, K]."""
        steps = tf.split(super().call(x), self.n_leaves, -1)
        log_probs = tf.zeros_like(steps[0][:, :1])
        for logits, children in zip(steps, self.branching, strict=True):
            choices = tf.nn.log_softmax(tf.reshape(logits, [-1, logits.shape[-1] // children, children]))
            log_probs = tf.reshape(log_probs[..., tf.newaxis] + choices, [-1, logits.shape[-1]])
        return log_probs

    def compute_output_shape(self, input_shape):
        """The shape of the leaves' log-probabilities."""
        return (*input_shape[:-1], self.n_leaves[-1])

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "branching": self.branching}


@keras.saving.register_keras_serializable("vae_moe")
class TreeMixture(NetworkMixture):
    """HDMVAE's: c is a path (c_1, ..., c_L) from the root of a tree to a leaf, each step given those before.

    p(z|c) is the leaf's Gaussian. Of training, ``relaxation="gumbel"`` draws each step's Gumbel-Softmax sample, whose
    products are the relaxed leaf. The KL of c is that of the first step, ``kl_c``, and of those below, ``kl_c2``:

        KL(q(c_1|x) || p(c_1)) + sum_c1 q(c_1|x) KL(q(c_2, ...|x, c_1) || p(c_2, ...|c_1))

    Args:
        arguments: as of :class:`LatentMixture`; ``branching`` has K leaves.

    Attributes:
        branching: children of each node, the root's first.
    """

    TERMS = (*LatentMixture.TERMS, "kl_c2")

    def _c_network(self):
        self.branching = self.config.branching or pairs(self.n_components)
        if math.prod(self.branching) != self.n_components:
            raise ValueError(
                f"branching must have n_components={self.n_components} leaves, got {self.branching}, which has "
                f"{math.prod(self.branching)}. Give numbers whose product that is."
            )
        return TreeMLP(
            self.config.c_encoder_sizes,
            self.branching,
            seed=self._seed(3),
            batch_normalization=self.config.c_batch_normalization,
            name="c_encoder",
            dtype=self.network_policy,
        )

    def _terms(self, x, q, training):
        terms = super()._terms(x, q, training)
        if len(self.branching) == 1:
            return terms
        log_q, log_p = (self._steps(each)[0] for each in (q["c_logits"], self.prior.log_weights()[tf.newaxis]))
        first = tf.reduce_sum(tf.exp(log_q) * (log_q - log_p), -1)  # [B, 1]
        return {**terms, "kl_c": first[:, 0], "kl_c2": terms["kl_c"] - first[:, 0]}

    def _relaxed_kl_z(self, q):
        zeta = tf.ones_like(q["c_logits"][:, :1])  # [B, 1]
        for step in self._steps(q["c_logits"]):  # [B, nodes, children]
            zeta = tf.reshape(zeta[..., tf.newaxis] * self.gumbel_softmax(step), [-1, step.shape[1] * step.shape[2]])
        return self.prior.relaxed_kl(q["z_mean"], q["z_log_var"], zeta)

    def _steps(self, log_probs):
        """Logits of each step given those before, [B, nodes, children], of log-probabilities of the leaves, [B, K]."""
        steps = []
        for children in reversed(self.branching):
            steps.append(tf.reshape(log_probs, [-1, log_probs.shape[-1] // children, children]))
            log_probs = tf.reduce_logsumexp(steps[-1], -1)  # [B, nodes]
        return steps[::-1]


def pairs(n_components: int) -> tuple[int, ...]:
    """The tree of two levels whose leaves are pairs, or of one where they are few or an odd number."""
    return (n_components // 2, 2) if n_components > 2 and n_components % 2 == 0 else (n_components,)
