"""What the columns of a table are taken for: numbers as people write them, gaps, dates, names, and what is refused."""

import datetime
import logging

import numpy as np
import pandas as pd
import pytest

from vae_moe.data import columns
from vae_moe.data.columns import Columns
from vae_moe.data.files import DatasetError
from vae_moe.data.forms import Form
from vae_moe.data.preparation import Preparation

VALUES = np.random.default_rng(0).choice(np.arange(500, 9999, 10), 1000)


def fit(cells, **options):
    """The preparation of a table with the column "c" beside numbers, and what is made of "c", by its part."""
    frame = pd.DataFrame({"a": np.random.default_rng(1).normal(size=len(cells))}).assign(c=cells)
    preparation = Preparation.fit(frame, **options)
    table = preparation.transform(frame)
    made = {preparation.origin(name): table[name].to_numpy() for name in table}
    return preparation, {part: values for (column, part), values in made.items() if column == "c"}


@pytest.mark.parametrize(
    ("written", "values"),
    [
        (lambda v: f"${v:,}", VALUES),
        (lambda v: f"{v / 10:,.1f} €", VALUES / 10),
        (lambda v: f"{v / 10:.1f}%", VALUES / 10),
        (lambda v: f"{v} kg", VALUES),
        (lambda v: f"({v:,})" if v > 5000 else f"{v:,}", np.where(VALUES > 5000, -VALUES, VALUES)),
        (lambda v: f"\u2212{v}" if v > 5000 else str(v), np.where(VALUES > 5000, -VALUES, VALUES)),
        (lambda v: f"{v + 1000:,}", VALUES + 1000),  # "1,230" is no decimal comma where nothing says so
        (lambda v: f"{v / 100:g}".replace(".", ","), VALUES / 100),  # 5 beside 5,1
        (lambda v: f"{v / 10:,.1f}".translate(str.maketrans(",.", ".,")), VALUES / 10),
        (lambda v: f"{v:,}".replace(",", "\u00a0"), VALUES),
        (lambda v: f"{v:,}".replace(",", "'"), VALUES),
        (str, VALUES),
    ],
)
def test_numbers_are_read_as_people_write_them(written, values):
    _, found = fit([written(value) for value in VALUES])
    assert list(found) == [""]
    np.testing.assert_allclose(found[""], values)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(VALUES.astype(str), dtype=object),
        pd.Series(VALUES.astype(str), dtype="string[pyarrow]"),
        pd.Categorical(VALUES),
        pd.Categorical(VALUES.astype(str)),
        pd.Series([int(v) if v > 5000 else str(v) for v in VALUES], dtype=object),
    ],
)
def test_text_and_categories_that_are_numbers_are_numbers(column):
    _, found = fit(column)
    np.testing.assert_allclose(found[""], VALUES)


def test_few_declared_categories_stay_so():
    assert fit(pd.Categorical(VALUES // 4000))[0].columns.categories == ["c"]


@pytest.mark.parametrize("gap", ["unknown", "-", "n/a", "Not available", "#N/A", "?", " "])
def test_words_for_a_gap_among_numbers_are_gaps(gap, caplog):
    caplog.set_level(logging.INFO, "vae_moe")
    cells = np.where(np.arange(1000) % 4 == 0, gap, VALUES.astype(str))
    preparation, found = fit(cells)
    known = cells != gap
    np.testing.assert_allclose(found[""], np.where(known, VALUES, np.nan))
    assert preparation.columns.missing == {"c": 250}
    assert preparation.columns.read_as == {"c": f"{gap.strip()!r} is read as missing"}
    assert repr(gap.strip()) in caplog.text


def test_what_was_read_otherwise_is_kept_in_words():
    preparation, _ = fit([f"${value:,}" for value in VALUES])
    assert preparation.columns.read_as == {"c": f"'${VALUES[0]:,}' is read as {VALUES[0]}"}
    assert preparation.columns.forms == {"c": Form(".", ",", "$")}


def test_new_rows_are_read_in_the_form_of_training(tmp_path):
    preparation, _ = fit([f"{value / 10:,.1f}".translate(str.maketrans(",.", ".,")) for value in VALUES])
    preparation.save(tmp_path / "kept")
    loaded = Preparation.load(str(tmp_path / "kept"))
    found = loaded.transform(pd.DataFrame({"a": 0.0, "c": ["1.230", "2,5", "7", "-"]})).c
    np.testing.assert_allclose(found, [1230, 2.5, 7, np.median(VALUES / 10)])
    with pytest.raises(
        DatasetError, match=r"numbers such as '1\.230,5', and has '1\.5' in row 2: correct or empty it\.$"
    ):
        loaded.transform(pd.DataFrame({"a": 0.0, "c": ["1.230", "1.5"]}))


def test_decimal_commas_elsewhere_tell_what_a_point_is():
    frame = pd.DataFrame({"b": ["1,5", "2,25"] * 20, "c": ["1.230", "900"] * 20})
    assert Preparation.fit(frame).columns.forms["c"] == Form(",", ".")
    points = frame.assign(d=["1.5", "2.5"] * 20)  # a table of both: 1.230 is what Python says it is
    assert Preparation.fit(points).columns.forms.keys() == {"b"}
    assert Preparation.fit(frame.assign(d=[1.5, 2.5] * 20)).columns.forms.keys() == {"b"}


def some(word, every, of=None):
    return np.where(np.arange(1000) % 10 < every, word, VALUES.astype(str) if of is None else of)


DAYS = pd.date_range("2020", periods=1000).strftime("%Y-%m-%d")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (some("<0.5", 3), r"partly numbers such as '1230\.5', and has '<0\.5' in row 1, one of 300 such cells"),
        (some("<0.5", 6), "partly numbers .* '<0.5' in row 1"),
        (some("often", 3), "partly numbers .* 'often' in row 1, one of 300 such cells: correct or empty them"),
        (some("often", 6), "partly numbers .* 'often' in row 1"),
        (some("often", 1), "is numbers, and has 'often' in row 1, one of 100"),
        (some("5 m", 5, [f"{v} cm" for v in VALUES]), "partly numbers such as '1230.5cm', and has '5 m' in row 1"),
        (some("soon", 3, DAYS), "partly dates such as '2024-12-31', and has 'soon' in row 1"),
        (pd.Categorical([f"n{i}" for i in range(1000)]), "1000 different texts in 1000 rows, such as 'n0'"),
        (
            [f"town {v}" for v in VALUES],
            r"different texts in 1000 rows.* looks like names .*not among the 30 most frequent",
        ),
        (["a", "b", "c", "d"] * 2 + ["e"], None),
        (list("abcdefghi"), "9 different texts in 9 rows"),
    ],
)
def test_no_column_becomes_other_in_silence(cells, message):
    if message is None:
        assert fit(cells)[0].columns.categories == ["c"]
        return
    with pytest.raises(DatasetError, match=rf"column 'c' .*{message}.*--drop 'c'"):
        fit(cells)


