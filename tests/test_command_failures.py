"""What a ``vae-moe`` that is interrupted, or fails, keeps: what was trained, or nothing."""

import contextlib
import errno
import json
import os
import resource
import shutil
import signal
import tempfile
import time
from dataclasses import replace
from html import unescape
from pathlib import Path

import own_files
import pytest
from own_files import run

from vae_moe.app import commands, failures, startup, trained
from vae_moe.app.report import clusters
from vae_moe.engine.files import whole_folder

pytestmark = pytest.mark.usefixtures("short_steps")


@pytest.fixture(scope="module")
def wine(data, tmp_path_factory):
    """A clustering of the wines."""
    out = tmp_path_factory.mktemp("trained") / "clusters"
    options = ["cluster", "--components", 3, "--labels", "cultivar", "--epochs", 1, "--quiet"]
    assert run(*options, "--out", out, data / "wine.csv") == 0
    return out


def test_tensorflow_is_imported_in_one_place_alone(wine, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(startup, "import_tensorflow", raising(RuntimeError("imported")))
    shutil.copytree(wine, tmp_path / "page")
    (tmp_path / "page" / "report.json").unlink()
    for words in (
        ["cluster", data / "wine.csv", "--components", 2, "--out", tmp_path / "out"],
        ["experts", data / "diabetes.csv", "--target", "bmi", "--experts", 2, "--out", tmp_path / "out"],
        ["predict", wine, data / "wine.csv", "--out", tmp_path / "out.csv"],
        ["report", tmp_path / "page"],
        ["report", tmp_path],
    ):
        assert run(*words) == 1 and "RuntimeError: imported" in capsys.readouterr().err


def test_what_rules_a_column_is_logged_and_on_the_page(untrained, wine, tmp_path, monkeypatch, caplog):
    frame = own_files.wine().assign(number=range(1, 179))
    frame.loc[60, "proline"] = 1e9
    frame.to_csv(tmp_path / "wine.csv", index=False)
    former = trained.read(wine)
    ended = {"seconds": 1.0, "finished_at": "2026-01-01"}
    monkeypatch.setattr(commands, "_train", lambda _, config, *__, **___: replace(former, config=config | ended))
    assert former.config["warnings"] == []
    assert run("cluster", tmp_path / "wine.csv", *untrained[2:]) == 0
    words = "olumn 'proline' is ruled by row 61, which has 1.00e+09 where half of the rows lie between 500 and 989"
    assert f"c{words}" in caplog.text and "column 'number' numbers the rows" in caplog.text
    html = unescape((tmp_path / "out" / "report.html").read_text())
    assert html.count(f"C{words}") == 2 and "Data has 1 more." in html and "Column 'number' numbers the rows" in html
    assert "correct or empty the cell, take the logarithm of the column, or" in html


def test_a_folder_of_another_kind_than_its_estimator_is_named(wine, data, tmp_path, capsys):
    shutil.copytree(wine, tmp_path / "wine")
    config = json.loads((wine / "config.json").read_text())
    experts = {"kind": "experts", "target": ["hue"], "task": "regression"}
    (tmp_path / "wine" / "config.json").write_text(json.dumps(config | experts))
    assert run("predict", tmp_path / "wine", data / "wine.csv", "--out", tmp_path / "found.csv") == 2
    assert "config.json is damaged: its kind is 'experts', its estimator a DMVAE" in capsys.readouterr().err
    assert not (tmp_path / "found.csv").exists()
    for name in ("kind", "image_shape", "seconds", "target", "ranges"):
        (tmp_path / "wine" / "config.json").write_text(json.dumps({**config, **experts, name: "x"}))
        assert run("report", tmp_path / "wine", "--data", "x") == 2
        assert f"config.json is damaged: its {name} is 'x'" in capsys.readouterr().err


def test_an_out_that_is_in_use_is_kept(wine, data, tmp_path, capsys):
    options = ["cluster", data / "wine.csv", "--components", 3, "--quiet"]
    assert run(*options, "--out", wine) == 2 and "is not empty" in capsys.readouterr().err
    (tmp_path / "thesis.tex").write_text("years of work")
    assert run(*options, "--out", tmp_path, "--overwrite") == 2
    assert "files that vae-moe did not make" in capsys.readouterr().err and (tmp_path / "thesis.tex").exists()
    (tmp_path / "link").symlink_to(wine)
    assert run(*options, "--out", tmp_path / "link", "--overwrite") == 2
    assert run(*options, "--out", data / "wine.csv", "--overwrite") == 2 and (data / "wine.csv").exists()


@pytest.fixture
def untrained(wine, data, tmp_path, monkeypatch):
    """The command for a clustering of the wines that takes no time: its arguments, ``--out`` being tmp_path / "out"."""
    former = trained.read(wine)
    monkeypatch.setattr(commands, "_train", lambda *_, **__: former)
    return ["cluster", data / "wine.csv", "--components", 3, "--labels", "cultivar", "--out", tmp_path / "out"]


@contextlib.contextmanager
def full_disk(size=2000):
    """No file can become larger than that."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def raising(error):
    def raise_it(*_, **__):
        raise error

    return raise_it


def test_a_failure_of_the_page_costs_the_page_alone(untrained, wine, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(clusters, "findings", raising(ValueError("deep inside")))
        assert run(*untrained) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "ValueError: deep inside" in error and "--debug" in error
        assert f"What was trained is in {out}: vae-moe report {out} makes its page." in error
        assert not (out / "report.html").exists() and not list(tmp_path.glob(".*"))
        assert run("report", out, "--debug") == 1 and "Traceback" in capsys.readouterr().err
    assert run("predict", out, untrained[1], "--out", tmp_path / "found.csv", "--quiet") == 0
    assert run("report", out) == 0 and "health:" in capsys.readouterr().out
    assert (out / "report.html").read_bytes() == (wine / "report.html").read_bytes()
    assert (out / "metrics.json").read_bytes() == (wine / "metrics.json").read_bytes()


def test_what_fails_in_training_is_no_input_error_and_leaves_nothing(data, tmp_path, monkeypatch, capsys):
    options = ["cluster", data / "wine.csv", "--components", 3, "--out", tmp_path / "deep" / "out"]
    failures = [
        (ValueError("deep inside"), "vae-moe itself is at fault, with ValueError: deep inside"),
        (FloatingPointError("The loss is NaN."), "error: The loss is NaN. With this command: --drop columns of"),
        (MemoryError(), "there is not enough memory: give fewer rows"),
    ]
    for error, words in failures:
        monkeypatch.setattr(commands, "_train", raising(error))
        assert run(*options) == 1
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (getattr(signal, "SIGHUP", signal.SIGTERM), None)]
)
def test_a_signal_leaves_what_was_trained_or_nothing(number, code, untrained, tmp_path, monkeypatch, capsys):
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("whoever started the tests wants the signal ignored (nohup)")

    def stop(*_, **__):
        os.kill(os.getpid(), number)
        time.sleep(10)

    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        patch.setattr(clusters, "findings", stop)
        assert run(*untrained) == (code or 128 + number)
        assert f"interrupted: What was trained is in {tmp_path / 'out'}" in capsys.readouterr().err
    assert trained.read(tmp_path / "out").config["n_components"] == 3
    shutil.rmtree(tmp_path / "out")
    for name in ("_train", "_finish"):
        monkeypatch.setattr(commands, name, stop)
        assert run(*untrained) == (code or 128 + number) and not list(tmp_path.iterdir())
        assert "interrupted: nothing is kept." in capsys.readouterr().err
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_a_signal_while_the_folder_is_written_leaves_the_former_one(wine, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text('{"made_by": "vae-moe"}')
    rename, calls = Path.rename, []

    def once(path, target):  # the first moves the former folder away, the second puts the new one in its place
        calls.append(path)
        if len(calls) == 2:
            raise failures.Stopped(15)
        return rename(path, target)

    for stop_early in (True, False):
        if not stop_early:
            monkeypatch.setattr(Path, "rename", once)
        with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "out") as made:
            (made / "a").touch()
            if stop_early:
                raise KeyboardInterrupt
        assert [path.name for path in tmp_path.rglob("*")] == ["out", "config.json"]


def test_a_full_disk_leaves_nothing_half_made(untrained, wine, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    (tmp_path / "system").mkdir()
    with full_disk():
        assert run(*untrained) == 1
    assert "File too large" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["system"]
    shutil.copytree(wine, tmp_path / "out")
    (tmp_path / "out" / "report.json").unlink()
    with full_disk((wine / "report.html").stat().st_size - 1):
        assert run("report", tmp_path / "out") == 1
    assert "report.html: File too large" in capsys.readouterr().err and not list(tmp_path.rglob(".*"))
    assert (tmp_path / "out" / "report.html").read_bytes() == (wine / "report.html").read_bytes()
    with full_disk():
        assert run("predict", wine, untrained[1], "--out", tmp_path / "found.csv") == 1
    assert "File too large" in capsys.readouterr().err and not list(tmp_path.glob("*found.csv*"))


@pytest.mark.parametrize(("refused", "parent"), [(1, "."), (2, "system")])
def test_what_cannot_be_written_to_its_place_is_kept_elsewhere(
    refused, parent, untrained, tmp_path, monkeypatch, capsys
):
    def fill(training, made):
        places.append(made)
        if len(places) <= refused:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(made))
        write(training, made)

    places, write = [], trained.Trained.write
    monkeypatch.setattr(trained.Trained, "write", fill)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    (tmp_path / "system").mkdir()
    assert run(*untrained) == 1
    (found,) = (tmp_path / parent).glob("out-*")
    error = capsys.readouterr().err
    assert "No space left on device" in error and f"What was trained is in {found}" in error
    assert trained.read(found).config["n_components"] == 3 and not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("rows", [1, 100_000])
def test_a_closed_pipe_is_no_error(rows, tmp_path, monkeypatch, capsys):
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setitem(commands.COMMANDS, "report", lambda options: print("row\n" * rows))
    with open(writer, "w", encoding="utf-8") as output, monkeypatch.context() as patch:
        patch.setattr("sys.stdout", output)
        assert run("report", tmp_path) == 0
    assert not capsys.readouterr().err
