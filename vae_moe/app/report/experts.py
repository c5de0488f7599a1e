"""Sections about a mixture of experts: held-out scores beside a linear model, calibration, and each expert's map."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vae_moe.app.report import figures, page, scores
from vae_moe.app.report.page import Block, Cell
from vae_moe.app.report.traits import number
from vae_moe.data.preparation import Feature
from vae_moe.plots import expert_plots

COEFFICIENTS = 6
CLASSES_SHOWN = 30
BASELINE = "linear model"
MODEL = "mixture of experts"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out rows and what was predicted of them.

    Attributes:
        names: of the targets: O, or one.
        y: [N, O], or codes [N] of classes.
        predicted: [N, O], or class probabilities [N, C].
        baseline: the linear model's, alike.
        trivial: the training rows' mean or class shares, [O] or [C].
        experts: [N], the most probable expert of each row.
        classes: C, of a classification.
        cdf: F(y|x) of the first output, [N], of a regression.
    """

    names: Sequence[str]
    y: np.ndarray
    predicted: np.ndarray
    baseline: np.ndarray
    trivial: np.ndarray
    experts: np.ndarray
    classes: Sequence[str] | None = None
    cdf: np.ndarray | None = None

    @property
    def loss(self) -> str:
        """What the comparisons are by."""
        return "mean squared error" if self.classes is None else "log-loss"

    def losses(self, predicted: np.ndarray) -> np.ndarray:
        """The loss of each row, [N], of predictions [N, O] or probabilities [N, C].

        Squared errors in units of each output's variance, or minus the logarithm of the true class's probability.
        """
        if self.classes is None:
            return np.square((predicted - self.y) / np.sqrt(np.maximum(self.y.var(0), 1e-12))).mean(-1)
        return -np.log(np.clip(predicted[np.arange(len(self.y)), self.y], 1e-7, 1))

    @property
    def constant(self) -> np.ndarray:
        """The prediction that is the same for every row, as ``predicted``."""
        return np.broadcast_to(self.trivial, self.predicted.shape)


def scored(held_out: HeldOut) -> tuple[dict[str, float], list[Block], dict[str, bytes]]:
    """Scores of the held-out rows: figures for ``metrics.json``, and a section with its pictures."""
    return (_regression if held_out.classes is None else _classification)(held_out)


def verdict(held_out: HeldOut) -> tuple[scores.Comparison, Block]:
    """Whether the mixture predicts better than a linear model, and by how much."""
    compared = scores.compare(held_out.losses(held_out.predicted), held_out.losses(held_out.baseline))
    words = f"On the {len(held_out.y)} held-out rows the experts' {held_out.loss} is {compared.words}."
    return compared, page.text(words, "good" if compared.low > 0 else "warn")


def troubles(held_out: HeldOut, compared: scores.Comparison) -> dict[str, str]:
    """What is wrong with the predictions, by name: what was seen.

    Args:
        held_out: rows.
        compared: the experts with the linear model.
    """
    found = {}
    mine, constant = (held_out.losses(each).mean() for each in (held_out.predicted, held_out.constant))
    if mine >= constant:
        same = "the mean of each target" if held_out.classes is None else "each class's share of the training rows"
        found["no better than a constant"] = (
            f"the experts' {held_out.loss} is {mine / max(constant, scores.TINY) - 1:.0%} above that of predicting "
            f"{same} for every row"
        )
    elif compared.high < 0:
        found["worse than a linear model"] = f"the experts' {held_out.loss} is {-compared.gain:.0%} above its"
    return found


