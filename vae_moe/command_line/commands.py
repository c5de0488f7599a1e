"""What the commands do: read, prepare, train, look, write. Each takes the options of :mod:`vae_moe.command_line`.

TensorFlow is imported where it is needed, so that input which cannot be used is refused at once.
"""

from __future__ import annotations

import logging
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from vae_moe import columns
from vae_moe.command_line import folder, inputs, targets
from vae_moe.idx import DatasetError
from vae_moe.report.page import Page
from vae_moe.tables import Preparation

if TYPE_CHECKING:
    from vae_moe.command_line.trained import Told, Trained

logger = logging.getLogger(__name__)

HELD_OUT = 0.2
INTERVAL = {"low": 0.05, "high": 0.95}  # of predictions: nine in ten rows should be inside
CLUSTERINGS = {"dmvae": "DMVAEClustering", "vade": "VaDEClustering"}
EXPERTS = {
    ("dvmoe", "regression"): "DVMoERegressor",
    ("dvmoe", "classification"): "DVMoEClassifier",
    ("vademoe", "regression"): "VaDEMoERegressor",
    ("vademoe", "classification"): "VaDEMoEClassifier",
    ("deepmoe", "regression"): "DeepMoERegressor",
    ("deepmoe", "classification"): "DeepMoEClassifier",
}


def cluster(options: Namespace) -> None:
    """Find clusters of rows, and write a folder."""
    with folder.new(options.out, options.overwrite) as made:
        source = inputs.read(options.data, side=options.size)
        labels = _labels(source, options.labels)
        every = np.arange(len(source.rows))
        x, preparation = inputs.prepare(source, every, [*options.drop, *([options.labels] if options.labels else [])])
        _check_rows(source.path, len(x), options.components)
        from vae_moe.command_line import clusters

        config = {"kind": "cluster", "n_components": options.components, **_config(options, source)}
        name = CLUSTERINGS[options.model]
        trained = _train(options, config, source, x, preparation, name, n_components=options.components)
        told = clusters.tell(trained, labels)
        _write(made, trained, told)
    _say(options.out, told)


def experts(options: Namespace) -> None:
    """Fit a mixture of experts, score it on held-out rows, and write a folder."""
    with folder.new(options.out, options.overwrite) as made:
        source = inputs.read(options.data, side=options.size)
        with inputs.about(source.path):
            target = targets.read(source.frame, _target_names(source, options.target), options.task)
        known = np.flatnonzero(target.known)
        _check_rows(source.path, len(known), options.experts)
        classes = target.y[known] if target.task == "classification" else None
        train, test = train_test_split(known, test_size=HELD_OUT, random_state=options.seed, stratify=classes)
        x, preparation = inputs.prepare(
            source, train, [*options.drop, *(target.names if source.images is None else [])]
        )
        logger.info("%s, %d rows to train, %d held out", target.task, len(train), len(test))
        from vae_moe.command_line import mixtures

        config = {"kind": "experts", "n_experts": options.experts, "task": target.task, "target": target.names}
        config |= _config(options, source)
        name = EXPERTS[options.model, target.task]
        trained = _train(options, config, source, x, preparation, name, train, target.y, n_experts=options.experts)
        told = mixtures.tell(trained, target, train, test)
        _write(made, trained, told)
    _say(options.out, told)


def predict(options: Namespace) -> None:
    """Write the clusters, or the predicted targets, of new rows."""
    config = folder.trained(options.folder)
    folder.check_file(options.out, options.overwrite)
    preparation = Preparation.load(options.folder / "preparation") if config["image_shape"] is None else None
    source, x = inputs.prepare_again(options.data, config, preparation)
    for name, new in (preparation.unseen(source.frame) if preparation else {}).items():
        shown = ", ".join(map(repr, new[:5])) + (", ..." if len(new) > 5 else "")
        logger.warning("column %r has values that training did not see, taken as rare ones: %s", name, shown)
    from vae_moe import estimators

    estimator = estimators.load(options.folder / "estimator")
    if (config["kind"] == "cluster") == hasattr(estimator, "gate_proba"):
        raise DatasetError(
            f"{options.folder / 'config.json'} is damaged: its kind is {config['kind']!r}, its estimator a "
            f"{type(estimator).__name__}. Train again."
        )
    predicted = pd.DataFrame({"row": source.rows, **_predictions(config, estimator, x)})
    folder.write_whole(options.out, predicted.to_csv(index=False))
    logger.info("%d rows: %s", len(predicted), options.out)


def report(options: Namespace) -> None:
    """Write ``report.html`` of a folder again, or of a run of ``experiments.train``."""
    if folder.config(options.folder).get("made_by") == folder.MADE_BY:
        html = _kept_page(options.folder)
    else:
        from vae_moe.command_line import runs

        html = runs.page_of(options.folder).html
    folder.write_whole(options.folder / "report.html", html)
    logger.info("%s", options.folder / "report.html")


