"""Runs that are killed, begun again and compared with runs that were not."""

import csv
import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace

import keras
import numpy as np
import pytest
import short_plans
from filelock import FileLock

from experiments import recipes, runs, train
from vae_moe.data import datasets
from vae_moe.engine import resume
from vae_moe.engine.files import whole_file
from vae_moe.training import callbacks

#: Of runs in one process; those in processes of their own, and of the command, are of compiled steps.
pytestmark = pytest.mark.usefixtures("no_graphs")
SMALL = {"latent_dim": 4, "z_encoder_sizes": (16,), "c_encoder_sizes": (16,), "decoder_sizes": (16,)}


def short(name, preset="default", network=SMALL):
    """A recipe with 3 epochs of every stage and a small network."""
    recipe = recipes.with_network(recipes.quick(recipes.get(name, preset), 3), **network)
    return replace(recipe, batch_size=32)


CLUSTERING = short("digits-dmvae", "augment")
EXPERTS = replace(short("digits-hmoe"), gate_epochs=2)  # of a tree, else a DVMoE
DEEPMOE = short("digits-deepmoe", network={"hidden_sizes": (16,)})


class Killed(BaseException):
    """In place of a signal."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Few rows, no pictures."""
    monkeypatch.setattr(datasets, "load", lambda *args, **options: datasets.digits().head(96))
    short_plans.undrawn(monkeypatch)


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """What a recipe's run gives if nothing happens to it; trained once."""
    done = {}

    def give(recipe):
        if recipe.folder not in done:
            folder = tmp_path_factory.mktemp("whole")
            train.run(recipe, folder, verbose=0)
            done[recipe.folder] = outcome(recipe, folder)
        return done[recipe.folder]

    return give


def outcome(recipe, workdir):
    """Figures without times, history.csv, and q(c|x) or p(c|x) of the saved model; all files are whole."""
    folder = runs.folder(workdir, recipe)
    figures = runs.read_json(folder / "metrics.json")
    model = keras.models.load_model(folder / "model.keras")
    readout = model.predict_proba if recipe.task is None else model.gate_proba
    probs = readout(datasets.digits().head(96).test.x).tolist()
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(recipe.epochs))
    assert not list(folder.rglob("*.part*")) and not (folder / runs.BACKUP).exists()
    other = {"git_commit", *runs.TIMING_KEYS}
    return {name: value for name, value in figures.items() if name not in other}, rows, probs


def killed(monkeypatch, recipe, workdir, stage, epochs=None, written=True):
    """Run until a stage's file (of these epochs) is written, or until just before it is."""
    write = resume.Backup._write

    def stop(self, name, arrays, facts):
        now = name == stage and facts.get("epochs") == epochs
        if written or not now:
            write(self, name, arrays, facts)
        if now:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(resume.Backup, "_write", stop)
        with pytest.raises(Killed):
            train.run(recipe, workdir, verbose=0)


@pytest.mark.parametrize(
    ("recipe", "moments"),
    [
        (CLUSTERING, [("autoencoder", 2, False), ("distillation", 2), ("fit", 1)]),
        (EXPERTS, [("gate", 1), ("experts", None), ("fit", 3, False)]),
    ],
    ids=["clustering", "experts"],
)
def test_a_killed_run_ends_as_if_nothing_had_been(recipe, moments, whole_run, tmp_path, monkeypatch):
    for moment in moments:
        killed(monkeypatch, recipe, tmp_path, *moment)
    train.run(recipe, tmp_path, verbose=0)
    assert outcome(recipe, tmp_path) == whole_run(recipe)


def test_a_signal_kills_it_too_and_its_lock(tmp_path):
    """Processes of their own: what one computes may differ from what another does in the last bits."""
    beginning = (
        "import os, pathlib, signal, sys; sys.path.insert(0, 'tests')\n"
        "import test_resume as t\n"
        "t._quick.__wrapped__(t.pytest.MonkeyPatch())\n"
        f"killed, whole = (pathlib.Path({str(tmp_path)!r}, name) for name in ('killed', 'whole'))\n"
    )
    dies = (
        "write = t.resume.Backup._write\n"
        "def stop(self, name, arrays, facts):\n"
        "    write(self, name, arrays, facts)\n"
        "    if (name, facts.get('epochs')) == ('fit', 2): os.kill(os.getpid(), signal.SIGKILL)\n"
        "t.resume.Backup._write = stop\n"
        "t.train.run(t.DEEPMOE, killed, verbose=0)\n"
    )
    lives = (
        "for folder in (killed, whole): t.train.run(t.DEEPMOE, folder, verbose=0)\n"
        "assert t.outcome(t.DEEPMOE, killed) == t.outcome(t.DEEPMOE, whole)\n"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", beginning + end], check=False, capture_output=True, text=True)
        for end in (dies, lives)
    )
    assert (first.returncode, first.stdout) == (-signal.SIGKILL, "")
    assert second.returncode == 0, second.stderr


