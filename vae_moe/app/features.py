"""The numbers that a model sees of a table: of which column each is, and how it is read in that column's unit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from vae_moe.data.preparation import Preparation

#: Kinds of an estimator's columns, where they are no plain numbers.
KINDS = {"bernoulli": "flag", "count": "count", "share": "share"}


@dataclass(frozen=True)
class Feature:
    """One number that the model sees.

    Attributes:
        column: it is made from.
        part: "" for the number itself, "missing", a category, or a part of a date.
        kind: "number", "flag" (0 or 1), "count", "share", "date" or "category".
        mean, scale: the number is ``mean + scale * x``, seconds counted from 1970; of a count the logarithm of 1 + it
            is, and of a share its log-odds; 0 and 1 of categories.
        squeeze: of a share s, whose log-odds are those of (1 - squeeze) s + squeeze / 2.
        likelihood: what p(x|z) is of its column.
    """

    column: str
    part: str
    kind: str
    mean: float = 0.0
    scale: float = 1.0
    squeeze: float = 0.0
    likelihood: str = "gaussian"

    @property
    def name(self) -> str:
        """Such as "age", "age: missing", "joined: month", "region: north"; a date's seconds are the date itself."""
        return f"{self.column}: {self.part}" if self.part not in ("", "seconds") else self.column

    def values(self, x: np.ndarray) -> np.ndarray:
        """x in the column's unit, seconds of a date; a category's and a gap's stay 0 and 1."""
        number = self.mean + self.scale * np.asarray(x, float)
        if self.kind == "share":
            return (expit(number) - self.squeeze / 2) / (1 - self.squeeze)
        return np.expm1(number) if self.kind == "count" else number


def of_estimator(estimator: Any, preparation: Preparation) -> list[Feature]:
    """The features of a fitted estimator's x, [D], in their order."""
    if estimator.table_ is None:
        names = map(preparation.origin, estimator.feature_names_in_)
        moments = zip(names, estimator.x_mean_.tolist(), estimator.x_scale_.tolist(), strict=True)
        return [Feature(*origin, "number", mean, scale) for origin, mean, scale in moments]
    features = []
    for field in estimator.table_["fields"]:
        if field["of"] is not None:
            features.append(Feature(preparation.origin(field["of"])[0], "missing", "number"))
        elif field["kind"] == "categorical":
            levels = field["levels"]
            features += [Feature(field["name"], str(level), "category", likelihood="categorical") for level in levels]
        else:
            column, part = preparation.origin(field["name"])
            kind = "date" if part else KINDS.get(field["kind"], "number")
            numbers = field["mean"], field["scale"], field["squeeze"]
            features.append(Feature(column, part, kind, *numbers, likelihood=field["kind"]))
    return features
