"""The clustering and convergence grids, on scikit-learn's digits in place of MNIST."""

import json

import numpy as np
import pytest

from experiments import baselines, clustering, convergence, grids
from vae_moe import metrics
from vae_moe.data import datasets


@pytest.fixture
def digits_for_all(monkeypatch):
    digits = datasets.digits().head(300)
    monkeypatch.setattr(datasets, "load", lambda name, seed=0: digits)
    monkeypatch.setattr(grids, "CACHE", None)
    return digits


def test_clustering_measures_and_draws(digits_for_all, tmp_path, capsys):
    arguments = ["--data", "digits", "--seeds", "0-1", "--methods", "vade", "k-means", "--folder", str(tmp_path)]
    # --quick trains two epochs, and takes the first seed alone
    assert clustering.main([*arguments, "--quick"]) == 0
    records = grids.read(tmp_path / "quick")
    assert [record["method"] for record in records] == ["k-means", "vade"]
    for record in records:
        clusters = [clustering._CODES.index(code) for code in record["clusters"]]
        accuracy = metrics.clustering_accuracy(digits_for_all.test.y, clusters)
        assert record["clustering_accuracy"] == accuracy
    text = (tmp_path / "quick" / "README.md").read_text()
    assert "| digits | VaDE, default |" in text and "| digits | KMeans |" in capsys.readouterr().out
    assert (tmp_path / "quick" / "figure.png").stat().st_size > 10_000


def test_models_is_another_name_of_methods():
    parser = grids.parser("experiments.clustering", clustering.GRID, (*clustering.MODELS, *clustering.BASELINES))
    for option in ("--methods", "--models"):
        assert parser.parse_args([option, "dmvae", "vade"]).methods == ["dmvae", "vade"]


def test_the_choice_without_labels_is_the_lowest_loss():
    records = [
        {"dataset": "digits", "method": "dmvae", "preset": "default", "seed": seed, "clustering_accuracy": accuracy}
        | {
            "val_loss": loss,
            "nmi": 0.5,
            "seconds": 60.0,
            "machine": "m",
            "finished_at": "2026-01-01",
            "git_commit": "c",
        }
        for seed, accuracy, loss in ((0, 0.9, 10.0), (1, 0.7, 5.0))
    ]
    row = next(line for line in clustering.table(records).splitlines() if line.startswith("| digits"))
    assert "| 80.00 ± 14.14 | 70.00 | 70.00 |" in row


def test_the_table_is_of_fresh_seeds_where_there_are_any():
    """Seeds with which the recipes were chosen stay records, and are told where they are all there is."""
    facts = {"nmi": 0.5, "seconds": 60.0, "machine": "m", "finished_at": "2026-01-01", "git_commit": "c"}
    records = [
        {"dataset": "digits", "method": method, "preset": preset, "seed": seed, "clustering_accuracy": accuracy} | facts
        for method, preset, seed, accuracy in (
            *(("dmvae", "default", seed, 0.99) for seed in range(5)),
            *(("dmvae", "default", seed, 0.9) for seed in (5, 6)),
            ("vade", "default", 0, 0.95),
            ("k-means", None, 0, 0.7),
        )
    ]
    rows = [line.split(" | ") for line in clustering.table(records).splitlines() if line.startswith("| digits")]
    assert [(row[1], row[2], row[-1]) for row in rows] == [
        ("DMVAE, default", "90.00 ± 0.00", "5, 6 |"),
        ("VaDE, default", "95.00", "0 |"),
        ("KMeans", "70.00", "0 |"),
    ]
    caption = clustering.table(records).splitlines()[-1]
    assert "chosen with seeds 0 to 2, seeds 5 to 9 were used in no choice" in caption
    assert "these rows are not of them yet, and flatter: VaDE, default on digits; mean" in caption
    assert "flatter" not in clustering.table(records[:-2])