def test_all_columns_that_cannot_be_used_are_named_at_once():
    names = [f"name {i}" for i in range(40)]
    frame = pd.DataFrame({"a": np.arange(40.0) ** 2, "b": names, "c d": ["31.12.2024", "1.2.2025"] * 20, "e'f": names})
    with pytest.raises(DatasetError) as refusal:
        columns.look_at(frame)
    said = str(refusal.value)
    assert said.startswith("column 'b' has 40 different texts")
    together = """--drop 'b' 'c d' "e'f" (in Python, drop=['b', 'c d', "e'f"]) leaves all of them out."""
    assert said.endswith(f" Nor can 2 more be used: {together}")
    words = r"^column 'c d' has dates such as '31\.12\.2024': [^:]*--drop 'c d' \(in Python, drop=\['c d'\]\)\.$"
    with pytest.raises(DatasetError, match=words):
        columns.look_at(frame, drop=["b", "e'f"])
    assert columns.look_at(frame, drop=["b", "c d", "e'f"]).numbers == ["a"]


@pytest.mark.parametrize(
    "cells",
    [
        ["<=50K", ">50K"] * 50,
        ["<30", "30-50", ">50", "30-50"] * 25,
        ["1. White"] * 90 + ["2. Black"] * 10,
        ["2 doors"] * 50 + ["4 doors"] * 40 + ["estate"] * 10,
        ["1", "2", "a"] * 30,
        ["5 kg", "180 cm"] * 50,
        pd.cut(np.arange(100), 4),
        [True, False] * 50,
    ],
)
def test_what_looks_a_little_like_numbers_stays_categories(cells):
    preparation, found = fit(cells)
    assert preparation.columns.categories == ["c"]
    assert set(found[""]) == {str(value) for value in pd.unique(pd.Series(cells))}


def test_texts_of_few_rows_say_whether_there_is_one():
    preparation, found = fit([f"remark {i}" if i % 4 == 0 else None for i in range(200)])
    np.testing.assert_array_equal(pd.isna(found[""]), np.arange(200) % 4 != 0)
    assert "50 different texts" in preparation.columns.read_as["c"]


@pytest.mark.parametrize(
    "cells",
    [
        ["x", None] * 50,
        [True, None] * 50,
        [1.5, np.nan] * 50,
        pd.array([3, None] * 50, dtype="Int64"),
        ["5", "unknown"] * 50,
        pd.Series([pd.Timestamp("2020-01-01"), None] * 50),
    ],
)
def test_one_value_and_gaps_say_which_rows_have_it(cells):
    preparation, found = fit(cells)
    assert preparation.columns.categories == ["c"]
    np.testing.assert_array_equal(found[""] == found[""][0], [True, False] * 50)


