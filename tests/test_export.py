"""Exports of estimators and of the command's folders: the answers are those of ``predict``."""

import re

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from own_files import numpy_alone

from vae_moe import estimators
from vae_moe.exported.model import Model

pytestmark = pytest.mark.usefixtures("short_steps")
SHORT = {"epochs": 2, "start": None, "random_state": 0}


@pytest.fixture(scope="module")
def fitted(wine, diabetes):
    """An estimator of each kind and each gate, and its X, of scales from 1 to 1000, some with gaps."""
    X, y = wine
    names = np.array(["Barolo", "Grignolino", "Barbera"])[y]
    sugar, progression = diabetes[0] * 1000 + 40, diabetes[1]
    rng = np.random.default_rng(0)
    gappy = np.where(rng.uniform(size=X.shape) < 0.2, np.nan, X)
    return {
        "clustering": (estimators.DMVAEClustering(3, **SHORT).fit(X), X),
        "tree": (estimators.HDMVAEClustering(6, branching=(3, 2), **SHORT).fit(X), X),
        "vade": (estimators.VaDEClustering(3, **SHORT).fit(gappy), gappy),
        "classifier": (estimators.VaDEMoEClassifier(2, **SHORT).fit(X, names), X),
        "regressor": (estimators.DVMoERegressor(2, **SHORT).fit(sugar, progression), sugar),
        "two outputs": (
            estimators.DeepMoERegressor(2, **SHORT).fit(sugar, np.stack([progression, -progression], 1)),
            sugar,
        ),
        "table": (
            estimators.DVMoERegressor(2, missing="informative", **SHORT).fit(kinds(sugar, rng), progression),
            kinds(sugar, rng),
        ),
    }


def kinds(numbers, rng):
    """A frame of several kinds of columns, with gaps."""
    frame = pd.DataFrame(numbers, columns=list("abcdefghij"))
    frame["b"] = pd.cut(frame["b"], 2, labels=["low", "high"])
    frame["c"] = pd.cut(frame["c"], 4, labels=list("uvwx")).astype(object)
    frame["d"] = np.round(np.exp(frame["d"] / 50))
    frame["e"] = frame["e"] > 40
    return frame.mask(pd.DataFrame(rng.uniform(size=frame.shape) < 0.1, columns=frame.columns))


def answers(estimator, X):
    """What ``predict`` and its like give, by the names of an export."""
    if hasattr(estimator, "temperature_"):
        return {"cluster": estimator.predict(X), "probabilities": estimator.predict_proba(X)}
    found = {"y": estimator.predict(X), "gate_probabilities": estimator.gate_proba(X)}
    if hasattr(estimator, "classes_"):
        return {**found, "probabilities": estimator.predict_proba(X)}
    interval = estimator.predict_interval(X)
    return {**found, "low": interval[..., 0], "high": interval[..., 1]}


def entries(estimator, X):
    """What an export takes."""
    return X if estimator.table_ is None else estimator.table_entries(X).astype(float)


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        if value.dtype.kind in "iUO":
            assert [str(each) for each in found[name]] == [str(each) for each in value]
        else:
            np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5)


KINDS = pytest.mark.parametrize(
    "name", ["clustering", "tree", "vade", "classifier", "regressor", "two outputs", "table"]
)


@KINDS
def test_a_saved_models_default_answers_are_those_of_predict(name, fitted, tmp_path):
    estimator, X = fitted[name]
    estimator.export(tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served").signatures
    found = {
        name: value.numpy() for name, value in served["serving_default"](x=tf.constant(entries(estimator, X))).items()
    }
    if "y" in found and found["y"].dtype.kind == "O":
        found["y"] = [word.decode() for word in found["y"]]
    assert_same(found, answers(estimator, X))
    if hasattr(estimator, "temperature_"):
        z_mean = served["encode"](x=tf.constant(entries(estimator, X[:5])))["z_mean"]
        np.testing.assert_allclose(z_mean, estimator.transform(X[:5]), rtol=1e-5, atol=1e-5)


@KINDS
def test_numpy_alone_gives_the_same_answers(name, fitted, tmp_path):
    estimator, X = fitted[name]
    estimator.export(tmp_path / "served", "numpy")
    np.save(tmp_path / "X.npy", entries(estimator, X))
    assert_same(numpy_alone(tmp_path / "served", "np.load('../X.npy')"), answers(estimator, X))


@KINDS
def test_onnx_gives_the_same_answers_without_intervals(name, fitted, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    estimator, X = fitted[name]
    estimator.export(tmp_path / "served", "onnx")
    session = onnxruntime.InferenceSession(tmp_path / "served" / "model.onnx")
    found = dict(
        zip(
            [output.name for output in session.get_outputs()],
            session.run(None, {"x": entries(estimator, X)}),
            strict=True,
        )
    )
    expected = {name: value for name, value in answers(estimator, X).items() if name not in ("low", "high")}
    assert_same(found, expected)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "regressor",
            np.inf,
            "X has inf in row 1, column 2, counted from 0: numbers are at most 1e+30, and the model knows",
        ),
        ("regressor", np.nan, "X has nan in row 1, column 2"),
        ("table", -np.inf, "X has -inf in row 1, column 2, counted from 0: numbers are at most 1e+30. Correct it."),
    ],
)
def test_numpy_alone_refuses_what_the_estimator_refuses(name, value, words, fitted, tmp_path):
    estimator, X = fitted[name]
    estimator.export(tmp_path / "served", "numpy")
    x = entries(estimator, X).copy()
    x[1, 2] = value
    with pytest.raises(ValueError, match=re.escape(words)):
        Model(tmp_path / "served").predict(x)
    with pytest.raises(ValueError, match=r"has the shape .*: give rows of"):
        Model(tmp_path / "served").predict(x[:, 1:])


def test_what_a_form_has_not_is_said(fitted, tmp_path):
    estimator, _ = fitted["clustering"]
    with pytest.raises(ValueError, match="form must be one of tf_saved_model, numpy, onnx, got 'csv'"):
        estimator.export(tmp_path / "served", "csv")
    (tmp_path / "thesis.tex").write_text("all of it")
    for form in ("tf_saved_model", "numpy"):
        with pytest.raises(FileExistsError, match="remove it, or export to another folder"):
            estimator.export(tmp_path, form)