def test_the_command_without_options_measures_the_table_on_fresh_seeds(monkeypatch):
    """One command makes all cells of the headline, and those alone."""
    wanted = []
    monkeypatch.setattr(grids, "run", lambda grid, cells, *_: wanted.extend(cells) or 0)
    assert clustering.main(["--methods", "dmvae", "vade"]) == 0
    assert {cell.seed for cell in wanted} == {5, 6, 7, 8, 9}
    names = {(cell.dataset, cell.method, cell.preset) for cell in wanted}
    committed = {(r["dataset"], r["method"], r["preset"]) for r in grids.read(clustering.FOLDER)}
    assert names == {name for name in committed if name[1] in clustering.MODELS} and len(wanted) == 5 * len(names)


def test_components_are_compared_by_bound_and_stability(digits_for_all, tmp_path):
    arguments = ["--data", "digits", "--methods", "vade", "k-means", "--components", "3", "--quick"]
    assert clustering.main([*arguments, "--folder", str(tmp_path)]) == 0
    records = grids.read(tmp_path / "components" / "quick")
    assert {(record["method"], record["n_components"]) for record in records} == {("vade", 3)}
    text = (tmp_path / "components" / "quick" / "README.md").read_text()
    assert "| digits | VaDE, default | 3 |" in text


def test_stability_is_one_for_renamed_clusterings():
    pair = [{"clusters": "0011"}, {"clusters": "1100"}]
    assert clustering.stability(pair) == [1.0]
    assert clustering.stability([*pair, {"clusters": "0101"}])[1] < 0.5


@pytest.mark.parametrize("method", list(baselines.CLUSTERINGS))
def test_a_clustering_baseline_finds_blobs(method, rng):
    y = np.arange(300) % 3
    x = (y[:, None] * 5 + rng.normal(size=(300, 4))).astype("f")
    part = datasets.Split(x, y)
    blobs = datasets.Dataset("blobs", part, part, part, "gaussian", None)
    scores, clusters = baselines.clustering(method, blobs, 3, seed=0)
    assert scores["clustering_accuracy"] > 0.97 and clusters.shape == (300,)


def test_convergence_counts_the_epochs(digits_for_all, tmp_path):
    arguments = ["--methods", "dmvae", "--starts", "none", "--quick", "--folder", str(tmp_path)]
    assert convergence.main(arguments) == 0
    records = grids.read(tmp_path / "quick")
    assert {record["start"] for record in records} == {"none"}
    assert all(len(record["accuracies"]) == record["epochs"] == 2 for record in records)
    assert all(np.diff([record["start_elapsed"], *record["elapsed"]]).min() > 0 for record in records)
    assert convergence.main(arguments) == 0  # nothing is run again
    assert "no warm start" in (tmp_path / "quick" / "README.md").read_text()
    assert convergence.first_epochs([{"accuracies": [0.5, 0.93, 0.91, 0.97]}, {"accuracies": [0.1]}], 0.9) == [2, None]
    timed = {"start_accuracy": 0.5, "accuracies": [0.93, 0.9], "start_elapsed": 60.0, "elapsed": [70.0, 80.0]}
    assert convergence.seconds_to([timed, {**timed, "start_accuracy": 0.95}], 0.9) == [70.0, 60.0]
    assert convergence.seconds_to([timed], 0.95) == [None]


def test_seeds_are_numbers_or_ranges(capsys):
    parser = grids.parser("experiments.clustering", clustering.GRID, ["a"])
    assert parser.parse_args(["--seeds", "0-2", "5"]).seeds == [0, 1, 2, 5]
    with pytest.raises(SystemExit):
        parser.parse_args(["--seeds", "2-x"])
    assert "got '2-x'" in capsys.readouterr().err


def test_a_record_is_whole(digits_for_all, tmp_path):
    clustering.main(["--data", "digits", "--seeds", "3", "--methods", "gmm-pca", "--folder", str(tmp_path)])
    record = json.loads((tmp_path / "digits-gmm-pca-seed3.json").read_text())
    assert {"clustering_accuracy", "nmi", "seconds", "machine", "git_commit", "n_components"} <= set(record)
