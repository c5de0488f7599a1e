"""What a user runs as targets of fuzzing: damaged folders of runs and estimators, and commands with odd arguments.

As in :mod:`stress.readers`. Training itself is left out: a command that gets there has taken its input.
"""

import contextlib
import io
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import own_files
from hypothesis import strategies as st
from sklearn.datasets import load_iris

from experiments import recipes, runs, training
from experiments.train import main as train_main
from stress.damage import Target, any_bytes, damaged_file
from vae_moe import estimators
from vae_moe.app import commands, main
from vae_moe.data import idx
from vae_moe.data.files import DatasetError
from vae_moe.estimators._persistence import LoadError

_NUMBERS = ("3", "1", "2", "0", "-1", "1.5", "", "x", "300", "99999999999999999999", "1e3", "\u0663")
_WORDS = ("alcohol", "cultivar", "region", "bottled", "", "no such", "a\nb", "é", "--", "-1")


class RefusedError(Exception):
    """The exit code 2, with what was said."""


class _TrainingError(DatasetError):
    """In place of a training."""


def estimator() -> Target:
    """The folder of a saved estimator, one file damaged."""
    x, y = load_iris(return_X_y=True)
    estimators.DVMoEClassifier(n_experts=2, epochs=1, random_state=0).fit(x, y).save("kept")
    return _folder(Path("kept").absolute(), estimators.load, LoadError)


def records() -> Target:
    """``config.json`` and ``metrics.json`` of a run, as the training and the tables read them."""
    recipe = recipes.get("digits-dmvae")
    runs.begin(Path("run"), recipe, {"data": "x"})
    runs.write_json(Path("run/metrics.json"), {"seed": 0, "elbo": -1.5, "finished_at": "2020", "run": None})
    return _folder(Path("run").absolute(), lambda folder: runs.begin(folder, recipe, {"data": "x"}), ValueError)


def predict() -> Target:
    """``vae-moe predict`` and ``report``: a damaged table, or a damaged folder of a training."""
    wine = own_files.wine().drop(columns="cultivar")
    wine.to_csv("wine.csv", index=False)
    if main(["cluster", "wine.csv", "--components", "2", "--epochs", "1", "--out", "trained", "--quiet"]):
        raise RuntimeError("the training that fuzzing begins with failed")
    trained, table = Path("trained").absolute(), wine.head(5).to_csv(index=False).encode()

    def run(given, folder):
        command, changed, content = given
        shutil.copytree(trained, folder / "trained")
        if changed:
            _replace(folder / "trained", *changed)
        (folder / "new.csv").write_bytes(content)
        further = ["new.csv", "--out", "p.csv"] if command == "predict" else []
        return called(main, [command, "trained", *further], folder)

    damaged, files = any_bytes(table), damaged_file(trained)
    inputs = st.one_of(
        st.tuples(st.just("predict"), st.none(), damaged),
        st.tuples(st.sampled_from(["predict", "report"]), files, st.just(table)),
    )
    return Target(inputs, run, typed=(RefusedError,))


def arguments() -> Target:
    """``vae-moe cluster`` and ``experts`` with any arguments, on a table that may be damaged."""
    wine = own_files.wine().head(30).to_csv(index=False).encode()

    @st.composite
    def words(draw):
        def one(*choices):
            return draw(st.sampled_from(choices))

        path = "x" + one(*[".csv"] * 12, ".npy", ".npz", ".parquet", ".txt", "")
        command = one("cluster", "experts")
        size = "--components" if command == "cluster" else "--experts"
        start = [command, one(path, path, path, ".", "missing.csv"), size, one("3", *_NUMBERS)]
        start += ["--out", one("out", "out", "used", path, f"{path}/below")]
        options = {"--epochs": _NUMBERS, "--seed": _NUMBERS, "--drop": _WORDS, "--size": _NUMBERS, "--overwrite": ()}
        options |= {"--model": ("dmvae", "vade", "dvmoe", "deepmoe", "x")}
        options |= {"--labels": _WORDS} if command == "cluster" else {"--target": _WORDS, "--task": ("regression", "x")}
        return path, draw(st.one_of(st.just(wine), any_bytes(wine))), [*start, *draw(_options(options))]

    def run(given, folder):
        path, content, words = given
        (folder / path).write_bytes(content)
        (folder / "used").mkdir()
        (folder / "used" / "thesis.tex").touch()
        with mock.patch.object(commands, "_train", side_effect=_TrainingError("taken")):
            return called(main, words, folder)

    return Target(words(), run, typed=(RefusedError,))


def train() -> Target:
    """``python -m experiments.train`` with any arguments, and MNIST's files damaged."""
    images, labels = idx.encode(np.zeros((80, 2, 2))), idx.encode(np.arange(80) % 10)
    names = [*recipes.names(), "mnist-dmvea", "", "spiral", "mnist-", "Mnist-dmvae"]
    options = {"--preset": ("default", "paper", "augment", "x"), "--task": ("regression", "classification", "x")}
    options |= dict.fromkeys(("--seed", "--epochs", "--outputs", "--labels", "--components", "--restarts"), _NUMBERS)
    options |= {"--encoder": ("conv", "mlp", "x"), "--smoke": (), "--overwrite": ()}

    def run(given, folder):
        name, words, files = given
        for path, content in zip(idx.DIMENSIONS, files, strict=True):
            (folder / path).write_bytes(content)
        with mock.patch.object(training, "train", side_effect=_TrainingError("taken")):
            return called(train_main, [name, "--workdir", "runs", "--data-dir", ".", *words], None)

    files = [st.one_of(st.just(content), any_bytes(content)) for content in (images, labels, images, labels)]
    return Target(st.tuples(st.sampled_from(names), _options(options), st.tuples(*files)), run, typed=(RefusedError,))


@st.composite
def _options(draw, choices):
    """Draw some options, each with a value where it has any."""
    words = []
    for name in draw(st.lists(st.sampled_from(list(choices)), max_size=3, unique=True)):
        words += [name, *([draw(st.sampled_from(choices[name]))] if choices[name] else [])]
    return words


def _folder(kept: Path, read, typed: type[Exception]) -> Target:
    """A folder that is read, one file of it damaged."""

    def run(changed, folder):
        shutil.copytree(kept, folder / "kept")
        _replace(folder / "kept", *changed)
        return read(folder / "kept")

    return Target(damaged_file(kept), run, typed=(DatasetError, typed))


def _replace(folder: Path, path: Path, content: bytes | None) -> None:
    (folder / path).unlink() if content is None else (folder / path).write_bytes(content)


def called(main, words: list[str], folder: Path | None) -> None:
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
