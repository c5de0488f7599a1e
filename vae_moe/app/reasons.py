"""What each column has to do with the prediction of single rows: a line a row and column."""

import logging
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_moe.app import folder, inputs, predictions, scoring, trained
from vae_moe.app.inputs import Source
from vae_moe.data.files import DatasetError, readable
from vae_moe.data.preparation import Preparation

logger = logging.getLogger(__name__)


def explain(options: Namespace) -> None:
    """Write what each column has to do with what is predicted of new rows."""
    config = folder.trained(options.folder)
    predictions.check(options.out, options.overwrite)
    preparation = explained_by(options.folder, config)
    estimator = trained.estimator(options.folder, config)
    with predictions.writer(options.out) as write, scoring.progress(options.data, options.quiet) as advance:
        for source, rows, share in inputs.parts(options.data, config, preparation):
            write(table(estimator, source, rows, config, preparation))
            advance(share)
    if options.out != predictions.STANDARD_OUTPUT:
        logger.info("%s", readable(options.out))


def explained_by(path: Path, config: dict[str, Any]) -> Preparation:
    """The preparation of a training that can be asked for reasons.

    Raises:
        DatasetError: it is a clustering, or of images.
    """
    preparation = inputs.preparation(path, config)
    if config["kind"] == "cluster" or preparation is None:
        raise DatasetError(
            f"{path} holds no experts of a table, which alone are explained. Its page tells of clusters."
        )
    return preparation


def table(estimator: Any, source: Source, rows: Any, config: dict[str, Any], preparation: Preparation) -> pd.DataFrame:
    """A line for each row, target and column: its cell, and what it does through the experts and through the gate.

    The effects are in units of the target, or of the log-odds of the class that is predicted; see ``Explanation``.
    """
    found = estimator.explain(rows).frame(config["target"])
    positions = found["row"].to_numpy()
    if config["task"] == "classification":
        classes = "log-odds of " + pd.Series(estimator.predict(rows)).astype(str)
        found["output"] = classes.to_numpy()[positions]
    origins = found["column"].map({name: preparation.origin(name)[0] for name in found["column"].unique()})
    cells = {name: source.frame[name].astype(object).to_numpy() for name in origins.unique()}
    shown = [cells[name][position] for name, position in zip(origins, positions, strict=True)]
    found["row"] = np.asarray(source.rows, object)[positions]
    found.insert(3, "cell", ["" if pd.isna(cell) else str(cell) for cell in shown])
    return found
