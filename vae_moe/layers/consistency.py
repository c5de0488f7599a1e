"""Terms that hold q(c | x) together between a point and another view of it: an augmentation, a near neighbour, or the
small change of x that would move q(c | x) most.

With balance and entropy, which are together the mutual information between x and its component, they ask for agreeing,
sure components, all of them in use (Bridle et al. 1991; Hu et al. 2017, IMSAT). The report has none of them.
"""

from collections.abc import Callable

import tensorflow as tf


def consistency(c_logits, view_logits):
    """KL(q(c|x) || q(c|view)): how far the view is from where x is; q(c|x) is the target and gets no gradient.

    Args:
        c_logits: [B, K], normalised.
        view_logits: [B, K], normalised.

    Returns:
        [B] nats.
    """
    target = tf.stop_gradient(c_logits)
    return tf.reduce_sum(tf.exp(target) * (target - view_logits), -1)


def balance(c_logits, shares=None):
    """``sum_k q(c=k|x) log(qbar_k / share_k)``, qbar the batch mean of q(c|x): its mean is KL(qbar || shares).

    Args:
        c_logits: [B, K], normalised.
        shares: [K], of the rows that each component should have; None leaves them out, so that the mean is minus the
            entropy of qbar, least where every component has as many.

    Returns:
        [B] nats, on average 0 at the least, or -log K without shares.
    """
    log_ratio = tf.reduce_logsumexp(c_logits, 0) - tf.math.log(tf.cast(tf.shape(c_logits)[0], c_logits.dtype))  # [K]
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:  # the mean over the batches of all replicas
        replica = tf.distribute.get_replica_context()
        log_ratio = tf.math.log(replica.all_reduce(tf.distribute.ReduceOp.MEAN, tf.exp(log_ratio)))
    if shares is not None:
        log_ratio -= tf.math.log(tf.constant(shares, c_logits.dtype))
    return tf.reduce_sum(tf.exp(c_logits) * log_ratio, -1)


def start(c_logits, components):
    """Cross-entropy of q(c | x) to the components a start gave.

    Args:
        c_logits: [B, K], normalised.
        components: [B] integers, -1 for a row that is held to none.

    Returns:
        [B] nats, 0 for such a row.
    """
    held = tf.gather(c_logits, tf.maximum(components, 0), batch_dims=1)  # [B]
    return tf.where(components >= 0, -held, 0.0)


def entropy(c_logits):
    """Entropy of q(c | x), from normalised logits [B, K] -> [B] nats."""
    return -tf.reduce_sum(tf.exp(c_logits) * c_logits, -1)


def adversarial(log_probs: Callable, x, c_logits, radius, noise, probe=0.1):
    """KL(q(c|x) || q(c|x + r)) with r the change of length ``radius`` that raises it most.

    This is virtual adversarial training: the direction is one power iteration from ``noise`` (Miyato et al. 2018,
    algorithm 1). q(c|x) is the target and gets no gradient.

    Args:
        log_probs: [B, D] -> log q(c|.) [B, K], differentiable.
        x: [B, D].
        c_logits: log q(c|x), [B, K].
        radius: in units of x, a number or [B, 1].
        noise: standard normal, [B, D].
        probe: length of the change from which the direction is sought, in units of the radius. Near x the power
            iteration finds the direction that q(c|x) is most sensitive to; from afar (5 or 6, about what IMSAT's code
            has for MNIST) the one towards another component.

    Returns:
        [B] nats.
    """

    def divergence(change):
        return consistency(c_logits, log_probs(x + change))  # [B]

    first = probe * radius * tf.math.l2_normalize(noise, -1) + tf.zeros_like(x)  # [B, D]
    with tf.GradientTape() as tape:
        tape.watch(first)
        raised = divergence(first)
    # The gradient near x is tiny, its square tinier: scaled by its largest entry before the length is taken.
    gradient = tf.stop_gradient(tape.gradient(raised, first))
    largest = tf.reduce_max(tf.abs(gradient), -1, keepdims=True)  # [B, 1]
    return divergence(radius * tf.math.l2_normalize(tf.math.divide_no_nan(gradient, largest), -1))
