"""What all estimators share: validation, seeds, and a Keras model that pickles as the bytes of its own archive."""

import hashlib
import tempfile
import warnings
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, check_X_y, validate_data

from vae_moe import extremes, validation
from vae_moe.engine.resume import Backup
from vae_moe.estimators import _export, _persistence
from vae_moe.estimators._inputs import FAR, LIKELIHOODS, MISSING, Scaling
from vae_moe.estimators._table import Table, as_frame, is_mixed
from vae_moe.training.plan import Plan
from vae_moe.training.warm_start import STARTS

DTYPES = [np.float64, np.float32]  # what X may be held in; the networks compute in float32
#: Layers multiply the seed by up to 10090, and Keras' initializers take seeds below 2^32.
SEEDS = 2**16
NO_TARGET = "no_validation"  # scikit-learn's word for a fit without y
#: Seconds between what a fit keeps of a stage to go on from and the next time: to keep it takes a part of a second.
KEEP_EVERY = 5.0
#: Parameters that "auto" has found.
FOUND = ("n_components", "n_experts")
_OPTIONS: dict[str, tuple[str | None, ...]] = {
    "likelihood": LIKELIHOODS,
    "missing": MISSING,
    "start": (*STARTS, None),
}


@dataclass(eq=False, repr=False, kw_only=True)
class KerasEstimator(_persistence.Saved, BaseEstimator, ABC):
    """Abstract: an estimator around a Keras model, a dataclass of its parameters.

    Fitted attributes are the Keras model, arrays and plain values, so that it can be saved without pickle.
    """

    hidden_layer_sizes: tuple[int, ...] | None = None
    start: str | None = "spectral"
    start_epochs: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float = 2e-3
    random_state: Any = None
    resume_dir: str | None = None
    verbose: int = 0
    model_: Any = field(init=False)
    likelihood_: str = field(init=False)
    x_mean_: np.ndarray = field(init=False)
    x_scale_: np.ndarray = field(init=False)
    x_limit_: float = field(init=False)
    x_center_: np.ndarray = field(init=False)
    table_: dict[str, Any] | None = field(init=False)

    def export(self, folder: str | Path, form: str = "tf_saved_model") -> None:
        """Write what the fitted estimator tells of X for programs without this package.

        The folder holds a SavedModel; or with `form="numpy"` `arrays.npz`, `model.json` and `model.py`, a module of
        NumPy alone; or with `form="onnx"` `model.onnx`, which has no intervals. X and y are in their own units:
        standardisation is inside, which an export of `model_` leaves out. All give the same dictionaries. The
        signatures of a SavedModel take one tensor `x`, float64 [B, D]:

        - "predict", the default one. Of a regression `y`, `low` and `high`, as `predict` and `predict_interval` give
          them at level 0.9, and `gate_probabilities` [B, K]; of a classification `y`, `probabilities` [B, C] and
          `gate_probabilities`; of a clustering `cluster` [B] and `probabilities` [B, K].
        - "encode" of a clustering: `z_mean` [B, L], as `transform`.

        A tensor holds no categories: where the likelihood is 'mixed', x is what `table_entries` makes of X.

        Raises
        ------
        NotFittedError
            If there is nothing to export.
        FileExistsError
            If the folder is there and is no such export; one that is there is replaced.
        ExportError
            If this form needs the package onnx, or has no convolutional networks.
        """
        check_is_fitted(self)
        validation.check_option("form", form, tuple(_export.FORMS))
        _export.write(self, Path(folder), form)

    def table_entries(self, X: Any) -> np.ndarray:
        """Return X [N, C] as what the model sees [N, D]: standardised numbers and a column of 0 and 1 a level, NaN for
        gaps where the likelihood is 'mixed'."""
        return self._check_X(X)

    def from_entries(self, x: np.ndarray) -> Any:
        """Return X [N, C] of what the model sees or makes, x [N, D], as `table_entries` gives it."""
        check_is_fitted(self)
        return self._scaling.undo(x) if self._table is None else self._table.decode(x)

    def _check_parameters(self) -> None:
        """Raise ValueError for a parameter out of its range."""
        values = self.get_params(deep=False)
        validation.check_numbers(values, FOUND)
        for name, options in _OPTIONS.items():
            if name in values and not isinstance(values[name], Mapping):
                validation.check_option(name, values[name], options)
        sizes: Any = () if self.hidden_layer_sizes is None else self.hidden_layer_sizes
        if np.ndim(sizes) != 1 or not all(isinstance(size, (int, np.integer)) and size > 0 for size in sizes):
            raise ValueError(
                f"hidden_layer_sizes must be a tuple of positive integers, got {sizes!r}. Give one for each layer."
            )

    def _scaled(self, X: np.ndarray, rows: np.ndarray, scaling: Scaling) -> np.ndarray:
        """Set the scaling of X [N, D], and return x of some rows."""
        self.x_mean_, self.x_scale_, self.x_limit_ = scaling.mean, scaling.scale, scaling.limit
        self._warn_of_extremes(X, rows)
        return scaling.apply(X[rows])

    def _set_mean_row(self, x: np.ndarray) -> None:
        """Keep the mean of the rows x [N, D] of a fit, of what is there."""
        self.x_center_ = np.ma.masked_invalid(x).mean(0).filled(0.0)

    @property
    def _mean_row(self) -> np.ndarray:
        """The mean of the rows of the fit, [1, D]."""
        if not hasattr(self, "x_center_"):
            raise ValueError(f"this {type(self).__name__} was saved without the mean of its rows. Fit it again.")
        return self.x_center_[np.newaxis].astype(np.float32)

    def _warn_of_extremes(self, X: np.ndarray, rows: np.ndarray) -> None:
        """Warn of columns that few of some rows of X [N, D] rule, within the limits of its scaling.

        What is from 0 to 1 in all columns, as pixels are, has none.
        """
        reach = self.x_limit_ * self.x_scale_
        seen = np.clip(X[rows], self.x_mean_ - reach, self.x_mean_ + reach)
        if seen.min() >= 0 and seen.max() <= 1:
            return
        names = getattr(self, "feature_names_in_", range(X.shape[1]))

        def told(name: Any, values: np.ndarray) -> str | None:
            return extremes.ruled(name, values, rows.tolist(), "{:.4g}".format, "leave the column out")

        ruled = [told(name, X[rows, i]) for i, name in enumerate(names) if told(name, seen[:, i])]
        if found := [words for words in ruled if words]:
            more = f" {len(found) - 1} more columns are like it." if len(found) > 1 else ""
            words = f"{found[0]}{more} Rows are counted from 0. Once standardised, all others look nearly the same."
            warnings.warn(words, extremes.ExtremesWarning, stacklevel=2)

    def _with_parameters(self, plan: Plan) -> Plan:
        """Return a plan with the parameters that this estimator was given."""
        names = ("epochs", "batch_size", "learning_rate")
        given: dict[str, Any] = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        plan, stages = replace(plan, **given), plan.warm_start
        if stages is None or self.start is None:
            return replace(plan, warm_start=None, hold_start=False)
        stages = replace(stages, start=self.start)
        if self.start_epochs is not None:
            stages = replace(stages, autoencoder_epochs=self.start_epochs, distill_epochs=self.start_epochs)
        if self.batch_size is not None:
            stages = replace(stages, batch_size=self.batch_size)
        return replace(plan, warm_start=stages)

    def _backup(self, *arrays: np.ndarray | None) -> tuple[Backup, int]:
        """Return where a fit to some arrays keeps what it has done, and its seed."""
        seed = self.random_state  # as the recipes' seeds: the same first weights, batches in another order
        if not isinstance(seed, (int, np.integer)) or not 0 <= seed < SEEDS:
            seed = int(check_random_state(seed).randint(SEEDS))
        if self.resume_dir is None:
            return Backup(), int(seed)
        parameters = {**self.get_params(deep=False), "resume_dir": None, "verbose": None}
        if isinstance(self.random_state, np.random.RandomState):
            parameters["random_state"] = seed
        digest = hashlib.sha256(f"{type(self).__name__} {sorted(parameters.items())}".encode())
        for array in arrays:
            digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
        backup = Backup(Path(self.resume_dir) / f"fit-{digest.hexdigest()[:16]}", KEEP_EVERY, needed=False)
        return backup, int(backup.once("seed", lambda: {"seed": np.array(seed)})["seed"])

    @property
    def _scaling(self) -> Scaling:
        return Scaling(self.x_mean_, self.x_scale_, self.x_limit_)

    @property
    def _table(self) -> Table | None:
        """What the columns are; None where they are numbers without gaps, as all were in estimators saved before."""
        kept = getattr(self, "table_", None)
        return None if kept is None else Table.of(kept)

    def _is_table(self, X: Any) -> bool:
        """Whether the columns of X are taken for what each is, with gaps, and not for numbers alone."""
        likelihood = getattr(self, "likelihood", None)
        return likelihood == "mixed" or isinstance(likelihood, Mapping) or (likelihood == "auto" and is_mixed(X))

    def _read(self, X: Any, y: Any = NO_TARGET, **options: Any) -> Any:
        """Return the rows of a fit, checked, and y if it is one of a target, which options are of.

        X becomes an array [N, D], or stays as it came if it is a table.
        """
        targets = {} if isinstance(y, str) and y == NO_TARGET else {"y": y, **options}
        if not self._is_table(X):
            checked = validate_data(self, X, dtype=DTYPES, ensure_min_samples=2, **targets)
            validation.check_size("X", checked[0] if targets else checked)
            return checked
        validate_data(self, X, skip_check_array=True)
        X = X if isinstance(X, np.ndarray) else as_frame(X)
        numbers = np.arange(len(X))[:, np.newaxis]
        if targets:
            return X, check_X_y(numbers, ensure_min_samples=2, **targets)[1]
        check_array(numbers, ensure_min_samples=2)
        return X

    def _learn_table(self, X: Any, rows: np.ndarray, missing: str) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """Learn from some rows of a table what its columns are; return their x [N, D], and its likelihood."""
        part = X[rows] if isinstance(X, np.ndarray) else X.iloc[rows]
        table = Table.fit(part, getattr(self, "likelihood", "auto"), missing)
        self.likelihood_, self.table_ = "mixed", table.kept()
        n_entries = len(table.column_of)
        self.x_mean_, self.x_scale_, self.x_limit_ = np.zeros(n_entries), np.ones(n_entries), FAR
        return table.encode(part), table.likelihood

    def _check_X(self, X: Any) -> np.ndarray:
        """Return x [N, D] of other rows X than those of the fit."""
        check_is_fitted(self)
        if self._table is not None:
            validate_data(self, X, reset=False, skip_check_array=True)
        else:
            X = validate_data(self, X, reset=False, dtype=DTYPES)
            validation.check_size("X", X)
        return self._encoded(X)

    def _encoded(self, X: Any) -> np.ndarray:
        """Return x [N, D] of checked rows X."""
        table = self._table
        return self._scaling.apply(X) if table is None else table.encode(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.keras"
                _persistence.without_optimizer(self.model_).save(path)
                state["model_"] = path.read_bytes()
            state["_versions"] = _persistence.versions()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "model_" in state:
            state = dict(state)
            _persistence.check_versions(state.pop("_versions"), f"This {type(self).__name__}")
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.keras"
                path.write_bytes(state["model_"])
                state["model_"] = _persistence.read_model(path)
        super().__setstate__(state)
