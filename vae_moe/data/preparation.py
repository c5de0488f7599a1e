"""A table of mixed columns as the numbers a model takes: what each column is, and scikit-learn's transformers for all.

Numbers are imputed by their median, with an indicator where any are missing, and standardised. Dates become year,
month, day of the week, hour and seconds since the first, then numbers like the others. Categories become one column a
value; rare values share one, as do values that ``fit`` did not see, and a missing value is a value of its own.
"""

import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from vae_moe.data import columns
from vae_moe.data.columns import MAX_CATEGORIES, OTHER, Columns
from vae_moe.data.files import DatasetError

MAX_ENTRIES = 500_000_000  # rows times features: 4 GB as float64
CODE = re.compile(r"0\d+|\d+\.\d*0")  # of which numbers would keep less
PARTS = ("year", "month", "weekday", "hour", "seconds", "missing")
#: What skops may build besides what it trusts itself.
TRUSTED = ["numpy.dtype", "vae_moe.data.preparation.DateParts"]


class DateParts(TransformerMixin, BaseEstimator):
    """Dates [N, C] in seconds since 1970, NaN if missing, as their ``PARTS``, [N, 6 C]."""

    def fit(self, X, y=None):
        """Keep the first date of each column."""
        self.first_ = np.nanmin(np.asarray(X, float), axis=0)
        return self

    def transform(self, X) -> np.ndarray:
        """Args: X [N, C]. Returns: [N, 6 C], NaN where a date is missing, but for the last part, which says so."""
        parts = []
        for seconds, first in zip(np.asarray(X, float).T, self.first_, strict=True):
            with np.errstate(invalid="ignore"):  # NaN becomes NaT
                date = pd.Series(np.round(seconds * 1000).astype("datetime64[ms]")).dt  # pandas 2 reads no such years
            known = [date.year, date.month, date.day_of_week, date.hour, seconds - first]
            parts += [np.asarray(part, float) for part in (*known, np.isnan(seconds))]
        return np.stack(parts, -1)


@dataclass(frozen=True)
class Feature:
    """One number that the model sees.

    Attributes:
        column: it is made from.
        part: "" for the number itself, "missing", a category, or a part of a date.
        kind: "number", "date" or "category".
        mean, scale: the number is ``mean + scale * x``, seconds counted from 1970; 0 and 1 of categories.
    """

    column: str
    part: str
    kind: str
    mean: float = 0.0
    scale: float = 1.0

    @property
    def name(self) -> str:
        """Such as "age", "age: missing", "joined: month", "region: north"; a date's seconds are the date itself."""
        return f"{self.column}: {self.part}" if self.part not in ("", "seconds") else self.column


