"""Explanations of single rows: their parts add up, and name the columns that decide."""

import numpy as np
import pandas as pd
import pytest
from short_plans import SHORT

from vae_moe import app, estimators
from vae_moe.app import inputs, web
from vae_moe.app.measured import Measured
from vae_moe.app.trained import Trained

pytestmark = pytest.mark.usefixtures("short_steps", "no_graphs")


@pytest.fixture(scope="module")
def table():
    """The first column chooses the map, the second matters in it, the third does not; 20 gaps, a category."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"side": np.where(rng.uniform(size=300) < 0.5, -2.0, 2.0), "a": rng.normal(size=300)})
    frame = frame.assign(noise=rng.normal(size=300), kind=rng.choice(["x", "z"], 300))
    frame["side"] += 0.1 * rng.normal(size=300)
    y = np.where(frame.side > 0, 3 + 5 * frame.a, -3 - 5 * frame.a)
    frame.loc[:20, "noise"] = np.nan
    return frame, y


@pytest.fixture(scope="module")
def regressor(table):
    return estimators.DVMoERegressor(2, **SHORT).fit(*table)


def test_parts_add_up_to_what_is_predicted(regressor, table):
    found = regressor.explain(table[0])
    total = found.base + found.experts.sum(1) + found.gating
    np.testing.assert_allclose(total, found.score, atol=1e-3)
    np.testing.assert_allclose(found.score[:, 0], regressor.predict(table[0]), atol=1e-3)
    assert found.columns == list(table[0]) and found.experts.shape == found.gates.shape == (300, 4, 1)


def test_the_columns_that_decide_are_told(regressor, table):
    found = regressor.explain(table[0])
    strength, choice = np.abs(found.experts).mean((0, 2)), np.abs(found.gates).mean((0, 2))
    assert found.columns[strength.argmax()] == "a" and found.columns[choice.argmax()] == "side"
    frame = found.frame(["y"])
    assert list(frame) == ["row", "output", "column", "through_experts", "through_gate"] and len(frame) == 1200
    assert frame.groupby("row").column.first().isin(["a", "side"]).mean() > 0.9


@pytest.mark.parametrize("name", ["DVMoEClassifier", "DeepMoERegressor"])
def test_classes_and_several_outputs_have_parts_too(name, table):
    frame, y = table
    targets = np.where(y > 2, "high", np.where(y < -2, "low", "mid")) if "Class" in name else np.stack([y, -y], 1)
    model = getattr(estimators, name)(2, **SHORT).fit(frame, targets)
    found = model.explain(frame[:50])
    assert found.score.shape == (50, 1 if "Class" in name else 2)
    np.testing.assert_allclose(found.base + found.experts.sum(1) + found.gating, found.score, atol=2e-3)


def test_what_has_no_mean_row_is_refused(regressor, table):
    older = regressor.__class__(2)
    older.__dict__.update({name: value for name, value in vars(regressor).items() if name != "x_center_"})
    with pytest.raises(ValueError, match="Fit it again"):
        older.explain(table[0])


def test_the_command_and_the_service_give_reasons(table, tmp_path, capsys):
    frame, y = table
    frame.to_csv(tmp_path / "a.csv", index=False)
    source = inputs.read(tmp_path / "a.csv")
    rows, preparation = inputs.prepare(source, np.arange(300), [], {})
    model = estimators.DVMoEClassifier(2, **SHORT).fit(rows, np.where(y > 0, "up", "down"))
    ranges = Measured.of(source, preparation).ranges
    config = {"made_by": "vae-moe", "kind": "experts", "task": "classification", "target": ["y"], "ranges": ranges}
    trained = Trained(config | {"image_shape": None}, source, rows, preparation, model, np.arange(9))
    trained.write(tmp_path / "made")
    assert app.main(["explain", str(tmp_path / "made"), str(tmp_path / "a.csv"), "--out", str(tmp_path / "b.csv")]) == 0
    found = pd.read_csv(tmp_path / "b.csv")
    assert list(found) == ["row", "output", "column", "cell", "through_experts", "through_gate"] and len(found) == 1200
    assert set(found.output) <= {"log-odds of up", "log-odds of down"} and found.row.max() == 300
    assert found[(found.row == 1) & (found.column == "kind")].cell.item() == frame.kind[0]
    client = pytest.importorskip("fastapi.testclient").TestClient(web.application(tmp_path / "made"))
    rows = frame[:3].astype(object).where(frame[:3].notna(), None).to_dict("records")
    answer = client.post("/explain", json={"rows": rows}).json()["rows"]
    np.testing.assert_allclose([line["through_gate"] for line in answer], found.through_gate[:12], atol=1e-5)
    assert client.post("/explain", json={"rows": rows * 70}).status_code == 413
    assert client.post("/cluster", json={"rows": rows}).status_code == 404


def test_images_give_no_reasons(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("vae_moe.app.folder.trained", lambda *_: {"kind": "cluster", "image_shape": [2, 2]})
    assert app.main(["explain", str(tmp_path), "a.csv"]) == 2
    assert "was trained on images" in capsys.readouterr().err


@pytest.fixture(scope="module")
def clustering(table):
    """Of `side`, which tells two clusters, and of what tells nothing, with gaps."""
    return estimators.DMVAEClustering(2, **SHORT).fit(table[0])


def test_the_column_that_makes_a_rows_cluster_is_told(clustering, table, tmp_path):
    frame = table[0]
    found = clustering.explain(frame)
    probs = clustering.predict_proba(frame)
    np.testing.assert_array_equal(found.clusters, probs.argmax(1))
    odds = np.log(probs.max(1)) - np.log(probs.min(1))
    np.testing.assert_allclose(found.score, odds, rtol=1e-3, atol=1e-3)
    hidden = np.log(clustering.predict_proba(frame.assign(side=frame.side.mean())))
    rows = np.arange(300)
    without = hidden[rows, found.clusters] - hidden[rows, found.others]
    np.testing.assert_allclose(found.parts[:, 0], found.score - without, atol=1e-2)
    assert (np.abs(found.parts[:20, 2]) < 1e-4).all()  # a gap says nothing here
    told = found.frame()
    assert list(told) == ["row", "cluster", "next", "column", "effect"] and len(told) == 1200
    assert (told[told.row == 5].effect.abs().diff().dropna() <= 0).all()


def test_an_ensembles_parts_are_the_mean_of_its_members(regressor, table):
    several = estimators.EnsembleRegressor(regressor, 2)
    several.estimators_ = [regressor, regressor]
    found, alone = several.explain(table[0][:9]), regressor.explain(table[0][:9])
    np.testing.assert_allclose(found.experts, alone.experts)
    total = found.base + found.experts.sum(1) + found.gating
    np.testing.assert_allclose(total, found.score, atol=1e-3)
