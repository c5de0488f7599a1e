"""The file of predictions: a line a row."""

import gzip
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_moe.data.files import DatasetError
from vae_moe.engine.files import whole_file

LEVEL = 0.9  # of the intervals of a regression
STANDARD_OUTPUT = Path("-")
ENDINGS = (".csv", ".csv.gz", ".parquet")


def check(out: Path, overwrite: bool) -> None:
    """Raise DatasetError unless predictions may be written there."""
    if out == STANDARD_OUTPUT:
        return
    if out.is_dir() or not out.parent.is_dir():
        raise DatasetError(f"--out {out} is a folder, or is in none that is there. Give a file name.")
    if not out.name.lower().endswith(ENDINGS):
        raise DatasetError(
            f"--out {out} has the ending {out.suffix!r}, and predictions are {', '.join(ENDINGS)}. Give such a name, "
            "or - for standard output."
        )
    if out.exists() and not overwrite:
        raise DatasetError(f"--out {out} is there already. Give another file, or --overwrite.")


@contextmanager
def writer(out: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write predictions part by part: a file whole or not at all, or to standard output.

    Yields:
        A function that takes the next rows.

    Raises:
        DatasetError: Parquet is wanted, and pyarrow is not there.
    """
    if out == STANDARD_OUTPUT:
        yield _lines(sys.stdout)
        return
    with whole_file(out) as temporary:
        if out.suffix.lower() == ".parquet":
            with _parquet(out, temporary) as write:
                yield write
            return
        opening = gzip.open if out.suffix.lower() == ".gz" else open
        with opening(temporary, "wt", encoding="utf-8", newline="") as file:
            yield _lines(file)


def _lines(file: Any) -> Callable[[pd.DataFrame], None]:
    first = True

    def write(rows: pd.DataFrame) -> None:
        nonlocal first
        rows.to_csv(file, index=False, header=first, lineterminator="\n")
        first = False

    return write


@contextmanager
def _parquet(out: Path, temporary: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise DatasetError(f"--out {out} needs pyarrow. pip install 'vae_moe[tables]', or write a .csv.") from error
    opened: list[Any] = []

    def write(rows: pd.DataFrame) -> None:
        kept = pa.Table.from_pandas(rows, schema=opened[0].schema if opened else None, preserve_index=False)
        if not opened:
            opened.append(parquet.ParquetWriter(temporary, kept.schema))
        opened[0].write_table(kept)

    try:
        yield write
    finally:
        for each in opened:
            each.close()


def of_clusters(estimator: Any, rows: Any, config: dict[str, Any] | None = None) -> dict[str, np.ndarray]:
    """Columns: the cluster of each row, its probability, and that of every cluster."""
    probs = estimator.predict_proba(rows)
    every = {f"probability_{cluster}": column for cluster, column in enumerate(probs.T)}
    return {"cluster": probs.argmax(-1), "probability": probs.max(-1), **every}


def of_experts(estimator: Any, rows: Any, config: dict[str, Any]) -> dict[str, np.ndarray]:
    """Columns: what is predicted of each row, how sure it is, and its expert.

    Args:
        estimator: fitted.
        rows: N, prepared.
        config: of the training.
    """
    from vae_moe.estimators.intervals import calibrated  # with TensorFlow, which the estimator has imported

    found: dict[str, np.ndarray] = {}
    if config["task"] == "classification":
        name, probs = f"predicted_{config['target'][0]}", estimator.predict_proba(rows)
        found |= {name: estimator.classes_[probs.argmax(-1)], f"{name}_probability": probs.max(-1)}
        found |= {f"{name}_probability_{each}": p for each, p in zip(estimator.classes_, probs.T, strict=True)}
        gate = estimator.gate_proba(rows)
    else:
        density = estimator.predict_distribution(rows)  # once for all that is told of it
        gate, means = density.gate, density.mean.reshape(len(rows), -1)  # [N, K], [N, O]
        bounds = density.between(calibrated(estimator.ranks_, LEVEL)).reshape(len(rows), -1, 2)
        for i, target in enumerate(config["target"]):
            name = f"predicted_{target}"
            found |= {name: means[:, i], f"{name}_low": bounds[:, i, 0], f"{name}_high": bounds[:, i, 1]}
    return {**found, "expert": gate.argmax(-1), "expert_probability": gate.max(-1)}
