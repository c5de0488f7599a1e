"""One way to train a model for all estimators; of those that see y, the rows held out choose the epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from sklearn.model_selection import train_test_split

from vae_moe.engine.pipelines import compile_options, repeatable
from vae_moe.training.stop_on_nan import StopOnNaN

#: Fewer rows do not tell an epoch that generalises from one that does not.
LEAST_HELD_OUT = 10


@repeatable()
def train(
    model: keras.Model, data, *, epochs: int, learning_rate: float, callbacks: Sequence = (), verbose: Any = 0
) -> dict[str, list[float]]:
    """Train a model on batches with Adam, its rate falling to 0 along a cosine, and return Keras' history."""
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * len(data))
    model.compile(keras.optimizers.Adam(rate), **compile_options(model, data, epochs))
    history = model.fit(
        data, epochs=epochs, verbose=verbose, shuffle=False, callbacks=[StopOnNaN(), *callbacks]
    )  # the batches come shuffled
    return history.history


def hold_out(y: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the rows to train on, and of those held out: none if these were fewer than LEAST_HELD_OUT.

    Parameters
    ----------
    y : array [N, O], or codes [N], of which each side gets its share.
    fraction : float
        Of the rows, to hold out.
    seed : int
    """
    rows = np.arange(len(y))
    if fraction * len(y) < LEAST_HELD_OUT:
        return rows, rows[:0]
    counts = np.bincount(y) if y.ndim == 1 else None
    can_share = counts is not None and counts.min() > 1 and len(counts) <= fraction * len(y)
    stratify = y if can_share else None
    train_rows, held_out = train_test_split(rows, test_size=float(fraction), random_state=seed, stratify=stratify)
    return np.sort(train_rows), np.sort(held_out)


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights of the least loss on held-out rows, the start among them, and stops when it does not fall.

    Logs ``val_nll``. Put it after the callbacks that change weights.

    Args:
        loss: () -> the loss on the held-out rows.
        patience: epochs without a lower loss before training stops.
    """

    def __init__(self, loss: Callable[[], float], patience: int):
        super().__init__()
        self.loss, self.patience = loss, patience

    def on_train_begin(self, logs=None):
        """Score the start."""
        self.best, self.best_epoch, self.weights = self.loss(), -1, self.model.get_weights()

    def on_epoch_end(self, epoch, logs=None):
        """Score the epoch, keep it or count it."""
        loss = self.loss()
        if logs is not None:
            logs["val_nll"] = loss
        if loss < self.best:
            self.best, self.best_epoch, self.weights = loss, epoch, self.model.get_weights()
        elif epoch - self.best_epoch >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Go back to the best."""
        self.model.set_weights(self.weights)
