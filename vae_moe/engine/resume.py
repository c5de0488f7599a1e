"""Training that survives being killed: what it stands on is written after each epoch, whole, and read again.

Keras' ``BackupAndRestore`` writes weights and epoch to two files, neither whole at every moment, and knows nothing of
random states, of the history, of the best epoch and of the order of the batches.
"""

import json
import logging
import shutil
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vae_moe.engine import watch
from vae_moe.engine.files import whole_file
from vae_moe.engine.pipelines import compile_model, repeatable
from vae_moe.engine.steps import LoopingModel

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


class Backup:
    """A folder in which a training of several stages keeps what it has done, one file a stage.

    Begun again by the same code, a training that was killed reads what is done and goes on after its last finished
    epoch: weights, optimizer, random states, history and order of the batches are what they were, and so is the end,
    to the last bit on a machine that computes the same twice. A file that cannot be read is told of, and its stage
    done again.

    Args:
        folder: made when it is needed; None keeps nothing.
        interval: seconds between what is kept of one stage and the next time; 0 keeps every epoch.
        needed: whether a folder that cannot be written ends the training; else a warning says so.
    """

    def __init__(self, folder: str | Path | None = None, interval: float = 0.0, needed: bool = True):
        self.folder = None if folder is None else Path(folder)
        self.interval, self.needed = interval, needed
        self._seconds, self._since = 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        """Spent on what is kept and since, in all processes together."""
        return self._seconds + time.perf_counter() - self._since

    def once(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """What ``make`` gives, which is called only if no earlier process kept it under this name."""
        kept = self._read(name)
        if kept is not None:
            return kept[0]
        arrays = make()
        self._write(name, arrays, {})
        return arrays

    @repeatable()
    def fit(
        self,
        name: str,
        model: LoopingModel,
        data,
        epochs: int,
        learning_rate: float = 1e-3,
        schedule: str = "cosine",
        *,
        best: str | Callable[[], float] | None = None,
        patience: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        **options,
    ) -> "Record":
        """Compile a model and fit it, from the epoch after the last one kept under this name.

        Args:
            name: of the stage.
            model: built.
            data: a ``tf.data.Dataset`` of shuffled batches, the same sequence each time it is made.
            epochs: of the whole stage.
            learning_rate: of Adam.
            schedule: of the rate, "cosine" or "constant".
            best: a logged value, or a function that gives one and is asked before the first epoch too; the model ends
                with the variables of the least. None: of the last epoch.
            patience: epochs without a lower value that end the stage. None: all are carried out.
            callbacks: whose work must depend on the epoch and the model alone, not on what they saw in earlier epochs.
            options: of Keras' ``fit``.

        Returns:
            Keras' history of all epochs.
        """
        compile_model(model, data, epochs, learning_rate, schedule)
        record = Record(self, name, best, patience)
        kept = self._read(name)
        if kept is not None and record.restore(model, data, epochs, *kept):
            logger.info("%s: goes on after epoch %d of %d", name, record.n_epochs, epochs)
        model.fit(
            data,
            epochs=record.n_epochs if record.ended else epochs,
            initial_epoch=record.n_epochs,
            shuffle=False,  # the batches come shuffled
            callbacks=[*callbacks, record],
            **options,
        )
        model.keep_step()
        return record

    def remove(self) -> None:
        """Remove the folder, when what the training gave is kept elsewhere."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, name: str) -> tuple[Arrays, dict[str, Any]] | None:
        """Arrays and facts kept under a name; None if there are none, or none that can be read."""
        if self.folder is None or not (path := self.folder / f"{name}.npz").exists():
            return None
        try:
            arrays = _load(path)
            facts = json.loads(str(arrays.pop("facts")))
            seconds = float(facts["seconds"])
        except Exception as error:  # a damaged file may raise anything
            logger.warning("%s cannot be read (%s): its stage is done again.", path, error)
            return None
        self._seconds, self._since = max(self._seconds, seconds), time.perf_counter()
        return arrays, facts

    def _write(self, name: str, arrays: Arrays, facts: dict[str, Any]) -> None:
        if self.folder is None:
            return
        text = json.dumps({**facts, "seconds": self.seconds})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with whole_file(self.folder / f"{name}.npz") as temporary:
                np.savez(temporary, **{**arrays, "facts": np.array(text)})  # type: ignore[arg-type]
        except OSError as error:
            if self.needed:
                raise
            logger.warning("%s cannot be kept (%s): a training that is killed will begin earlier.", name, error)


class Record(keras.callbacks.History):
    """Keras' history of a stage, and its best variables, written after each epoch with all that training stands on.

    Attributes:
        best_epoch: that had the least value, counted from 0; -1 before the first.
        ended: whether patience ended the stage.
    """

    def __init__(self, backup: Backup, name: str, best: str | Callable[[], float] | None, patience: int | None):
        super().__init__()
        self.backup, self.stage, self.best, self.patience = backup, name, best, patience
        self.n_epochs, self.least, self.best_epoch, self.ended = 0, np.inf, -1, False
        self._kept_at = time.perf_counter()
        self.best_values: list[np.ndarray] = []

    def restore(self, model, data, epochs: int, arrays: Arrays, facts: dict[str, Any]) -> bool:
        """Bring model, optimizer and data to where they were; False if what was kept does not fit them."""
        model.optimizer.build(model.trainable_variables)
        values, best_values = _listed(arrays, "variable"), _listed(arrays, "best")
        variables = _variables(model)
        if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
            logger.warning("what is kept of %s is of another model: the stage is done again.", self.stage)
            return False
        self.n_epochs, self.history, self.least = facts["epochs"], facts["history"], facts["least"]
        self.best_epoch, self.ended = facts["best_epoch"], facts["ended"]
        self.best_values = best_values
        if self.n_epochs < epochs and not self.ended:
            _draw(model, data, self.n_epochs)
        _assign(variables, values)
        return True

    def on_train_begin(self, logs=None):
        """The epochs that are done; of none, the value and the variables before the first."""
        self.epoch = list(range(self.n_epochs))
        if callable(self.best) and not self.n_epochs:
            self._keep(self.best(), -1)

    def on_epoch_end(self, epoch, logs=None):
        """Record the logs, keep the best variables, write all."""
        if callable(self.best) and logs is not None:
            logs["val_nll"] = self.best()
        super().on_epoch_end(epoch, {name: float(value) for name, value in (logs or {}).items()})
        self.n_epochs = epoch + 1
        watch.tell(self.stage, self.n_epochs, self.params["epochs"])
        if self.best is not None:
            name = "val_nll" if callable(self.best) else self.best
            self._keep(self.history[name][-1], epoch)
            self.ended = self.patience is not None and epoch - self.best_epoch >= self.patience
            self.model.stop_training |= self.ended
        if time.perf_counter() - self._kept_at < self.backup.interval:
            return
        arrays = {f"variable{i}": variable.numpy() for i, variable in enumerate(_variables(self.model))}
        arrays |= {f"best{i}": value for i, value in enumerate(self.best_values)}
        facts = {"epochs": self.n_epochs, "history": self.history, "least": self.least}
        self.backup._write(self.stage, arrays, {**facts, "best_epoch": self.best_epoch, "ended": self.ended})
        self._kept_at = time.perf_counter()

    def on_train_end(self, logs=None):
        """Leave the model at its best."""
        _assign(self.model.variables[: len(self.best_values)], self.best_values)

    def _keep(self, value: float, epoch: int) -> None:
        """Keep the variables, if the value is less than all before."""
        if value < self.least:
            self.least, self.best_epoch = value, epoch
            self.best_values = [variable.numpy() for variable in self.model.variables]


def _load(path: Path) -> Arrays:
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"{damaged} is damaged")
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def _variables(model) -> list:
    """All that a step of training changes: weights, random states, the optimizer's."""
    return [*model.variables, *model.optimizer.variables]


def _assign(variables: Sequence, values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _listed(arrays: Arrays, prefix: str) -> list[np.ndarray]:
    n_arrays = sum(name.startswith(prefix) for name in arrays)
    return [arrays[f"{prefix}{i}"] for i in range(n_arrays)]


def _draw(model, data, epochs: int) -> None:
    """Ask ``data`` for the batches of some epochs exactly as ``fit`` does, and drop them: the next are those after."""

    def drop(iterator):
        for _ in range(model.steps_per_execution):
            next(iterator)
        return {}

    model.train_function = drop
    model.fit(data, epochs=epochs, shuffle=False, verbose=0)
    model.train_function = None  # Keras makes its own
