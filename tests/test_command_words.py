"""What ``vae-moe`` says of words and files that it cannot use, soon and in one line."""

import io
import re
import signal
from argparse import Namespace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from own_files import in_a_process, run
from rich import console

from vae_moe import app
from vae_moe.app import commands, telling
from vae_moe.app.report import findings, mixtures
from vae_moe.data import columns
from vae_moe.data.files import DatasetError
from vae_moe.engine import watch
from vae_moe.training import health

pytestmark = pytest.mark.usefixtures("short_steps")


def test_help_does_not_wait_for_tensorflow():
    code = (
        "try: main()\n"
        "except SystemExit as end: print(end.code, sorted({'tensorflow', 'keras', 'pandas'} & set(sys.modules)))"
    )
    printed = in_a_process(code, "--help").stdout
    assert "usage: vae-moe" in printed and printed.endswith("0 []\n")


def test_wrong_input_does_not_wait_for_tensorflow(tmp_path):
    (tmp_path / "a.csv").write_text("name\n" + "".join(f"name {i}\n" for i in range(30)))
    code = "print(main(), sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    done = in_a_process(code, "cluster", "a.csv", "--components", 2, "--out", "b", cwd=tmp_path)
    assert done.stdout == "2 []\n" and done.stderr.count("\n") == 1 and "--drop 'name'" in done.stderr


def test_errors_of_libraries_pass_and_descriptions_of_the_machine_do_not():
    lines = [
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "I0000 00:00:1795854527.619270   15501 port.cc:153] oneDNN custom operations are on.",
        "E0000 00:00:1795854527.619270   15501 cuda_platform.cc:51] failed call to cuInit: INTERNAL: CUDA error",
        "2026-01-02 03:04:05.678: E external/xla/cuda_fft.cc:477] Unable to register cuFFT factory",
        "W0000 00:00:1795854527.619270   15501 computation_placer.cc:177] computation placer already registered.",
        "E0000 00:00:1795854527.619270   15501 env.cc:5] out of file handles",
        "F0000 00:00:1795854527.619270   15501 cpu.cc:5] compiled to use AVX512F instructions",
    ]
    code = (
        "import importlib, os\n"
        "sys.modules['vae_moe'] = importlib.util.module_from_spec(importlib.util.find_spec('vae_moe'))\n"
        "from vae_moe.app import startup\n"
        f"with startup._without_descriptions(): os.write(2, {chr(10).join([*lines, ''])!r}.encode()); os.abort()"
    )
    done = in_a_process(code)
    assert done.returncode == -signal.SIGABRT and done.stderr.splitlines() == lines[-2:]


def test_a_log_keeps_what_is_said_and_what_went_wrong(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    logged = ("cluster", tmp_path / "a.csv", "--out", tmp_path / "b", "--log", tmp_path / "log.txt", "--quiet")
    assert run(*logged) == 2 and "no column is left" in capsys.readouterr().err
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:,]+ error: .* no column is left.*\n", (tmp_path / "log.txt").read_text())
    assert run(*logged[:-2], tmp_path / "no" / "log.txt") == 2
    assert "log.txt cannot be written: No such file or directory. Give another file." in capsys.readouterr().err
    assert not telling.logger.handlers


def test_a_log_is_apart_from_what_a_command_reads_and_writes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = {name: f"a,b\n{name},2\n" for name in ("a.csv", "test.csv")}
    for name, text in words.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "b").mkdir()
    of_experts = ("experts", "a.csv", "--target", "b", "--test", "test.csv", "--out", "b", "--log")
    for log, said in (
        ("a.csv", "--log a.csv is data, too. Give another file."),
        (tmp_path / "test.csv", "test.csv is --test, too. Give another file."),
        ("b", "--log b is --out, too. Give another file."),
        ("b/log.txt", "--log b/log.txt is within --out b, which is made anew. Give a file outside of it."),
    ):
        assert run(*of_experts, log) == 2 and said in capsys.readouterr().err
    assert run("cluster", "a.csv", "--log", "a-clusters/log.txt") == 2
    assert "--log a-clusters/log.txt is within --out a-clusters, which" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in tmp_path.glob("*.csv")} == words
    assert not any((tmp_path / "b").iterdir()) and not (tmp_path / "a-clusters").exists()


def test_one_bar_goes_by_what_trainings_tell(monkeypatch):
    drawn = io.StringIO()
    terminal = partial(console.Console, file=drawn, force_terminal=True, width=80)
    monkeypatch.setattr(console, "Console", lambda stderr: terminal())
    with telling.bar(Namespace(quiet=False, command="cluster")):
        for stage, done, total in (("tensorflow", 1, 1), ("fit", 15, 60), ("autoencoder", 1, 30), ("page", 1, 1)):
            watch.tell(stage, done, total)
    told = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", drawn.getvalue())
    assert "cluster: page" in told and "100%" in told and told.count("\n") <= 2
    watch.tell("fit", 1, 2)  # nobody waits


