"""Tables from Excel, JSON lines, Feather, compressed files, standard input and SQL; decimal commas, day-first dates."""

import gzip
import io
import json
import sqlite3
import sys
from argparse import Namespace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import zstandard

from vae_moe import app
from vae_moe.app import inputs, web
from vae_moe.app.arrivals import arrived
from vae_moe.data import formats, reading
from vae_moe.data.dialects import Dialect
from vae_moe.data.files import DatasetError


@pytest.fixture
def frame():
    day = pd.Series(["2024-01-02", "2024-03-04", None])
    return pd.DataFrame({"a": [1.5, np.nan, -2.0], "n": [1, 2, 3], "code": ["01", "x", "02"], "day": day})


def _same(found, frame):
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)


def test_formats_agree(frame, tmp_path):
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    frame.to_feather(tmp_path / "a.feather")
    text = frame.to_csv(index=False).encode()
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text))
    (tmp_path / "a.csv.zst").write_bytes(zstandard.compress(text))
    (tmp_path / "a.tsv").write_text(frame.to_csv(index=False, sep="\t"))
    for ending in ("xlsx", "jsonl", "feather", "csv.gz", "csv.zst", "tsv"):
        _same(reading.read(tmp_path / f"a.{ending}"), frame)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xlsx", b"PK\x03\x04nothing", "cannot be read as Excel"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "cannot be read as JSON lines"),
        ("a.jsonl", b"", "is empty"),
        ("a.feather", b"ARROW1\0\0", "cannot be read as Feather"),
        ("a.csv.gz", b"\x1f\x8bnothing", "cannot be unpacked"),
        ("a.csv.zst", b"nothing", "cannot be unpacked"),
        ("a.csv.gz", gzip.compress(b"a,a\n1,2\n", mtime=0), "a.csv.gz has the column 'a' twice"),
        ("a.exe.gz", gzip.compress(b"a", mtime=0), "has the ending '.gz'"),
    ],
)
def test_what_is_damaged_is_named(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match="(?s)" + words) as caught:
        reading.read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_bounds_hold_where_files_are_packed(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_BYTES", 2_000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1000))
    with pytest.raises(DatasetError, match="more than 2000 bytes"):
        reading.read(tmp_path / "a.csv.gz")
    pd.DataFrame({"a": range(400)}).to_excel(tmp_path / "a.xlsx", index=False)
    monkeypatch.setattr(reading, "MAX_BYTES", 12_000)
    with pytest.raises(DatasetError, match="more than 12000 bytes"):
        reading.read(tmp_path / "a.xlsx")
    monkeypatch.setattr(reading, "MAX_ENTRIES", 20)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({f"k{i}": i}) + "\n" for i in range(10)))
    with pytest.raises(DatasetError, match="10 rows of 10 columns"):
        reading.read(tmp_path / "a.jsonl")


def test_an_extra_that_is_missing_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.xlsx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DatasetError, match=r"needs openpyxl. pip install 'vae_moe\[tables\]'"):
        reading.read(tmp_path / "a.xlsx")


