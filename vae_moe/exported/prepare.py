"""Rows of a table as the numbers that a model takes, in NumPy alone, by the ``preparation.json`` beside this file."""

import datetime
import json
import math
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
MISSING = "(missing)"
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Preparation:
    """What makes numbers of columns.

    Args:
        folder: with ``preparation.json``: a feature is a number of the model's, made of a column. A number is
            (value - mean) / scale, with ``fill`` where there is no value; a category is 1 where its column has it.
    """

    def __init__(self, folder=HERE):
        kept = json.loads((Path(folder) / "preparation.json").read_text(encoding="utf-8"))
        self.features, self.kinds = kept["features"], kept["columns"]

    def transform(self, table):
        """Make numbers of rows.

        Args:
            table: columns by name, each N values: numbers, dates as text such as "2024-12-31T10:00", text; None, NaN or
                "" where there is none. Other columns are left out.

        Returns:
            x [N, D] float32.

        Raises:
            ValueError: a column is missing, or a value is none of its column's kind.
        """
        if absent := [name for name in self.kinds if name not in table]:
            raise ValueError(f"the table lacks {', '.join(map(repr, absent))}: add it.")
        read = {"number": _number, "date": _seconds, "category": _text}
        values = {name: [read[kind](name, value) for value in table[name]] for name, kind in self.kinds.items()}
        named = {name: {f.get("category") for f in self.features if f["column"] == name} for name in self.kinds}
        made = [_feature(feature, values[feature["column"]], named[feature["column"]]) for feature in self.features]
        return np.stack(made, -1).astype(np.float32)


def _feature(feature, values, named):
    """One number of each row, [N]; named: the categories of the column that are features."""
    part = feature["part"]
    if feature["kind"] == "category":
        if part == "other":
            return np.array([value not in named for value in values], float)
        return np.array([value == feature["category"] for value in values], float)
    parts = [_part(value, part) for value in values]
    filled = np.array([feature["fill"] if math.isnan(value) else value for value in parts])
    return (filled - feature["mean"]) / feature["scale"]


def _part(value, part):
    """A number, or a part of a date in seconds since 1970."""
    if part == "missing":
        return float(math.isnan(value))
    if part in ("", "seconds") or math.isnan(value):
        return value
    date = EPOCH + datetime.timedelta(milliseconds=round(value * 1000))
    return float({"year": date.year, "month": date.month, "weekday": date.weekday(), "hour": date.hour}[part])


def _is_gap(value):
    return value is None or value == "" or (isinstance(value, (float, np.floating)) and math.isnan(value))


def _number(name, value):
    try:
        return math.nan if _is_gap(value) else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"column {name!r} is numbers, got {value!r}: give a number, or None.") from None


def _seconds(name, value):
    if _is_gap(value):
        return math.nan
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
