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
    """Write what each column has to do with what is predicted of new rows, or with their clusters."""
    config = folder.trained(options.folder)
    config |= {"encoding": options.encoding} if options.encoding else {}
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
        DatasetError: it is of images.
    """
    preparation = inputs.preparation(path, config)
    if preparation is None:
        raise DatasetError(f"{path} was trained on images, and columns of tables are explained. Its page shows images.")
    return preparation


def table(estimator: Any, source: Source, rows: Any, config: dict[str, Any], preparation: Preparation) -> pd.DataFrame:
    """A line for each row, target and column: its cell, and what it does through the experts and through the gate; of
    a clustering, what it does for the row's cluster against the next one.

    The effects are in units of the target, or of log-odds; see ``Explanation`` and ``Belonging``.
    """
    explanation = estimator.explain(rows)
    found = explanation.frame() if config["kind"] == "cluster" else explanation.frame(config["target"])
    positions = found["row"].to_numpy()
    if config.get("task") == "classification":
        classes = "log-odds of " + pd.Series(estimator.predict(rows)).astype(str)
        found["output"] = classes.to_numpy()[positions]
    origins = found["column"].map({name: preparation.origin(name)[0] for name in found["column"].unique()})
    cells = {name: source.frame[name].astype(object).to_numpy() for name in origins.unique()}
    shown = [cells[name][position] for name, position in zip(origins, positions, strict=True)]
    found["row"] = np.asarray(source.rows, object)[positions]
    found.insert(found.columns.get_loc("column") + 1, "cell", ["" if pd.isna(cell) else str(cell) for cell in shown])
    return found
