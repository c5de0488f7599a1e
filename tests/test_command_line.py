"""The command ``vae-moe``, from files to a folder and predictions."""

import contextlib
import errno
import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import own_files
import pandas as pd
import pytest

from vae_moe import app
from vae_moe.app import commands, failures, main, startup, trained
from vae_moe.app.report import clusters, findings, mixtures
from vae_moe.data import columns
from vae_moe.data.files import DatasetError
from vae_moe.engine.files import whole_folder
from vae_moe.estimators.intervals import Predictive
from vae_moe.training import health

pytestmark = pytest.mark.usefixtures("short_steps")


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with wine.csv, diabetes.csv and digits/."""
    folder = tmp_path_factory.mktemp("data")
    own_files.wine().to_csv(folder / "wine.csv", index=False)
    own_files.diabetes().to_csv(folder / "diabetes.csv", index=False)
    own_files.write_digits(folder / "digits", 120, classes=4)
    return folder


def in_a_process(code, *arguments, cwd=None):
    """What a process of its own printed that runs some code, ``main`` being the console script's."""
    beginning = (
        f"import sys; sys.argv = ['bin/vae-moe', *{list(map(str, arguments))}]\nfrom vae_moe_command import main\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        check=False,
        args=[sys.executable, "-c", beginning + code],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[1])},
    )


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


def test_help_does_not_wait_for_tensorflow():
    code = (
        "try: main()\n"
        "except SystemExit as end: print(end.code, sorted({'tensorflow', 'keras', 'pandas'} & set(sys.modules)))"
    )
    printed = in_a_process(code, "--help").stdout
    assert "usage: vae-moe" in printed and printed.endswith("0 []\n")


def test_wrong_input_does_not_wait_for_tensorflow(tmp_path):
    (tmp_path / "a.csv").write_text("name\n" + "".join(f"name {i}\n" for i in range(30)))
    code = "print(main(), sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    done = in_a_process(code, "cluster", "a.csv", "--components", 2, "--out", "b", cwd=tmp_path)
    assert done.stdout == "2 []\n" and done.stderr.count("\n") == 1 and "--drop 'name'" in done.stderr


def test_errors_of_libraries_pass_and_descriptions_of_the_machine_do_not():
    lines = [
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "I0000 00:00:1795854527.619270   15501 port.cc:153] oneDNN custom operations are on.",
        "E0000 00:00:1795854527.619270   15501 cuda_platform.cc:51] failed call to cuInit: INTERNAL: CUDA error",
        "2026-01-02 03:04:05.678: E external/xla/cuda_fft.cc:477] Unable to register cuFFT factory",
        "W0000 00:00:1795854527.619270   15501 computation_placer.cc:177] computation placer already registered.",
        "E0000 00:00:1795854527.619270   15501 env.cc:5] out of file handles",
        "F0000 00:00:1795854527.619270   15501 cpu.cc:5] compiled to use AVX512F instructions",
    ]
    code = (
        "import importlib, os\n"
        "sys.modules['vae_moe'] = importlib.util.module_from_spec(importlib.util.find_spec('vae_moe'))\n"
        "from vae_moe.app import startup\n"
        f"with startup._without_descriptions(): os.write(2, {chr(10).join([*lines, ''])!r}.encode()); os.abort()"
    )
    done = in_a_process(code)
    assert done.returncode == -signal.SIGABRT and done.stderr.splitlines() == lines[-2:]


