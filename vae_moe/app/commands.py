"""What the commands do: read, prepare, train, keep, look. Each takes the options of :mod:`vae_moe.app`.

TensorFlow is imported where it is needed, so that input which cannot be used is refused at once. What was trained is
kept before anything else is done with it, so that nothing that comes later can lose it.
"""

import datetime
import logging
import shutil
import sys
import time
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from vae_moe import extremes, registry
from vae_moe.app import exports, folder, inputs, reasons, scoring, splits, startup, targets, telling, trained, web
from vae_moe.app.measured import Measured
from vae_moe.app.report.page import Page
from vae_moe.app.trained import Trained
from vae_moe.data import columns
from vae_moe.data.dialects import UTF8, Dialect
from vae_moe.data.files import DatasetError, readable
from vae_moe.data.preparation import Preparation
from vae_moe.engine import watch
from vae_moe.training import plan

logger = logging.getLogger(__name__)


def cluster(options: Namespace) -> None:
    """Find clusters of rows, and write a folder."""
    folder.check_free(options.out, options.overwrite)
    source = _read(options)
    inputs.labels(source, options.labels)  # refused before training, if they are not there
    apart = {options.labels: "known classes, not trained on"} if options.labels else {}
    rows, preparation = _prepare(options, source, np.arange(len(source.rows)), apart)
    _check_rows(source.path, len(rows), options.components)
    config = {"kind": "cluster", "n_components": options.components, "labels": options.labels}
    config |= _config(options, source, preparation)
    _finish(
        options,
        _train(
            options,
            config,
            source,
            rows,
            preparation,
            _estimator(options.model, "Clustering"),
            n_components=options.components,
        ),
    )


def experts(options: Namespace) -> None:
    """Fit a mixture of experts, write a folder, and score it on held-out rows."""
    folder.check_free(options.out, options.overwrite)
    source = _read(options, options.test)
    with inputs.naming(source.path):
        target = targets.read(source.frame, _target_names(source, options.target), options.task)
    if dropped := [name for name in target.names if name in options.drop]:
        raise DatasetError(f"--target and --drop both name {dropped[0]!r}: no target is learned from, name it once.")
    _check_rows(source.path, int(target.known.sum()), options.experts)
    split = splits.split(source, target, options)
    train, test = split.train, split.test
    weight = None
    if options.class_weight and target.task == "regression":
        raise DatasetError("--class-weight is for classes, and the target is a number: leave it out.")
    if options.class_weight:
        weight = compute_sample_weight(options.class_weight, target.y[train])
    apart = dict.fromkeys(target.names if source.images is None else [], "what is predicted")
    apart |= {options.groups: "groups of the hold-out"} if options.groups else {}
    rows, preparation = _prepare(options, source, train, apart)
    logger.info("%s, %d rows to train, %d held out", target.task, len(train), len(test))
    config = {"kind": "experts", "n_experts": options.experts, "task": target.task, "asked_task": options.task}
    config |= {"target": target.names, "class_weight": options.class_weight, "held_out": split.words}
    config |= {"test": options.test and str(options.test.absolute()), "groups": options.groups, "time": options.time}
    config |= _config(options, source, preparation, train)
    name = _estimator(options.model, "Regressor" if target.task == "regression" else "Classifier")
    _finish(
        options,
        _train(
            *(options, config, source, rows, preparation, name, (train, test), target.y, weight),
            n_experts=options.experts,
        ),
    )


def export(options: Namespace) -> None:
    """Write what was trained for programs without this package."""
    exports.write(options.folder, options.out, options.form, options.overwrite)
    logger.info("%s", readable(options.out))


