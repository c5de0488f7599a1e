import json

import numpy as np
import pytest

from experiments import scaling
from vae_moe.data import datasets


def test_the_file_is_the_table_that_was_asked_for(tmp_path):
    scaling.write_rows(tmp_path / "rows.npy", 100_500, 3)
    x = np.load(tmp_path / "rows.npy")
    assert x.shape == (100_500, 3) and x.dtype == np.float64 and np.isfinite(x).all()
    assert not np.array_equal(x[:500], x[100_000:])


def test_an_epoch_of_a_file_is_measured(tmp_path):
    scaling.write_rows(tmp_path / "rows.npy", 3500, 4)
    figures = scaling.stream_epoch(tmp_path / "rows.npy")
    np.testing.assert_allclose(figures["rows_per_second"] * figures["epoch_seconds"], 3000)  # three batches
    assert np.isfinite(figures["loss"]) and figures["peak_memory_gib"] > 0.1


def test_steps_are_timed_against_the_formula(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda name: datasets.digits())
    monkeypatch.setattr(scaling, "MODELS", ["dvmoe"])
    monkeypatch.setattr(scaling, "larger_than_memory", lambda *_: json.loads(STREAM))
    target = tmp_path / "scaling.json"
    assert scaling.main(["--quick", "--json", str(target)]) == 0
    record = scaling.read(target)
    assert record is not None and target.with_suffix(".png").stat().st_size
    few, many = record["steps"]
    assert few["components"] == 10 and scaling.expected(record, "dvmoe", 10) == pytest.approx(few["step_ms"])
    assert many["operations"] - few["operations"] == 6 * 256 * 10 * (256 + 64)  # last layer of q(c|x), and experts
    assert "| 20 |" in scaling.table(record)


STREAM = '{"rows": 5000, "columns": 4, "file_gib": 0.1, "epoch_seconds": 1.0, "peak_memory_gib": 0.5}'