def test_tensorflow_is_imported_in_one_place_alone(wine, diabetes, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(startup, "import_tensorflow", raising(RuntimeError("imported")))
    shutil.copytree(wine, tmp_path / "page")
    (tmp_path / "page" / "report.json").unlink()
    for words in (
        ["cluster", data / "wine.csv", "--components", 2, "--out", tmp_path / "out"],
        ["experts", data / "diabetes.csv", "--target", "bmi", "--experts", 2, "--out", tmp_path / "out"],
        ["predict", diabetes, data / "diabetes.csv", "--out", tmp_path / "out.csv"],
        ["report", tmp_path / "page"],
        ["report", tmp_path],
    ):
        assert run(*words) == 1 and "RuntimeError: imported" in capsys.readouterr().err


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
    assert all(words in html for words in ("What this cannot tell", "one without groups too", agreement))
    assert "<td>cultivar</td><td>known classes, not trained on</td>" in html.replace("\n", "")
    assert not list(wine.parent.glob(".clusters*"))


def test_new_rows_with_unknown_values_are_clustered(wine, data, tmp_path, capsys, caplog):
    frame = pd.read_csv(data / "wine.csv").head(5).assign(region="Mars", extra=1)
    frame.loc[0, "proline"] = np.nan
    frame.to_csv(tmp_path / "new.csv", index=False)
    frame.loc[1, "alcohol"] = 1e6
    frame.to_csv(tmp_path / "new.csv", index=False)
    assert run("predict", wine, tmp_path / "new.csv", "--out", tmp_path / "found.csv") == 0
    assert "column 'alcohol' has 1,000,000 in row 2, far from the 11" in caplog.text
    assert "column 'region' has values that training did not see" in caplog.text
    assert "column 'proline' has gaps, which training had none of: its median is taken, rows: 1" in caplog.text
    assert "'alcohol' has gaps" not in caplog.text
    found = pd.read_csv(tmp_path / "found.csv")
    probabilities = [f"probability_{cluster}" for cluster in range(3)]
    assert found.columns.tolist() == ["row", "cluster", "probability", *probabilities]
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


def test_what_rules_a_column_is_logged_and_on_the_page(untrained, wine, tmp_path, monkeypatch, caplog):
    frame = own_files.wine()
    frame.loc[60, "proline"] = 1e9
    frame.to_csv(tmp_path / "wine.csv", index=False)
    former = trained.read(wine)
    ended = {"seconds": 1.0, "finished_at": "2026-01-01"}
    monkeypatch.setattr(commands, "_train", lambda _, config, *__, **___: replace(former, config=config | ended))
    assert former.config["warnings"] == []
    assert run("cluster", tmp_path / "wine.csv", *untrained[2:]) == 0
    words = "olumn 'proline' is ruled by row 61, which has 1.00e+09 where half of the rows lie between 500 and 989"
    assert f"c{words}" in caplog.text
    html = unescape((tmp_path / "out" / "report.html").read_text())
    assert html.count(f"C{words}") == 2 and "correct or empty the cell, take the logarithm of the column, or" in html


def test_cures_name_what_the_command_has():
    options = [
        vars(app.parser().parse_args([*words.split(), "--out", "b"]))
        for words in ("cluster a --components 2", "experts a --experts 2")
    ]
    cures = " ".join([*findings.CURES.values(), mixtures.CURE])
    named = set(re.findall(r"--(\w+)", cures.format(option="--components --experts")))
    assert named and all(any(name in known for known in options) for name in named)
    assert named - {"components", "experts"} <= set(options[0]) & set(options[1])
    assert set(findings.CURES) == set(health.CURES)


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
    bounds, every = fitted.estimator.predict_interval(fitted.x), Predictive.of(fitted.estimator, fitted.x)
    assert bounds.shape == (442, 1, 2)  # y was given as [N, 1]
    for i, level in enumerate((0.05, 0.95)):
        np.testing.assert_allclose(every.cdf(bounds[..., i]), level, atol=1e-9)
    narrow = fitted.estimator.predict_interval(fitted.x, 0.5)
    assert (narrow[..., 0] > bounds[..., 0]).all() and (narrow[..., 1] < bounds[..., 1]).all()
    fitted.estimator.y_mean_, fitted.estimator.y_scale_ = (  # as where y is [N]
        each.reshape(()) for each in (fitted.estimator.y_mean_, fitted.estimator.y_scale_)
    )
    np.testing.assert_array_equal(fitted.estimator.predict_interval(fitted.x), bounds[:, 0])
    with pytest.raises(ValueError, match=r"level must be a number in \(0, 1\), got 90"):
        fitted.estimator.predict_interval(fitted.x, 90)


def test_predictions_go_to_standard_output(diabetes, data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("predict", diabetes, data / "diabetes.csv", "--out", "-") == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert len(found) == 442 and "predicted_progression_low" in found and not list(tmp_path.iterdir())


def test_predictions_are_csv_alone(diabetes, data, tmp_path, capsys):
    for name in ("p.xlsx", "p", "p.csv.gz"):
        assert run("predict", diabetes, data / "diabetes.csv", "--out", tmp_path / name) == 2
        assert "predictions are CSV. Give a name that ends in .csv, or - for" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_command_says_itself_what_it_does_not_know(capsys):
    with pytest.raises(SystemExit) as end:
        run("cluster", "a.csv", "--components", 3, "--out", "b", "--labell", "x")
    error = capsys.readouterr().err
    assert end.value.code == 2 and error.startswith("usage: vae-moe cluster ")
    assert "unrecognized arguments: --labell x; did you mean --labels?" in error


def test_names_in_errors_are_few_and_like_what_was_asked_for():
    frame = pd.DataFrame(columns=[f"c{i}" for i in range(20)] + ["credit_risk"])
    for name in ("creditrisk", "Credit Risk", "credit_rsk"):
        with pytest.raises(DatasetError, match="did you mean 'credit_risk'"):
            columns.check_names(frame, [name], "--target")
    assert columns.listed(frame).endswith("'c14', ..., 'c16', 'c17', 'c18', 'c19', 'credit_risk'")


def test_intervals_are_quantiles_of_the_experts_mixture(rng):
    gate, means, stddevs = rng.dirichlet([1, 1], 5), rng.normal(size=(5, 2, 1)), np.array([[0.5], [2.0]])
    drawn = rng.normal(means[..., 0], stddevs[:, 0], (20_000, 5, 2))
    expert = rng.uniform(size=(20_000, 5)) > gate[:, 0]
    samples = np.where(expert, drawn[..., 1], drawn[..., 0])
    found = Predictive(gate, means, stddevs)
    np.testing.assert_allclose(found.quantile(0.9)[:, 0], np.quantile(samples, 0.9, axis=0), atol=0.15)
    np.testing.assert_allclose(found.cdf(found.quantile(0.05)), 0.05, atol=1e-9)


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


def test_a_folder_of_another_kind_than_its_estimator_is_named(wine, data, tmp_path, capsys):
    shutil.copytree(wine, tmp_path / "wine")
    config = json.loads((wine / "config.json").read_text())
    experts = {"kind": "experts", "target": ["hue"], "task": "regression"}
    (tmp_path / "wine" / "config.json").write_text(json.dumps(config | experts))
    assert run("predict", tmp_path / "wine", data / "wine.csv", "--out", tmp_path / "found.csv") == 2
    assert "config.json is damaged: its kind is 'experts', its estimator a DMVAE" in capsys.readouterr().err
    assert not (tmp_path / "found.csv").exists()
    for name in ("kind", "image_shape", "seconds", "target", "ranges"):
        (tmp_path / "wine" / "config.json").write_text(json.dumps({**config, **experts, name: "x"}))
        assert run("report", tmp_path / "wine", "--data", "x") == 2
        assert f"config.json is damaged: its {name} is 'x'" in capsys.readouterr().err


@pytest.mark.parametrize("kept", ["{", "[]", "{}", '{"title": "a", "subtitle": "b", "sections": {"c": [[]]}}'])
def test_a_damaged_report_is_named(kept, tmp_path, capsys):
    (tmp_path / "config.json").write_text('{"made_by": "vae-moe"}')
    (tmp_path / "report.json").write_text(kept)
    assert run("report", tmp_path) == 2
    assert "report.json is damaged" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("cluster nothing.csv --components 3", "nothing.csv is not there"),
        ("cluster wine.csv --components 300", "wine.csv has 178 rows, 600 at least for 300"),
        (
            "cluster wine.csv --components 3 --drop colour",
            "wine.csv: --drop names 'colour', which is no column: the columns are 'alcohol'",
        ),
        ("cluster wine.csv --components 3 --labels colour", "wine.csv: --labels names 'colour'"),
        (
            "cluster wine.csv --components 3 --drop Color-Intensity",
            "wine.csv: --drop names 'Color-Intensity', which is no column: did you mean 'color_intensity'?",
        ),
        ("experts wine.csv --experts 2", "wine.csv: what is to be predicted? Name a column: --target, of 'alcohol', "),
        ("experts wine.csv --experts 2 --target colour", "--target names 'colour'"),
        ("experts wine.csv --experts 2 --target cultivar region", "a classification has one target"),
        ("experts wine.csv --experts 2 --target alcohol --task classification", "has the class"),
        (
            "experts wine.csv --experts 2 --target bottled --task regression",
            "'bottled' is numbers, and has '2020-01-31'",
        ),
        ("cluster digits --components 3 --drop a", "--drop names 'a'"),
    ],
)
def test_wrong_input_is_told_in_one_line_and_leaves_nothing(arguments, message, data, tmp_path, monkeypatch, capsys):
    command, path, *rest = arguments.split()
    assert run(command, data / path, *rest, "--out", tmp_path / "deep" / "out") == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
    assert error.count(str(data / path)) <= 1
    assert not list(tmp_path.iterdir())


