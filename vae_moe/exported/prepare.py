"""Rows of a table as the numbers that a model takes, in NumPy alone, by the ``preparation.json`` beside this file."""

import datetime
import json
import math
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
MISSING = None
OTHER = "(other)"
LARGEST = 1e30
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Preparation:
    """What makes numbers of columns.

    Args:
        folder: with ``preparation.json``: a feature is a number of the model's, made of a column, and NaN where the
            model goes by the row's other cells.
    """

    def __init__(self, folder=HERE):
        self.kept = json.loads((Path(folder) / "preparation.json").read_text(encoding="utf-8"))

    def transform(self, table):
        """Make numbers of rows.

        Args:
            table: columns by name, each N values: numbers, dates as text such as "2024-12-31T10:00", text; None, NaN or
                "" where there is none. Other columns are left out.

        Returns:
            X [N, D], as ``Model.predict`` takes it.

        Raises:
            ValueError: a column is missing or shorter than another one, or a value is none of its column's kind.
        """
        kinds, features = self.kept["columns"], self.kept["features"]
        if absent := [name for name in kinds if name not in table]:
            raise ValueError(f"the table lacks {', '.join(map(repr, absent))}: add it.")
        read = {"number": _number, "date": _seconds, "category": _text}
        for name in kinds:
            if isinstance(table[name], str) or not hasattr(table[name], "__iter__"):
                raise ValueError(f"column {name!r} is {table[name]!r}: give a list with a value of each row.")
        values = {name: [read[kind](name, value) for value in table[name]] for name, kind in kinds.items()}
        if len({len(column) for column in values.values()}) > 1:
            lengths = ", ".join(f"{name!r} {len(column)}" for name, column in values.items())
            raise ValueError(f"columns have different numbers of values: {lengths}. Give each one of every row.")
        levels: dict[str, list] = {name: [] for name in kinds}
        for feature in features:
            if feature["kind"] == "category":
                levels[feature["column"]].append(feature["part"])
        limit = self.kept.get("limit", math.inf)
        return np.stack([_feature(f, values[f["column"]], levels[f["column"]], limit) for f in features], -1)


def _feature(feature, values, levels, limit):
    """One number of each row, [N]; levels: the categories of the column that the model knows."""
    if feature.get("part") == "missing":
        return np.array([float(value is MISSING) for value in values])
    if feature["kind"] == "category":
        known = [value if value is MISSING or value in levels else OTHER for value in values]
        return np.array([float(value == feature["part"]) if value in levels else math.nan for value in known])
    fill = feature.get("fill", math.nan)
    numbers = np.array([fill if value is MISSING else _part(value, feature.get("part")) for value in values], float)
    if feature["kind"] == "flag":
        return np.where((numbers == 0) | (numbers == 1), numbers, math.nan)
    if feature["kind"] == "count":
        numbers = np.log1p(np.maximum(numbers, 0))
    if feature["kind"] == "share":
        squeezed = (1 - feature["squeeze"]) * np.clip(numbers, 0, 1) + feature["squeeze"] / 2
        numbers = np.log(squeezed / (1 - squeezed))
    return np.clip((numbers - feature.get("mean", 0.0)) / feature.get("scale", 1.0), -limit, limit)


def _part(value, part):
    """A number, or a part of a date in seconds since 1970."""
    if part not in ("month", "weekday", "hour"):
        return value
    date = EPOCH + datetime.timedelta(milliseconds=round(value * 1000))
    return float({"month": date.month, "weekday": date.weekday(), "hour": date.hour}[part])


def _is_gap(value):
    return value is None or value == "" or (isinstance(value, (float, np.floating)) and math.isnan(value))


def _number(name, value):
    try:
        number = math.nan if _is_gap(value) else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"column {name!r} is numbers, got {value!r}: give a number, or None.") from None
    if abs(number) > LARGEST:
        raise ValueError(f"column {name!r} has {number:g}: numbers are at most {LARGEST:g}. Correct it, or give None.")
    return MISSING if math.isnan(number) else number


def _seconds(name, value):
    if _is_gap(value):
        return MISSING
    try:
        date = datetime.datetime.fromisoformat(str(value).strip().replace("/", "-").replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"column {name!r} is dates, got {value!r}: write it as 2024-12-31, or None.") from None
    return ((date if date.tzinfo else date.replace(tzinfo=EPOCH.tzinfo)) - EPOCH).total_seconds()


def _text(name, value):
    if _is_gap(value):
        return MISSING
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value)) if whole else str(value).strip()
