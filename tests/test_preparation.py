"""Tables of mixed columns become numbers, and what cannot is named."""

import json

import numpy as np
import own_files
import pandas as pd
import pytest

from vae_moe.data import reading
from vae_moe.data.idx import DatasetError
from vae_moe.data.preparation import Preparation


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    """The wines as read from CSV, and prepared."""
    path = tmp_path_factory.mktemp("wine") / "wine.csv"
    own_files.wine().to_csv(path)
    frame = reading.read(path)
    return frame, Preparation.fit(frame, drop=["cultivar"])


def test_numbers_stay_as_they_are(wine):
    frame, preparation = wine
    table = preparation.transform(frame)
    pd.testing.assert_series_equal(table.alcohol, frame.alcohol)
    assert table.alcohol.isna().sum() == 20 and not preparation.is_plain
    assert preparation.columns.missing == {"alcohol": 20, "region": 21, "bottled": 1}


def test_rare_categories_share_a_level(wine):
    frame, preparation = wine
    table = preparation.transform(frame)
    assert table.region.dtype.categories.tolist() == ["east", "north", "south", "west", "(other)"]
    assert table.region.isna().tolist() == frame.region.isna().tolist()
    assert (table.region == "(other)").tolist() == (frame.region == "sea").tolist()
    assert table.organic.tolist() == frame.organic.astype(str).tolist()
    new = frame.head(2).assign(region=["Mars", "sea"], organic="perhaps")
    found = preparation.transform(new)
    assert found.region.tolist() == ["(other)", "(other)"] and found.organic.isna().all()
    assert preparation.unseen(new) == {"region": ["Mars"], "organic": ["perhaps"]}


def test_dates_have_their_parts_beside_them(wine):
    frame, preparation = wine
    table = preparation.transform(frame)
    dates = pd.to_datetime(frame.bottled)
    assert table.bottled.dtype == "datetime64[ms]"
    for name, expected in {
        "bottled": dates.astype("datetime64[ms]"),
        "bottled: month": dates.dt.month,
        "bottled: weekday": dates.dt.dayofweek,
    }.items():
        pd.testing.assert_series_equal(
            table[name], expected, check_dtype=False, check_names=False, check_index=False, check_freq=False
        )
    assert "bottled: hour" not in table
    assert preparation.origin("bottled: month") == ("bottled", "month")
    assert preparation.origin("bottled") == ("bottled", "seconds") and preparation.origin("ash") == ("ash", "")


def test_a_part_of_a_date_has_a_name_of_its_own():
    days = pd.date_range("2020", periods=60, freq="5D").strftime("%Y-%m-%d")
    frame = pd.DataFrame({"day: month": np.arange(60.0), "day": days})
    preparation = Preparation.fit(frame)
    assert list(preparation.transform(frame)) == ["day: month", "day", "day: month'", "day: weekday"]
    assert preparation.origin("day: month") == ("day: month", "")
    assert preparation.origin("day: month'") == ("day", "month")


def test_what_cannot_be_learned_from_is_left_out_with_a_word(wine):
    _, preparation = wine
    assert preparation.columns.left_out == {
        "": "a column without a name",
        "country": "the same in every row",
        "cultivar": "dropped",
    }


def test_a_preparation_is_saved_and_restores_columns(wine, tmp_path):
    frame, preparation = wine
    preparation.save(tmp_path)
    loaded = Preparation.load(tmp_path)
    table = loaded.transform(frame)
    pd.testing.assert_frame_equal(table, preparation.transform(frame))
    restored = loaded.restore(table)
    np.testing.assert_allclose(restored.proline, frame.proline)
    known = frame.region.notna() & (frame.region != "sea")
    assert restored.region[known.to_numpy()].tolist() == frame.region[known].tolist()
    assert restored.bottled.iloc[0] == frame.bottled.iloc[0]


