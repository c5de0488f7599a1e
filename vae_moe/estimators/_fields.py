"""One column of a table: what it is, and how it becomes entries of x, and is made of them again."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from scipy.special import expit, logit

from vae_moe import validation
from vae_moe.estimators._inputs import FAR, NORMAL_QUARTILES
from vae_moe.likelihoods.mixed import Column

#: What a user may say that a column is. Shares in [0, 1] are Gaussian by their log-odds.
KINDS = ("gaussian", "student", "count", "share", "bernoulli", "categorical", "ordinal")
NUMBERS = ("gaussian", "student", "count", "share")
#: Levels of a category; rarer ones are one level.
MOST_LEVELS, OTHER = 30, "(other)"
#: Tails are heavy where more than this share of a column lies beyond so many deviations of a normal.
HEAVY_SHARE, HEAVY_DEVIATIONS = 0.01, 5.0
#: Whole numbers from 0 on are counts where they are skewed; what is 0 or 1 too often, or of a short range, is no share.
COUNT_SKEWNESS, MOST_EXTREMES, WIDE_SHARE = 1.0, 0.05, 0.8


@dataclass(frozen=True)
class Field:
    """A column of a table.

    Attributes
    ----------
    name : str or int
    kind : str
        One of `KINDS`.
    dtype : str
        That the table had.
    levels : list
        Of a category, and of what is true or false; in their order.
    mean, scale : float
        A number is mean + scale x; of a count, the logarithm of 1 + it is, and of a share its log-odds.
    squeeze : float
        Of a share s, which counts as (1 - squeeze) s + squeeze / 2, so that 0 and 1 have log-odds.
    low, high : float
        Between which its x was: what is made of x is held there.
    of : str or int, optional
        The column of which it tells whether a cell has no value, where it is no column itself.
    """

    name: Any
    kind: str
    dtype: str
    levels: list[Any]
    mean: float = 0.0
    scale: float = 1.0
    squeeze: float = 0.0
    low: float = -FAR
    high: float = FAR
    of: Any = None

    @property
    def column(self) -> Column:
        """What the likelihood calls it."""
        if self.kind == "categorical":
            return Column("categorical", len(self.levels))
        if self.kind == "ordinal":
            return Column("ordinal", max(len(self.levels) - 1, 1))
        if self.kind == "count":
            return Column("count", 1, self.mean, self.scale)
        return Column("gaussian" if self.kind == "share" else self.kind)

    @property
    def entries(self) -> list[str]:
        """Names of its entries of x."""
        if self.kind in ("categorical", "ordinal"):
            parts = self.levels if self.kind == "categorical" else self.levels[1:] or self.levels
            return [f"{self.name}: {part}" for part in parts]
        return [str(self.name)]

    @classmethod
    def found(cls, name: Any, values: pd.Series, kind: str | None = None) -> Field:
        """Return what a column is: the kind that is given, or that its type and values say."""
        number = types.is_numeric_dtype(values.dtype) and not types.is_bool_dtype(values.dtype)
        dated = types.is_datetime64_any_dtype(values.dtype)
        kind = kind or (_kind_of_numbers(_numbers(values), dated) if number or dated else _kind_of_levels(values))
        dtype = str(values.dtype)
        if kind not in NUMBERS:
            levels = _levels(values)
            if kind == "bernoulli" and len(levels) > 2:
                raise ValueError(f"column {name!r} has {len(levels)} values, a bernoulli column has two: {levels[:5]}.")
            return cls(name, kind, dtype, levels)
        if not (number or dated):
            raise ValueError(f"column {name!r} is of type {dtype}, which holds no numbers: it cannot be {kind!r}.")
        known = _numbers(values)
        known = known[np.isfinite(known)]
        squeeze = 1 / max(len(known), 2) if kind == "share" else 0.0
        low, high = (0.0, 1.0) if kind == "share" else (0.0, np.inf)
        if kind in ("count", "share") and len(known) and not (low <= known.min() and known.max() <= high):
            raise ValueError(f"column {name!r} is from {known.min():g} to {known.max():g}: it cannot be {kind!r}.")
        field = cls(name, kind, dtype, [], squeeze=squeeze)
        mean, scale = _scaling(field._forward(known), kind == "student")
        x = np.clip((field._forward(known) - mean) / scale, -FAR, FAR)
        return cls(name, kind, dtype, [], mean, scale, squeeze, float(x.min(initial=FAR)), float(x.max(initial=-FAR)))

    def indicator(self) -> Field:
        """Return the field that tells whether this one's cells have no value."""
        return Field(f"{self.name}: missing", "bernoulli", "bool", [False, True], of=self.name)

    def encode(self, values: pd.Series) -> np.ndarray:
        """Return entries of x of a column [N] as [N, M]: NaN where there is no value."""
        if self.kind in NUMBERS:
            x = (self._forward(_numbers(values)) - self.mean) / self.scale
            return np.clip(x, -FAR, FAR)[:, np.newaxis]
        codes = self._codes(values)
        if self.kind == "bernoulli":
            x = (codes == 1)[:, np.newaxis].astype(float)
        elif self.kind == "categorical":
            x = np.eye(len(self.levels))[codes]
        else:
            x = (codes[:, np.newaxis] > np.arange(max(len(self.levels) - 1, 1))).astype(float)
        x[codes < 0] = np.nan
        return x

    def decode(self, x: np.ndarray) -> np.ndarray:
        """Return the column [N] of entries x [N, M]: numbers, or the level that has the most."""
        if self.kind == "bernoulli":
            return np.array(self.levels, object)[np.minimum((x[:, 0] > 0.5).astype(int), len(self.levels) - 1)]
        if self.kind == "categorical":
            return np.array(self.levels, object)[x.argmax(1)]
        if self.kind == "ordinal":
            return np.array(self.levels, object)[np.minimum((x > 0.5).sum(1), len(self.levels) - 1)]
        values = self.mean + self.scale * np.clip(x[:, 0].astype(float), self.low, self.high)
        if self.kind == "count":
            return np.round(np.expm1(np.minimum(values, 700)))
        if self.kind == "share":
            return np.clip((expit(values) - self.squeeze / 2) / (1 - self.squeeze), 0, 1)
        return values

    def log_jacobian(self, values: pd.Series) -> np.ndarray:
        """Return log |dx / dvalue| of a column [N]: what makes a density of its entry one of its own units."""
        numbers = _numbers(values) if self.kind in ("gaussian", "student", "share") else np.zeros(len(values))
        found = np.full(len(values), -np.log(self.scale) if self.kind in ("gaussian", "student", "share") else 0.0)
        if self.kind == "share":
            squeezed = (1 - self.squeeze) * numbers + self.squeeze / 2
            found += np.log1p(-self.squeeze) - np.log(squeezed * (1 - squeezed))
        return np.where(np.isnan(numbers), 0.0, found)

    def _forward(self, numbers: np.ndarray) -> np.ndarray:
        if self.kind == "count":
            return np.log1p(np.maximum(numbers, 0))
        if self.kind == "share":
            return logit((1 - self.squeeze) * np.clip(numbers, 0, 1) + self.squeeze / 2)
        return numbers

    def _codes(self, values: pd.Series) -> np.ndarray:
        """Return the number of each level, [N]; -1 where there is no value, or one that is no level."""
        place = {level: code for code, level in enumerate(self.levels)}
        codes, found = pd.factorize(values)
        told = [_plain(value) for value in found]
        known = np.array([place.get(value, place.get(OTHER, -1)) for value in told] + [-1], int)
        if new := [value for value, code in zip(told, known, strict=False) if code < 0]:
            warnings.warn(
                f"column {self.name!r} has values that the fit had not, the first is {new[0]!r}: they count as gaps.",
                stacklevel=2,
            )
        return known[codes]


