"""Reading own files and preparing tables of mixed columns."""

import io
import json
import pickle
import zipfile

import numpy as np
import own_files
import pandas as pd
import pyarrow
import pytest
import sklearn
import skops.io
from pyarrow import parquet

from vae_moe.app import inputs
from vae_moe.data import cells, csv_files, image_folder, reading
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


def test_the_formats_agree(tmp_path, rng):
    frame = pd.DataFrame({"x0": rng.normal(size=5), "x1": rng.normal(size=5), "kind": list("ababa")})
    frame.to_csv(tmp_path / "a.csv", index=False, sep=";")
    frame.to_parquet(tmp_path / "a.parquet")
    x = frame[["x0", "x1"]].to_numpy()
    np.savez(tmp_path / "a.npz", x=x, kind=frame.kind.to_numpy(str))
    np.save(tmp_path / "a.npy", x)
    for name in ("a.csv", "a.parquet", "a.npz"):
        pd.testing.assert_frame_equal(reading.read(tmp_path / name), frame, check_dtype=False)
    pd.testing.assert_frame_equal(reading.read(tmp_path / "a.npy"), frame[["x0", "x1"]])


@pytest.mark.parametrize(
    ("index", "name"),
    [
        (pd.Index([10, 20, 40], name="dose"), "dose"),
        (pd.date_range("2020", periods=3, name="day"), "day"),
        (pd.Index(["x", "y", "z"]), ""),  # as of a CSV file's first column without a name
    ],
)
def test_the_index_of_a_parquet_file_is_a_column(index, name, tmp_path):
    pd.DataFrame({"a": [1.0, 2.0, 4.0]}, index).to_parquet(tmp_path / "a.parquet")
    frame = reading.read(tmp_path / "a.parquet")
    assert list(frame) == [name, "a"] and frame[name].tolist() == index.tolist()
    assert list(frame.index) == [0, 1, 2]


def test_scikit_learns_output_is_for_pipelines_of_others(wine):
    frame, preparation = wine
    with sklearn.config_context(transform_output="pandas"):
        inside = Preparation.fit(frame, drop=["cultivar"])
        np.testing.assert_array_equal(inside.transform(frame), preparation.transform(frame))


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ('"len, in, cm, x, y";w;l\n1.5;2;3\n4.5;5;6\n', {"len, in, cm, x, y": [1.5, 4.5], "w": [2, 5], "l": [3, 6]}),
        ("a;b\n1,5;x\n2,5;y\n", {"a": ["1,5", "2,5"], "b": ["x", "y"]}),
        ("sep=;\na;b\n1;2\n", {"a": [1], "b": [2]}),
        ('\ufeff"SEP=|"\r\na|b,c,d\r\n1|2\r\n', {"a": [1], "b,c,d": [2]}),
        ("\n\na,b\n1,2\n", {"a": [1], "b": [2]}),
        ("0,1,2\n5,6,7\n", {"0": [5], "1": [6], "2": [7]}),  # as pandas writes an array
        (",0,1\n0,5,6\n", {"": [0], "0": [5], "1": [6]}),
        ("place,2001,2002\nx,5,6\n", {"place": ["x"], "2001": [5], "2002": [6]}),
        ("401.5,402,402.5,403,403.5\n1,2,3,4,5\n", {"401.5": [1], "402": [2], "402.5": [3], "403": [4], "403.5": [5]}),
        ("a;b\n1,5;1.230\n2,5;900\n", {"a": ["1,5", "2,5"], "b": ["1.230", "900"]}),
        ("a;b\n1,5;1.5\n2,5;900\n", {"a": ["1,5", "2,5"], "b": [1.5, 900]}),
        ("code,b,c\n01,2,0.5\n02,3,0\n", {"code": ["01", "02"], "b": [2, 3], "c": [0.5, 0]}),
        ('"a\nq" ,b\n"x\ny",2\n', {"a\nq": ["x\ny"], "b": [2]}),
    ],
)
def test_csv_as_people_have_it(content, columns, tmp_path):
    (tmp_path / "a.csv").write_bytes(content.encode())
    assert reading.read(tmp_path / "a.csv").to_dict("list") == columns


def test_cells_stay_as_they_are_written_where_this_is_asked(tmp_path):
    (tmp_path / "a.csv").write_text("a , b\n1.230,2\n900,3\n")
    found = reading.read(str(tmp_path / "a.csv"), as_text=["a", "c"])
    assert found.to_dict("list") == {"a": ["1.230", "900"], "b": [2, 3]}


def test_new_files_are_read_in_the_form_of_training(tmp_path):
    (tmp_path / "old.csv").write_text("a;b\n" + "1,5;1.230\n2,5;900\n" * 10)
    preparation = Preparation.fit(reading.read(tmp_path / "old.csv"))
    (tmp_path / "new.csv").write_text("a;b\n2;1.230\n1;9.000\n")  # that a point is no decimal one is known from old.csv
    source, x = inputs.prepare_again(tmp_path / "new.csv", {"image_shape": None}, preparation)
    assert source.frame.b.tolist() == ["1.230", "9.000"]
    np.testing.assert_allclose(preparation.restore(x), [[2, 1230], [1, 9000]], rtol=1e-5)


