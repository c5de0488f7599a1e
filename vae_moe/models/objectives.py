"""What the experts are trained by, by name.

Each is a function of the layer of experts, log p(c|x) [B, K], the experts' parameters [B, K, P], and what
:meth:`vae_moe.layers.Experts.targets` gives: y, and which rows have one. The others' values are not used.
"""

import tensorflow as tf


def _mixture_nll(experts, c_logits, params, y, known):
    """-log sum_k p(c=k|x) p(y|x, c=k), for each example: [B]."""
    return -tf.reduce_logsumexp(c_logits + experts.log_prob(params, y), -1)


def _jensen_nll(experts, c_logits, params, y, known):
    """-sum_k p(c=k|x) log p(y|x, c=k), [B]."""
    return -tf.reduce_sum(tf.exp(c_logits) * experts.log_prob(params, y), -1)


def _blend_nll(experts, c_logits, params, y, known):
    """-log p(y | sum_k p(c=k|x) params_k), [B]."""
    blended = tf.einsum("bk,bkp->bp", tf.exp(c_logits), params)
    return -experts.log_prob(blended[:, tf.newaxis], y)[:, 0]


def _as_released_nll(experts, c_logits, params, y, known):
    """-log sum_b sum_k p(c=k|x_b) p(y_b|x_b, c=k) over the rows that have y: one number for the whole batch, [B]."""
    log_joint = tf.where(known[:, tf.newaxis], c_logits + experts.log_prob(params, y), params.dtype.min)  # [B, K]
    return tf.fill([tf.shape(c_logits)[0]], -tf.reduce_logsumexp(log_joint))  # the released code had no log-sum-exp


#: By the name that a model's ``objective`` has.
OBJECTIVES = {"mixture": _mixture_nll, "jensen": _jensen_nll, "blend": _blend_nll, "as-released": _as_released_nll}
