"""A run, the commands around runs, and the tables of their records, at their shortest."""

import json
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import sklearn.datasets
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from experiments import figures, grids, label_efficiency, readme, recipes, reproduction, runs, table1, train
from vae_moe import metrics
from vae_moe.app.report import runs as pages
from vae_moe.data import datasets

ALWAYS = {"dataset", "model", "preset", "seed", "epochs", "seconds", "epoch_seconds", "n_parameters", "protocol"}
ALWAYS |= {"git_commit", "tensorflow", "keras", "finished_at", "command", "machine"}
CLUSTERING = {"clustering_accuracy", "nmi", "ari", "elbo", "components_used"}


@pytest.fixture(scope="module")
def smoke_run(tmp_path_factory):
    """One smoke run of digits-dmvae: (folder of runs, folder of the run, figures)."""
    workdir = tmp_path_factory.mktemp("runs")
    recipe = recipes.get("digits-dmvae", seed=1)
    return workdir, runs.folder(workdir, recipe), train.run(recipe, workdir, smoke=True, verbose=0)


def test_a_run_leaves_its_folder(smoke_run):
    _, folder, figures_ = smoke_run
    assert set(figures_) >= ALWAYS | CLUSTERING
    assert json.loads((folder / "metrics.json").read_text()) == figures_
    assert json.loads((folder / "config.json").read_text())["recipe"]["seed"] == 1
    pictures = {path.stem for path in (folder / "figures").glob("*.png")}
    assert pictures == {
        "reconstructed",
        "generated",
        "traversal",
        "tree",
        "latent_space",
        "confusion",
        "training_curves",
    }
    header, *rows = (folder / "history.csv").read_text().splitlines()
    assert {"loss", "recon", "kl_z", "kl_c", "val_clustering_accuracy"} <= set(header.split(",")) and len(rows) == 1
    assert not list(folder.rglob("*.part*"))


def test_tensorboard_shows_the_curves_pictures_and_embedding(smoke_run):
    logs = smoke_run[1] / "tensorboard"
    tags = {folder.name: set(EventAccumulator(str(folder)).Reload().Tags()["tensors"]) for folder in logs.iterdir()}
    assert {f"epoch_{name}" for name in ("loss", "recon", "kl_z", "kl_c", "temperature", "kl_weight")} <= tags["train"]
    assert {"epoch_clustering_accuracy", "epoch_nmi"} <= tags["validation"]
    assert {"generated", "reconstructed"} <= tags["figures"] and "latent_space" in tags["test"]
    z, labels = (
        np.genfromtxt(logs / "test" / name, skip_header=skip) for name, skip in (("z.tsv", 0), ("labels.tsv", 1))
    )
    assert len(z) == len(labels) == 64 and "thumbnails.png" in (logs / "test" / "projector_config.pbtxt").read_text()


def test_a_run_gets_the_page_of_vae_moe_report(smoke_run):
    html = pages.page_of(smoke_run[1]).html
    assert all(words in html for words in ("digits-dmvae", "Typical members", "Health", "clustering accuracy"))
    assert "http" not in html.replace("http-equiv", "")


def test_tensorboards_hparams_tab_has_the_settings_and_the_figures(smoke_run):
    events = EventAccumulator(str(smoke_run[1] / "tensorboard" / "test")).Reload()
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    settings = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    assert settings["model"] == "dmvae" and settings["seed"] == 1 and settings["learning_rate"] == 0.002
    assert settings["network.regularization.balance"] == 40.0
    assert settings["warm_start.start"] == "spectral" and "n_labels" not in settings
    for name in CLUSTERING:
        (event,) = events.Tensors(name)
        np.testing.assert_allclose(tf.make_ndarray(event.tensor_proto), smoke_run[2][name], rtol=1e-6)


def test_the_saved_model_gives_the_recorded_accuracy(smoke_run):
    _, folder, figures_ = smoke_run
    test = datasets.digits(seed=1).head(64).test
    clusters = keras.models.load_model(folder / "model.keras").cluster(test.x)
    assert metrics.clustering_accuracy(test.y, clusters) == figures_["clustering_accuracy"]


def test_the_same_seed_gives_the_same_figures(smoke_run, tmp_path):
    again = train.run(recipes.get("digits-dmvae", seed=1), tmp_path, smoke=True, verbose=0)
    other = {"git_commit", *runs.TIMING_KEYS}
    assert {k: v for k, v in again.items() if k not in other} == {
        k: v for k, v in smoke_run[2].items() if k not in other
    }