class Preparation:
    """A fitted preparation of tables: frames of the columns it was fitted to -> x [N, D].

    Args:
        found: what each column is.
        transformer: fitted.
    """

    def __init__(self, found: Columns, transformer: ColumnTransformer):
        self.columns, self.transformer = found, transformer
        self.features = _features(found, transformer)

    @classmethod
    @config_context(transform_output="default")
    def fit(
        cls, frame: pd.DataFrame, drop: Sequence[str] = (), rows: Sequence[int] | np.ndarray | None = None
    ) -> "Preparation":
        """Find out what each column is, and learn medians, scales and categories.

        Args:
            frame: [N, C], N >= 2, its columns named by text.
            drop: columns to leave out.
            rows: positions of those to learn from; None: all.

        Raises:
            DatasetError: a column that cannot be used, none that can, or too many features; it says what to do. Rows
                are counted from 1, whatever the frame's index.
        """
        rows = np.arange(len(frame)) if rows is None else np.asarray(rows)
        found = columns.look_at(frame, drop, rows)
        values = columns.typed(frame, found).iloc[rows]
        widths = [min(values[name].nunique(), MAX_CATEGORIES + 1) for name in found.categories]
        n_features = 2 * len(found.numbers) + len(PARTS) * len(found.dates) + sum(widths)
        if len(frame) * n_features > MAX_ENTRIES:
            raise DatasetError(
                f"{len(frame)} rows of {n_features} features are {MAX_ENTRIES} at most: --drop columns "
                "(in Python, drop=[...])."
            )
        numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
        dates = make_pipeline(DateParts(), SimpleImputer(strategy="median"), VarianceThreshold(), StandardScaler())
        categories = OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            min_frequency=columns.rare_below(len(rows)),
            max_categories=MAX_CATEGORIES + 1,
            sparse_output=False,
        )
        parts = [("number", numbers, found.numbers), ("date", dates, found.dates)]
        parts.append(("category", categories, found.categories))
        transformer = ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0)
        return cls(found, transformer.fit(values))

    @config_context(transform_output="default")
    def transform(self, frame: pd.DataFrame) -> np.ndarray:
        """A frame [N, C] with the fitted columns, others being left out -> [N, D] float32.

        Raises:
            DatasetError: a column is missing or of another kind, or a number is too large.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            x = self.transformer.transform(columns.typed(frame, self.columns)).astype(np.float32)
        if not np.isfinite(x).all():
            row, feature = np.argwhere(~np.isfinite(x))[0]
            name = self.features[feature].column
            raise DatasetError(f"column {name!r} is too large a number in row {row + 1}: correct or empty it.")
        return x

    @property
    def written(self) -> list[str]:
        """The columns whose cells have to be read as they are written: numbers of other forms, and codes such as 01."""
        if not self.columns.categories:
            return list(self.columns.forms)
        known = zip(self.columns.categories, self.transformer.named_transformers_["category"].categories_, strict=True)
        coded = [name for name, seen in known if any(CODE.fullmatch(str(each)) for each in seen)]
        return [*self.columns.forms, *coded]

    def unseen(self, frame: pd.DataFrame) -> dict[str, list[str]]:
        """The categories of a frame that ``fit`` did not see, by column; they count as rare ones."""
        if not self.columns.categories:
            return {}
        values = columns.typed(frame, self.columns)
        known = zip(self.columns.categories, self.transformer.named_transformers_["category"].categories_, strict=True)
        found = {name: sorted(set(values[name]) - set(seen)) for name, seen in known}
        return {name: new for name, new in found.items() if new}

    def new_gaps(self, frame: pd.DataFrame) -> dict[str, int]:
        """Cells without a value in columns of numbers or dates that had all when fitted; they count as the median."""
        told = {feature.column for feature in self.features if feature.part == "missing"}
        values = columns.typed(frame, self.columns)
        gaps = {name: int(values[name].isna().sum()) for name in (*self.columns.numbers, *self.columns.dates)}
        return {name: n for name, n in gaps.items() if n and name not in told}

    def restore(self, x) -> pd.DataFrame:
        """Features back to columns: x [N, D], such as a model generates -> [N, C], of a category the most probable."""
        x = np.asarray(x, float)
        restored = {}
        for name in (*self.columns.numbers, *self.columns.dates, *self.columns.categories):
            mine = [i for i, feature in enumerate(self.features) if feature.column == name]
            if name in self.columns.categories:
                restored[name] = np.array([self.features[i].part for i in mine], object)[x[:, mine].argmax(-1)]
                continue
            values = {self.features[i].part: self.features[i].mean + self.features[i].scale * x[:, i] for i in mine}
            restored[name] = values[""] if name in self.columns.numbers else [day(value) for value in values["seconds"]]
        return pd.DataFrame(restored)

    def save(self, folder: str | Path) -> None:
        """Write ``columns.json`` and ``transformer.skops``: no pickle, so that loading runs no code of the file's.

        Args:
            folder: made if it is not there.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "columns.json").write_text(json.dumps(asdict(self.columns), indent=2) + "\n", encoding="utf-8")
        skops.io.dump(self.transformer, folder / "transformer.skops", compression=zipfile.ZIP_DEFLATED)

    @classmethod
    def load(cls, folder: str | Path) -> "Preparation":
        """Read what ``save`` wrote.

        Raises:
            DatasetError: there is nothing of it, or the files are not whole, or hold other code than scikit-learn's
                transformers.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise DatasetError(f"{folder} is no folder. Give the one that save() was given.")
        try:
            found = Columns.of(json.loads((folder / "columns.json").read_text(encoding="utf-8")))
            return cls(found, skops.io.load(folder / "transformer.skops", trusted=TRUSTED))
        except Exception as error:  # damaged files make their readers raise anything
            raise DatasetError(f"{folder} is not whole, or was changed: {error}. Train again.") from error


def day(seconds: float) -> str:
    """The nearest midnight of a time in seconds since 1970, as 2024-12-31."""
    return str(np.datetime64(round(seconds / 86400), "D"))


def _features(found: Columns, transformer: ColumnTransformer) -> list[Feature]:
    """What the transformer's output columns are, in their order."""
    features = []
    if found.numbers:
        imputer, scaler = transformer.named_transformers_["number"]
        indicated = imputer.indicator_.features_ if imputer.indicator_ is not None else []
        names = [(name, "") for name in found.numbers] + [(found.numbers[i], "missing") for i in indicated]
        features += _scaled(names, "number", scaler)
    if found.dates:
        parts, _, varied, scaler = transformer.named_transformers_["date"]
        names = [(name, part) for name in found.dates for part in PARTS]
        first = dict(zip(found.dates, parts.first_, strict=True))
        dated = _scaled([names[i] for i in varied.get_support(indices=True)], "date", scaler)
        features += [
            replace(part, mean=part.mean + first[part.column]) if part.part == "seconds" else part for part in dated
        ]
    if found.categories:
        encoder = transformer.named_transformers_["category"]
        kept = zip(found.categories, encoder.categories_, encoder.infrequent_categories_, strict=True)
        for name, categories, rare in kept:
            own = [str(category) for category in categories if rare is None or category not in rare]
            features += [Feature(name, part, "category") for part in own + ([OTHER] if rare is not None else [])]
    return features


def _scaled(names: Sequence[tuple[str, str]], kind: str, scaler: StandardScaler) -> list[Feature]:
    moments = zip(names, scaler.mean_.tolist(), scaler.scale_.tolist(), strict=True)
    return [Feature(name, part, kind, mean, scale) for (name, part), mean, scale in moments]