def report(options: Namespace) -> None:
    """Write ``report.html`` of a folder again, or of a run of ``experiments.train``.

    The page of a folder that has none yet, or that ``--data`` asks for, is made from its estimator and its rows.
    """
    if folder.config(options.folder).get("made_by") != folder.MADE_BY:
        startup.import_tensorflow()
        from vae_moe.app.report import runs

        runs.page_of(options.folder).write_html(options.folder)
    elif options.data is None and (options.folder / "report.json").exists():
        _write_kept_page(options.folder)
    else:
        _look(options, options.folder, trained.read(options.folder, options.data))
        return
    logger.info("%s", options.folder / "report.html")


def _write_kept_page(path: Path) -> None:
    try:
        Page.read(path).write_html(path)
    except OSError:
        raise
    except Exception as error:  # the template raises anything where blocks are damaged
        raise DatasetError(
            f"{path / 'report.json'} is damaged: {error}. Remove it: then the page is made from the estimator."
        ) from error


def _read(options: Namespace, test: Path | None = None) -> inputs.Source:
    dialect = Dialect(options.decimal, options.dayfirst, options.encoding or UTF8, tuple(options.na_values))
    source = inputs.read(options.data, side=options.size, dialect=dialect)
    source = splits.joined(source, test)
    return inputs.with_categories(source, options.categorical) if options.categorical else source


def _prepare(
    options: Namespace, source: inputs.Source, rows: np.ndarray, apart: dict[str, str]
) -> tuple[Any, Preparation | None]:
    """What an estimator takes of a source, learned from some rows; see ``inputs.prepare``."""
    found, preparation = inputs.prepare(source, rows, options.drop, apart)
    if preparation and (numbers := [name for name in options.categorical if name in preparation.columns.numbers]):
        raise DatasetError(
            f"--categorical {numbers[0]!r} has {source.frame[numbers[0]].nunique()} values, most of them too rare to "
            "tell apart: take it as a number, or --drop it."
        )
    return found, preparation


def _estimator(model: str, kind: str) -> str:
    """The name of the estimator of a model."""
    return f"{registry.MODELS[model].model}{kind}"