def test_table1_measures_each_cell_once_side_by_side_or_one_by_one(tmp_path, capsys):
    arguments = ["--datasets", "spiral", "--methods", "ridge", "forest", "--quick", "--folder"]
    one, two = (tmp_path / name / "quick" for name in ("one", "two"))
    assert table1.main([*arguments, str(one.parent), "--jobs", "1"]) == 0
    records = {path.name: path.read_text() for path in one.glob("*.json")}
    assert set(records) == {"spiral-ridge-1-seed0.json", "spiral-forest-1-seed0.json"}
    error = json.loads(records["spiral-ridge-1-seed0.json"])["test_error"]
    assert f"{error:.3g}" in capsys.readouterr().out
    assert table1.main([*arguments, str(one.parent), "--jobs", "1"]) == 0
    assert records == {path.name: path.read_text() for path in one.glob("*.json")}
    assert "10.0424" in (one / "README.md").read_text()
    for text in (capsys.readouterr().out, (one / "README.md").read_text()):
        assert "it shows that all runs, and no ranking" in text
    assert (one / "figure.png").stat().st_size > 10_000
    assert table1.main([*arguments, str(two.parent), "--jobs", "2"]) == 0
    alone, beside = grids.read(one), grids.read(two)
    assert [record["method"] for record in beside] == ["forest", "ridge"] and beside[0]["jobs"] == 2
    np.testing.assert_allclose([r["test_error"] for r in beside], [r["test_error"] for r in alone], rtol=1e-6)


def test_table1_trains_a_network(tmp_path):
    figures = table1.measure(table1.Cell("spiral", 1, "deepmoe", 0), tmp_path, quick=True)
    assert np.isfinite(figures["test_error"]) and figures["outputs"] == 1


def test_table1_as_released_is_the_reports_network_and_loss():
    recipe = table1.recipe_of(table1.Cell("mnist", 5, "dvmoe", 1, objective="as-released"))
    assert recipe.preset == "paper" and recipe.network["objective"] == "as-released" and recipe.n_outputs == 5
    assert (recipe.gate_epochs, recipe.epochs) == (100, 500)
    latent = table1.recipe_of(table1.Cell("mnist", 5, "dvmoe", 1, rows="latent"))
    assert latent.n_outputs == 1 and latent.network["latent_dim"] == 5
    latent = table1.recipe_of(table1.Cell("mnist", 5, "deepmoe", 1, rows="latent"))  # which has no z
    assert latent == table1.recipe_of(table1.Cell("mnist", 1, "deepmoe", 1))


