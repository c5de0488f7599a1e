"""New rows in, a line each out: read, prepared and predicted part by part, so that memory does not grow with them."""

import logging
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from vae_moe.app import folder, inputs, predictions, trained
from vae_moe.app.inputs import Source
from vae_moe.app.measured import Measured
from vae_moe.data import columns
from vae_moe.data.files import DatasetError
from vae_moe.data.preparation import Preparation

logger = logging.getLogger(__name__)


def predict(options: Namespace) -> None:
    """Write the clusters, or the predicted targets, of new rows."""
    config = folder.trained(options.folder)
    config |= {"encoding": options.encoding} if options.encoding else {}
    predictions.check(options.out, options.overwrite)
    preparation = inputs.preparation(options.folder, config)
    told, estimator, n_rows = Told(config["ranges"], preparation), None, 0
    with (
        predictions.writer(options.out) as write,
        progress(options.data, options.quiet) as advance,
        _meanwhile(write) as write_meanwhile,
    ):
        for source, rows, share in inputs.parts(options.data, config, preparation):
            ids = identities(source, options.id)
            measured = Measured.of(source, preparation)
            told.look(source, measured)
            estimator = estimator or trained.estimator(options.folder, config)
            write_meanwhile(table(estimator, source, rows, config, preparation, measured, ids))
            n_rows += len(rows)
            advance(share)
    told.log()
    place = "standard output" if options.out == predictions.STANDARD_OUTPUT else options.out
    logger.info("%d %s: %s", n_rows, "row" if n_rows == 1 else "rows", place)


def table(
    estimator: Any,
    source: Source,
    rows: Any,
    config: dict[str, Any],
    preparation: Preparation | None,
    measured: Measured,
    ids: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """What is predicted of prepared rows, a line each: its number, what identifies it, and the columns in which
    it is outside of what training had."""
    of = predictions.of_clusters if config["kind"] == "cluster" else predictions.of_experts
    found = of(estimator, rows, config)
    if preparation is not None:
        found["outside"] = outside(source, preparation, measured, config["ranges"])
    if twice := set(ids or {}) & {"row", *found}:
        raise DatasetError(f"--id {twice.pop()!r} is the name of what is predicted: rename the column.")
    return pd.DataFrame({"row": source.rows, **(ids or {}), **found})


def outside(source: Source, preparation: Preparation, measured: Measured, ranges: dict[str, Any]) -> np.ndarray:
    """The columns whose value is beyond those of training, or is a category that it did not have, for each row, [N]."""
    found = np.full(len(source.rows), "", object)
    flags = {name: measured.beyond(name, ranges) for name in measured.shown}
    for name, new in preparation.unseen(source.frame).items():
        flags[name] = columns.text(source.frame[name]).isin(new).to_numpy()
    for name, flag in flags.items():
        found[flag] += np.where(found[flag] == "", "", "; ").astype(object) + name
    return found


def identities(source: Source, names: Sequence[str]) -> dict[str, Any]:
    """The columns that identify rows, as they are."""
    with inputs.naming(source.path):
        columns.check_names(source.frame, names, "--id")
    return {name: source.frame[name].to_numpy() for name in names}


class Told:
    """What is warned of, over all parts of the rows."""

    def __init__(self, ranges: dict[str, Any], preparation: Preparation | None) -> None:
        self.ranges, self.preparation = ranges, preparation
        self.unseen: dict[str, set[str]] = {}
        self.gaps: dict[str, int] = {}
        self.far: dict[str, str] = {}

    def look(self, source: Source, measured: Measured) -> None:
        """Look at one part."""
        if self.preparation is None:
            return
        for name, new in self.preparation.unseen(source.frame).items():
            self.unseen.setdefault(name, set()).update(new)
        for name, n_gaps in self.preparation.new_gaps(source.frame).items():
            self.gaps[name] = self.gaps.get(name, 0) + n_gaps
        for name, words in measured.far_from(self.ranges).items():
            self.far.setdefault(name, words)

    def log(self) -> None:
        """Warn of all that was seen."""
        for name, new in self.unseen.items():
            shown = ", ".join(map(repr, sorted(new)[:5])) + (", ..." if len(new) > 5 else "")
            logger.warning("column %r has values that training did not see, taken as rare ones: %s", name, shown)
        for name, n in self.gaps.items():
            assert self.preparation is not None
            filled = "its median is taken" if self.preparation.is_plain else "the model goes by the other cells"
            logger.warning("column %r has gaps, which training had none of: %s, rows: %d", name, filled, n)
        for words in self.far.values():
            logger.warning("%s", words)


@contextmanager
def _meanwhile(write: Callable[[pd.DataFrame], None]) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Writes a part while the next one is predicted; no further one waits."""
    pending: list[Future[None]] = []

    def begin(rows: pd.DataFrame) -> None:
        while pending:
            pending.pop().result()
        pending.append(thread.submit(write, rows))

    with ThreadPoolExecutor(1) as thread:
        yield begin
        while pending:
            pending.pop().result()


@contextmanager
def progress(path: Path, quiet: bool) -> Iterator[Any]:
    """A bar on a terminal, for the function of the share that is done, which is given."""
    console = Console(stderr=True)
    bar = Progress(
        *("predict", BarColumn(), MofNCompleteColumn(), "%", TimeRemainingColumn()),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task(str(path), total=100)
        yield lambda share: bar.update(task, completed=int(100 * share))