def _kept_page(path: Path) -> str:
    try:
        return Page.read(path).html
    except OSError:
        raise
    except Exception as error:  # the template raises anything where blocks are damaged
        raise DatasetError(f"{path / 'report.json'} is damaged: {error}. Train again.") from error


def _train(
    options: Namespace,
    config: dict[str, Any],
    source: inputs.Source,
    x: np.ndarray,
    preparation: Preparation | None,
    name: str,
    rows: np.ndarray | slice = slice(None),
    y: np.ndarray | None = None,
    **size: int,
) -> Trained:
    """Train an estimator of a name on some of the rows."""
    from vae_moe import estimators
    from vae_moe.command_line.trained import Trained

    epochs = {} if options.epochs is None else {"epochs": options.epochs}
    verbose = int(sys.stdout.isatty() and not options.quiet)  # Keras' progress bars
    estimator = getattr(estimators, name)(**size, **epochs, random_state=options.seed, verbose=verbose)
    logger.info("%s on %d rows of %d numbers", name, *x[rows].shape)
    started = time.perf_counter()
    estimator.fit(x[rows]) if y is None else estimator.fit(x[rows], y[rows])
    return Trained(config, source, x, preparation, estimator, time.perf_counter() - started)


def _config(options: Namespace, source: inputs.Source) -> dict[str, Any]:
    return {
        "made_by": folder.MADE_BY,
        "dataset": source.path.name,
        "data": str(source.path),
        "out": options.out.name,
        "model": options.model,
        "seed": options.seed,
        "epochs": options.epochs,
        "drop": list(options.drop),
        "image_shape": source.image_shape,
        "image_white": source.images and source.images.white,
        "n_rows": len(source.rows),
        "versions": folder.versions(),
    }


def _labels(source: inputs.Source, name: str | None) -> np.ndarray | None:
    """Known classes to compare with: a column's, or the images' sub-folders."""
    if name is None:
        return source.frame[inputs.FOLDER].to_numpy(str) if source.images and inputs.FOLDER in source.frame else None
    with inputs.about(source.path):
        columns.check_names(source.frame, [name], "--labels")
    return columns.text(source.frame[name]).to_numpy(str)


def _target_names(source: inputs.Source, names: list[str] | None) -> list[str]:
    if names:
        return list(dict.fromkeys(names))
    if source.images is not None and inputs.FOLDER in source.frame:
        return [inputs.FOLDER]
    if source.images is not None:
        raise DatasetError(f"{source.path} has no sub-folders to predict. Put the images of each class in one.")
    shown = ", ".join(map(repr, source.frame.columns[:20]))
    raise DatasetError(f"{source.path}: what is to be predicted? Name a column: --target, of {shown}.")


def _check_rows(path: Path, n_rows: int, n_groups: int) -> None:
    least = max(10, 2 * n_groups)
    if n_rows < least:
        raise DatasetError(f"{path} has {n_rows} rows, {least} at least for {n_groups}. Give more, or ask for fewer.")


def _write(made: Path, trained: Trained, told: Told) -> None:
    trained.estimator.save(made / "estimator")
    if trained.preparation is not None:
        (made / "preparation").mkdir()
        trained.preparation.save(made / "preparation")
    pd.DataFrame(trained.estimator.history_).to_csv(made / "history.csv", index_label="epoch")
    folder.write_json(made / "config.json", trained.config)
    folder.write_json(made / "metrics.json", told.metrics)
    told.page.write(made)


def _predictions(config: dict[str, Any], estimator: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of the predictions' file."""
    if config["kind"] == "cluster":
        probs = estimator.predict_proba(x)
        return {"cluster": probs.argmax(-1), "probability": probs.max(-1)}
    gate = estimator.gate_proba(x)
    predicted = np.asarray(estimator.predict(x)).reshape(len(x), -1)  # [N, O]
    columns_ = {"": predicted}
    if config["task"] == "classification":
        columns_["_probability"] = estimator.predict_proba(x).max(-1, keepdims=True)
    else:
        from vae_moe.command_line.intervals import Predictive

        predictive = Predictive.of(estimator, x)
        columns_ |= {f"_{name}": predictive.quantile(level) for name, level in INTERVAL.items()}
    found = {
        f"predicted_{name}{end}": c[:, i] for i, name in enumerate(config["target"]) for end, c in columns_.items()
    }
    return {**found, "expert": gate.argmax(-1), "expert_probability": gate.max(-1)}


def _say(out: Path, told: Told) -> None:
    if logger.isEnabledFor(logging.INFO):
        sys.stdout.write("\n".join([*told.summary, f"report: {out / 'report.html'}", ""]))


COMMANDS = {"cluster": cluster, "experts": experts, "predict": predict, "report": report}
