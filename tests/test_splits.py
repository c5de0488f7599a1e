"""Which rows are held out, codes that are categories, and weights of classes."""

from argparse import Namespace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from vae_moe import app
from vae_moe.app import commands, inputs, splits, targets
from vae_moe.data.files import DatasetError


@pytest.fixture
def frame(rng):
    days = pd.date_range("2024-01-01", periods=60).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"a": rng.normal(size=60), "code": np.arange(60) % 3 + 1, "who": np.arange(60) // 6})
    return frame.assign(day=rng.permutation(days), y=rng.normal(size=60), kind=np.where(np.arange(60) < 45, "x", "z"))


def _split(frame, path, target="y", **given):
    source = inputs.Source(path, frame, None)
    options = {"test": None, "groups": None, "time": None, "seed": 0} | given
    return splits.split(source, targets.read(frame, [target], None), Namespace(**options))


def test_whole_groups_are_held_out(frame, tmp_path):
    found = _split(frame, tmp_path, groups="who")
    assert len(found.test) == 12 and not set(frame.who[found.train]) & set(frame.who[found.test])
    assert found.words == "The held-out rows are those of 2 of who, whole."
    with pytest.raises(DatasetError, match="same in every row"):
        _split(frame.assign(who=1), tmp_path, groups="who")
    with pytest.raises(DatasetError, match="did you mean 'who'"):
        _split(frame, tmp_path, groups="Who")


def test_the_last_rows_are_held_out(frame, tmp_path):
    found = _split(frame, tmp_path, time="day")
    assert len(found.test) == 12 and frame.day[found.train].max() < frame.day[found.test].min()
    assert found.words == "The held-out rows are the last by day, from 2024-02-18 on."
    assert frame.code[_split(frame, tmp_path, time="code").test].min() == 3  # rows of one time stay together
    for odd, words in (("x", "neither dates nor numbers"), (1, "nothing can be held out"), (None, "no value in row 1")):
        column = pd.Series(odd, range(60)) if odd else frame.day.where(np.arange(60) > 0)
        with pytest.raises(DatasetError, match=words):
            _split(frame.assign(day=column), tmp_path, time="day")
    with pytest.raises(DatasetError, match="class 'z', which no row to learn from has"):
        _split(frame.assign(n=(frame.kind == "z") * 1), tmp_path, "kind", time="n")


def test_rows_of_another_file_are_held_out(frame, tmp_path, monkeypatch):
    for name, rows in (("a.csv", frame[:45]), ("b.csv", frame[45:])):
        rows.to_csv(tmp_path / name, index=False)
    first = inputs.read(tmp_path / "a.csv")
    source = splits.joined(first, tmp_path / "b.csv")
    assert len(source.frame) == 60 and source.rows[45] == "46" and source.fingerprint != first.fingerprint
    target = targets.read(source.frame, ["y"], None)
    found = splits.split(source, target, Namespace(test=tmp_path / "b.csv", groups=None, time=None, seed=0))
    assert found.test.tolist() == list(range(45, 60)) and "those of b.csv" in found.words
    frame.drop(columns="code").to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(DatasetError, match=r"c\.csv has no column 'code'"):
        splits.joined(first, tmp_path / "c.csv")


def _command(tmp_path, monkeypatch, frame, *arguments):
    """What would be trained: the configuration, what the estimator takes, and the weights of its rows."""
    frame.to_csv(tmp_path / "a.csv", index=False)
    found = []
    monkeypatch.setattr(commands, "_finish", lambda *_: None)
    monkeypatch.setattr(commands, "_train", lambda *given, **_: found.append(given))
    code = app.main([arguments[0], str(tmp_path / "a.csv"), "--out", str(tmp_path / "o"), *arguments[1:]])
    return SimpleNamespace(code=code, given=found[0] if found else None)


def test_codes_are_categories_where_they_are_said_to_be(frame, tmp_path, monkeypatch, capsys):
    taken = _command(tmp_path, monkeypatch, frame, "cluster", "--categorical", "code", "--drop", "y")
    preparation = taken.given[4]
    assert preparation.columns.categories == ["code", "kind"] and preparation.levels["code"] == ["1", "2", "3"]
    new = preparation.transform(frame.assign(code=2.0))
    assert set(new["code"]) == {"2"}
    assert _command(tmp_path, monkeypatch, frame, "cluster", "--categorical", "a").code == 2
    assert "--categorical 'a' has 60 values" in capsys.readouterr().err


def test_classes_weigh_the_same_where_they_are_told_to(frame, tmp_path, monkeypatch, capsys):
    arguments = ("experts", "--target", "kind", "--class-weight", "balanced", "--groups", "who", "--seed", "2")
    taken = _command(tmp_path, monkeypatch, frame, *arguments)
    (train, _), y, weight = taken.given[6:9]
    assert weight[y[train] == "x"].sum() == pytest.approx(weight[y[train] == "z"].sum())
    config = taken.given[1]
    assert config["class_weight"] == "balanced" and config["groups"] == "who" and "whole" in config["held_out"]
    assert taken.given[4].columns.left_out["who"] == "groups of the hold-out"
    assert _command(tmp_path, monkeypatch, frame, "experts", "--target", "y", "--class-weight", "balanced").code == 2
    assert "--class-weight is for classes" in capsys.readouterr().err
