"""Kill a training at random moments of its whole length, and see that each heir ends as if nothing had been."""

import argparse
import csv
import io
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from experiments import runs
from experiments.robustness import Figures

_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this part."""
    parser.add_argument("--run", default="digits-dvmoe", help="a name of experiments.train; default: digits-dvmoe")
    parser.add_argument("--kills", type=int, default=20, help="signals SIGKILL in all; default: 20")
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default: 0")
    parser.add_argument("--threads", type=int, help="of TensorFlow and BLAS; default: as many as there are cores")
    parser.add_argument("train", nargs="*", metavar="-- OPTION", help="further options of experiments.train")


def measure(options: argparse.Namespace) -> Figures:
    """Kill a training at random moments of its whole length, and go on, until it ends as often as it takes.

    After each kill every file must be whole, and each end must be that of a training nobody killed: its figures less
    times, its history and its weights.
    """
    rng = np.random.default_rng(options.seed)
    command = [sys.executable, "-m", "experiments.train", options.run, *options.train, "--workdir"]
    threads = dict.fromkeys(_THREADS, str(options.threads)) if options.threads else {}
    environment = {**os.environ, **threads}
    reached: Counter[str] = Counter()
    unsound_files: list[str] = []
    differences: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run([*command, f"{folder}/whole"], check=True, capture_output=True, env=environment)
        seconds = time.perf_counter() - started
        expected = _end(Path(folder) / "whole")
        while True:
            workdir = Path(folder) / f"killed{len(differences)}"
            left = options.kills - reached.total()
            killed = _killed([*command, str(workdir)], environment, rng.uniform(0, seconds) if left else None)
            unsound_files += unsound(workdir)
            if killed:
                reached[_stage(workdir)] += 1
                print(f"kill {reached.total()} of {options.kills}: {_stage(workdir)}", flush=True)
                continue
            differences.append(_difference(_end(workdir), expected))
            print(f"end {len(differences)}: {differences[-1]:.2g} from the uninterrupted run's", flush=True)
            if not left:
                break
    return {
        "run": " ".join([options.run, *options.train]),
        "seed": options.seed,
        "threads": options.threads or os.cpu_count(),
        "kills": reached.total(),
        "killed_in": dict(reached),
        "ends": len(differences),
        "ends_as_expected": differences.count(0.0),
        "largest_difference": max(differences),
        "unsound_files": unsound_files,
        "uninterrupted_seconds": round(seconds, 1),
        "passed": not any(differences) and not unsound_files,
    }


def _killed(command: list[str], environment: dict[str, str], seconds: float | None) -> bool:
    """Whether a training was killed after some seconds; it may end before, and does if there is no limit."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    try:
        _, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    if process.returncode:
        raise RuntimeError(f"the training failed: {errors.decode()}")
    return False


def _stage(workdir: Path) -> str:
    """The stage whose file a killed training wrote last, whole or half (``.stage.<random>.part.npz``)."""
    files = sorted(workdir.glob(f"*/*/{runs.BACKUP}/*.npz"), key=lambda path: path.stat().st_mtime_ns)
    if not files:
        return "all" if list(workdir.glob("*/*/metrics.json")) else "none"
    return files[-1].name.lstrip(".").partition(".")[0]


def _end(workdir: Path) -> dict[str, Any]:
    """What a finished run is compared by: figures less times, columns of the history, weights; by name."""
    import keras

    import vae_moe  # noqa: F401  registers its classes with Keras

    (path,) = workdir.glob("*/*/metrics.json")
    figures = {name: value for name, value in runs.read_json(path).items() if name not in runs.TIMING_KEYS}
    with path.with_name("history.csv").open() as file:
        rows = list(csv.DictReader(file))
    model = keras.models.load_model(path.with_name("model.keras"))
    columns = {f"history of {name}": np.array([float(row[name]) for row in rows]) for name in rows[0]}
    weights = {f"weight {i}": weight for i, weight in enumerate(model.get_weights())}
    return {**figures, **columns, **weights}


def _difference(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """The largest one between two ends; infinite where words, or what there is, differ."""
    if found.keys() != expected.keys():
        return math.inf
    largest = 0.0
    for name, value in expected.items():
        if isinstance(value, str | None):
            if found[name] != value:
                return math.inf
            continue
        there, here = np.asarray(found[name], np.float64), np.asarray(value, np.float64)
        if there.shape != here.shape or (np.isnan(there) != np.isnan(here)).any():
            return math.inf
        largest = max(largest, float(np.nanmax(np.abs(there - here), initial=0.0)))
    return largest


def unsound(folder: Path) -> list[str]:
    """The files of a run's folder that are not whole, temporary ones (``.part.``) aside."""
    checks = {".json": _json, ".csv": _csv, ".npz": _zip, ".keras": _zip, ".png": _png}
    broken = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in checks and ".part." not in path.name:
            try:
                checks[path.suffix](path.read_bytes())
            except Exception as error:  # whatever a half-written file raises
                broken.append(f"{path.relative_to(folder)}: {error}")
    return broken


def _json(content: bytes) -> None:
    json.loads(content)


def _csv(content: bytes) -> None:
    rows = list(csv.reader(io.StringIO(content.decode())))
    if not content.endswith(b"\n") or len({len(row) for row in rows}) != 1:
        raise ValueError("rows are missing or cut off")


def _zip(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if name := archive.testzip():
            raise ValueError(f"{name} is damaged")


def _png(content: bytes) -> None:
    from matplotlib.image import imread

    imread(io.BytesIO(content), format="png")
