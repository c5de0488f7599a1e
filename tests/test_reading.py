"""Own tables from files: formats, CSV as people have it, and what cannot be read."""

import io
import pickle
import zipfile

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from vae_moe.app import inputs
from vae_moe.data import cells, csv_files, reading
from vae_moe.data.idx import DatasetError
from vae_moe.data.preparation import Preparation


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
    source, table = inputs.prepare_again(tmp_path / "new.csv", {"image_shape": None}, preparation)
    assert source.frame.b.tolist() == ["1.230", "9.000"]
    np.testing.assert_allclose(table, [[2, 1230], [1, 9000]])


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
        ("a.doc", b"a", "has the ending '.doc'"),
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
