"""What sets a group of rows apart, in the words and units of the table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vae_moe.app.features import Feature
from vae_moe.data.preparation import day

#: Standard deviations a group's mean has to be away from that of all rows to be told.
WORTH_TELLING = 0.25
STRONG = 2.0  # standard deviations that fill a bar


@dataclass(frozen=True)
class Trait:
    """One feature of a group.

    Attributes:
        feature: what.
        effect: the group's mean less that of all rows, in standard deviations of all rows.
        here: the group's mean, in the column's unit, or as a share.
        overall: that of all rows.
    """

    feature: Feature
    effect: float
    here: str
    overall: str

    @property
    def words(self) -> str:
        """Such as "high age", "late joined", "region: north", "not region: south"."""
        up, part = self.effect > 0, self.feature.part
        if self.feature.kind == "category" or part == "missing":
            return self.feature.name if up else f"not {self.feature.name}"
        if self.feature.kind == "date":
            what = self.feature.column if part in ("year", "seconds") else f"{part} of {self.feature.column}"
            return f"{'late' if up else 'early'} {what}"
        return f"{'high' if up else 'low'} {self.feature.column}"


def traits(x: np.ndarray, features: Sequence[Feature], members: np.ndarray, most: int = 6) -> list[Trait]:
    """The features in which a group of rows differs most from all rows, one a column, the strongest first.

    Args:
        x: all rows, [N, D], as the model sees them, NaN where a cell has no value.
        features: of x.
        members: [N], whether a row is in the group; or its weight in it.
        most: traits at most.
    """
    if not members.sum():
        return []
    cells = np.ma.masked_invalid(np.asarray(x, float))
    overall, spread = cells.mean(0).filled(0.0), cells.std(0).filled(0.0)
    here = np.ma.filled(np.ma.average(cells, axis=0, weights=members), overall)
    effects = (here - overall) / np.where(spread > 0, spread, np.inf)
    found: dict[str, Trait] = {}
    for i in np.argsort(-np.abs(effects)):
        feature = features[i]
        if abs(effects[i]) < WORTH_TELLING or len(found) == most:
            break
        known = ~np.isnan(x[:, i])
        values, weights = feature.values(x[known, i]), members[known]
        told = (in_units(feature, np.average(values, weights=weights)), in_units(feature, values.mean()))
        found.setdefault(feature.column, Trait(feature, float(effects[i]), *told))
    return list(found.values())


def in_units(feature: Feature, value: float) -> str:
    """A mean of a feature's values as text: a number, a day, or a share."""
    if feature.kind == "category" or feature.part == "missing":
        return f"{value:.0%}"
    if feature.kind == "date":
        return day(value) if feature.part == "seconds" else f"{value:.1f}"
    return number(value)


def number(value: float) -> str:
    """Three or four significant digits, thousands apart, an exponent only where it is needed."""
    if not np.isfinite(value):
        return str(value)
    if abs(value) >= 1e7 or 0 < abs(value) < 1e-4:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"
