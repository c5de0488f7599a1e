"""The command ``vae-moe``, from files to a folder and predictions."""

import io
import json
import shutil

import numpy as np
import own_files
import pandas as pd
import pytest
from own_files import in_a_process, run

from vae_moe.app import trained
from vae_moe.data import reading
from vae_moe.estimators.intervals import Predictive, calibrated

pytestmark = pytest.mark.usefixtures("short_steps")


@pytest.fixture(scope="module")
def wine(data):
    """A clustering of the wines, made in a process of its own, which says nothing."""
    out = data / "clusters"
    options = ["cluster", "--components", "3", "--labels", "cultivar", "--epochs", "4", "--quiet"]
    done = in_a_process("sys.exit(main())", *options, "--out", out, data / "wine.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return out


@pytest.fixture(scope="module")
def diabetes(data):
    """A regression of the diabetes data."""
    out = data / "experts"
    options = ["experts", "--target", "progression", "--experts", "2", "--epochs", "4", "--quiet"]
    assert run(*options, "--out", out, data / "diabetes.csv") == 0
    return out


@pytest.fixture(scope="module")
def digits(data):
    """A classification of images by their folders."""
    out = data / "classes"
    assert run(*["experts", "--experts", "2", "--epochs", "4", "--quiet", "--out"], out, data / "digits") == 0
    return out


def test_a_clustering_leaves_its_folder(wine):
    names = {path.name for path in wine.iterdir()}
    assert names == {"config.json", "metrics.json", "history.csv", "estimator", "preparation", "figures"} | {
        "report.html",
        "report.json",
    }
    metrics = json.loads((wine / "metrics.json").read_text())
    assert metrics["n_rows"] == 178 and metrics["n_components"] == 3 and 0.3 < metrics["clustering_accuracy"] <= 1
    html = (wine / "report.html").read_text()
    assert all(words in html for words in ("Clusters of wine.csv", "Beside known classes", "country", "Grignolino"))
    agreement = f"They name the same one for {metrics['bayes_agreement']:.0%} of the rows"
    assert all(
        words in html for words in ("What this cannot tell", "one without groups too", "clusters together", agreement)
    )
    assert "<td>cultivar</td><td>known classes, not trained on</td>" in html.replace("\n", "")
    assert not list(wine.parent.glob(".clusters*"))


def test_categories_that_tell_nothing_do_not_hide_the_numbers_that_do(tmp_path, rng):
    groups = rng.integers(0, 3, 300)
    table = pd.DataFrame(rng.normal(size=(300, 4)) + 5 * groups[:, np.newaxis], columns=list("abcd"))
    table = table.assign(**{name: rng.choice(list("pqrst"), 300) for name in "xyz"}, group=groups)
    table.to_csv(tmp_path / "mixed.csv", index=False)
    options = ["cluster", "--components", "3", "--labels", "group", "--epochs", "2", "--quiet", "--out"]
    assert run(*options, tmp_path / "out", tmp_path / "mixed.csv") == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["clustering_accuracy"] > 0.98


def test_new_rows_with_unknown_values_are_clustered(wine, data, tmp_path, capsys, caplog):
    frame = pd.read_csv(data / "wine.csv").head(5).assign(region="Mars", extra=1)
    frame.loc[0, "proline"] = np.nan
    frame.to_csv(tmp_path / "new.csv", index=False)
    frame.loc[1, "alcohol"] = 1e6
    frame.to_csv(tmp_path / "new.csv", index=False)
    assert run("predict", wine, tmp_path / "new.csv", "--out", tmp_path / "found.csv") == 0
    assert "column 'alcohol' has 1,000,000 in row 2, far from the 11" in caplog.text
    assert "column 'region' has values that training did not see" in caplog.text
    assert (
        "column 'proline' has gaps, which training had none of: the model goes by the other cells, rows: 1"
        in caplog.text
    )
    assert "'alcohol' has gaps" not in caplog.text
    found = pd.read_csv(tmp_path / "found.csv")
    probabilities = [f"probability_{cluster}" for cluster in range(3)]
    assert found.columns.tolist() == ["row", "cluster", "probability", *probabilities, "outside"]
    np.testing.assert_allclose(found[probabilities].sum(1), 1, atol=1e-12)
    np.testing.assert_array_equal(found[probabilities].to_numpy().argmax(1), found.cluster)
    np.testing.assert_array_equal(found[probabilities].max(axis=1), found.probability)
    frame.drop(columns="hue").to_csv(tmp_path / "new.csv", index=False)
    assert run("predict", wine, tmp_path / "new.csv", "--out", tmp_path / "found.csv") == 2
    assert "is there already" in capsys.readouterr().err
    assert run("predict", wine, tmp_path / "new.csv", "--out", tmp_path / "others.csv") == 2
    assert "lacks 'hue'" in capsys.readouterr().err and not (tmp_path / "others.csv").exists()
    frame.assign(hue=[1, 2, "much", 3, 1e300]).to_csv(tmp_path / "new.csv", index=False)
    assert run("predict", wine, tmp_path / "new.csv", "--out", tmp_path / "others.csv") == 2
    error = capsys.readouterr().err
    assert "'hue' is numbers, and has 'much' in row 3: correct or empty it." in error and "--drop" not in error


def test_experts_are_scored_on_held_out_rows_beside_a_linear_model(diabetes):
    metrics = json.loads((diabetes / "metrics.json").read_text())
    assert (metrics["n_train"], metrics["n_held_out"]) == (337, 85)
    assert 0.3 < metrics["linear_r2"] < 0.6 and metrics["rmse"] > 0
    low, high = metrics["gain_over_linear_95"]
    assert low <= metrics["gain_over_linear"] <= high
    html = (diabetes / "report.html").read_text()
    assert all(
        words in html for words in ("R² on held-out rows", "20 rows have no progression", "By how much it changes")
    )


def test_the_page_tells_of_the_intervals_that_are_written(diabetes, data):
    fitted, told = trained.read(diabetes), json.loads((diabetes / "metrics.json").read_text())["coverage_90"]
    y = pd.read_csv(data / "diabetes.csv")["progression"].to_numpy()[fitted.held_out]
    low, high = fitted.estimator.predict_interval(fitted.rows.iloc[fitted.held_out])[:, 0].T
    assert told == pytest.approx(np.mean((low <= y) & (y <= high)))


def test_experts_predict_new_rows(diabetes, data, tmp_path):
    assert run("predict", diabetes, data / "diabetes.csv", "--out", tmp_path / "found.csv", "--quiet") == 0
    found, frame = pd.read_csv(tmp_path / "found.csv"), own_files.diabetes()
    assert {"expert", "expert_probability"} <= set(found.columns)
    known = frame.progression.notna()
    assert np.corrcoef(found.predicted_progression[known], frame.progression[known])[0, 1] > 0.5
    inside = frame.progression.between(found.predicted_progression_low, found.predicted_progression_high)
    assert 0.8 < inside[known].mean() <= 1


def test_estimators_give_intervals(diabetes, data):
    fitted = trained.read(diabetes)
    bounds, every = fitted.estimator.predict_interval(fitted.rows), Predictive.of(fitted.estimator, fitted.rows)
    assert bounds.shape == (442, 1, 2)  # y was given as [N, 1]
    for i, level in enumerate(calibrated(fitted.estimator.ranks_, 0.9)):
        np.testing.assert_allclose(every.cdf(bounds[..., i]), np.broadcast_to(level, (442, 1)), atol=1e-9)
    narrow = fitted.estimator.predict_interval(fitted.rows, 0.5)
    assert (narrow[..., 0] > bounds[..., 0]).all() and (narrow[..., 1] < bounds[..., 1]).all()
    fitted.estimator.y_mean_, fitted.estimator.y_scale_ = (  # as where y is [N]
        each.reshape(()) for each in (fitted.estimator.y_mean_, fitted.estimator.y_scale_)
    )
    np.testing.assert_array_equal(fitted.estimator.predict_interval(fitted.rows), bounds[:, 0])
    with pytest.raises(ValueError, match=r"level must be a number in \(0, 1\), got 90"):
        fitted.estimator.predict_interval(fitted.rows, 90)


def test_predictions_go_to_standard_output(diabetes, data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("predict", diabetes, data / "diabetes.csv", "--out", "-") == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert len(found) == 442 and "predicted_progression_low" in found and not list(tmp_path.iterdir())


def test_predictions_are_written_in_the_form_of_their_name_or_refused(diabetes, data, tmp_path, capsys):
    for name in ("p.xlsx", "p", "p.txt"):
        assert run("predict", diabetes, data / "diabetes.csv", "--out", tmp_path / name) == 2
        assert "predictions are .csv, .csv.gz, .parquet. Give such a name, or - for" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    for name in ("p.csv", "p.csv.gz", "p.parquet"):
        assert run("predict", diabetes, data / "diabetes.csv", "--out", tmp_path / name, "--quiet") == 0
    found = pd.read_csv(tmp_path / "p.csv", dtype={"row": str})
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "p.csv.gz", dtype={"row": str}), found)
    kept = pd.read_parquet(tmp_path / "p.parquet").replace({"outside": {"": np.nan}})
    pd.testing.assert_frame_equal(kept, found, check_dtype=False)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_large_tables_are_predicted_part_by_part(ending, wine, data, tmp_path, monkeypatch, capsys, caplog):
    frame = pd.read_csv(data / "wine.csv").assign(bottle=lambda frame: 1000 + frame.index)
    frame.loc[120, ["alcohol", "region"]] = [99.0, "Mars"]
    path = tmp_path / f"new.{ending}"
    write = frame.to_parquet if ending == "parquet" else frame.to_csv
    write(path, index=False)
    assert run("predict", wine, path, "--out", tmp_path / "whole.csv", "--id", "bottle") == 0
    monkeypatch.setattr(reading, "LARGE_BYTES", 0)
    monkeypatch.setattr(reading, "PART", 50)
    whole, caplog_text = pd.read_csv(tmp_path / "whole.csv"), caplog.text
    caplog.clear()
    assert run("predict", wine, path, "--out", tmp_path / "parts.csv", "--id", "bottle") == 0
    assert caplog.text.count("99 in row 121, far from") == caplog_text.count("99 in row 121, far from") == 1
    found = pd.read_csv(tmp_path / "parts.csv")
    pd.testing.assert_frame_equal(found, whole, rtol=1e-5)
    assert found.columns[:2].tolist() == ["row", "bottle"] and found.bottle.tolist() == frame.bottle.tolist()
    assert found.outside.dropna().to_dict() == {120: "alcohol; region"}
    if ending == "csv":
        frame.astype({"hue": object}).assign(hue=[*frame.hue[:-1], "much"]).to_csv(path, index=False)
        assert run("predict", wine, path, "--out", tmp_path / "others.csv") == 2
        error = capsys.readouterr().err
        assert "(rows are counted from row 151 on): column 'hue' is numbers, and has 'much' in row 28" in error
        assert not (tmp_path / "others.csv").exists()


