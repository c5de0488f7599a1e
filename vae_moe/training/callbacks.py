"""Callbacks for ``model.fit``: schedules, scores, the history and pictures."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg

from vae_moe import metrics
from vae_moe.engine.files import whole_file


class TemperatureAnnealing(keras.callbacks.Callback):
    """``temperature = max(floor, initial * decay^epoch)`` for the Gumbel-Softmax (Jang et al. 2017).

    Logs ``temperature`` each epoch. Give ``decay=1`` to keep it where it is, as the report does.

    Args:
        initial: at epoch 0, positive.
        decay: factor an epoch, in (0, 1].
        floor: the least temperature, positive.
    """

    def __init__(self, initial: float, decay: float = 1.0, floor: float = 0.1):
        super().__init__()
        if not (initial > 0 and 0 < decay <= 1 and floor > 0):
            raise ValueError(
                f"temperatures must be positive and decay in (0, 1], got initial={initial!r}, decay={decay!r}, "
                f"floor={floor!r}."
            )
        self.initial, self.decay, self.floor = initial, decay, floor

    def temperature(self, epoch: int) -> float:
        """The temperature of an epoch."""
        return max(min(self.floor, self.initial), self.initial * self.decay**epoch)

    def on_epoch_begin(self, epoch, logs=None):
        """Set the layer's weight."""
        self.model.mixture.gumbel_softmax.temperature.assign(self.temperature(epoch))

    def on_epoch_end(self, epoch, logs=None):
        """Log it."""
        if logs is not None:
            logs["temperature"] = self.temperature(epoch)


class KLWarmUp(keras.callbacks.Callback):
    """Raises ``model.kl_weight`` to 1: linearly over ``epochs``, or in ``steps`` equal steps; logs ``kl_weight``.

    Args:
        epochs: until the weight is 1; 0 keeps it at 1.
        steps: None for a linear rise, otherwise the number of stairs (the report's later code raised it so).
    """

    def __init__(self, epochs: int, steps: int | None = None):
        super().__init__()
        if epochs < 0 or (steps is not None and steps < 1):
            raise ValueError(f"epochs must be >= 0 and steps >= 1 or None, got epochs={epochs!r}, steps={steps!r}.")
        self.epochs, self.steps = epochs, steps

    def weight(self, epoch: int) -> float:
        """The weight of an epoch, in (0, 1]."""
        if epoch + 1 >= self.epochs:
            return 1.0
        progress = (epoch + 1) / self.epochs
        return progress if self.steps is None else max(1, int(progress * self.steps)) / self.steps

    def on_epoch_begin(self, epoch, logs=None):
        """Set the model's weight."""
        self.model.kl_weight.assign(self.weight(epoch))

    def on_epoch_end(self, epoch, logs=None):
        """Log it."""
        if logs is not None:
            logs["kl_weight"] = self.weight(epoch)


class _Scores(keras.callbacks.Callback):
    """Abstract: scores of held-out data each epoch; the labels score, they never train or choose.

    Logs each score as ``val_<name>``. Put it before the callbacks that write logs (HistoryFile, TensorBoard).

    Args:
        x: [N, D].
        y: [N] classes.
        every: epochs between scores.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, every: int = 1):
        super().__init__()
        self.x, self.y, self.every = x, y, every

    def scores(self) -> dict[str, float]:
        """The model's scores by name."""
        raise NotImplementedError

    def on_epoch_end(self, epoch, logs=None):
        """Score and log."""
        if logs is not None and epoch % self.every == 0:
            logs.update({f"val_{name}": value for name, value in self.scores().items()})


class ClusteringMetrics(_Scores):
    """Scores the clustering: ``val_clustering_accuracy`` and the rest of :func:`vae_moe.metrics.clustering_scores`."""

    def scores(self) -> dict[str, float]:
        """The clustering's scores by name."""
        return metrics.clustering_scores(self.y, self.model.predict_proba(self.x))


class GateMetrics(_Scores):
    """Scores how the gate of a mixture of experts divides rows, by classes it is not told:
    ``val_gate_accuracy`` and the rest of :func:`vae_moe.metrics.gate_scores`."""

    def scores(self) -> dict[str, float]:
        """The gate's scores by name."""
        return metrics.gate_scores(self.y, self.model.gate_proba(self.x))


class FigureLogger(keras.callbacks.Callback):
    """Draws the model every so many epochs and writes the pictures to TensorBoard.

    Args:
        log_dir: folder of the event file.
        draw: model -> {name: matplotlib Figure}.
        every: epochs between pictures; they are drawn after the last epoch too.
    """

    def __init__(self, log_dir: str | Path, draw: Callable, every: int = 5):
        super().__init__()
        self.log_dir, self.draw, self.every = str(log_dir), draw, every
        self._drawn_epoch = self._epoch = -1

    def on_epoch_end(self, epoch, logs=None):
        """Draw, if it is time."""
        self._epoch = epoch
        if (epoch + 1) % self.every == 0:
            self._write()

    def on_train_end(self, logs=None):
        """Draw the end."""
        if self._drawn_epoch != self._epoch:
            self._write()

    def _write(self):
        self._drawn_epoch = self._epoch
        writer = tf.summary.create_file_writer(self.log_dir)
        with writer.as_default(step=self._epoch):
            for name, figure in self.draw(self.model).items():
                tf.summary.image(name, pixels(figure)[np.newaxis])
        writer.close()


class HistoryFile(keras.callbacks.Callback):
    """Writes the logs of each epoch to a CSV file, which is whole at any moment and holds every epoch once.

    Rows of earlier epochs stay, as where ``fit`` begins with an ``initial_epoch``; those of later ones go.

    Args:
        path: of the file, with a column ``epoch`` and one for each logged value.
    """

    def __init__(self, path: str | Path):
        super().__init__()
        self.path = Path(path)

    def on_epoch_end(self, epoch, logs=None):
        """Write the file anew, with this epoch's row."""
        rows = [row for row in self._rows() if int(row["epoch"]) < epoch] + [{"epoch": epoch, **(logs or {})}]
        names = {name: None for row in rows for name in sorted(row) if name != "epoch"}
        with whole_file(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["epoch", *names])
            writer.writeheader()
            writer.writerows(rows)

    def _rows(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def pixels(figure) -> np.ndarray:
    """A matplotlib figure as an image, [H, W, 4] uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())