def _train(
    options: Namespace,
    config: dict[str, Any],
    source: inputs.Source,
    rows: Any,
    preparation: Preparation | None,
    name: str,
    split: tuple[np.ndarray | slice, np.ndarray | None] = (slice(None), None),
    y: np.ndarray | None = None,
    sample_weight: np.ndarray | None = None,
    **size: int,
) -> Trained:
    """Train an estimator of a name on the rows of the first part of a split, the second being held out."""
    watch.tell("tensorflow", 0, 1)
    startup.import_tensorflow()
    from vae_moe import estimators

    watch.tell("tensorflow", 1, 1)
    train, held_out = split
    learned = inputs.rows_at(rows, train)
    epochs = _fewer_epochs(name, len(learned)) if options.fast else {}
    epochs |= {} if options.epochs is None else {"epochs": options.epochs}
    resume_dir = options.out / folder.RESUME
    if options.overwrite:
        shutil.rmtree(resume_dir, ignore_errors=True)
    elif resume_dir.exists():
        logger.info("goes on from what an earlier command kept in %s; --overwrite begins anew", readable(resume_dir))
    estimator = getattr(estimators, name)(**size, **epochs, random_state=options.seed, resume_dir=str(resume_dir))
    if "likelihood" in estimator.get_params() and preparation is not None:  # pixels alone are from 0 to 1
        estimator.set_params(missing="informative", likelihood="gaussian" if preparation.is_plain else "auto")
    logger.info("%s on %d rows of %d columns", name, *learned.shape)
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", extremes.ExtremesWarning)  # the table's own columns were told of
            estimator.fit(learned) if y is None else estimator.fit(learned, y[train], sample_weight)
    except FloatingPointError:  # the same command would come to the same batch
        shutil.rmtree(resume_dir, ignore_errors=True)
        raise
    estimator.set_params(resume_dir=None)
    config["seconds"] = round(time.perf_counter() - started, 1)
    config["finished_at"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return Trained(config, source, rows, preparation, estimator, held_out)


def _finish(options: Namespace, training: Trained) -> None:
    """Keep what was trained, then look at it."""
    try:
        options.kept = folder.write(options.out, options.overwrite, training.write)
    except (OSError, DatasetError):
        options.kept = folder.write_elsewhere(options.out, training.write)
        raise
    _look(options, options.out, training)


def _look(options: Namespace, out: Path, training: Trained) -> None:
    """Score what was trained, and write its page."""
    watch.tell("page", 0, 1)
    from vae_moe.app.report import clusters, mixtures

    config, source = training.config, training.source
    if config["kind"] == "cluster":
        found = clusters.findings(training, inputs.labels(source, config.get("labels")))
    else:
        found = mixtures.findings(training, targets.read(source.frame, config["target"], config.get("asked_task")))
    found.write(out)
    watch.tell("page", 1, 1)
    summary = "\n".join([*found.summary, f"report: {readable(out / 'report.html')}"])
    telling.keep(summary)
    if not options.quiet:
        sys.stdout.write(f"{summary}\n")


def _fewer_epochs(name: str, n_rows: int) -> dict[str, int]:
    """A third of the default epochs of an estimator."""
    usual = plan.default_plan(n_rows) if name.endswith("Clustering") else plan.EXPERTS
    assert usual.warm_start is not None
    stages = usual.warm_start
    fewer = {"epochs": usual.epochs, "start_epochs": min(stages.autoencoder_epochs, stages.distill_epochs)}
    return {stage: -(-epochs // 3) for stage, epochs in fewer.items()}


def _config(
    options: Namespace, source: inputs.Source, preparation: Preparation | None, train: np.ndarray | None = None
) -> dict[str, Any]:
    """What was asked for and read, and warnings of it, which are logged; ``train``: the rows to learn from, or all."""
    measured = Measured.of(source, preparation, train)
    told = [*measured.ruled, *Measured.of(source, preparation).numbering]
    for words in told:
        logger.warning("%s", words)
    return {
        "made_by": folder.MADE_BY,
        "dataset": readable(source.path.name),
        "data": str(source.path.absolute()),
        "fingerprint": source.fingerprint,
        "query": options.query,
        "size": options.size,
        "decimal": options.decimal,
        "dayfirst": options.dayfirst,
        "encoding": options.encoding or UTF8,
        "na_values": list(options.na_values),
        "out": readable(options.out.name),
        "model": options.model,
        "seed": options.seed,
        "epochs": options.epochs,
        "fast": options.fast,
        "drop": list(options.drop),
        "categorical": list(options.categorical),
        "image_shape": source.image_shape,
        "image_white": source.images and source.images.white,
        "n_rows": len(source.rows),
        "warnings": told,
        "ranges": measured.ranges,
        "versions": folder.versions(),
    }


def _target_names(source: inputs.Source, names: list[str] | None) -> list[str]:
    if names:
        return list(dict.fromkeys(names))
    if source.images is not None and inputs.FOLDER in source.frame:
        return [inputs.FOLDER]
    if source.images is not None:
        raise DatasetError("there are no sub-folders to predict. Put the images of each class in one.")
    raise DatasetError(f"what is to be predicted? Name a column: --target, of {columns.listed(source.frame)}.")


def _check_rows(path: Path, n_rows: int, n_groups: int | str) -> None:
    n_groups = 1 if isinstance(n_groups, str) else n_groups  # as many as there are
    least = max(10, 2 * n_groups)
    if n_rows < least:
        fewer = f" for {n_groups} groups. Ask for fewer, or give" if n_groups > 5 else ". Give"
        raise DatasetError(f"{path} has {n_rows} rows, {least} at least are needed{fewer} more rows.")


COMMANDS = {
    "cluster": cluster,
    "experts": experts,
    "predict": scoring.predict,
    "explain": reasons.explain,
    "export": export,
    "serve": web.serve,
    "report": report,
}