def test_rows_are_counted_as_in_the_file_whichever_are_learned_from(tmp_path):
    (tmp_path / "a.csv").write_text("a\n" + "".join(f"{i}\n" for i in range(30)) + "x\n")
    source = inputs.read(tmp_path / "a.csv")
    with pytest.raises(DatasetError, match=r"a.csv: column 'a' is numbers, and has 'x' in row 31"):
        inputs.prepare(source, np.arange(30, 9, -1), [], {})


def saved(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def noted(notes):
    """A Parquet file with damaged notes of pandas'."""
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"a": [1.0, 2.0]}).replace_schema_metadata({b"pandas": notes}), file)
    return file.getvalue()


def packed(compression=0, version=20):
    """An NPZ file whose directory names another compression or version."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", saved(np.zeros((2, 2))))
        archive.filelist[0].compress_type, archive.filelist[0].extract_version = compression, version
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"a,b\n", "has 2 columns and no row"),
        ("a.csv", b"a,b\n1,2\n3,4,5\n", "Expected 2 fields in line 3, saw 3"),
        ("a.csv", b"a,b\n1,2,3\n", "more cells in its lines than names"),
        ("a.csv", b"a,b\n1,2,3\n4,5,6\n", "has 3 cells in its lines and 2 names in the first, 'a, b'. Remove it if"),
        (
            "a.csv",
            b"Sales of 2020\nplace,sum\nx,1\ny,2\n",
            "has 2 cells .* 'Sales of 2020'. Remove it if it is a title",
        ),
        ("a.csv", b"1,2\n3,4\n", "has no names of columns: its first line is a row, 1, 2 .* Put a line above it"),
        ("a.csv", b"1.5;0,5\n3;4\n", "its first line is a row, 1.5, 0,5"),
        ("a.csv", b"5.1,3.5,1.4,0.2,setosa\n4.9,3,1.4,.2,setosa\n", "its first line is a row, 5.1, 3.5"),
        ("a.csv", b"38, 59, 2, negative\n1, 2, 3, positive\n", "its first line is a row, 38, 59, 2, negative"),
        ("a.csv", b"a,a\n1,2\n", "the column 'a' twice"),
        ("a.csv", b"a,\n1,2\n", "no name for column 2"),
        ("a.csv", b"a,b\n\xff,2\n", "not UTF-8 at byte 4"),
        ("a.csv", b'a,b\n"1,2\n', "EOF inside string"),
        ("a.parquet", b"PAR1", "cannot be read as Parquet"),
        ("a.parquet", noted(b"{"), "cannot be read as Parquet"),
        ("a.parquet", noted(b"{}"), "cannot be read as Parquet"),
        ("a.npy", b"junk", "no sound array"),
        ("a.npy", saved(np.array([{}]), allow_pickle=True), "no sound array"),
        ("a.npy", pickle.dumps([1]), "no sound array"),
        ("a.npy", b"\x93NUMPY\x01\0\x10\0{'descr': '<f8', \n", "no sound array"),  # a token error in NumPy's parser
        ("a.npy", saved(np.array([["ab"]])).replace(b"b\0\0\0", b"\xff" * 4), "no sound array"),  # no character
        ("a.npy", saved(np.zeros(3)), "x of the shape .3,.. Give rows"),
        ("a.npz", b"junk", "is no NPZ file"),
        ("a.npz", packed(compression=97), "is no NPZ file.*compression"),
        ("a.npz", packed(version=173), "is no NPZ file.*version 17.3"),
        ("a.txt", b"a", "has the ending '.txt'"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=rf"{name}.*{message}"):
        reading.read(tmp_path / name)


def test_bounds_hold_before_anything_is_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1000, 100)))
    monkeypatch.setattr(reading, "MAX_BYTES", 100_000)
    with pytest.raises(DatasetError, match=r"holds 800... bytes, 100000 at most"):
        reading.read(tmp_path / "bomb.npz")
    for module in (csv_files, reading):
        monkeypatch.setattr(module, "MAX_COLUMNS", 2)
    (tmp_path / "wide.csv").write_text("a,b,c\n1,2,3\n")
    with pytest.raises(DatasetError, match="has 3 columns, 2 at most"):
        reading.read(tmp_path / "wide.csv")
    with pytest.raises(DatasetError, match="is not there"):
        reading.read(tmp_path / "none.csv")


def test_text_is_what_a_person_would_call_the_same():
    column = pd.Series([" a", "a ", 1.0, np.float32(2), True, None], dtype=object)
    assert cells.text(column).tolist() == ["a", "a", "1", "2", "True", cells.MISSING]