def test_a_gap_or_two_beside_one_value_are_no_information():
    preparation, found = fit(["x"] * 199 + [None])
    assert not found and preparation.columns.left_out == {"c": "the same in every row that has a value, 1 not"}


@pytest.mark.skipif(pd.__version__ < "3", reason="pandas 2 has years 1677 to 2262: others are refused with their cell")
@pytest.mark.parametrize("kind", ["text", "slashes", "objects", "datetime64"])
def test_dates_of_all_years(kind, tmp_path):
    days = ["0001-01-01", "9999-12-31", "2020-01-01", "1677-01-01"]
    cells = pd.Series(days * 10)
    if kind == "slashes":
        cells = cells.str.replace("-", "/") + " 10:00"
    if kind == "objects":
        cells = cells.map(datetime.date.fromisoformat)
    if kind == "datetime64":
        cells = pd.Series(cells.to_numpy("datetime64[s]"))
    preparation, _ = fit(cells)
    assert preparation.columns.dates == ["c"]
    frame = pd.DataFrame({"a": 0.0, "c": ["9999-12-31 10:00:00.123456789", *days]})
    assert preparation.restore(preparation.transform(frame)).c.tolist()[1:] == days


def test_dates_with_words_for_a_gap():
    preparation, found = fit(some("unknown", 3, DAYS))
    assert preparation.columns.missing == {"c": 300} and set(found) == {"seconds", "month", "weekday"}


@pytest.mark.parametrize(
    "index",
    [list("abcdefghij") * 2, pd.date_range("2020", periods=20), [7] * 20, np.arange(20) * 2.5, range(100, 80, -1)],
)
def test_bad_cells_are_found_by_their_position(index):
    frame = pd.DataFrame({"c": [*map(str, range(19)), "x"], "n": np.arange(20.0)}, index=index)
    with pytest.raises(DatasetError, match="'c' is numbers, and has 'x' in row 20"):
        Preparation.fit(frame)
    preparation = Preparation.fit(frame, drop="c")
    with pytest.raises(DatasetError, match=r"'n' is numbers, and has 'y' in row 3: correct or empty it\.$"):
        preparation.transform(frame.assign(n=["1", "2", "y", *["3"] * 17]))
    with pytest.raises(DatasetError, match="'c' is numbers, and has 'x' in row 20"):
        columns.look_at(frame, rows=np.arange(19, 0, -1))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([0, 1], "a column named 0, of the type int"),
        ([("a", 1), ("b", 1)], "a column named .'a', 1., of the type tuple"),
        (["a", None], "a column named nan|a column named None"),
        (["a", 1.5], "a column named 1.5, of the type float"),
        (["a", "a"], "the column 'a' twice"),
    ],
)
def test_names_that_are_no_text_or_not_of_one_column(names, message):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=names)
    with pytest.raises(DatasetError, match=message):
        Preparation.fit(frame)


def test_new_rows_may_have_any_further_columns():
    frame = pd.DataFrame({"a": np.arange(20.0), "b": 1.0})
    with pytest.raises(DatasetError, match=r"a table is a pandas\.DataFrame, got a numpy\.ndarray"):
        Preparation.fit(frame.to_numpy())
    preparation = Preparation.fit(frame)
    table = preparation.transform(frame)
    np.testing.assert_array_equal(preparation.transform(frame.set_axis(["a", 1], axis=1)), table)
    with pytest.raises(DatasetError, match="the column 'a' twice"):
        preparation.transform(frame.set_axis(["a", "a"], axis=1))
    with pytest.raises(DatasetError, match="lacks 'a'"):
        preparation.transform(frame.set_axis([("a", 1), ("b", 1)], axis=1))


@pytest.mark.parametrize("value", [1e300, -1e31, 10**40])
def test_a_number_too_large_is_called_so(value):
    with pytest.raises(DatasetError, match=r"column 'c' has -?1e\+\d+ in row 20, which is too large.*--drop 'c'"):
        fit([*map(float, range(19)), value])
    preparation, _ = fit([*map(float, range(20))])
    with pytest.raises(DatasetError, match=r"column 'c' has -?1e\+\d+ in row 2, which is too large[^-]*$"):
        preparation.transform(pd.DataFrame({"a": 0.0, "c": [1.0, float(value)]}))


def test_columns_become_plain_values_and_back():
    found = fit([f"${value:,}" for value in VALUES])[0].columns
    kept = {name: getattr(found, name) for name in found.__dataclass_fields__}
    assert Columns.of({**kept, "forms": {"c": {"thousands": ",", "prefix": "$"}}}) == found
    with pytest.raises(TypeError, match="a form of numbers"):
        Form(",", ",")


def test_a_table_of_categories_alone_keeps_its_rows():
    frame = pd.DataFrame({"a": list("xyxyxyxyxy")})
    found = Preparation.fit(frame).columns
    assert columns.typed(frame, Columns()).shape == (10, 0)
    assert columns.typed(frame, found).shape == (10, 1)