def test_decimal_commas_and_days_that_come_first(tmp_path):
    text = "a;b;c;when\n1,230;1.230;x;01/02/2024\n0,5;900;;13/02/2024\n;?;y;1.3.24\n"
    (tmp_path / "a.csv").write_text(text)
    found = reading.read(tmp_path / "a.csv", dialect=Dialect(",", True))
    expected = {"a": [1.23, 0.5, np.nan], "b": [1230, 900, np.nan], "c": ["x", None, "y"]}
    _same(found, pd.DataFrame(expected | {"when": ["2024-02-01", "2024-02-13", "2024-03-01"]}))
    part, _ = next(reading.parts(tmp_path / "a.csv", dialect=Dialect(",", True)))
    _same(part, found)
    odd = pd.DataFrame({"when": ["31.12.2024", "12.31.2024"], "time": ["1.2.2024 10:00", "1.2.2024 11:30"]})
    found = Dialect(dayfirst=True).read(odd)
    assert found["when"].tolist() == odd["when"].tolist() and found["time"][1] == "2024-02-01 11:30:00"
    assert Dialect(",").read(pd.DataFrame({"c": ["1,2", "3,4"]}), ["c"])["c"].tolist() == ["1,2", "3,4"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_encodings_and_words_for_gaps_are_as_told(encoding, tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("größe;code;wort\n-999;01;äh\n1.5;02;fehlt\n2;03;ö\n", encoding=encoding)
    expected = pd.DataFrame({"größe": [np.nan, 1.5, 2], "code": ["01", "02", "03"], "wort": ["äh", None, "ö"]})
    dialect = Dialect(encoding=encoding, gaps=("-999", "fehlt"))
    _same(reading.read(path, dialect=dialect), expected)
    _same(next(reading.parts(path, ["code"], dialect))[0], expected)
    with pytest.raises(DatasetError, match=f"{path.name} (is not UTF-8 at byte|has characters .*NUL).*--encoding"):
        reading.read(path)
    with pytest.raises(DatasetError, match=f"{path.name} is not ascii: .*Tell what it is by --encoding"):
        reading.read(path, dialect=Dialect(encoding="ascii"))
    kept = {"encoding": encoding, "na_values": ["-999", "fehlt"]}
    assert inputs.dialect(kept) == dialect and inputs.dialect({}) == Dialect()
    service = object.__new__(web.Service)
    service.config, service.preparation = kept, SimpleNamespace(written=[])
    assert service._frame_of_csv("größe,wort\n-999,äh\n1,b\n".encode())["größe"].isna().tolist() == [True, False]


def test_rows_of_a_request_are_of_the_dialect_of_the_training():
    service = object.__new__(web.Service)
    service.config, service.preparation = {"decimal": ",", "dayfirst": True}, SimpleNamespace(written=["code"])
    found = service._frame_of_json(b'[{"a": "1,5", "when": "1.2.2024", "code": "1,2", "n": 3}]')
    assert found.loc[0].tolist() == [1.5, "2024-02-01", "1,2", 3]


def test_a_query_is_a_table(frame, tmp_path):
    with sqlite3.connect(tmp_path / "a.db") as database:
        frame.to_sql("t", database, index=False)
    url = f"sqlite:///{tmp_path / 'a.db'}"
    options = Namespace(sql=url, query="select * from t", data=None)
    with arrived(options):
        _same(reading.read(options.data), frame)
    assert not options.data.exists()
    for query, words in (("select * from u", "no such table: u"), ("select * from t where n > 9", "no row")):
        options = Namespace(sql=url, query=query, data=None)
        with pytest.raises(DatasetError, match=words), arrived(options):
            reading.read(options.data)
    with pytest.raises(DatasetError, match="URL of a database"), arrived(Namespace(sql="a b", query="q", data=None)):
        pass
    with pytest.raises(DatasetError) as caught:
        formats.query("postgresql+nothing://me:secret@host/db", "q", tmp_path / "q.csv", 100)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".feather", ".jsonl"])
def test_standard_input_is_told_by_its_beginning(ending, frame, monkeypatch):
    written = io.BytesIO()
    if ending == ".feather":
        frame.to_feather(written)
    elif ending == ".jsonl":
        frame.to_json(written, orient="records", lines=True)
    else:
        text = frame.to_csv(index=False).encode()
        written.write(gzip.compress(text) if ending == ".csv.gz" else text)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(written.getvalue())))
    options = Namespace(data=app.Path("-"))
    with arrived(options):
        assert options.data.name == f"stdin{ending}"
        _same(reading.read(options.data), frame)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    with pytest.raises(DatasetError, match="is empty"), arrived(Namespace(data=app.Path("-"))):
        pass


def test_a_command_takes_a_file_or_a_query(capsys):
    for arguments in (
        ["cluster"],
        ["cluster", "a.csv", "--sql", "sqlite://", "--query", "q"],
        ["cluster", "--sql", "x"],
    ):
        with pytest.raises(SystemExit):
            app.main(arguments)
        assert "give a file, a folder or -" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        app.main(["cluster", "https://example.org/a.csv"])
    assert "https://example.org/a.csv is an address: fetch it" in capsys.readouterr().err
    assert [app._name(path and app.Path(path)) for path in (None, "-", "wine.csv", "b/wine.csv.gz")] == [
        *("query", "stdin", "wine", "wine")
    ]
