"""Terms that hold q(c | x) together between a point and another view of it: an augmentation, or a near neighbour.

Their weighted sum is a bound on the mutual information between the component and the view (Bridle et al. 1991; Hu et
al. 2017, IMSAT): agreeing, confident components, all of them in use. The report has neither.
"""

import tensorflow as tf


def consistency(c_logits, view_logits):
    """Cross-entropy of q(c | view) to q(c | x): least where both agree and are sure.

    Args:
        c_logits: [B, K], normalised.
        view_logits: [B, K], normalised.

    Returns:
        [B] nats.
    """
    return -tf.reduce_sum(tf.exp(c_logits) * view_logits, -1)


def balance(c_logits):
    """``sum_k q(c=k|x) log qbar_k`` with ``qbar`` the batch mean of q(c|x); its mean is minus the entropy of qbar.

    Args:
        c_logits: [B, K], normalised.

    Returns:
        [B] nats, on average between -log K (every component used alike) and 0 (one component takes all).
    """
    log_batch_mean = tf.reduce_logsumexp(c_logits, 0) - tf.math.log(tf.cast(tf.shape(c_logits)[0], c_logits.dtype))
    return tf.reduce_sum(tf.exp(c_logits) * log_batch_mean, -1)
