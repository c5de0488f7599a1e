"""What a user runs as targets of fuzzing: damaged folders of runs and estimators, and commands with odd arguments.

As in :mod:`experiments.robustness.readers`. Training itself is left out: a command that gets there has taken its input.
"""

import contextlib
import io
import json
import shutil
from pathlib import Path
from unittest import mock

import numpy as np

from experiments.robustness import from_tests
from experiments.robustness.damage import damaged
from experiments.robustness.readers import Target
from vae_moe.data.files import DatasetError

_NUMBERS = ("3", "1", "2", "0", "-1", "1.5", "", "x", "300", "99999999999999999999", "1e3", "\u0663")
_WORDS = ("alcohol", "cultivar", "region", "bottled", "", "no such", "a\nb", "é", "--", "-1")
_ENDINGS = (".csv", ".npy", ".npz", ".parquet", ".txt", "")


class RefusedError(Exception):
    """The exit code 2, with what was said."""


class _TrainingError(DatasetError):
    """In place of a training."""


def estimator() -> Target:
    """The folder of a saved estimator, one file damaged."""
    from vae_moe import estimators

    _small_estimator().save("kept")
    kept = Path("kept").absolute()

    def read(rng, folder):
        shutil.copytree(kept, folder / "kept")
        _damage_one(rng, folder / "kept")
        return estimators.load(folder / "kept")

    return read


def records() -> Target:
    """``config.json`` and ``metrics.json`` of a run, as the training and the tables read them."""
    from experiments import recipes, runs

    recipe = recipes.get("digits-dmvae")
    runs.begin(Path("run"), recipe, {"data": "x"})
    runs.write_json(Path("run/metrics.json"), {"seed": 0, "elbo": -1.5, "finished_at": "2020", "run": None})
    kept = Path("run").absolute()

    def read(rng, folder):
        shutil.copytree(kept, folder / "run")
        _damage_one(rng, folder / "run")
        return runs.begin(folder / "run", recipe, {"data": "x"})

    return read


def predict() -> Target:
    """``vae-moe predict`` and ``report``: a damaged table, or a damaged folder of a training."""
    from vae_moe.app import main

    wine = from_tests("own_files").wine().drop(columns="cultivar")
    wine.to_csv("wine.csv", index=False)
    if main(["cluster", "wine.csv", "--components", "2", "--epochs", "1", "--out", "trained", "--quiet"]):
        raise RuntimeError("the training that fuzzing begins with failed")
    trained, table = Path("trained").absolute(), wine.head(5).to_csv(index=False).encode()

    def run(rng, folder):
        shutil.copytree(trained, folder / "trained")
        (folder / "new.csv").write_bytes(table)
        kind = rng.random()
        if kind < 0.5:
            (folder / "new.csv").write_bytes(damaged(rng, [table]))
        else:
            _damage_one(rng, folder / "trained")
        if kind > 0.8:
            return _called(main, ["report", str(folder / "trained")], folder)
        return _called(main, ["predict", str(folder / "trained"), str(folder / "new.csv"), "--out", "p.csv"], folder)

    return run


def arguments() -> Target:
    """``vae-moe cluster`` and ``experts`` with any arguments, on a table that may be damaged."""
    from vae_moe.app import commands, main

    wine = from_tests("own_files").wine().head(30).to_csv(index=False).encode()

    def run(rng, folder):
        def one(*choices):
            return str(choices[rng.integers(len(choices))])

        path = folder / f"x{_ENDINGS[0] if rng.random() < 0.8 else one(*_ENDINGS)}"
        path.write_bytes(wine if rng.random() < 0.5 else damaged(rng, [wine]))
        (folder / "used").mkdir()
        (folder / "used" / "thesis.tex").touch()
        command = one("cluster", "experts")
        size = "--components" if command == "cluster" else "--experts"
        words = [command, one(path, path, path, folder, "missing.csv"), size, one("3", *_NUMBERS)]
        words += ["--out", one(folder / "out", folder / "out", folder / "used", path, path / "below")]
        options = {"--epochs": _NUMBERS, "--seed": _NUMBERS, "--drop": _WORDS, "--size": _NUMBERS, "--overwrite": ()}
        options |= {"--model": ("dmvae", "vade", "dvmoe", "deepmoe", "x")}
        options |= {"--labels": _WORDS} if command == "cluster" else {"--target": _WORDS, "--task": ("regression", "x")}
        for name, values in options.items():
            if rng.random() < 0.3:
                words += [name, *([one(*values)] if values else [])]
        with mock.patch.object(commands, "_train", side_effect=_TrainingError("taken")):
            return _called(main, words, folder)

    return run