def test_intervals_are_quantiles_of_the_experts_mixture(rng):
    gate, means, stddevs = rng.dirichlet([1, 1], 5), rng.normal(size=(5, 2, 1)), np.array([[0.5], [2.0]])
    drawn = rng.normal(means[..., 0], stddevs[:, 0], (20_000, 5, 2))
    expert = rng.uniform(size=(20_000, 5)) > gate[:, 0]
    samples = np.where(expert, drawn[..., 1], drawn[..., 0])
    found = Predictive(gate, means, stddevs)
    np.testing.assert_allclose(found.quantile(0.9)[:, 0], np.quantile(samples, 0.9, axis=0), atol=0.15)
    np.testing.assert_allclose(found.cdf(found.quantile(0.05)), 0.05, atol=1e-9)


@pytest.mark.parametrize("level", [1e-6, 0.05, 0.5, 0.99, np.array([0.1, 0.5, 0.9])])
@pytest.mark.parametrize("sharp", [1, 30])
def test_quantiles_are_exact_also_between_modes_far_apart(level, sharp, rng):
    logits = sharp * rng.normal(size=(2000, 8))
    gate = np.exp(logits - logits.max(1, keepdims=True))
    gate /= gate.sum(1, keepdims=True)
    found = Predictive(gate, 10 * rng.normal(size=(2000, 8, 3)), np.exp(2 * rng.normal(size=(8, 3))))
    np.testing.assert_allclose(found.cdf(found.quantile(level)), np.broadcast_to(level, (2000, 3)), atol=1e-12)