def test_grids_bold_the_least_and_say_the_spread():
    assert grids.row([[1.0, 3.0], [0.5], []]) == ["2 ± 1.4", "**0.5**", ""]
    records = [{"seed": 1, "error": 2.0, "method": "a"}, {"seed": 0, "error": 1.0, "method": "a"}]
    assert grids.values(records, "error", method="a") == [1.0, 2.0]
    facts = {"machine": "m", "finished_at": "2026-01-01", "git_commit": "c", "seconds": 60.0}
    seeds = [{**facts, "seed": seed} for seed in (0, 0, 1)]
    assert "0, 1 (not every cell has all of them yet), the least" in grids.footnote(seeds, "Error")
    assert "not every" not in grids.footnote(seeds[1:], "Error")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mnits-dmvae"], "unknown run 'mnits-dmvae': did you mean mnist-dmvae"),
        (["digits-dmvae", "--preset", "papr"], "unknown preset 'papr'"),
        (["digits-dmvae", "--epochs", "-3"], "epochs must be 1 or more, got -3"),
        (["spiral-dmvae", "--preset", "augment"], "there is none for spiral-dmvae"),
        (["digits-dmvae", "--restarts", "0"], "restarts must be 1 or more, got 0"),
        (["digits-dmvae", "--components", "-1"], "components must be 1 or more, got -1"),
        (["digits-dmvae", "--outputs", "2"], "dmvae clusters and has no task, outputs or labels"),
        (["digits-dvmoe", "--labels", "100"], "labels a classification's"),
        (["digits-dvmoe", "--task", "classification", "--labels", "3"], "n_labels must be between 10"),
        (["spiral-dmvae", "--encoder", "conv"], "there is no 'conv' for spiral"),
        (["digits-dmvae", "--seed", "-1"], "seed must be 0 or more, got -1"),
        (["digits-vade", "--preset", "scratch"], "there is none for digits-vade"),
        (["digits-dvmoe", "--preset", "warm"], "there is none for digits-dvmoe"),
        (["digits-deepmoe", "--preset", "warm", "--encoder", "conv"], "not of the preset warm"),
        (["hhar-dmvae", "--preset", "augment"], "there is none for hhar-dmvae"),
        (["mnist-dmvae", "--data-dir", "/nowhere"], "/nowhere"),
        (["cifar10-dmvae", "--data-dir", "/nowhere"], "holds no CIFAR-10: give a folder with cifar-10-python.tar.gz"),
        (["reuters-dmvae", "--data-dir", "/nowhere"], "no subfolder RCV1"),
        (["hhar-dmvae", "--data-dir", "/nowhere"], "holds 0 .mat files"),
    ],
)
def test_bad_input_ends_with_one_message(arguments, message, capsys, tmp_path):
    assert train.main([*arguments, "--workdir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and "Traceback" not in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["cifar10", "reuters10k", "hhar"])
def test_without_a_network_the_command_says_what_to_fetch(name, capsys, tmp_path, monkeypatch):
    def blocked(*_args, **_kwargs):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(keras.utils, "get_file", blocked)
    monkeypatch.setattr(sklearn.datasets, "fetch_rcv1", blocked)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", blocked)
    assert train.main([f"{name}-dmvae", "--workdir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "Traceback" not in error
    assert "Network is unreachable" in error and "--data-dir" in error


def test_help_imports_no_tensorflow():
    started = time.perf_counter()
    code = "import sys, experiments.train as t\ntry: t.main(['--help'])\nexcept SystemExit: pass\n"
    code += "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert time.perf_counter() - started < 5


def test_figures_gather_the_runs_of_lowest_loss(smoke_run, capsys):
    workdir, _, figures_ = smoke_run
    assert figures.chosen_runs(workdir)["digits", "dmvae"]["val_loss"] == figures_["val_loss"]
    assert figures.main(["--workdir", str(workdir)]) == 0
    assert (workdir / "figures-digits.png").stat().st_size > 10_000
    assert figures.main(["--workdir", str(workdir / "empty")]) == 2
    assert "no finished run" in capsys.readouterr().err


def test_readme_table_is_made_from_records(smoke_run, tmp_path):
    assert readme.keep(smoke_run[0], tmp_path) == 1
    table = readme.table(tmp_path)
    assert "`python -m experiments.train digits-dmvae --seed 1 --epochs 1`" in table
    assert f"{100 * smoke_run[2]['clustering_accuracy']:.2f}" in table
    begin, end = readme.BEGIN.format("runs"), readme.END.format("runs")
    text = readme.rewrite(f"a\n{begin}\nold\n{end}\nb", "runs", table)
    assert text.startswith("a\n") and text.endswith("\nb") and "old" not in text and table in text
    with pytest.raises(ValueError, match="No page has a section 'runs'"):
        readme.rewrite("no marks", "runs", table)


def test_the_committed_table_is_that_of_the_committed_records():
    assert readme.pages() == {page: page.read_text(encoding="utf-8") for page in readme.PAGES}


def test_label_efficiency_measures_and_draws(tmp_path, capsys, monkeypatch):
    """The command on scikit-learn's digits in place of MNIST."""
    monkeypatch.setattr(datasets, "load", lambda name: datasets.digits())
    words = "--methods logistic self-training --labels 100 1000 --seeds 0 1 --jobs 1 --folder"
    assert label_efficiency.main([*words.split(), str(tmp_path)]) == 0
    records = grids.read(tmp_path)
    assert len(records) == 8 and all(0 < record["error"] < 30 for record in records)
    assert {record["n_labels"] for record in records if record["method"] == "logistic"} == {100, 1000}
    text = (tmp_path / "README.md").read_text()
    assert "| 100 |" in text and "| 3.33 |" in text and "±" in text
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_the_committed_pages_are_those_of_the_committed_records(tmp_path):
    """docs/reproduction.md and the tables beside the records are generated, not written."""
    assert reproduction.PAGE.read_text(encoding="utf-8") == reproduction.write(tmp_path / "page.md")
    for grid in readme.GRIDS:
        if not grids.read(grid.folder):
            continue
        assert grid.table(grids.read(grid.folder)) in (grid.folder / "README.md").read_text(encoding="utf-8")
