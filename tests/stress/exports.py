"""Export an estimator of each table of the benchmarks as NumPy and as ONNX: are the answers those of ``predict``?"""

import argparse
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from experiments.robustness import Figures

#: By how much answers may differ: probabilities, and numbers in standard deviations of y.
TOLERANCE = 1e-5
BRIEF: dict[str, Any] = {"epochs": 3, "start_epochs": 3, "random_state": 0}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this part."""
    parser.add_argument("--tables", type=int, help="the first so many of each benchmark; default: all")
    parser.add_argument("--rows", type=int, default=1000, help="of a table, at most; default: 1000")


def measure(options: argparse.Namespace) -> Figures:
    """Hardly train, export, ask."""
    worst = {"numpy": (0.0, ""), "onnx": (0.0, "")}
    n_rows = n_tables = 0
    for name, estimator, rows, unit in _trained(options.rows, options.tables):
        expected = _told(estimator, rows)
        x = rows if estimator.table_ is None else estimator.table_entries(rows)
        n_tables, n_rows = n_tables + 1, n_rows + len(x)
        for form, ask in (("numpy", _by_numpy), ("onnx", _by_onnx)):
            with tempfile.TemporaryDirectory() as folder:
                estimator.export(Path(folder) / "made", form)
                found = ask(Path(folder) / "made", np.asarray(x, float))
            apart = max(_apart(found[key], told, unit.get(key, 1.0)) for key, told in expected.items() if key in found)
            worst[form] = max(worst[form], (apart, name))
            print(f"{name} {form}: {apart:.2g}", flush=True)
    return {
        "tables": n_tables,
        "rows": n_rows,
        "apart": {form: difference for form, (difference, _) in worst.items()},
        "worst": {form: name for form, (_, name) in worst.items()},
        "passed": n_tables > 0 and all(difference <= TOLERANCE for difference, _ in worst.values()),
    }


def _trained(n_rows: int, most: int | None) -> Iterator[tuple[str, Any, Any, dict[str, float]]]:
    """Name, estimator, the rows it was fitted to, and in what unit its answers are compared where that is not 1.

    What is predicted is predicted from tables as the command reads them, with categories and gaps; what is clustered
    are numbers, as the benchmark has them.
    """
    from experiments.tables import named as clustered
    from experiments.tabular import named as predicted
    from vae_moe.data.preparation import Preparation
    from vae_moe.estimators import DMVAEClustering, DVMoEClassifier, DVMoERegressor

    warnings.simplefilter("ignore")
    for name, table in list(predicted.TABLES.items())[:most]:
        frame, y = predicted.load(table, 0, n_rows)
        rows = Preparation.fit(frame).transform(frame)
        kind = DVMoEClassifier if table.classes else DVMoERegressor
        unit = {} if table.classes else dict.fromkeys(("y", "low", "high"), float(np.std(y)))
        yield name, kind(4, likelihood="auto", missing="informative", **BRIEF).fit(rows, y), rows, unit
    for name, measured in list(clustered.TABLES.items())[:most]:
        x, classes = clustered.load(measured, 0, n_rows)
        yield name, DMVAEClustering(len(np.unique(classes)), **BRIEF).fit(x), x, {}


def _told(estimator: Any, rows: Any) -> dict[str, np.ndarray]:
    """The numbers that an estimator tells of rows, by the names of an export."""
    if hasattr(estimator, "temperature_"):
        return {"probabilities": estimator.predict_proba(rows)}
    found = {"gate_probabilities": estimator.gate_proba(rows)}
    if hasattr(estimator, "classes_"):
        return {**found, "probabilities": estimator.predict_proba(rows)}
    low, high = estimator.predict_interval(rows).T
    return {**found, "y": estimator.predict(rows), "low": low, "high": high}


def _by_numpy(folder: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    from vae_moe.exported.model import Model

    return Model(folder).predict(x)


def _by_onnx(folder: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx")
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"x": x}), strict=True))


def _apart(found: np.ndarray, expected: np.ndarray, unit: float) -> float:
    return float(np.abs(np.asarray(found, float) - expected).max() / unit)
