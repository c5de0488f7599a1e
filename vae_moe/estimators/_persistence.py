"""Estimators as folders: JSON, arrays and a Keras archive, with nothing in them that runs when they are read."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from vae_moe.engine.files import whole_folder

FORMAT, VERSION = "vae_moe.estimators", 3
PACKAGES = ("vae_moe", "keras", "tensorflow", "scikit-learn")
DESCRIPTION, ARRAYS, MODEL = "estimator.json", "arrays.npz", "model.keras"
MEMBER = "member-{}"  # of an ensemble, a folder each


class SaveError(ValueError):
    """An estimator cannot be saved there, or as it is."""


class LoadError(ValueError):
    """A folder is no saved estimator, or is not whole."""


class VersionWarning(UserWarning):
    """An estimator is read with other versions than wrote it, as scikit-learn's InconsistentVersionWarning."""


@contextmanager
def in_float32() -> Iterator[None]:
    """Networks that are made within compute in float32, whatever Keras' global policy; also a decorator."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def versions() -> dict[str, str]:
    """Return what an estimator is fitted and kept by."""
    return {name: metadata.version(name) for name in PACKAGES}


def check_versions(kept: dict[str, str], what: str) -> None:
    """Warn if what was kept was so by other versions than are here."""
    changed = {name: now for name, now in versions().items() if kept.get(name, now) != now}
    if changed:
        before = ", ".join(f"{name} {kept[name]}" for name in changed)
        here = ", ".join(f"{name} {now}" for name, now in changed.items())
        message = f"{what} was saved with {before}, here is {here}: it may predict otherwise."
        warnings.warn(f"{message} Load it where it was saved, or fit it again.", VersionWarning, stacklevel=4)


class Saved:
    """What can be saved, beside scikit-learn's BaseEstimator."""

    def save(self, folder: str | Path) -> None:
        """Write the fitted estimator to a folder, for `vae_moe.estimators.load`.

        The folder appears whole or not at all. An estimator that was saved there before is replaced.

        Raises
        ------
        NotFittedError
            If there is nothing to save.
        SaveError
            If the folder is there and holds something else, a parameter is no plain value, or the class is none of
            this package's, which alone `load` makes.
        """
        check_is_fitted(self)
        save(self, Path(folder))  # type: ignore[arg-type]


def save(estimator: BaseEstimator, folder: Path) -> None:
    """Write a fitted estimator, or an ensemble of such, as a folder that is whole or absent."""
    if not type(estimator).__module__.startswith(f"{__package__}."):
        name = type(estimator).__name__
        raise SaveError(f"{name} is a class of your own, which load() does not know. Pickle the {name} instead.")
    if folder.exists() and not _replaceable(folder):
        raise SaveError(f"{folder} is there and is no saved estimator. Give another folder, or remove it.")
    with whole_folder(folder) as made:
        _write(estimator, made)


def load(folder: str | Path, classes: dict[str, type]) -> Any:
    """Read what `save` wrote, as one of the classes by name."""
    folder = Path(folder)
    description = _description(folder)
    name = description.get("class")
    if not isinstance(name, str) or name not in classes:
        raise LoadError(
            f"{folder} holds a {name!r}, which is none of {', '.join(classes)}. Load it where it was saved."
        )
    try:
        given = description["parameters"]
        parameters = _with_tuples(given)
        if template := parameters.get("estimator"):
            parameters["estimator"] = classes[template["class"]](**_with_tuples(template["parameters"]))
        estimator = classes[name](**parameters)
        for key, value in description["attributes"].items():
            setattr(estimator, key, value)
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            for key in arrays.files:
                setattr(estimator, key, arrays[key].astype(object) if key in description["objects"] else arrays[key])
        if (n_members := description.get("members")) is None:
            estimator.model_ = read_model(folder / MODEL)
        else:
            estimator.estimators_ = [load(folder / MEMBER.format(i), classes) for i in range(n_members)]
    except Exception as error:  # damaged files make their readers raise anything
        found = str(error).rstrip(".")
        raise LoadError(f"{folder} is not whole, or was changed: {found}. Save the estimator again.") from error
    kept = description.get("versions")
    check_versions(kept if isinstance(kept, dict) else {}, f"{folder}, a {name},")
    return estimator


def _with_tuples(parameters: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in parameters.items()}


def _write(estimator: Any, folder: Path) -> None:
    parameters, members = estimator.get_params(deep=False), getattr(estimator, "estimators_", None)
    if (template := parameters.get("estimator")) is not None:
        named = {"class": type(template).__name__, "parameters": template.get_params(deep=False)}
        parameters = {**parameters, "estimator": named}
    apart = {*parameters, "model_", "estimators_"}
    fitted = {name: value for name, value in vars(estimator).items() if name not in apart}
    arrays = {name: value for name, value in fitted.items() if isinstance(value, np.ndarray)}
    texts = [name for name, value in arrays.items() if value.dtype.kind not in "biuf"]
    for name in texts:
        if not all(isinstance(value, str) for value in arrays[name].ravel()):
            raise SaveError(f"{name} holds other things than text, got {arrays[name]!r}. Give y as numbers or text.")
    description = {
        "format": FORMAT,
        "version": VERSION,
        "class": type(estimator).__name__,
        "parameters": parameters,
        "attributes": {name: value for name, value in fitted.items() if name not in arrays},
        "objects": [name for name in texts if arrays[name].dtype.kind == "O"],
        "versions": versions(),
    }
    if members is not None:
        description["members"] = len(members)
    try:
        text = json.dumps(description, indent=2, default=_plain)
    except TypeError as error:
        raise SaveError(f"a parameter is no plain value ({error}). Give random_state as an integer.") from error
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    plain: dict[str, Any] = {name: value.astype(str) if name in texts else value for name, value in arrays.items()}
    np.savez(folder / ARRAYS, **plain)
    if members is None:
        without_optimizer(estimator.model_).save(folder / MODEL)
    for i, member in enumerate(members or ()):
        (folder / MEMBER.format(i)).mkdir()
        _write(member, folder / MEMBER.format(i))


@in_float32()
def read_model(path: Path) -> keras.Model:
    """Return the model of an archive."""
    return keras.saving.load_model(path)


@in_float32()
def without_optimizer(model: keras.Model) -> keras.Model:
    """Return a model that reads out the same and is not compiled: a fit begins with another optimizer."""
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def _plain(value: Any) -> Any:
    """Return NumPy's numbers as Python's."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{value!r} is a {type(value).__name__}")


def _replaceable(folder: Path) -> bool:
    """Whether this is a saved estimator, or an empty folder."""
    if folder.is_dir() and not any(folder.iterdir()):
        return True
    try:
        _description(folder)
    except LoadError:
        return False
    return True


def _description(folder: Path) -> dict[str, Any]:
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"{folder} is no saved estimator: {error}. Give the folder that save() was given.") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise LoadError(f"{folder / DESCRIPTION} is none of vae_moe's. Give the folder that save() was given.")
    if description.get("version") != VERSION:
        raise LoadError(
            f"{folder} is of format version {description.get('version')!r}, this vae_moe reads version {VERSION}. "
            "Load it with the version of vae_moe that saved it, or fit again."
        )
    return description
