"""What ``vae-moe experts`` takes its target columns for, and what it refuses before it trains."""

import numpy as np
import pandas as pd
import pytest

from vae_moe.app import targets
from vae_moe.data import reading
from vae_moe.data.cells import MISSING
from vae_moe.data.files import DatasetError

VALUES = np.random.default_rng(0).choice(np.arange(500, 9999, 10), 200)
DAYS = pd.date_range("2020", periods=40).strftime("%Y-%m-%d").tolist()


def read(y, task=None):
    return targets.read(pd.DataFrame({"y": y}), ["y"], task)


@pytest.mark.parametrize(
    ("y", "expected", "note"),
    [
        ([f"${v:,}" for v in VALUES], VALUES, "is read as"),
        ([f"{v / 100:g}".replace(".", ",") for v in VALUES], VALUES / 100, "is read as"),
        ([str(v) for v in VALUES], VALUES, ""),
        ([f"{v} kg" for v in np.repeat(VALUES[:20], 5)], np.repeat(VALUES[:20], 5), "is read as"),  # 5 of each
        (
            np.where(np.arange(200) % 4 == 0, "unknown", VALUES.astype(str)),
            np.where(np.arange(200) % 4 == 0, np.nan, VALUES),
            "'unknown' is read as missing",
        ),
        ([1, 2, 3] * 10, [1, 2, 3] * 10, "--task classification takes its values as classes"),
    ],
)
def test_numbers_however_written_are_a_regression(y, expected, note):
    found = read(y)
    assert found.task == "regression" and note in found.note and bool(found.note) == bool(note)
    np.testing.assert_allclose(found.y[:, 0], expected)


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["a", "b", None] * 10, {"a", "b", MISSING}),
        (["0", "1"] * 10, {"0", "1"}),
        ([0.0, 1.0] * 10, {"0", "1"}),
        ([True, False] * 10, {"True", "False"}),
        (["<=50K", ">50K"] * 10, {"<=50K", ">50K"}),
        (["$1", "$2"] * 10, {"$1", "$2"}),
        (pd.Categorical([1, 2, 3] * 10), {"1", "2", "3"}),
    ],
)
def test_texts_and_two_values_are_classes(y, classes):
    found = read(y)
    assert found.task == "classification" and set(found.y) == classes


def test_classes_are_as_the_file_has_them(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n" + "1,01\n2,02\n3,03\n" * 10)
    frame = reading.read(tmp_path / "a.csv")
    assert set(targets.read(frame, ["y"], "classification").y) == {"01", "02", "03"}
    assert targets.read(frame, ["y"], None).task == "regression"
    assert set(targets.read(frame[frame.y != "03"], ["y"], None).y) == {"01", "02"}


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        ([3.5] * 40, None, "'y' is 3.5 in every row that has one: nothing is left to predict"),
        ([3.5, None] * 20, "regression", "'y' is 3.5 in every row that has one"),
        (["x"] * 40, None, "'y' has the one class 'x' in every row: write the other class out"),
        (
            ["x", None] * 20,
            None,
            "'y' has the one class 'x' and 20 cells that are empty or say NA, None or the like: write",
        ),
        ([None] * 40, None, "'y' is empty in every row"),
        (
            [1.0, 2.5, np.inf] * 10,
            None,
            "'y' is numbers, and has 'inf' in row 3, one of 10 such cells: correct or empty them",
        ),
        ([1.0, 2.5, 1e300] * 10, None, r"'y' has 1e\+300 in row 3, which is too large"),
        (
            np.where(np.arange(200) % 4 == 0, "often", VALUES.astype(str)),
            None,
            "partly numbers such as '1230.5', and has 'often' in row 1",
        ),
        (np.where(np.arange(200) % 9 == 0, "often", VALUES.astype(str)), None, "is numbers, and has 'often' in row 1"),
        ([f"name {i}" for i in range(40)], None, "40 different texts in 40 rows"),
        (DAYS, None, "target 'y' is dates: give a number in its place, such as the days since"),
        (DAYS[:4] * 10, None, "target 'y' is dates"),
        (DAYS, "regression", "'y' is numbers, and has '2020-01-01' in row 1"),
        (
            ["a"] * 20 + ["b"] * 3,
            None,
            "'y' has the class 'b' in 3 rows, 5 at least: leave these rows out or join classes",
        ),
        (pd.Categorical([1, 2] * 20 + [3] * 3), None, "join classes, or --task regression"),
        (pd.Categorical([f"{v}" for v in VALUES]), None, "join classes, or --task regression"),
    ],
)
def test_targets_that_cannot_be_learned_are_refused_with_a_cure(y, task, message):
    with pytest.raises(DatasetError, match=message) as error:
        read(y, task)
    assert "--drop" not in str(error.value)


def test_dates_are_classes_where_this_is_asked():
    assert read(DAYS[:4] * 10, "classification").task == "classification"


def test_several_targets():
    frame = pd.DataFrame({"y": ["1,5", "2"] * 20, "z": np.arange(40.0), "c": 1.0})
    np.testing.assert_array_equal(targets.read(frame, ["z", "y"], None).y[:2], [[0, 1.5], [1, 2]])
    with pytest.raises(DatasetError, match="'c' is 1 in every row"):
        targets.read(frame, ["z", "c"], None)
    gaps = frame.assign(y=[1.0, np.nan] * 20, z=[np.nan, 1.0] * 20)
    with pytest.raises(DatasetError, match="no row has all of the targets 'y', 'z'"):
        targets.read(gaps, ["y", "z"], None)


def test_several_targets_are_numbers_whichever_comes_first():
    frame = pd.DataFrame({"two": [0, 1] * 20, "many": np.arange(40) / 7, "word": ["a", "b"] * 20})
    for names in (["two", "many"], ["many", "two"]):
        assert targets.read(frame, names, None).task == "regression"
    assert targets.read(frame, ["two"], None).task == "classification"
    for names in (["word", "many"], ["many", "word"]):
        with pytest.raises(DatasetError, match="a classification has one target, got '"):
            targets.read(frame, names, None)
