"""A run's folder: where it lies, what is in it, and how its files are written whole."""

import contextlib
import datetime
import json
import logging
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from experiments.recipes import Recipe

logger = logging.getLogger(__name__)

#: Records of finished runs that the repository keeps.
RECORDS = Path("results/runs")
#: The folder, in that of a run that is not finished, of what it needs to go on (``vae_moe.engine.resume``).
BACKUP = "resume"
#: Figures that differ between two identical runs; all others must not.
TIMING_KEYS = ("seconds", "epoch_seconds", "warm_start_seconds", "shared_seconds", "finished_at")
#: Of a message about a folder with another run: differences, and letters of a value.
MOST_TOLD, MOST_LETTERS = 5, 100


def folder(workdir: str | Path, recipe: Recipe) -> Path:
    """``<workdir>/<dataset>-<model>/seed<k>``; what is not the default, such as a preset, is in the run's name."""
    return Path(workdir) / recipe.folder / f"seed{recipe.seed}"


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """A run's folder for this process alone; the lock dies with the process.

    Raises:
        ValueError: if another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=0):
            yield
    except Timeout:
        raise ValueError(
            f"another process is at work in {path}: wait until it ends, or give another --workdir."
        ) from None


def begin(path: Path, recipe: Recipe, facts: Mapping[str, Any], overwrite: bool = False) -> dict[str, Any] | None:
    """Find out what a run's folder holds, and make it ready: new, or to go on where a killed run ended.

    Args:
        path: the run's folder, held.
        recipe: what will be trained.
        facts: what else the figures depend on, such as the protocol; it goes to ``config.json`` too.
        overwrite: whether to clear the folder first.

    Returns:
        The figures of the same run, if it is finished; None if it is not.

    Raises:
        ValueError: if the folder holds another run; it says what differs.
    """
    if overwrite:
        shutil.rmtree(path, ignore_errors=True)
    plan = json.loads(json.dumps({"recipe": asdict(recipe), **facts}))
    config, metrics = path / "config.json", path / "metrics.json"
    finished = metrics.exists()
    for left in [*path.rglob("*.part.*"), *(path.rglob(BACKUP) if finished else ())]:  # by a killed process
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    if config.exists() or finished:
        _check_same(path, _record(config), plan)
        return _record(metrics) if finished else None
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    write_json(config, {**plan, **versions(), "git_commit": git_commit()})
    return None


def _check_same(path: Path, config: dict[str, Any], plan: dict[str, Any]) -> None:
    """Compare what a folder holds with what is asked for; warn of other versions, which may end in other figures."""
    there, here = flat({name: config.get(name) for name in plan}), flat(plan)
    differing = [
        f"{name} is {_short(there.get(name))} there, {_short(here.get(name))} here"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    ]
    more = f"; and {len(differing) - MOST_TOLD} more" if len(differing) > MOST_TOLD else ""
    if differing:
        raise ValueError(
            f"{path} holds another run ({'; '.join(differing[:MOST_TOLD])}{more}): ask for that one, give another "
            "--workdir, or replace it with --overwrite."
        )
    others = {**versions(), "git_commit": git_commit()}
    changed = [f"{name} {config.get(name)}, now {value}" for name, value in others.items() if config.get(name) != value]
    if changed:
        logger.warning("%s was begun with %s.", path, "; ".join(changed))


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one: {"a": {"b": 1}} -> {"a.b": 1}."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def write_json(path: Path, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Write a JSON file that is whole or absent at any moment."""
    from vae_moe.engine.files import whole_file

    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The values of a JSON file.

    Raises:
        ValueError: if there are none that can be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error}): move its folder away, or give --overwrite.") from error


def _record(path: Path) -> dict[str, Any]:
    values = read_json(path)
    if not isinstance(values, dict):
        raise ValueError(
            f"{path} cannot be read (it holds {_short(values)}, no record): move its folder away, or give --overwrite."
        )
    return values


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}..."


def finished(workdir: str | Path) -> Iterator[dict[str, Any]]:
    """The ``metrics.json`` of every finished run under ``workdir``, with its ``folder``, sorted by folder."""
    for path in sorted(Path(workdir).glob("*/*/metrics.json")):
        yield {**_record(path), "folder": str(path.parent)}


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


def peak_memory() -> float:
    """The most memory this process had, in GiB, and not, as ``getrusage`` has it on Linux, the one that started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        import resource  # Windows has none

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 2**20


def git_commit() -> str:
    """The commit of this checkout, "-dirty" appended if its code was changed since; "unknown" outside of one."""
    git = ["git", "-C", str(Path(__file__).parents[1])]
    changes = [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!results", ":!docs"]
    try:
        commit, changed = (
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
            for command in ([*git, "rev-parse", "--short=12", "HEAD"], changes)
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
