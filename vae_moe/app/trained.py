"""What was trained, as a folder: written as soon as training ends, and read again to predict, or to make its page."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_moe.app import features, folder, inputs, splits, startup
from vae_moe.app.features import Feature
from vae_moe.app.inputs import Source
from vae_moe.data.files import DatasetError
from vae_moe.data.preparation import Preparation

HELD_OUT = "held_out.csv"  # rows that took no part in training, by name


@dataclass(frozen=True, eq=False)
class Trained:
    """An estimator and what it was trained on.

    Attributes:
        config: as ``config.json`` has it, with the training's end and how many seconds it took.
        source: what was read, N rows.
        rows: N, as the estimator takes them: a table, or x [N, D] of images.
        preparation: of a table.
        estimator: fitted.
        held_out: numbers of rows that took no part in training; None of a clustering.
    """

    config: dict[str, Any]
    source: Source
    rows: Any
    preparation: Preparation | None
    estimator: Any
    held_out: np.ndarray | None

    @cached_property
    def x(self) -> np.ndarray:
        """The rows as the model sees them, [N, D], NaN in gaps."""
        return self.estimator.table_entries(self.rows)

    @cached_property
    def features(self) -> list[Feature]:
        """What the D numbers of a table are; of images there are none."""
        return [] if self.preparation is None else features.of_estimator(self.estimator, self.preparation)

    def restored(self, made: Any) -> pd.DataFrame:
        """What the estimator makes of a table as its columns were."""
        assert self.preparation is not None
        named = made if isinstance(made, pd.DataFrame) else pd.DataFrame(made, columns=self.rows.columns)
        return self.preparation.restore(named)

    def write(self, made: Path) -> None:
        """Write what ``predict`` and ``report`` need into an empty folder."""
        self.estimator.save(made / "estimator")
        if self.preparation is not None:
            (made / "preparation").mkdir()
            self.preparation.save(made / "preparation")
        pd.DataFrame(self.estimator.history_).to_csv(made / "history.csv", index_label="epoch")
        if self.held_out is not None:
            names = [self.source.rows[row] for row in self.held_out]
            pd.DataFrame({"row": names}).to_csv(made / HELD_OUT, index=False)
        folder.write_json(made / "config.json", self.config)


def read(path: Path, data: Path | None = None) -> Trained:
    """Read a training with the rows it was trained on.

    Args:
        path: what ``Trained.write`` wrote.
        data: where those rows are now; None: where they were.

    Raises:
        DatasetError: the folder is none of a training or is damaged, or the rows are not there or are others.
    """
    config = folder.trained(path, for_page=True)
    data = data or Path(config["data"])
    if not data.exists():
        raise DatasetError(f"{data} is not there, and the page shows its rows: name them by --data.")
    source = inputs.read(data, side=config["size"], dialect=inputs.dialect(config))
    source = splits.joined(source, Path(config["test"]) if config.get("test") else None)
    if source.fingerprint != config["fingerprint"]:
        raise DatasetError(
            f"{data} is not what {path} was trained on: the page would be of other rows. Name the data by --data, or "
            "train again."
        )
    preparation = inputs.preparation(path, config)
    rows = inputs.prepared(source, preparation)
    held_out = None if config["kind"] == "cluster" else _held_out(path, source)
    return Trained(config, source, rows, preparation, estimator(path, config), held_out)


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


def _held_out(path: Path, source: Source) -> np.ndarray:
    try:
        names = pd.read_csv(path / HELD_OUT, dtype=str, keep_default_na=False)["row"].tolist()
        numbers = {name: row for row, name in enumerate(source.rows)}
        return np.array([numbers[name] for name in names])
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(f"{path / HELD_OUT} is damaged: {error}. Train again.") from error