def _regression(held_out: HeldOut) -> tuple[dict[str, float], list[Block], dict[str, bytes]]:
    rows, found = [], dict[str, float]()
    methods = {
        MODEL: held_out.predicted,
        BASELINE: held_out.baseline,
        "mean": held_out.constant,
    }
    for i, name in enumerate(held_out.names):
        suffix = "" if len(held_out.names) == 1 else f"_{i}"
        for method, predicted in methods.items():
            score = scores.of_regression(held_out.y[:, i], predicted[:, i])
            rows.append([name, method, number(score["rmse"]), number(score["mae"]), f"{score['r2']:.3f}"])
            prefix = {MODEL: "", BASELINE: "linear_"}.get(method)
            if prefix is not None:
                found |= {f"{prefix}{key}{suffix}": value for key, value in score.items()}
    head = ["target", "method", "root mean squared error", "mean absolute error", "R²"]
    drawn = expert_plots.predictions(held_out.y, held_out.predicted, held_out.experts, names=held_out.names)
    blocks = [page.table(head, rows)]
    caption = f"Held-out rows: {', '.join(held_out.names)}, true and predicted, coloured by expert."
    blocks.append(page.figure("predictions", caption, wide=len(held_out.names) > 1))
    pictures = {"predictions": figures.png(drawn)}
    if held_out.cdf is not None:
        covered = scores.coverage(held_out.cdf)
        found["coverage_90"] = covered[0.9]
        pictures["coverage"] = figures.coverage(list(covered), list(covered.values()))
        words = f"{covered[0.9]:.0%} of the held-out rows are inside their interval of 90 % of {held_out.names[0]}."
        blocks.append(page.figure("coverage", words))
    return found, blocks, pictures


def _classification(held_out: HeldOut) -> tuple[dict[str, float], list[Block], dict[str, bytes]]:
    assert held_out.classes is not None
    methods = {MODEL: held_out.predicted, BASELINE: held_out.baseline, "shares of the classes": held_out.constant}
    all_scores = {name: scores.of_classification(held_out.y, probs) for name, probs in methods.items()}
    rows = [
        [name, f"{s['accuracy']:.1%}", f"{s['balanced_accuracy']:.1%}", f"{s['log_loss']:.3f}"]
        for name, s in all_scores.items()
    ]
    chosen = held_out.predicted.argmax(-1)
    sure, right = held_out.predicted.max(-1), chosen == held_out.y
    error = scores.expected_calibration_error(sure, right)
    blocks = [page.table(["method", "accuracy", "mean over classes", "log-loss, nats"], rows)]
    if len(held_out.classes) <= CLASSES_SHOWN:
        blocks.append(_confusion(held_out, chosen))
    words = f"How often a prediction is right, by the probability it was given; the mean gap is {error:.3f}."
    blocks.append(page.figure("calibration", words))
    found = dict(all_scores[MODEL]) | {f"linear_{key}": value for key, value in all_scores[BASELINE].items()}
    return found | {"calibration_error": error}, blocks, {"calibration": figures.reliability(sure, right)}


def _confusion(held_out: HeldOut, chosen: np.ndarray) -> Block:
    assert held_out.classes is not None
    rows: list[list[Cell]] = []
    for code, name in enumerate(held_out.classes):
        counts = np.bincount(chosen[held_out.y == code], minlength=len(held_out.classes))
        total = max(int(counts.sum()), 1)
        rows.append(
            [
                name,
                *(page.bar(str(n), n / total if i == code else -n / total) if n else "" for i, n in enumerate(counts)),
            ]
        )
    return page.table(["true class", *held_out.classes], rows, "Held-out rows by true class (lines) and prediction")


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


def coefficients(
    kernel: np.ndarray, linear: np.ndarray, features: Sequence[Feature], x: np.ndarray, what: str
) -> Block:
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
    effects = kernel * x.std(0)
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
    kernel, shares = kernel.astype(float), x.mean(0, dtype=float)
    for column in {feature.column for feature in features if feature.kind == "category"}:
        mine = [i for i, feature in enumerate(features) if feature.column == column]
        kernel[mine] -= kernel[mine] @ shares[mine]
    return kernel


def _per(feature: Feature) -> tuple[str, float]:
    """A change of a feature in its column's unit, in words, and as a change of x."""
    if feature.kind == "category" or feature.part == "missing":
        return feature.name, 1 / feature.scale
    if feature.part == "seconds":
        return f"{feature.column} a year later", 365.25 * 86400 / feature.scale
    step = 10.0 ** np.floor(np.log10(feature.scale))  # a round number of the size of a standard deviation
    return f"{feature.name} + {number(step)}", step / feature.scale


def _signed(value: float) -> str:
    return ("+" if value >= 0 else "−") + number(abs(value))
