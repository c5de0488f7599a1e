import json
import sys

import numpy as np
import pytest

from experiments import benchmark, training, waits
from vae_moe.data import datasets


def test_operations_are_six_a_weight_of_each_product():
    recipe = benchmark.Case("dmvae", "paper", 200).recipe
    model = training.build(recipe, datasets.digits())
    encoders = 64 * 256 + 256 * 256 + 256 * 512 + 512 * 20 + 64 * 256 + 256 * 512 + 512 * 10
    decoder = 10 * 512 + 512 * 256 + 256 * 64
    assert benchmark.operations(model) == 6 * (encoders + decoder)


def test_a_case_is_measured_and_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda name: datasets.digits())
    monkeypatch.setattr(benchmark, "import_seconds", lambda: 1.0)
    monkeypatch.setattr(benchmark.em_benchmark, "peak_memory", lambda: 1.0)
    monkeypatch.setattr(benchmark, "CASES", [("paper", 200)])
    target = tmp_path / "benchmark.json"
    assert benchmark.main(["--models", "dmvae", "--quick", "--json", str(target)]) == 0
    (record,) = json.loads(target.read_text())
    rate = record["images_per_second"] * record["operations"]
    np.testing.assert_allclose(record["share_of_peak"], rate / record["peak"])
    assert record["peer"] is None and np.isfinite(record["em_iteration_seconds"])
    assert "| DMVAE | the report's | 200 |" in benchmark.table([record])


def test_the_second_benchmark_of_a_day_does_not_replace_the_first(tmp_path):
    first = benchmark._unused(tmp_path / "2026-11-27.json")
    for expected in ("2026-11-27", "2026-11-27-2", "2026-11-27-3"):
        path = benchmark._unused(first)
        assert path.stem == expected and path.suffix == ".json"
        path.touch()


def test_a_peer_that_is_not_there_is_left_out(monkeypatch, capsys):
    monkeypatch.setattr(benchmark.peers.importlib.util, "find_spec", lambda name: None)
    case = benchmark.Case("vade", "default", 256)
    assert benchmark._peer("clustpy", case, datasets.digits(), 1) is None
    assert "clustpy is not installed. Install it with: pip install 'vae_moe[bench]'" in capsys.readouterr().out


def test_waits_are_measured_in_parts_and_shown_beside_what_is_asked(tmp_path, monkeypatch):
    assert waits.table({}) == waits.sentence({}) == "No record yet."
    asked = {name: limit or 1.0 for name, _, _, limit in waits.ASKED}
    parts = {"starts": lambda folder: {**asked, "boosting": 0.5}, "memory": lambda folder: {"cluster_rate": 49_999.0}}
    monkeypatch.setattr(waits, "PARTS", parts)
    monkeypatch.setattr(waits, "_alone", lambda part: part(None))
    path = tmp_path / "2020-01-01.json"
    waits.write(path, ["starts"])
    shown = waits.table(waits.write(path, ["memory"]))
    assert "| the help of `vae-moe` | 0.30 s | at most 0.3 | 0.6 |" in shown and shown.count("not met") == 1
    assert "| 49999 rows/s | at least 50000: **not met** |" in shown
    assert f"{len([each for each in waits.ASKED if each[3]]) - 1} of " in waits.sentence(waits.read(tmp_path))


def test_a_process_is_timed_and_its_failure_told(tmp_path):
    printed, seconds, gib = waits._run([sys.executable, "-c", "print(1)"], tmp_path)
    assert printed == "1\n" and seconds > 0 and 0 < gib < 1
    with pytest.raises(RuntimeError, match=r"failed: .*no"):
        waits._run([sys.executable, "-c", "raise SystemExit('no')"], tmp_path)
