"""What measures robustness does measure it."""

import argparse
import math

import numpy as np
import pytest
from hypothesis import strategies as st
from stress import commands, fuzz, kill, mutations

from experiments import robustness

FIGURES = {"passed": True, "machine": "m", "git_commit": "c", "finished_at": "2020-01-02T03"}
KILL = {
    **FIGURES,
    **{"kills": 3, "run": "digits-dvmoe", "killed_in": {"fit": 3}, "ends": 1, "ends_as_expected": 1},
    **{"largest_difference": 0.0, "unsound_files": []},
}
SURVIVOR = {"file": "a.py", "old": "+", "new": "-", "reason": "it is symmetric"}


def test_the_table_has_a_row_a_part_and_the_survivors_reasons():
    assert "No record yet" in robustness.table({})
    mutants = {**FIGURES, "mutants": 20, "killed": 19, "survivors": [SURVIVOR], "passed": False}
    table = robustness.table({"kill": KILL, "mutants": mutants})
    assert "1 of 1 ends are the uninterrupted run's" in table and "19 killed by the tests (95 %)" in table
    assert "**no**" in table and "it is symmetric" in table


def test_files_that_are_not_whole_are_found(tmp_path):
    sound = {"a.json": b"{}", "b.csv": b"a,b\n1,2\n"}
    for name, content in sound.items():
        (tmp_path / name).write_bytes(content)
    np.savez(tmp_path / "c.npz", x=np.arange(100))
    (tmp_path / "d.part.json").write_text("{")
    assert kill.unsound(tmp_path) == []
    for name in ("a.json", "b.csv", "c.npz"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:-1])
    assert [words.partition(":")[0] for words in kill.unsound(tmp_path)] == ["a.json", "b.csv", "c.npz"]


def test_ends_are_compared_bit_by_bit():
    end = {"model": "dvmoe", "elbo": 1.5, "weight 0": np.array([1.0, np.nan])}
    assert kill._difference(end, end) == 0
    assert kill._difference({**end, "elbo": 1.75}, end) == 0.25
    assert kill._difference({**end, "model": "vade"}, end) == kill._difference({}, end) == math.inf
    changed = {**end, "weight 0": np.nextafter(end["weight 0"], 2)}
    assert 0 < kill._difference(changed, end) < 1e-15


def test_a_command_that_is_refused_must_leave_nothing(tmp_path):
    def command(words):
        if words == ["writes"]:
            (tmp_path / "left").touch()
        if words == ["raises"]:
            raise RuntimeError("a traceback")
        return {"well": 0, "refuses": 2}.get(words[0], 2)

    commands.called(command, ["well"], tmp_path)
    with pytest.raises(commands.RefusedError):
        commands.called(command, ["refuses"], tmp_path)
    with pytest.raises(AssertionError, match="the folder is changed"):
        commands.called(command, ["writes"], tmp_path)
    with pytest.raises(RuntimeError):
        commands.called(command, ["raises"], tmp_path)


def test_the_same_number_gives_the_same_input_alone_and_among_others():
    drawn = []
    for numbers in (range(195, 210), range(203, 204)):
        fuzz.each_input(st.binary(), 0, numbers, lambda number, given: drawn.append((number, given)))
    assert len(drawn) == 16 and drawn[-1] == drawn[8] != drawn[7]


def test_inputs_are_counted_and_what_is_found_is_kept(tmp_path):
    parser = argparse.ArgumentParser()
    fuzz.add_options(parser)
    figures = fuzz.measure(parser.parse_args(["--inputs", "30", "--only", "mnist"]))
    assert figures["inputs"] == 30 == figures["taken"] + figures["refused"] and figures["passed"]
    with pytest.raises(ValueError) as info:
        robustness.read(tmp_path)
    assert fuzz._where(info.value).startswith("ValueError")


def test_every_mutant_has_its_one_place():
    assert mutations.misplaced() == []
