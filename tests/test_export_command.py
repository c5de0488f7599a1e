"""The command ``vae-moe export``: rows as people have them, prepared and predicted without this package."""

import json

import numpy as np
import own_files
import pandas as pd
import pytest
from own_files import numpy_alone, run

from vae_moe import estimators
from vae_moe.app import inputs
from vae_moe.app.trained import Trained
from vae_moe.exported.prepare import Preparation

pytestmark = pytest.mark.usefixtures("short_steps", "no_graphs")


@pytest.fixture(scope="module")
def folders(data):
    """A clustering and a regression as the command keeps them, hardly trained."""
    short = {"epochs": 1, "start": None, "random_state": 0}
    made = {}
    for name, kind in {"wine": "cluster", "diabetes": "experts"}.items():
        source = inputs.read(data / f"{name}.csv")
        target = ["progression"] if kind == "experts" else []
        known = np.flatnonzero(source.frame[target].notna().all(axis=1))
        rows, preparation = inputs.prepare(source, known, target, {})
        if kind == "cluster":
            estimator = estimators.DMVAEClustering(3, missing="informative", **short).fit(rows)
        else:
            estimator = estimators.DVMoERegressor(2, missing="informative", **short)
            estimator.fit(rows.iloc[known], source.frame[target].to_numpy()[known])
        config = {"made_by": "vae-moe", "kind": kind, "image_shape": None, "target": target, "task": "regression"}
        made[name] = data / f"export-{name}"
        made[name].mkdir()
        Trained(config, source, rows, preparation, estimator, None).write(made[name])
    return made


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_numpy_alone_prepares_and_predicts_as_the_command(name, folders, data, tmp_path):
    frame = getattr(own_files, name)().assign(extra=1)
    if name == "wine":
        frame.loc[0, ["region", "bottled"]] = ["Mars", "2024/02/29 13:05:10.5+01:00"]
        frame.loc[1, "proline"] = np.nan
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert run("predict", folders[name], tmp_path / "rows.csv", "--out", tmp_path / "found.csv", "--quiet") == 0
    expected = pd.read_csv(tmp_path / "found.csv")
    assert run("export", folders[name], tmp_path / "served", "--numpy") == 0
    table = {column: list(cells.values()) for column, cells in json.loads(frame.to_json()).items()}
    (tmp_path / "rows.json").write_text(json.dumps(table))  # gaps are null
    found = numpy_alone(tmp_path / "served", "Preparation().transform(json.load(open('../rows.json')))")
    if name == "wine":
        probabilities = expected[[f"probability_{cluster}" for cluster in range(3)]]
        np.testing.assert_allclose(found["probabilities"], probabilities, atol=1e-5)
        return
    for ours, theirs in {"y": "", "low": "_low", "high": "_high"}.items():
        np.testing.assert_allclose(found[ours][:, 0], expected[f"predicted_progression{theirs}"], rtol=1e-5, atol=1e-5)


def test_an_export_is_replaced_only_where_it_is_asked_for(folders, tmp_path, capsys):
    assert run("export", folders["wine"], tmp_path / "served", "--numpy", "--quiet") == 0
    assert run("export", folders["wine"], tmp_path / "served", "--quiet") == 2
    assert "is there already. Give another folder, or --overwrite" in capsys.readouterr().err
    assert run("export", folders["wine"], tmp_path / "served", "--overwrite", "--quiet") == 0
    assert (tmp_path / "served" / "saved_model.pb").is_file() and not (tmp_path / "served" / "model.py").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    assert run("export", folders["wine"], tmp_path / "mine", "--overwrite") == 2
    assert (tmp_path / "mine" / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([1.0, float("inf")], r"column 'a' has inf: numbers are at most 1e\+30\. Correct it, or give None"),
        (["-inf", 1], r"column 'a' has -inf: numbers are at most"),
        ([1.0, -1e300], r"column 'a' has -1e\+300: numbers are at most"),
        ([1.0, "hello"], "column 'a' is numbers, got 'hello': give a number, or None"),
        ([1.0], "columns have different numbers of values: 'a' 1, 'b' 2. Give each one of every row"),
        (1.0, "column 'a' is 1.0: give a list with a value of each row"),
        ("12", "column 'a' is '12': give a list with a value of each row"),
        (None, "column 'a' is None: give a list"),
    ],
    ids=str,
)
def test_rows_that_are_none_are_refused_without_the_package_too(cells, message, tmp_path):
    features = [{"column": name, "kind": "gaussian"} for name in ("a", "b")]
    kept = {"columns": {"a": "number", "b": "number"}, "features": features, "limit": 10.0}
    (tmp_path / "preparation.json").write_text(json.dumps(kept))
    np.testing.assert_array_equal(
        Preparation(tmp_path).transform({"a": ["nan", 1e30], "b": np.ones(2)}), [[np.nan, 1], [10, 1]]
    )
    with pytest.raises(ValueError, match=message):
        Preparation(tmp_path).transform({"a": cells, "b": [1.0, 2.0]})
