"""The folder a command writes: made beside its place, and moved there when all is in it."""

import json
import secrets
import tempfile
from argparse import Namespace
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from vae_moe.data.files import DatasetError
from vae_moe.engine.files import whole_file, whole_folder

MADE_BY = "vae-moe"
#: The folder in ``out`` of what a training that is not finished needs to go on.
RESUME = "resume"
PACKAGES = ("vae_moe", "tensorflow", "keras", "tensorflow-probability", "numpy", "scikit-learn", "pandas")


def write(out: Path, overwrite: bool, fill: Callable[[Path], None]) -> Path:
    """Write a folder by a function that fills it; nothing is left of it if that fails. Returns ``out``.

    Raises:
        DatasetError: as ``check_free``.
        OSError: it cannot be written.
    """
    check_free(out, overwrite)
    with whole_folder(out) as made:
        fill(made)
    return out


def write_elsewhere(out: Path, fill: Callable[[Path], None]) -> Path:
    """Write what cannot be ``out`` beside it, or else to the system's temporary folder; returns where it is.

    Raises:
        OSError: there is no place for it.
    """
    name = f"{out.name}-{secrets.token_hex(4)}"
    try:
        return write(out.absolute().with_name(name), False, fill)
    except (OSError, DatasetError):
        return write(Path(tempfile.gettempdir()) / name, False, fill)


def resumes(options: Namespace) -> bool:
    """Whether a command's training, which did not end, has left what the same command goes on from."""
    out = getattr(options, "out", None)
    return out is not None and any((out / RESUME).glob("*/*"))


def check_free(out: Path, overwrite: bool) -> None:
    """Raise DatasetError unless a command may write its folder there, and can."""
    if out.is_file() or out.is_symlink():
        raise DatasetError(f"--out {out} is a file or a link. Give another folder.")
    try:
        tempfile.TemporaryFile(dir=_parent_that_exists(out.absolute())).close()
    except OSError as error:
        raise DatasetError(f"--out {out} cannot be made: {error.strerror}. Give another folder.") from error
    if not out.is_dir() or not any(path.name != RESUME for path in out.iterdir()):
        return
    if not overwrite:
        raise DatasetError(f"--out {out} is not empty. Give another folder, or --overwrite.")
    if config(out).get("made_by") != MADE_BY:
        raise DatasetError(
            f"--out {out} holds files that vae-moe did not make: --overwrite would lose them. Give another."
        )


def _parent_that_exists(out: Path) -> Path:
    return next(parent for parent in out.parents if parent.exists())


def config(folder: Path) -> dict[str, Any]:
    """What ``config.json`` holds; nothing if it is not there or not JSON."""
    try:
        values = read_json(folder / "config.json")
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def trained(folder: Path, for_page: bool = False) -> dict[str, Any]:
    """``config.json`` of a folder that ``vae-moe cluster`` or ``experts`` wrote.

    Args:
        folder: to read.
        for_page: whether all that a page needs has to be in it, too.

    Raises:
        DatasetError: it is none, or damaged.
    """
    values = {"ranges": {}, **config(folder)}  # an earlier version kept no ranges
    if values.get("made_by") != MADE_BY:
        raise DatasetError(f"{folder} is no folder that vae-moe cluster or experts wrote. Give their --out.")
    fields = FIELDS | FIELDS_OF_KIND.get(str(values.get("kind")), {"kind": lambda _: False})
    for name, is_sound in (fields | (FIELDS_OF_PAGES if for_page else {})).items():
        if not is_sound(values.get(name)):
            raise DatasetError(
                f"{folder / 'config.json'} is damaged: its {name} is {values.get(name)!r:.100}. Train again."
            )
    return values


def _is(kind: Any) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _lists(kind: Any) -> Callable[[Any], bool]:
    """Whether a value is a list of such, and not empty."""
    return lambda value: isinstance(value, list) and bool(value) and all(isinstance(each, kind) for each in value)


def _is_ranges(value: Any) -> bool:
    return isinstance(value, dict) and all(_lists(int | float)(each) and len(each) == 2 for each in value.values())


#: What ``config.json`` holds that ``predict`` needs, of every training and of each kind; and what a page needs besides.
FIELDS = {"kind": _is(str), "image_shape": _is(list | None), "ranges": _is_ranges}
FIELDS_OF_KIND = {"cluster": {}, "experts": {"target": _lists(str), "task": _is(str)}}
FIELDS_OF_PAGES = {
    "dataset": _is(str),
    "data": _is(str),
    "fingerprint": _is(str),
    "size": _is(int | None),
    "out": _is(str),
    "model": _is(str),
    "seed": _is(int),
    "n_rows": _is(int),
    "warnings": _is(list),
    "versions": _is(dict),
    "seconds": _is(int | float),
    "finished_at": _is(str),
}


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    return {name.replace("-", "_"): metadata.version(name) for name in PACKAGES}


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The values of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