def test_restarts_go_on_where_they_were(tmp_path, monkeypatch):
    write = runs.write_json
    figures = train.run(DEEPMOE, tmp_path / "whole", restarts=2, verbose=0)
    assert figures["val_loss"] == min(figures["restart_val_losses"])

    def stop(path, values):
        write(path, values)
        if path.parent.name == "restart0":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(runs, "write_json", stop)
        with pytest.raises(Killed):
            train.run(DEEPMOE, tmp_path / "killed", restarts=2, verbose=0)
    assert (runs.folder(tmp_path / "killed", DEEPMOE) / "restart0" / runs.BACKUP).exists()
    train.run(DEEPMOE, tmp_path / "killed", restarts=2, verbose=0)
    assert outcome(DEEPMOE, tmp_path / "killed") == outcome(DEEPMOE, tmp_path / "whole")


def test_a_damaged_file_is_told_of_and_its_stage_done_again(whole_run, tmp_path, monkeypatch, caplog):
    killed(monkeypatch, CLUSTERING, tmp_path, "fit", 2)
    files = sorted((runs.folder(tmp_path, CLUSTERING) / runs.BACKUP).iterdir())
    assert [path.stem for path in files] == ["autoencoder", "clusters", "distillation", "fit", "latents"]
    with zipfile.ZipFile(files[3]) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
    content = bytearray(files[3].read_bytes())
    content[largest.header_offset + largest.file_size // 2] ^= 1  # of an array: one of a header may go unnoticed
    files[3].write_bytes(content)
    files[0].write_bytes(files[0].read_bytes()[:1000])
    files[1].write_bytes(b"")
    shutil.copy(files[4], files[2])
    with caplog.at_level(logging.WARNING):
        train.run(CLUSTERING, tmp_path, verbose=0)
    assert [message.split(" cannot")[0] for message in caplog.messages if "done again" in message] == [
        *(str(path) for path in files[:2]),
        "what is kept of distillation is of another model: the stage is done again.",
        str(files[3]),
    ]
    assert outcome(CLUSTERING, tmp_path) == whole_run(CLUSTERING)


def test_a_full_disk_ends_with_a_message_and_the_run_goes_on_later(whole_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recipes, "get", lambda *args, **options: CLUSTERING)
    arguments, fsync, calls = ["digits-dmvae", "--workdir", str(tmp_path)], os.fsync, []

    def full(file):
        calls.append(file)
        if len(calls) == 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert train.main(arguments) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert train.main(arguments) == 0
    assert outcome(CLUSTERING, tmp_path) == whole_run(CLUSTERING)


def test_a_finished_run_is_left_alone_and_another_one_is_not_replaced(tmp_path, monkeypatch, capsys, caplog):
    arguments = ["digits-deepmoe", "--epochs", "1", "--workdir", str(tmp_path)]
    assert train.main(arguments) == 0
    folder = tmp_path / "digits-deepmoe" / "seed0"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    capsys.readouterr()
    with caplog.at_level(logging.INFO):
        assert train.main(arguments) == 0
    assert "left as it is: --overwrite trains it anew" in caplog.text
    assert str(folder / "metrics.json") in capsys.readouterr().out
    other = [*arguments[:2], "2", *arguments[3:]]
    assert train.main(other) == 2
    message = capsys.readouterr().err
    assert "recipe.epochs is 1 there, 2 here" in message and "--overwrite" in message and "data" not in message
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert train.main([*other, "--overwrite"]) == 0
    assert runs.read_json(folder / "metrics.json")["epochs"] == 2
    for damaged in ("{", "[1]", "null"):
        (folder / "config.json").write_text(damaged)
        assert train.main(other) == 2 and "config.json cannot be read" in capsys.readouterr().err


def test_a_folder_in_use_is_refused(tmp_path, capsys):
    (tmp_path / "digits-dmvae").mkdir()
    with FileLock(tmp_path / "digits-dmvae" / ".seed0.lock"):
        assert train.main(["digits-dmvae", "--workdir", str(tmp_path)]) == 2
    assert "another process is at work" in capsys.readouterr().err


def test_a_diverged_run_says_why_and_keeps_its_last_good_model(tmp_path, monkeypatch, capsys):
    recipe = replace(DEEPMOE, learning_rate=1e30, learning_rate_schedule="constant")
    monkeypatch.setattr(recipes, "get", lambda *args, **options: recipe)
    for _ in range(2):
        assert train.main(["digits-dmvae", "--workdir", str(tmp_path)]) == 2
        message = capsys.readouterr().err
        assert "no longer finite" in message and "largest |x| 1 at" in message and "change the recipe" in message
    kept = keras.models.load_model(runs.folder(tmp_path, recipe) / runs.BACKUP / "last_good.keras")
    assert all(np.isfinite(weight).all() for weight in kept.get_weights())


def test_a_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_the_history_file_holds_every_epoch_once(tmp_path):
    history = callbacks.HistoryFile(tmp_path / "history.csv")
    for epoch, loss in ((0, 0.1), (1, 0.2), (2, 0.3), (1, 0.25), (2, 0.35)):  # killed after the third, which was lost
        history.on_epoch_end(epoch, {"loss": loss})
    assert (tmp_path / "history.csv").read_text().split() == ["epoch,loss", "0,0.1", "1,0.25", "2,0.35"]
