"""What each expert's affine map adds up: its strongest coefficients, in the units of the table's columns."""

from collections.abc import Callable, Sequence

import numpy as np

from vae_moe.app.features import Feature
from vae_moe.app.report import page
from vae_moe.app.report.held_out import BASELINE
from vae_moe.app.report.page import Block
from vae_moe.app.report.traits import number

COEFFICIENTS = 6
TINY = 1e-30  # probability


def slopes(predict: Callable[[np.ndarray], np.ndarray], n_features: int) -> np.ndarray | None:
    """The coefficients of affine maps by what they predict; None if they are not affine in x.

    Args:
        predict: x [M, D] -> [M, K, O].
        n_features: D.

    Returns:
        [K, D, O].
    """
    steps = np.eye(n_features, dtype=np.float32)
    at_zero = predict(np.zeros((1, n_features), np.float32))  # [1, K, O]
    once, twice = predict(steps) - at_zero, predict(2 * steps) - at_zero  # [D, K, O]
    scale = max(float(np.abs(once).max()), 1e-12)
    return once.swapaxes(0, 1) if np.allclose(twice, 2 * once, atol=1e-2 * scale) else None


def logits(predict: Callable[[np.ndarray], np.ndarray], classes: Sequence[str] | None):
    """A function of predictions [N, K, O] as it is; of probabilities, the log-odds of each class, affine in x too.

    They are log p(class) less the mean of the other classes' log p.
    """
    if classes is None:
        return predict

    def log_odds(x):
        log_probs = np.log(np.maximum(np.asarray(predict(x), float), TINY))  # [N, K, C]
        others = (log_probs.sum(-1, keepdims=True) - log_probs) / (len(classes) - 1)
        return log_probs - others

    return log_odds


def table(kernel: np.ndarray, linear: np.ndarray, features: Sequence[Feature], x: np.ndarray, what: str) -> Block:
    """The strongest coefficients of one expert for one output, one a column, in its units, beside the linear model's.

    A category's is told against the mean over the column's categories, by their frequency: of one-hot columns, which
    add up to 1, only such differences mean anything.

    Args:
        kernel: [D].
        linear: [D].
        features: D.
        x: rows, [N, D].
        what: the output.
    """
    kernel, linear = _against_the_mean(kernel, features, x), _against_the_mean(linear, features, x)
    effects = kernel * np.nanstd(x, 0)
    strongest: dict[str, int] = {}
    for i in np.argsort(-np.abs(effects)).tolist():
        strongest.setdefault(features[i].column, i)
    most = max(float(np.abs(effects).max()), 1e-12)
    rows = []
    for i in list(strongest.values())[:COEFFICIENTS]:
        unit, by = _per(features[i])
        rows.append([unit, page.bar(_signed(kernel[i] * by), effects[i] / most), _signed(linear[i] * by)])
    return page.table(["a row with", "this expert", BASELINE], rows, f"By how much it changes {what}")


def _against_the_mean(kernel: np.ndarray, features: Sequence[Feature], x: np.ndarray) -> np.ndarray:
    """A kernel [D] with each category's coefficient less the mean over its column's."""
    kernel, shares = kernel.astype(float), np.nanmean(x, 0, dtype=float)
    for column in {feature.column for feature in features if feature.kind == "category"}:
        mine = [i for i, feature in enumerate(features) if feature.column == column]
        kernel[mine] -= kernel[mine] @ shares[mine]
    return kernel


def _per(feature: Feature) -> tuple[str, float]:
    """A change of a feature in its column's unit, in words, and as a change of x."""
    if feature.kind == "category" or feature.part == "missing":
        return feature.name, 1 / feature.scale
    if feature.kind == "count":
        return f"{feature.column} doubled", np.log(2) / feature.scale
    if feature.kind == "share":
        return f"{feature.column}, its odds doubled", np.log(2) / feature.scale
    if feature.part == "seconds":
        return f"{feature.column} a year later", 365.25 * 86400 / feature.scale
    step = 10.0 ** np.floor(np.log10(feature.scale))  # a round number of the size of a standard deviation
    return f"{feature.name} + {number(step)}", step / feature.scale


def _signed(value: float) -> str:
    return ("+" if value >= 0 else "−") + number(abs(value))
