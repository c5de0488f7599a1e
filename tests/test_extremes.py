"""Columns that few rows rule: told of those that are, of no others."""

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from vae_moe.app import inputs
from vae_moe.app.measured import Measured
from vae_moe.data.preparation import Preparation
from vae_moe.extremes import numbering, ruled

ORDINARY = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.uniform(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "log-normal": lambda rng, n: np.exp(rng.normal(size=n)),
    "Student's t": lambda rng, n: rng.standard_t(4, size=n),
    "two groups": lambda rng, n: rng.normal(size=n) + 20 * (np.arange(n) % 2),
    "unequal groups": lambda rng, n: rng.normal(size=n) + 20 * (np.arange(n) < n // 20),
    "counts": lambda rng, n: rng.poisson(0.2, size=n).astype(float),
    "mostly 0": lambda rng, n: np.where(np.arange(n) % 10, 0.0, rng.exponential(size=n)),
    "a rare flag": lambda rng, n: (np.arange(n) == 7).astype(float),
    "gaps": lambda rng, n: np.where(np.arange(n) % 3, np.nan, rng.normal(size=n)),
}


def of(values):
    return ruled(
        "a", np.asarray(values, float), [str(row) for row in range(1, len(values) + 1)], "{:.4g}".format, "--drop 'a'"
    )


@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_columns_are_ruled_by_nothing(kind):
    for n in (50, 200, 5000):
        for seed in range(10):
            assert of(ORDINARY[kind](np.random.default_rng(seed), n)) is None, (n, seed)


def test_ordinary_tables_are_ruled_by_nothing():
    for load in (datasets.load_wine, datasets.load_diabetes, datasets.load_breast_cancer, datasets.load_iris):
        assert not [words for column in load().data.T if (words := of(column))]


def test_a_value_far_away_rules_its_column(rng):
    values = rng.normal(size=1000)
    values[600] = 1e6
    assert of(values) == (
        f"column 'a' is ruled by row 601, which has 1e+06 where half of the rows lie between "
        f"{np.quantile(values, 0.25):.4g} and {np.quantile(values, 0.75):.4g}: correct or empty the cell, "
        "or --drop 'a'."
    )
    assert "is ruled by row 3, which has -9999" in of([36, 41, -9999, 45, 39, 40])  # a missing value in disguise
    zeros = np.zeros(300)
    zeros[:3] = 1, 2, 1000
    assert "is ruled by row 3, which has 1000 where most have 0" in of(zeros)
    assert "take the logarithm of 1 + the column, or --drop" in of(zeros)


def test_a_skewed_column_is_told_with_its_cure(rng):
    values = np.exp(2.5 * rng.normal(size=5000))
    words = of(values)
    assert "heavily skewed" in words or "ruled" in words
    assert "take the logarithm of the column, or --drop 'a'" in words and of(np.log(values)) is None
    several = rng.normal(size=1000)
    several[:4] = 1e5
    assert "heavily skewed" in of(several) and "group its values, or --drop" in of(several)


@pytest.mark.parametrize("start", [0, 1, 1960])
def test_a_column_that_numbers_the_rows_is_told(start, rng):
    ids = start + rng.permutation(np.arange(50.0))
    words = f"column 'id' numbers the rows: each has one of the whole numbers from {start} to {start + 49}. "
    for numbers in (ids, np.sort(ids), np.sort(ids)[::-1]):
        assert numbering("id", numbers).startswith(words) and "--drop 'id'" in numbering("id", numbers)
    twice, gaps = (np.where(np.arange(50) == 7, other, ids) for other in (ids[8], np.nan))
    for numbers in (twice, gaps, 10 * ids, ids + 0.5, rng.integers(0, 50, 50).astype(float)):
        assert numbering("id", numbers) is None


def test_dates_and_rows_are_named_as_in_the_table(tmp_path):
    days = pd.date_range("2020-01-01", periods=60).strftime("%Y-%m-%d").tolist()
    days[41] = "9999-12-31"
    frame = pd.DataFrame({"joined": days, "age": np.arange(60.0), "kind": ["x", "y"] * 30})
    source = inputs.Source(tmp_path / "a.csv", frame, None)
    rows = np.arange(10, 60)
    preparation = Preparation.fit(frame, (), rows)
    (words,) = Measured.of(source, preparation, rows).ruled
    assert "column 'joined' is ruled by row 42, which has 9999-12-31 where half of the rows lie" in words
    assert Measured.of(source, preparation, np.arange(41)).ruled == []


def test_values_far_from_those_of_training_are_told(tmp_path):
    frame = pd.DataFrame(
        {"bmi": np.linspace(18, 42, 60), "joined": ["2020-01-01", "2020-03-01"] * 30, "k": ["x", "y"] * 30}
    )
    preparation = Preparation.fit(frame)
    ranges = Measured.of(inputs.Source(tmp_path, frame, None), preparation).ranges
    new = frame.head(5).assign(bmi=[17.0, 66.0, np.nan, 3210.0, -7.0], joined=["2020-04-20"] * 4 + ["2021-01-01"])
    far = Measured.of(inputs.Source(tmp_path, new, None), preparation).far_from(ranges)
    assert list(far) == ["bmi", "joined"] and list(far.values()) == [
        "column 'bmi' has 3,210 in row 4, far from the 18 to 42 of training, and 1 more rows are: what is predicted "
        "there is a guess",
        "column 'joined' has 2021-01-01 in row 5, far from the 2020-01-01 to 2020-03-01 of training: what is predicted "
        "there is a guess",
    ]
    assert Measured.of(inputs.Source(tmp_path, new, None), preparation).far_from({}) == {}  # an earlier version's
