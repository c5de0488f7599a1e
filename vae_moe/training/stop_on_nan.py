"""Training that diverges: it stops, leaves the model as it was when all was finite, and says what to look at."""

from pathlib import Path

import keras
import numpy as np

from vae_moe.engine.files import whole_file

#: What to try, by the term that is no longer finite.
CURES = {
    "recon": "scale x (images to [0, 1], tables to unit variance), or lower the learning rate",
    "kl_z": "lower the learning rate, use optimizer clipnorm, or warm the KL up (KLWarmUp)",
    "kl_c": "lower the learning rate or raise the temperature's floor",
    "kl_c2": "lower the learning rate or raise the temperature's floor",
    "consistency": "lower its weight in regularization",
    "balance": "lower its weight in regularization, or raise batch_size",
    "entropy": "lower its weight in regularization",
    "adversarial": "lower its weight in regularization, or adversarial_radius",
    "start": "lower its weight in regularization",
    "nll": "scale y to unit variance, or lower the learning rate",
}


class StopOnNaN(keras.callbacks.Callback):
    """Stops the training as soon as a term of the loss or a weight is NaN or infinite.

    The weights are then set back to where the last finished epoch left them. Put it before the callbacks that save.

    Args:
        x: [N, D], rows of the training, whose extremes the message tells, or None.
        path: ``.keras`` file to which the model, set back, is saved, or None.

    Raises:
        FloatingPointError: out of ``fit``, naming the epoch, the step, the terms and what to try, and what was seen
            before: the terms, the extremes of x, of log-variances and of weights.
    """

    takes_loops = True  # what the last of several steps reports tells of all of them

    def __init__(self, x: np.ndarray | None = None, path: str | Path | None = None):
        super().__init__()
        self.x, self.path = x, None if path is None else Path(path)

    def on_train_begin(self, logs=None):
        """Remember the weights as they are."""
        self._epoch, self._terms = 0, {}
        self._finite = self.model.get_weights()

    def on_epoch_begin(self, epoch, logs=None):
        """Remember the epoch for the message."""
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Look at the terms that the last steps report: there may be several for each call."""
        logs = logs or {}
        if bad := [name for name, value in logs.items() if not np.all(np.isfinite(value))]:
            terms = [name for name in bad if name != "loss"] or bad
            self._stop(f"epoch {self._epoch + 1}, step {int(self.model.optimizer.iterations.numpy())} or before", terms)
        self._terms = {name: float(np.mean(value)) for name, value in logs.items()}

    def on_epoch_end(self, epoch, logs=None):
        """Look at the weights that the last step left."""
        weights = self.model.get_weights()
        names = [weight.path for weight in self.model.weights]
        if bad := [name for name, value in zip(names, weights, strict=True) if not np.all(np.isfinite(value))]:
            self._stop(f"the end of epoch {epoch + 1}", bad)
        self._finite = weights

    def _stop(self, where: str, names: list[str]):
        self.model.set_weights(self._finite)
        cures = "; ".join(f"{name}: {CURES[name]}" for name in names if name in CURES)
        seen = [f"{name} {value:.4g}" for name, value in self._terms.items()] + extremes(self.model, self.x)
        message = (
            f"training stopped at {where}: {', '.join(names)} is no longer finite. "
            f"Try: {cures or 'a lower learning rate'}. Last seen before: {', '.join(seen)}."
        )
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self.path) as temporary:
                self.model.save(temporary)
            message += f" The model of that time is in {self.path}."
        raise FloatingPointError(message)


def extremes(model: keras.Model, x: np.ndarray | None = None) -> list[str]:
    """What usually tells why numbers ran off: the largest |x|, the log-variances, the largest weight.

    Args:
        model: built.
        x: [N, ...], or None.

    Returns:
        Words, such as "largest |x| 255 at (3, 12)", "log-variances of q(z|x) from -4.1 to 9.7".
    """
    found = []
    if x is not None:
        index = np.unravel_index(np.argmax(np.where(np.isfinite(x), np.abs(x), np.inf)), x.shape)
        found.append(f"largest |x| {abs(x[index]):.4g} at ({', '.join(map(str, index))})")
        if hasattr(model, "mixture") and np.isfinite(x).all():
            z_log_var = model.posterior(x)[1]  # [N, L]
            found.append(f"log-variances of q(z|x) from {z_log_var.min():.3g} to {z_log_var.max():.3g}")
    weights = {weight.path: weight.numpy() for weight in model.weights}
    for path, values in weights.items():
        if path.endswith("log_vars"):
            found.append(f"{path} from {values.min():.3g} to {values.max():.3g}")
    largest = max(weights, key=lambda path: np.abs(weights[path]).max())
    return [*found, f"largest |weight| {np.abs(weights[largest]).max():.3g} in {largest}"]
