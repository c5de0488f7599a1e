"""Held-out rows of a mixture of experts: scores beside a linear model and a constant, and calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vae_moe.app.report import page, pictures, scores
from vae_moe.app.report.page import Block, Cell
from vae_moe.app.report.traits import number
from vae_moe.plots import expert_plots

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
        covered: the share of rows whose first output is inside its interval, by its level, of a regression.
        weights: of the rows where classes were weighted, [N].
    """

    names: Sequence[str]
    y: np.ndarray
    predicted: np.ndarray
    baseline: np.ndarray
    trivial: np.ndarray
    experts: np.ndarray
    classes: Sequence[str] | None = None
    covered: Mapping[float, float] | None = None
    weights: np.ndarray | None = None

    @property
    def loss(self) -> str:
        """What the comparisons are by."""
        weighted = "" if self.weights is None else ", each class weighing the same,"
        return "mean squared error" if self.classes is None else f"log-loss{weighted}"

    @property
    def constant(self) -> np.ndarray:
        """The prediction that is the same for every row, as ``predicted``."""
        return np.broadcast_to(self.trivial, self.predicted.shape)

    def losses(self, predicted: np.ndarray) -> np.ndarray:
        """The loss of each row, [N], of predictions [N, O] or probabilities [N, C].

        Squared errors in units of each output's variance, or minus the logarithm of the true class's probability.
        """
        if self.classes is None:
            return np.square((predicted - self.y) / np.sqrt(np.maximum(self.y.var(0), 1e-12))).mean(-1)
        losses = -np.log(np.clip(predicted[np.arange(len(self.y)), self.y], 1e-7, 1))
        return losses if self.weights is None else losses * self.weights / self.weights.mean()

    def verdict(self) -> tuple[scores.Comparison, Block]:
        """Whether the mixture predicts better than a linear model, and by how much."""
        compared = scores.compare(self.losses(self.predicted), self.losses(self.baseline))
        words = f"On the {len(self.y)} held-out rows the experts' {self.loss} is {compared.words}."
        return compared, page.text(words, "good" if compared.low > 0 else "warn")

    def troubles(self, compared: scores.Comparison) -> dict[str, str]:
        """What is wrong with the predictions, by name: what was seen.

        Args:
            compared: the experts with the linear model.
        """
        mine, constant = (self.losses(each).mean() for each in (self.predicted, self.constant))
        if mine >= constant:
            same = "the mean of each target" if self.classes is None else "each class's share of the training rows"
            above = mine / max(constant, scores.TINY) - 1
            words = f"the experts' {self.loss} is {above:.0%} above that of predicting {same} for every row"
            return {"no better than a constant": words}
        if compared.high < 0:
            return {"worse than a linear model": f"the experts' {self.loss} is {-compared.gain:.0%} above its"}
        return {}

    def scored(self) -> tuple[dict[str, float], list[Block]]:
        """Scores: figures for ``metrics.json``, and a section."""
        return self._regression() if self.classes is None else self._classification()

    def _regression(self) -> tuple[dict[str, float], list[Block]]:
        rows, found = [], dict[str, float]()
        methods = {MODEL: self.predicted, BASELINE: self.baseline, "mean": self.constant}
        for i, name in enumerate(self.names):
            suffix = "" if len(self.names) == 1 else f"_{i}"
            for method, predicted in methods.items():
                score = scores.of_regression(self.y[:, i], predicted[:, i])
                rows.append([name, method, number(score["rmse"]), number(score["mae"]), f"{score['r2']:.3f}"])
                if method != "mean":
                    prefix = "" if method == MODEL else "linear_"
                    found |= {f"{prefix}{key}{suffix}": value for key, value in score.items()}
        drawn = expert_plots.predictions(self.y, self.predicted, self.experts, names=self.names)
        caption = f"Held-out rows: {', '.join(self.names)}, true and predicted, coloured by expert."
        blocks = [
            page.table(["target", "method", "root mean squared error", "mean absolute error", "R²"], rows),
            page.figure("predictions", pictures.png(drawn), caption, wide=len(self.names) > 1),
        ]
        if self.covered is not None:
            found["coverage_90"] = self.covered[0.9]
            words = (
                f"{self.covered[0.9]:.0%} of the held-out rows are inside their interval of 90 % of {self.names[0]}."
            )
            picture = pictures.coverage(list(self.covered), list(self.covered.values()))
            blocks.append(page.figure("coverage", picture, words))
        return found, blocks

    def _classification(self) -> tuple[dict[str, float], list[Block]]:
        methods = {MODEL: self.predicted, BASELINE: self.baseline, "shares of the classes": self.constant}
        found = {name: scores.of_classification(self.y, probs) for name, probs in methods.items()}
        rows = [
            [name, f"{s['accuracy']:.1%}", f"{s['balanced_accuracy']:.1%}", f"{s['log_loss']:.3f}"]
            for name, s in found.items()
        ]
        sure, right = self.predicted.max(-1), self.predicted.argmax(-1) == self.y
        error = scores.expected_calibration_error(sure, right)
        blocks = [page.table(["method", "accuracy", "mean over classes", "log-loss, nats"], rows), *self._confusion()]
        words = f"How often a prediction is right, by the probability it was given; the mean gap is {error:.3f}."
        blocks.append(page.figure("calibration", pictures.reliability(sure, right), words))
        linear = {f"linear_{key}": value for key, value in found[BASELINE].items()}
        return {**found[MODEL], **linear, "calibration_error": error}, blocks

    def _confusion(self) -> list[Block]:
        """Counts of true classes (lines) and predictions, where there are not too many classes."""
        assert self.classes is not None
        if len(self.classes) > CLASSES_SHOWN:
            return []
        rows: list[list[Cell]] = []
        for code, name in enumerate(self.classes):
            counts = np.bincount(self.predicted.argmax(-1)[self.y == code], minlength=len(self.classes))
            shares = counts / max(int(counts.sum()), 1) * np.where(np.arange(len(counts)) == code, 1, -1)
            bars = [page.bar(str(n), float(share)) if n else "" for n, share in zip(counts, shares, strict=True)]
            rows.append([name, *bars])
        caption = "Held-out rows by true class (lines) and prediction"
        return [page.table(["true class", *self.classes], rows, caption)]