def train() -> Target:
    """``python -m experiments.train`` with any arguments, and MNIST's files damaged."""
    from experiments import recipes, training
    from experiments.train import main
    from vae_moe.data import idx

    images, labels = idx.encode(np.zeros((80, 2, 2))), idx.encode(np.arange(80) % 10)
    names = [*recipes.names(), "mnist-dmvea", "", "spiral", "mnist-", "Mnist-dmvae"]

    def run(rng, folder):
        def one(*choices):
            return str(choices[rng.integers(len(choices))])

        for name, content in zip(idx.DIMENSIONS, (images, labels, images, labels), strict=True):
            (folder / name).write_bytes(content if rng.random() < 0.8 else damaged(rng, [content]))
        words = [one(*names), "--workdir", str(folder / "runs"), "--data-dir", str(folder)]
        options = {"--preset": ("default", "paper", "augment", "x"), "--task": ("regression", "classification", "x")}
        options |= dict.fromkeys(
            ("--seed", "--epochs", "--outputs", "--labels", "--components", "--restarts"), _NUMBERS
        )
        options |= {"--encoder": ("conv", "mlp", "x"), "--smoke": (), "--overwrite": ()}
        for name, values in options.items():
            if rng.random() < 0.2:
                words += [name, *([one(*values)] if values else [])]
        with mock.patch.object(training, "train", side_effect=_TrainingError("taken")):
            return _called(main, words, None)

    return run


def _called(main, words: list[str], folder: Path | None) -> None:
    """Call a command. An input that is refused must be so in a few words, and leave the folder as it was."""
    before = folder and sorted(folder.rglob("*"))
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            code = main(words)
        except SystemExit as end:  # of argparse
            code = end.code
    if code == 0 or said.getvalue().rstrip(".\n").endswith("taken"):
        return
    if code != 2 or "Traceback" in said.getvalue():
        raise AssertionError(f"{words}: exit code {code}: {said.getvalue()[-500:]}")
    if folder and sorted(folder.rglob("*")) != before:
        raise AssertionError(f"{words}: refused, but the folder is changed")
    raise RefusedError(said.getvalue()[-500:])


def _damage_one(rng: np.random.Generator, folder: Path) -> None:
    """Damage one of a folder's files, JSON now and then in its values; or remove it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = files[rng.integers(len(files))]
    if rng.random() < 0.1:
        path.unlink()
    elif path.suffix == ".json" and rng.random() < 0.7:
        path.write_text(json.dumps(_changed(rng, json.loads(path.read_text()))))
    else:
        path.write_bytes(damaged(rng, [path.read_bytes()]))


def _changed(rng: np.random.Generator, value):
    """A JSON value with one part of it of another kind, or left out."""
    if isinstance(value, dict | list) and value and rng.random() < 0.9:
        key = list(value)[rng.integers(len(value))] if isinstance(value, dict) else int(rng.integers(len(value)))
        changed = value.copy()
        if rng.random() < 0.2:
            del changed[key]
        else:
            changed[key] = _changed(rng, value[key])
        return changed
    return (None, 0, -1, 1e308, "", "x", [], {}, True, [value], "../../x")[rng.integers(11)]


def _small_estimator():
    from sklearn.datasets import load_iris

    from vae_moe.estimators import DVMoEClassifier

    x, y = load_iris(return_X_y=True)
    return DVMoEClassifier(n_experts=2, epochs=1, random_state=0).fit(x, y)