def test_images_are_classified_by_their_folders(digits, data, tmp_path, capsys):
    metrics = json.loads((digits / "metrics.json").read_text())
    assert metrics["task"] == "classification" and metrics["accuracy"] > 0.7 and metrics["linear_accuracy"] > 0.7
    assert "Typical members" in (digits / "report.html").read_text()
    assert run("predict", digits, data / "digits", "--out", tmp_path / "found.csv", "--quiet") == 0
    found = pd.read_csv(tmp_path / "found.csv", dtype=str)
    assert (found.predicted_folder == found.row.str.split("/").str[0]).mean() > 0.7
    every = found[[f"predicted_folder_probability_{digit}" for digit in range(4)]].astype(float)
    np.testing.assert_allclose(every.sum(1), 1, atol=1e-12)
    np.testing.assert_array_equal(every.max(axis=1), found.predicted_folder_probability.astype(float))
    np.testing.assert_array_equal(every.to_numpy().argmax(1).astype(str), found.predicted_folder)
    assert run("predict", digits, data / "wine.csv", "--out", tmp_path / "wine.csv") == 2
    assert "holds a table, the training data was images of [8, 8]" in capsys.readouterr().err


def test_the_report_is_written_again(wine):
    before = (wine / "report.html").read_text()
    (wine / "report.html").unlink()
    assert run("report", wine) == 0 and (wine / "report.html").read_text() == before


def test_a_page_is_made_of_the_rows_of_the_training_alone(diabetes, data, tmp_path, capsys):
    out, moved = tmp_path / "out", tmp_path / "moved.csv"
    shutil.copytree(diabetes, out)
    (out / "report.json").unlink()
    frame = own_files.diabetes()
    frame.to_csv(moved, index=False)
    assert run("report", out, "--data", moved, "--quiet") == 0
    assert (out / "report.html").read_bytes() == (diabetes / "report.html").read_bytes()
    frame.iloc[::-1].to_csv(moved, index=False)
    assert run("report", out, "--data", moved) == 2
    assert f"moved.csv is not what {out} was trained on" in capsys.readouterr().err
    assert run("report", out, "--data", tmp_path / "gone.csv") == 2
    assert "gone.csv is not there, and the page shows its rows" in capsys.readouterr().err


def test_a_page_of_images_is_made_again(digits, tmp_path):
    shutil.copytree(digits, tmp_path / "out")
    (tmp_path / "out" / "report.json").unlink()
    assert run("report", tmp_path / "out", "--quiet") == 0
    assert (tmp_path / "out" / "report.html").read_bytes() == (digits / "report.html").read_bytes()