def test_an_out_that_is_in_use_is_kept(wine, data, tmp_path, capsys):
    options = ["cluster", data / "wine.csv", "--components", 3, "--quiet"]
    assert run(*options, "--out", wine) == 2 and "is not empty" in capsys.readouterr().err
    (tmp_path / "thesis.tex").write_text("years of work")
    assert run(*options, "--out", tmp_path, "--overwrite") == 2
    assert "files that vae-moe did not make" in capsys.readouterr().err and (tmp_path / "thesis.tex").exists()
    (tmp_path / "link").symlink_to(wine)
    assert run(*options, "--out", tmp_path / "link", "--overwrite") == 2
    assert run(*options, "--out", data / "wine.csv", "--overwrite") == 2 and (data / "wine.csv").exists()


@pytest.fixture
def untrained(wine, data, tmp_path, monkeypatch):
    """The command for a clustering of the wines that takes no time: its arguments, ``--out`` being tmp_path / "out"."""
    former = trained.read(wine)
    monkeypatch.setattr(commands, "_train", lambda *_, **__: former)
    return ["cluster", data / "wine.csv", "--components", 3, "--labels", "cultivar", "--out", tmp_path / "out"]


@contextlib.contextmanager
def full_disk(size=2000):
    """No file can become larger than that."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def raising(error):
    def raise_it(*_, **__):
        raise error

    return raise_it


def test_a_failure_of_the_page_costs_the_page_alone(untrained, wine, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(clusters, "findings", raising(ValueError("deep inside")))
        assert run(*untrained) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "ValueError: deep inside" in error and "--debug" in error
        assert f"What was trained is in {out}: vae-moe report {out} makes its page." in error
        assert not (out / "report.html").exists() and not list(tmp_path.glob(".*"))
        assert run("report", out, "--debug") == 1 and "Traceback" in capsys.readouterr().err
    assert run("predict", out, untrained[1], "--out", tmp_path / "found.csv", "--quiet") == 0
    assert run("report", out) == 0 and "health:" in capsys.readouterr().out
    assert (out / "report.html").read_bytes() == (wine / "report.html").read_bytes()
    assert (out / "metrics.json").read_bytes() == (wine / "metrics.json").read_bytes()


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


def test_what_fails_in_training_is_no_input_error_and_leaves_nothing(data, tmp_path, monkeypatch, capsys):
    options = ["cluster", data / "wine.csv", "--components", 3, "--out", tmp_path / "deep" / "out"]
    failures = [
        (ValueError("deep inside"), "vae-moe itself is at fault, with ValueError: deep inside"),
        (FloatingPointError("The loss is NaN."), "error: The loss is NaN. With this command: --drop columns of"),
        (MemoryError(), "there is not enough memory: give fewer rows"),
    ]
    for error, words in failures:
        monkeypatch.setattr(commands, "_train", raising(error))
        assert run(*options) == 1
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (getattr(signal, "SIGHUP", signal.SIGTERM), None)]
)
def test_a_signal_leaves_what_was_trained_or_nothing(number, code, untrained, tmp_path, monkeypatch, capsys):
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("whoever started the tests wants the signal ignored (nohup)")

    def stop(*_, **__):
        os.kill(os.getpid(), number)
        time.sleep(10)

    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        patch.setattr(clusters, "findings", stop)
        assert run(*untrained) == (code or 128 + number)
        assert f"interrupted: What was trained is in {tmp_path / 'out'}" in capsys.readouterr().err
    assert trained.read(tmp_path / "out").config["n_components"] == 3
    shutil.rmtree(tmp_path / "out")
    for name in ("_train", "_finish"):
        monkeypatch.setattr(commands, name, stop)
        assert run(*untrained) == (code or 128 + number) and not list(tmp_path.iterdir())
        assert "interrupted: nothing is kept." in capsys.readouterr().err
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_a_signal_while_the_folder_is_written_leaves_the_former_one(wine, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text('{"made_by": "vae-moe"}')
    rename, calls = Path.rename, []

    def once(path, target):  # the first moves the former folder away, the second puts the new one in its place
        calls.append(path)
        if len(calls) == 2:
            raise failures.Stopped(15)
        return rename(path, target)

    for stop_early in (True, False):
        if not stop_early:
            monkeypatch.setattr(Path, "rename", once)
        with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "out") as made:
            (made / "a").touch()
            if stop_early:
                raise KeyboardInterrupt
        assert [path.name for path in tmp_path.rglob("*")] == ["out", "config.json"]


def test_a_full_disk_leaves_nothing_half_made(untrained, wine, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    (tmp_path / "system").mkdir()
    with full_disk():
        assert run(*untrained) == 1
    assert "File too large" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["system"]
    shutil.copytree(wine, tmp_path / "out")
    (tmp_path / "out" / "report.json").unlink()
    with full_disk((wine / "report.html").stat().st_size - 1):
        assert run("report", tmp_path / "out") == 1
    assert "report.html: File too large" in capsys.readouterr().err and not list(tmp_path.rglob(".*"))
    assert (tmp_path / "out" / "report.html").read_bytes() == (wine / "report.html").read_bytes()
    with full_disk():
        assert run("predict", wine, untrained[1], "--out", tmp_path / "found.csv") == 1
    assert "File too large" in capsys.readouterr().err and not list(tmp_path.glob("*found.csv*"))


@pytest.mark.parametrize(("refused", "parent"), [(1, "."), (2, "system")])
def test_what_cannot_be_written_to_its_place_is_kept_elsewhere(
    refused, parent, untrained, tmp_path, monkeypatch, capsys
):
    def fill(training, made):
        places.append(made)
        if len(places) <= refused:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(made))
        write(training, made)

    places, write = [], trained.Trained.write
    monkeypatch.setattr(trained.Trained, "write", fill)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    (tmp_path / "system").mkdir()
    assert run(*untrained) == 1
    (found,) = (tmp_path / parent).glob("out-*")
    error = capsys.readouterr().err
    assert "No space left on device" in error and f"What was trained is in {found}" in error
    assert trained.read(found).config["n_components"] == 3 and not list(tmp_path.rglob(".*"))


def test_folders_of_others_are_refused(tmp_path, data, capsys):
    assert run("predict", tmp_path, data / "wine.csv", "--out", tmp_path / "a.csv") == 2
    assert "no folder that vae-moe cluster or experts wrote" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        run("cluster", data / "wine.csv", "--components", 0, "--out", tmp_path / "a")
    assert end.value.code == 2 and "must be 1 or more" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("cluster", data / "wine.csv", "--components", 2, "--out", tmp_path / "a", "--seed", 2**32)
    assert f"must be 0 or more and below {2**32}, got {2**32}" in capsys.readouterr().err
    assert not list(Path(tmp_path).iterdir())