@pytest.mark.parametrize("numbers", [[{}], [1]])
def test_names_of_columns_that_are_no_text_are_refused(wine, tmp_path, numbers):
    wine[1].save(tmp_path)
    kept = json.loads((tmp_path / "preparation.json").read_text())
    kept["columns"]["numbers"] = numbers
    (tmp_path / "preparation.json").write_text(json.dumps(kept))
    with pytest.raises(DatasetError, match="was changed: a column's name is text"):
        Preparation.load(tmp_path)


def test_a_damaged_preparation_is_told_of(wine, tmp_path):
    wine[1].save(tmp_path)
    path = tmp_path / "preparation.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(DatasetError, match=r"is not whole, or was changed: .*Train again"):
        Preparation.load(tmp_path)
    (tmp_path / "transformer.skops").touch()
    with pytest.raises(DatasetError, match=r"of an earlier version, which prepared tables otherwise\. Train again"):
        Preparation.load(tmp_path)


TWENTY = list(range(20))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([f"name {i}" for i in TWENTY], "'c' has 20 different texts in 20 rows.*--drop 'c'"),
        ([f"{i + 1}.12.2020" for i in TWENTY], "'c' has dates such as '1.12.2020': write"),
        ([f"{i + 1}-Aug-09" for i in TWENTY], "'c' has dates such as '1-Aug-09': write"),
        ([f"August {i + 1}, 2009" for i in TWENTY], "'c' has dates such as 'August 1, 2009': write"),
        (["x", *map(str, TWENTY[1:])], "'c' is numbers, and has 'x' in row 1: correct or empty it, or --drop 'c'"),
        ([np.inf, *TWENTY[1:]], "'c' is numbers, and has 'inf' in row 1"),
        (["a" * 2000, *"b" * 19], "'c' has more than 1000 characters in row 1"),
        ([[1]] * 20, "'c' has lists or other nested cells"),
        (pd.to_timedelta(TWENTY), "'c' is of the type timedelta64"),
        ([1] * 20, "no column is left to learn from .'c' is the same in every row"),
        (["2020-01-01"] * 19 + ["soon"], "'c' is dates such as '2024-12-31', and has 'soon' in row 20"),
    ],
)
def test_a_column_that_cannot_be_used_is_named_with_its_cure(column, message):
    with pytest.raises(DatasetError, match=message):
        Preparation.fit(pd.DataFrame({"c": column}))


def test_new_rows_must_have_the_columns_of_training(wine):
    frame, preparation = wine
    with pytest.raises(DatasetError, match="lacks 'ash', 'hue'"):
        preparation.transform(frame.drop(columns=["ash", "hue"]))
    with pytest.raises(DatasetError, match="column 'ash' is numbers, and has 'much' in row 3"):
        preparation.transform(frame.astype({"ash": object}).assign(ash=["1", "2", "much", *frame.ash[3:]]))
    with pytest.raises(DatasetError, match="--drop names 'as', which is no column: did you mean 'ash'"):
        Preparation.fit(frame, drop=["as"])


def test_a_number_read_beside_gaps_is_the_same_category():
    frame = pd.DataFrame({"n": np.arange(30.0), "code": ["1", "2", "a"] * 10})
    preparation = Preparation.fit(frame)
    same = preparation.transform(frame.head(2).assign(code=[1.0, np.nan])).code
    assert same[0] == "1" and pd.isna(same[1])


def test_gaps_that_training_had_none_of_are_counted():
    days = pd.date_range("2020", periods=20).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"a": np.arange(20.0), "b": [1.0, np.nan] * 10, "d": days, "e": list("xy") * 10})
    preparation = Preparation.fit(frame)
    assert not preparation.new_gaps(frame)
    new = frame.assign(a=frame.a.where(frame.a > 3), d=["-", *days[1:]], e=None)
    assert preparation.new_gaps(new) == {"a": 4, "d": 1}


def test_a_plain_table_has_medians_in_new_gaps():
    frame = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0) ** 2})
    preparation = Preparation.fit(frame)
    assert preparation.is_plain
    assert preparation.transform(frame.assign(b=np.nan)).b.tolist() == [np.median(frame.b)] * 20
