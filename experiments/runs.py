"""A run's folder: where it lies, what is in it, and how its files are written whole."""

import datetime
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from experiments.recipes import Recipe

#: Records of finished runs that the repository keeps.
RECORDS = Path("results/runs")
#: Figures that differ between two identical runs; all others must not.
TIMING_KEYS = ("seconds", "epoch_seconds", "warm_start_seconds", "shared_seconds", "finished_at")


def folder(workdir: str | Path, recipe: Recipe) -> Path:
    """``<workdir>/<dataset>-<model>/seed<k>``; what is not the default, such as a preset, is in the run's name."""
    return Path(workdir) / recipe.folder / f"seed{recipe.seed}"


def start(path: Path, recipe: Recipe, data: Mapping[str, Any]) -> None:
    """Make the folder, clear an earlier run of it, and write ``config.json``.

    Args:
        path: the run's folder.
        recipe: what will be trained.
        data: further facts, such as the protocol.
    """
    shutil.rmtree(path, ignore_errors=True)
    (path / "figures").mkdir(parents=True)
    write_json(path / "config.json", {"recipe": asdict(recipe), **data, **versions(), "git_commit": git_commit()})


def write_json(path: Path, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Write a JSON file so that it is whole or absent: to a temporary name beside it, then renamed."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def read_json(path: Path) -> Any:
    """The values of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def finished(workdir: str | Path) -> Iterator[dict[str, Any]]:
    """The ``metrics.json`` of every finished run under ``workdir``, with its ``folder``, sorted by folder."""
    for path in sorted(Path(workdir).glob("*/*/metrics.json")):
        yield {**read_json(path), "folder": str(path.parent)}


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    packages = ("tensorflow", "keras", "tensorflow-probability", "numpy", "scikit-learn")
    return {name.replace("-", "_"): metadata.version(name) for name in packages}


def machine() -> str:
    """The processor, its cores and the GPU if there is one, such as "Intel(R) Xeon(R), 2 cores, no GPU"."""
    import tensorflow as tf

    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    gpus = [
        tf.config.experimental.get_device_details(gpu)["device_name"] for gpu in tf.config.list_physical_devices("GPU")
    ]
    processor = models[0] if models else platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {' + '.join(gpus) or 'no GPU'}"


def kept(folder: Path) -> list[dict[str, Any]]:
    """The records kept in a folder, sorted by run and seed; each has its run's name as ``run``."""
    return [{**read_json(path), "run": path.parent.name} for path in sorted(folder.glob("*/seed*.json"))]


def provenance() -> dict[str, str]:
    """What a figure came from: machine, versions, commit, and the time."""
    return {"machine": machine(), **versions(), "git_commit": git_commit(), "finished_at": now()}


def command(recipe: Recipe) -> str:
    """The command that trains the recipe again."""
    return f"python -m experiments.train {recipe.arguments}"


def git_commit() -> str:
    """The commit of this checkout, "-dirty" appended if it was changed since; "unknown" outside of one."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
