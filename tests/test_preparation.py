"""Tables of mixed columns become numbers, and what cannot is named."""

import json
import zipfile

import numpy as np
import own_files
import pandas as pd
import pytest
import sklearn
import skops.io

from vae_moe.data import image_folder, reading
from vae_moe.data.idx import DatasetError
from vae_moe.data.preparation import Preparation, day


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    """The wines as read from CSV, and prepared."""
    path = tmp_path_factory.mktemp("wine") / "wine.csv"
    own_files.wine().to_csv(path)
    frame = reading.read(path)
    return frame, Preparation.fit(frame, drop=["cultivar"])


def by_name(preparation, x):
    return dict(zip([feature.name for feature in preparation.features], x.T, strict=True))


def test_numbers_are_imputed_and_standardised(wine):
    frame, preparation = wine
    got = by_name(preparation, preparation.transform(frame))
    filled = frame.alcohol.fillna(frame.alcohol.median())
    np.testing.assert_allclose(got["alcohol"], (filled - filled.mean()) / filled.std(ddof=0), atol=1e-5)
    gaps = frame.alcohol.isna()
    assert set(got["alcohol: missing"][gaps]) == {got["alcohol: missing"].max()} and gaps.sum() == 20
    assert "proline: missing" not in got and preparation.columns.missing == {"alcohol": 20, "region": 21, "bottled": 1}


def test_categories_are_one_hot_with_rare_and_missing_values(wine):
    frame, preparation = wine
    got = by_name(preparation, preparation.transform(frame))
    np.testing.assert_array_equal(got["region: north"], frame.region == "north")
    np.testing.assert_array_equal(got["region: (missing)"], frame.region.isna())
    np.testing.assert_array_equal(got["region: (other)"], frame.region == "sea")
    np.testing.assert_array_equal(got["organic: True"], frame.organic)
    new = frame.head(2).assign(region=["Mars", "sea"])
    assert by_name(preparation, preparation.transform(new))["region: (other)"].tolist() == [1, 1]
    assert preparation.unseen(new) == {"region": ["Mars"]}


def test_dates_become_numbers(wine):
    frame, preparation = wine
    features = {feature.name: feature for feature in preparation.features}
    got = by_name(preparation, preparation.transform(frame))
    dates = pd.to_datetime(frame.bottled)
    known = dates.notna().to_numpy()
    for part, expected in {"year": dates.dt.year, "month": dates.dt.month, "weekday": dates.dt.dayofweek}.items():
        feature = features[f"bottled: {part}"]
        restored = feature.mean + feature.scale * got[feature.name]
        np.testing.assert_allclose(restored[known], expected[known], atol=1e-3)
    seconds = features["bottled"].mean + features["bottled"].scale * got["bottled"]
    assert [day(value) for value in seconds[known]] == frame.bottled[known].tolist()
    assert "bottled: hour" not in features and "bottled: missing" in features


def test_what_cannot_be_learned_from_is_left_out_with_a_word(wine):
    _, preparation = wine
    assert preparation.columns.left_out == {
        "": "a column without a name",
        "country": "the same in every row",
        "cultivar": "dropped",
    }


def test_a_preparation_is_saved_without_pickle_and_restores_columns(wine, tmp_path):
    frame, preparation = wine
    preparation.save(tmp_path)
    loaded = Preparation.load(tmp_path)
    x = loaded.transform(frame)
    np.testing.assert_array_equal(x, preparation.transform(frame))
    restored = loaded.restore(x)
    np.testing.assert_allclose(restored.proline, frame.proline, rtol=1e-5)
    known = frame.region.notna() & (frame.region != "sea")
    assert restored.region[known].tolist() == frame.region[known].tolist()
    assert restored.bottled[0] == frame.bottled[0]


def test_a_preparation_of_foreign_code_is_not_loaded(wine, tmp_path):
    wine[1].save(tmp_path)
    skops.io.dump(image_folder.Images(np.zeros(1), [], None), tmp_path / "transformer.skops")
    with pytest.raises(DatasetError, match=r"was changed: Untrusted types found.*Images"):
        Preparation.load(tmp_path)


@pytest.mark.parametrize("numbers", [[{}], [1]])
def test_names_of_columns_that_are_no_text_are_refused(wine, tmp_path, numbers):
    wine[1].save(tmp_path)
    kept = json.loads((tmp_path / "columns.json").read_text())
    (tmp_path / "columns.json").write_text(json.dumps(kept | {"numbers": numbers}))
    with pytest.raises(DatasetError, match="was changed: a column's name is text"):
        Preparation.load(tmp_path)


def test_a_damaged_preparation_is_told_of(wine, tmp_path):
    wine[1].save(tmp_path)
    path = tmp_path / "transformer.skops"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        first = archive.getinfo("schema.json").header_offset + 30 + len("schema.json")
    content = bytearray(path.read_bytes())
    content[first : first + 8] = b"\xff" * 8
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"is not whole, or was changed: Error -3 .*Train again"):
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
    same = preparation.transform(frame.head(2).assign(code=[1.0, np.nan]))
    assert by_name(preparation, same)["code: 1"].tolist() == [1, 0]


def test_scikit_learns_output_is_for_pipelines_of_others(wine):
    frame, preparation = wine
    with sklearn.config_context(transform_output="pandas"):
        inside = Preparation.fit(frame, drop=["cultivar"])
        np.testing.assert_array_equal(inside.transform(frame), preparation.transform(frame))


def test_gaps_that_training_had_none_of_are_counted():
    days = pd.date_range("2020", periods=20).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"a": np.arange(20.0), "b": [1.0, np.nan] * 10, "d": days, "e": list("xy") * 10})
    preparation = Preparation.fit(frame)
    assert not preparation.new_gaps(frame)
    new = frame.assign(a=frame.a.where(frame.a > 3), d=["-", *days[1:]], e=None)
    assert preparation.new_gaps(new) == {"a": 4, "d": 1}
