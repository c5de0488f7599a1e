"""The folder a command writes: made beside its place, and moved there when all is in it."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from vae_moe.idx import DatasetError

MADE_BY = "vae-moe"
PACKAGES = ("vae_moe", "tensorflow", "keras", "tensorflow-probability", "numpy", "scikit-learn", "pandas")


@contextmanager
def new(out: Path, overwrite: bool) -> Iterator[Path]:
    """A folder to write to, which becomes ``out`` if all goes well, and of which nothing is left otherwise.

    Raises:
        DatasetError: ``out`` is not empty and may not be overwritten, or is not a folder of this command's, or its
            place cannot be written to.
    """
    check_free(out, overwrite)
    out = out.absolute()
    there = next(parent for parent in out.parents if parent.exists())
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=there))
    except OSError as error:
        raise DatasetError(f"--out {out} cannot be made: {error.strerror}. Give another folder.") from error
    try:
        made.chmod(0o755)
        yield made
        out.parent.mkdir(parents=True, exist_ok=True)
        old = made.with_name(made.name + "-old")
        if out.exists():
            out.rename(old)
        made.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def check_free(out: Path, overwrite: bool) -> None:
    """Raise DatasetError unless a command may write its folder there."""
    if out.is_file() or out.is_symlink():
        raise DatasetError(f"--out {out} is a file or a link. Give another folder.")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not overwrite:
        raise DatasetError(f"--out {out} is not empty. Give another folder, or --overwrite.")
    if config(out).get("made_by") != MADE_BY:
        raise DatasetError(
            f"--out {out} holds files that vae-moe did not make: --overwrite would lose them. Give another."
        )


def check_file(out: Path, overwrite: bool) -> None:
    """Raise DatasetError unless a command may write its file there."""
    if out.is_dir() or not out.parent.is_dir():
        raise DatasetError(f"--out {out} is a folder, or is in none that is there. Give a file name.")
    if out.exists() and not overwrite:
        raise DatasetError(f"--out {out} is there already. Give another file, or --overwrite.")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is whole or absent: to a temporary name beside it, then renamed."""
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise DatasetError(f"{path} cannot be written: {error.strerror}. Give another place.") from error
    finally:
        temporary.unlink(missing_ok=True)


def config(folder: Path) -> dict[str, Any]:
    """What ``config.json`` holds; nothing if it is not there or not JSON."""
    try:
        values = read_json(folder / "config.json")
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def trained(folder: Path) -> dict[str, Any]:
    """``config.json`` of a folder that ``vae-moe cluster`` or ``experts`` wrote.

    Raises:
        DatasetError: it is none.
    """
    values = config(folder)
    if values.get("made_by") != MADE_BY:
        raise DatasetError(f"{folder} is no folder that vae-moe cluster or experts wrote. Give their --out.")
    return values


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    return {name.replace("-", "_"): metadata.version(name) for name in PACKAGES}


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file."""
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The values of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
