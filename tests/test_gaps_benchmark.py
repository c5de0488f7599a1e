"""The benchmark of tables with gaps, on a small table in place of others'."""

import numpy as np
import pandas as pd
import pytest

from experiments import gaps
from experiments.gaps import methods, named

pytestmark = pytest.mark.usefixtures("short_steps", "no_graphs")


@pytest.fixture
def small(rng, monkeypatch):
    group = rng.integers(2, size=80)
    frame = pd.DataFrame(
        {
            "a": rng.normal(4 * group),
            "b": rng.normal(2 * group),
            "c": np.where(rng.uniform(size=80) < 0.9, group, 1 - group).astype(str).astype(object),
        }
    )
    monkeypatch.setattr(gaps, "load", lambda table, seed: (frame.copy(), group.astype(str)))
    return frame


def test_cells_are_removed_at_random_and_told(small):
    gappy, removed = named.with_gaps(small, 0.3, 0)
    assert gappy.isna().to_numpy().sum() == removed.sum() == pytest.approx(0.3 * small.size, rel=0.3)


@pytest.mark.parametrize("method", ["median", "knn", "iterative"])
def test_gaps_are_filled(small, method):
    cell = gaps.Cell("fill", "keel/wine", method, 0.3, 0)
    figures = gaps.measure(cell, None)
    assert 0 < figures["error"] < 1.6 and 0 <= figures["wrong"] < 0.7


@pytest.mark.parametrize("method", ["gmm", "k-means", "k-prototypes", "stepmix"])
def test_mixed_columns_are_clustered(small, method):
    if not methods.can(method):
        pytest.skip("of the extra bench")
    least = -0.1 if method == "gmm" else 0.3
    assert gaps.measure(gaps.Cell("mixed", "keel/heart", method, 0.2, 0), None)["ari"] > least


def test_numbers_are_predicted(small):
    assert gaps.measure(gaps.Cell("predict", "MASS/Boston", "boosting", 0.3, 0), None)["rmse"] < 0.5


def test_ours_answers_and_the_table_shows_it(small):
    cells = [gaps.Cell("fill", "keel/wine", method, 0.3, 0) for method in ("dmvae", "median")]
    provenance = {"machine": "m", "finished_at": "2026-01-01", "git_commit": "c", "seconds": 1.0, "seed": 0}
    records = [{**gaps.measure(cell, None, quick=True), **vars(cell), **provenance} for cell in cells]
    assert 0 <= records[0]["coverage"] <= 1
    text = gaps.table(records)
    assert "| 30 % | keel/wine | chosen |" in text and "Intervals of 90 %" in text
    assert gaps.picture(records).axes