def _numbers(values: pd.Series) -> np.ndarray:
    """Return a column of numbers or dates as float64 [N], NaN where there is none; dates are seconds since 1970."""
    if types.is_datetime64_any_dtype(values.dtype):
        naive = values.dt.tz_convert(None) if getattr(values.dt, "tz", None) is not None else values
        return (naive - pd.Timestamp(0)).dt.total_seconds().to_numpy(float)
    try:
        numbers = values.astype("Float64").to_numpy(float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        row = int(np.argmax((pd.to_numeric(values, errors="coerce").isna() & values.notna()).to_numpy()))
        raise ValueError(
            f"X has {values.iloc[row]!r} in column {values.name!r}, row {row}, counted from 0, which takes numbers or "
            "dates. Correct or empty it."
        ) from error
    if np.isinf(numbers).any() or np.nanmax(np.abs(numbers), initial=0) > validation.LARGEST:
        row = int(np.argmax(np.abs(np.nan_to_num(numbers))))
        raise ValueError(
            f"X has infinity or a value too large: {numbers[row]:g} in column {values.name!r}, row {row}, counted from "
            "0. Correct or empty it."
        )
    return numbers


def _kind_of_numbers(numbers: np.ndarray, dated: bool) -> str:
    known = numbers[~np.isnan(numbers)]
    if len(known) < 3 or (known == known[0]).all():
        return "gaussian"
    if np.isin(known, (0, 1)).all():
        return "bernoulli"
    whole = (known == np.round(known)).all() and not dated
    centred = known - known.mean()
    skewness = np.mean(centred**3) / max(np.mean(centred**2) ** 1.5, validation.POSITIVE)
    if whole and known.min() >= 0 and skewness > COUNT_SKEWNESS:
        return "count"
    if (
        not whole
        and known.min() >= 0
        and known.max() <= 1
        and np.isin(known, (0, 1)).mean() < MOST_EXTREMES
        and np.ptp(known) > WIDE_SHARE
    ):
        return "share"
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    deviation = (high - low) / NORMAL_QUARTILES
    far = np.abs(known - middle) > HEAVY_DEVIATIONS * deviation
    return "student" if deviation > 0 and far.mean() > HEAVY_SHARE else "gaussian"


def _kind_of_levels(values: pd.Series) -> str:
    if types.is_bool_dtype(values.dtype):
        return "bernoulli"
    return "ordinal" if isinstance(values.dtype, pd.CategoricalDtype) and values.cat.ordered else "categorical"


def _plain(value: Any) -> Any:
    """Return a level as JSON has it: NumPy's numbers as Python's, else text."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (str, bool, int, float)) else str(value)


def _levels(values: pd.Series) -> list[Any]:
    """Return the levels of a column in their order; `MOST_LEVELS` at most, the last for what is rarer."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        seen = set(values.dropna())
        levels = [_plain(level) for level in values.cat.categories if level in seen]
        if values.cat.ordered:
            return levels or [OTHER]
    counts = pd.Series([_plain(value) for value in values.dropna()], dtype=object).value_counts()
    ordered = sorted(counts.index, key=lambda level: (isinstance(level, str), level))
    known = counts.index.drop(OTHER, errors="ignore")
    if len(known) > MOST_LEVELS:
        frequent = set(known[: MOST_LEVELS - 1])
        return [level for level in ordered if level in frequent] + [OTHER]
    return ordered or [OTHER]


def _scaling(values: np.ndarray, robust: bool) -> tuple[float, float]:
    """Return where a number's x is 0, and what it is divided by; a few far values do not set the scale."""
    if not len(values) or (values == values[0]).all():
        return float(values[0]) if len(values) else 0.0, 1.0
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    if robust:
        return float(middle), float((high - low) / NORMAL_QUARTILES)
    reach = FAR * (high - low) / NORMAL_QUARTILES if high > low else np.inf
    near = np.clip(values, middle - reach, middle + reach)
    return float(near.mean()), float(near.std() or 1.0)


def _microseconds(time: Any) -> np.datetime64:
    """Return a time, or seconds since 1970, in UTC."""
    if not isinstance(time, pd.Timestamp):
        return np.datetime64(round(float(time)), "s").astype("datetime64[us]")
    return (time if time.tz is None else time.tz_convert(None)).to_datetime64().astype("datetime64[us]")


def typed(values: np.ndarray, field: Field, index: Any = None) -> pd.Series:
    """Return a column in the type that it had."""
    dtype = field.dtype
    if types.is_datetime64_any_dtype(dtype):
        found = pd.Series([_microseconds(each) for each in values], index, "datetime64[us]", name=field.name)
        return (found.dt.tz_localize("UTC") if "," in dtype else found).astype(dtype)
    if dtype == "category":
        return pd.Series(pd.Categorical(values, field.levels, ordered=field.kind == "ordinal"), index, name=field.name)
    if field.kind in NUMBERS:
        values = np.asarray(values, float)
    if types.is_integer_dtype(dtype):
        values = np.round(values)
    return pd.Series(values, index, name=field.name).astype(dtype)
