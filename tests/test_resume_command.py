"""A ``vae-moe cluster`` or ``experts`` that is killed goes on with the same command."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import own_files
import pytest
import short_plans

from vae_moe import estimators
from vae_moe.app import commands, main
from vae_moe.estimators import _base

#: Each epoch is kept, which takes as long as ten of them.
START = {"autoencoder_epochs": 3, "distill_epochs": 3}
COMMAND = (
    "import sys\n"
    "from vae_moe.estimators import _base\n"
    "_base.KEEP_EVERY = 0.0\n"
    "import pytest, short_plans\n"
    f"short_plans.shorten(pytest.MonkeyPatch(), 2, **{START})\n"
    "from vae_moe.app import main\n"
    "sys.exit(main(sys.argv[1:]))\n"
)


@pytest.fixture
def short(monkeypatch):
    """Every epoch is kept, and has two steps; what was trained is not looked at."""
    monkeypatch.setattr(_base, "KEEP_EVERY", 0.0)
    monkeypatch.setattr(commands, "_look", lambda *_: None)
    short_plans.shorten(monkeypatch, 2, **START)


@pytest.mark.parametrize(
    "arguments",
    [
        ["cluster", "wine.csv", "--labels", "cultivar", "--components", "3"],
        ["experts", "wine.csv", "--target", "cultivar", "--experts", "2"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_killed_command_goes_on_and_ends_as_if_nothing_had_been(arguments, tmp_path, monkeypatch, short):
    monkeypatch.chdir(tmp_path)
    own_files.wine().to_csv("wine.csv", index=False)
    arguments = [*arguments, "--epochs", "5", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2]))}
    killed = subprocess.Popen([sys.executable, "-c", COMMAND, *arguments, "--out", "killed"], env=environment)
    while killed.poll() is None and not list(Path("killed").glob("resume/*/fit.npz")):
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert main([*arguments, "--out", "killed"]) == main([*arguments, "--out", "whole"]) == 0
    resumed, whole = (estimators.load(f"{name}/estimator") for name in ("killed", "whole"))
    for mine, other in zip(resumed.model_.get_weights(), whole.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert resumed.history_ == whole.history_ and not Path("killed/resume").exists()


def test_another_fit_begins_anew_and_nothing_is_left_in_the_end(digits, tmp_path, short):
    x = digits[0][:200]
    brief = {"hidden_layer_sizes": (8,), "start_epochs": 1, "epochs": 2, "random_state": 0}
    alone = estimators.VaDEClustering(3, **brief).fit(x)
    kept = estimators.VaDEClustering(3, **brief, resume_dir=str(tmp_path / "a")).fit(x)
    np.testing.assert_array_equal(alone.labels_, kept.labels_)
    assert not list(tmp_path.glob("a/*"))
