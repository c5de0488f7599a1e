"""Trees of clusters over seeds: what the table says, and which runs are made."""

from experiments import grids, trees


def test_the_table_has_both_trees_and_what_is_published():
    record = {"dataset": "mnist", "method": "hdmvae", "dendrogram_purity": 0.95, "overlaps_dendrogram_purity": 0.96}
    record |= {"many_to_one_accuracy": 0.98, "seconds": 60, "shared_seconds": 60, "machine": "a machine"}
    record |= {"finished_at": "2026-11-29", "git_commit": "abc"}
    lines = trees.table([{**record, "seed": 6}, {**record, "seed": 5}]).splitlines()
    assert lines[2] == "| mnist | HDMVAE | 0.950 ± 0.000 | 0.960 ± 0.000 | 0.980 ± 0.000 | 2.0 ± 0.0 | 5, 6 |"
    assert "TreeVAE" in lines[3] and len(lines) == 6
    assert trees.picture([{**record, "seed": 5}]).axes


def test_the_command_measures_fresh_seeds(monkeypatch):
    wanted = []
    monkeypatch.setattr(grids, "run", lambda grid, cells, *_: wanted.extend(cells) or 0)
    assert trees.main([]) == 0
    assert [cell.name for cell in wanted] == [f"mnist-hdmvae-seed{seed}" for seed in range(5, 10)]
