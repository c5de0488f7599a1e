"""Named per-example terms -> one loss, and their reported means."""

import keras
import tensorflow as tf

from vae_moe.engine.looping import LoopingModel
from vae_moe.engine.replicas import batch_mean, replicas_share

#: The name of what layers add to the loss.
LAYER_LOSSES = "layer_losses"


class TermModel(LoopingModel):
    """Abstract: a model whose loss is the weighted sum of named per-example terms.

    ``call`` returns a dictionary with ``"terms": {name: [B] in nats}``. The terms become one number in one place,
    ``compute_loss``. In evaluation every term of the bound counts once: ``val_loss`` is minus the bound itself,
    whatever weights training is at.

    In training it has ``"layer_losses"`` too, a scalar, if layers add to the loss, as a user's ``encoder`` with a
    regularizer does: this is added as it is, whatever the examples' weights, and reported by that name.

    Weights: ``kl_weight``, a non-trainable scalar that a warm-up callback raises.

    Args:
        term_weights: weight of each term in training, by name; ``"kl_z"`` and ``"kl_c"`` are times ``kl_weight``.
    """

    #: Terms whose training weight is multiplied by ``kl_weight``.
    KL_TERMS = ("kl_z", "kl_c")
    #: Terms that help training but are no part of the objective ``val_loss`` reports.
    TRAINING_TERMS = ("consistency", "balance", "entropy", "adversarial", "start")

    def __init__(self, term_weights: dict[str, float], **kwargs):
        super().__init__(**kwargs)
        self.term_weights = dict(term_weights)
        self.kl_weight = self.add_weight(shape=(), initializer="ones", trainable=False, name="kl_weight")
        self.term_trackers = {name: keras.metrics.Mean(name) for name in [*term_weights, LAYER_LOSSES]}

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
        loss = tf.zeros(())
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

    def _maybe_symbolic_build(self, *args, **options):
        if self._compile_loss is not None or self._compile_metrics is not None:
            raise ValueError(
                f"{type(self).__name__} was compiled with a loss or metrics: its loss is the sum of its own terms, and "
                "these are reported. Compile it without. A subclass can compute_loss otherwise, a callback can score."
            )
        super()._maybe_symbolic_build(*args, **options)

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
        results = super().compute_metrics(x, y, y_pred, sample_weight)
        return {name: value for name, value in results.items() if name not in absent}

    def _weight(self, name: str, training: bool):
        if not training:
            return 0.0 if name in self.TRAINING_TERMS else 1.0
        return self.term_weights[name] * (self.kl_weight if name in self.KL_TERMS else 1.0)


def _product(sample_weight, rows):
    """Weights of a reported mean from those of the examples and the rows that have it; each [B], or None: all alike."""
    if rows is None or sample_weight is None:
        return sample_weight if rows is None else rows
    weights = tf.reshape(sample_weight, [-1])
    return weights * tf.cast(rows, weights.dtype)
