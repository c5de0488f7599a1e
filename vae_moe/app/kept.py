"""A training as a folder: written as soon as it ends, and read again to predict, or to make its page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vae_moe.app import folder, inputs, startup
from vae_moe.data.files import DatasetError

if TYPE_CHECKING:
    from vae_moe.app.trained import Trained

HELD_OUT = "held_out.csv"  # rows that took no part in training, by name


def write(trained: Trained, made: Path) -> None:
    """Write what ``predict`` and ``report`` need into an empty folder."""
    trained.estimator.save(made / "estimator")
    if trained.preparation is not None:
        (made / "preparation").mkdir()
        trained.preparation.save(made / "preparation")
    pd.DataFrame(trained.estimator.history_).to_csv(made / "history.csv", index_label="epoch")
    if trained.held_out is not None:
        names = [trained.source.rows[row] for row in trained.held_out]
        pd.DataFrame({"row": names}).to_csv(made / HELD_OUT, index=False)
    folder.write_json(made / "config.json", trained.config)


def read(path: Path, data: Path | None = None) -> Trained:
    """Read a training with the rows it was trained on.

    Args:
        path: what ``write`` wrote.
        data: where those rows are now; None: where they were.

    Raises:
        DatasetError: the folder is none of a training or is damaged, or the rows are not there or are others.
    """
    config = folder.trained(path, for_page=True)
    data = data or Path(config["data"])
    if not data.exists():
        raise DatasetError(f"{data} is not there, and the page shows its rows: name them by --data.")
    source = inputs.read(data, side=config["size"])
    if source.fingerprint != config["fingerprint"]:
        raise DatasetError(
            f"{data} is not what {path} was trained on: the page would be of other rows. Name the data by --data, or "
            "train again."
        )
    preparation = inputs.preparation(path, config)
    x = inputs.prepared(source, preparation)
    held_out = _held_out(path, config, source)
    found = estimator(path, config)
    from vae_moe.app.trained import Trained

    return Trained(config, source, x, preparation, found, held_out)


def estimator(path: Path, config: dict[str, Any]) -> Any:
    """The fitted estimator of a folder.

    Raises:
        DatasetError: it is damaged, or another than ``config.json`` says.
    """
    startup.import_tensorflow()
    from vae_moe import estimators

    try:
        found = estimators.load(path / "estimator")
    except ValueError as error:
        raise DatasetError(f"{error} Or train again.") from error
    if (config["kind"] == "cluster") == hasattr(found, "gate_proba"):
        raise DatasetError(
            f"{path / 'config.json'} is damaged: its kind is {config['kind']!r}, its estimator a "
            f"{type(found).__name__}. Train again."
        )
    return found


def _held_out(path: Path, config: dict[str, Any], source: inputs.Source) -> np.ndarray | None:
    if config["kind"] == "cluster":
        return None
    try:
        names = pd.read_csv(path / HELD_OUT, dtype=str, keep_default_na=False)["row"].tolist()
        numbers = dict(zip(source.rows, range(len(source.rows)), strict=True))
        return np.array([numbers[name] for name in names])
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(f"{path / HELD_OUT} is damaged: {error}. Train again.") from error