def test_cures_name_what_the_command_has():
    options = [
        vars(app.parser().parse_args([*words.split(), "--out", "b"]))
        for words in ("cluster a --components 2", "experts a --experts 2")
    ]
    cures = " ".join([*findings.CURES.values(), mixtures.CURE])
    named = set(re.findall(r"--(\w+)", cures.format(option="--components --experts")))
    assert named and all(any(name in known for known in options) for name in named)
    assert named - {"components", "experts"} <= set(options[0]) & set(options[1])
    assert set(findings.CURES) == set(health.CURES)


def test_a_command_says_itself_what_it_does_not_know(capsys):
    with pytest.raises(SystemExit) as end:
        run("cluster", "a.csv", "--components", 3, "--out", "b", "--labell", "x")
    error = capsys.readouterr().err
    assert end.value.code == 2 and error.startswith("usage: vae-moe cluster ")
    assert "unrecognized arguments: --labell x; did you mean --labels?" in error


def test_cures_know_who_chose_the_number():
    signs = SimpleNamespace(seen={"unsure components": "doubt"}, shares=np.ones(4))
    for asked, words in (("auto", "fewer --experts than the 4 that auto found, or"), (4, "fewer --experts, or")):
        trained = SimpleNamespace(config={"kind": "experts", "n_experts": asked})
        assert words in findings.troubles_of(trained, signs)["unsure components"]


def test_names_in_errors_are_few_and_like_what_was_asked_for():
    frame = pd.DataFrame(columns=[f"c{i}" for i in range(20)] + ["credit_risk"])
    for name in ("creditrisk", "Credit Risk", "credit_rsk"):
        with pytest.raises(DatasetError, match="did you mean 'credit_risk'"):
            columns.check_names(frame, [name], "--target")
    assert columns.listed(frame).endswith("'c14', ..., 'c16', 'c17', 'c18', 'c19', 'credit_risk'")


@pytest.mark.parametrize("kept", ["{", "[]", "{}", '{"title": "a", "subtitle": "b", "sections": {"c": [[]]}}'])
def test_a_damaged_report_is_named(kept, tmp_path, capsys):
    (tmp_path / "config.json").write_text('{"made_by": "vae-moe"}')
    (tmp_path / "report.json").write_text(kept)
    assert run("report", tmp_path) == 2
    assert "report.json is damaged" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("cluster nothing.csv --components 3", "nothing.csv is not there"),
        ("cluster wine.csv --components 300", "wine.csv has 178 rows, 600 at least are needed for 300 groups"),
        (
            "cluster wine.csv --components 3 --drop colour",
            "wine.csv: --drop names 'colour', which is no column: the columns are 'alcohol'",
        ),
        ("cluster wine.csv --components 3 --labels colour", "wine.csv: --labels names 'colour'"),
        (
            "cluster wine.csv --components 3 --drop Color-Intensity",
            "wine.csv: --drop names 'Color-Intensity', which is no column: did you mean 'color_intensity'?",
        ),
        ("experts wine.csv --experts 2", "wine.csv: what is to be predicted? Name a column: --target, of 'alcohol', "),
        ("experts wine.csv --experts 2 --target colour", "--target names 'colour'"),
        ("experts wine.csv --target alcohol --drop alcohol", "--target and --drop both name 'alcohol'"),
        ("experts wine.csv --experts 2 --target cultivar region", "a classification has one target"),
        ("experts wine.csv --experts 2 --target alcohol --task classification", "has the class"),
        (
            "experts wine.csv --experts 2 --target bottled --task regression",
            "'bottled' is numbers, and has '2020-01-31'",
        ),
        ("cluster digits --components 3 --drop a", "--drop names 'a'"),
    ],
)
def test_wrong_input_is_told_in_one_line_and_leaves_nothing(arguments, message, data, tmp_path, monkeypatch, capsys):
    command, path, *rest = arguments.split()
    assert run(command, data / path, *rest, "--out", tmp_path / "deep" / "out") == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
    assert error.count(str(data / path)) <= 1
    assert not list(tmp_path.iterdir())


def test_folders_of_others_are_refused(tmp_path, data, capsys):
    assert run("predict", tmp_path, data / "wine.csv", "--out", tmp_path / "a.csv") == 2
    assert "no folder that vae-moe cluster or experts wrote" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        run("cluster", data / "wine.csv", "--components", 0, "--out", tmp_path / "a")
    assert end.value.code == 2 and "must be 1 or more" in capsys.readouterr().err
    for option, message in (("--experts", "1 or more, or auto, got many"), ("--epochs", "1 or more, got many")):
        with pytest.raises(SystemExit):
            run("experts", data / "wine.csv", option, "many", "--out", tmp_path / "a")
        assert f"must be {message}" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("cluster", data / "wine.csv", "--components", 2, "--out", tmp_path / "a", "--seed", 2**32)
    assert f"must be 0 or more and below {2**32}, got {2**32}" in capsys.readouterr().err
    assert not list(Path(tmp_path).iterdir())


def test_the_folder_is_called_after_the_file_where_no_name_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = []
    monkeypatch.setattr(
        commands, "COMMANDS", dict.fromkeys(("cluster", "experts"), lambda given: made.append(given.out))
    )
    assert (
        run("cluster", "there/wine.csv")
        == run("experts", "wine.csv", "--out", "mine")
        == run("experts", "digits/")
        == 0
    )
    assert list(map(str, made)) == ["wine-clusters", "mine", "digits-experts"]
