"""What the project withstands, measured: ``python -m experiments.robustness kill``.

Each part of it is a sub-command, whose figures go under its name into ``results/robustness.json``. A part is a function
that adds its options to a parser, and one that takes them and returns figures, with ``passed`` among them.
"""

import argparse
import csv
import io
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments import runs

RECORD = Path("results/robustness.json")
Figures = dict[str, Any]


def kill_options(parser: argparse.ArgumentParser) -> None:
    """Of the part ``kill``."""
    parser.add_argument("--run", default="digits-dvmoe", help="a name of experiments.train; default: digits-dvmoe")
    parser.add_argument("--kills", type=int, default=20, help="signals SIGKILL in all; default: 20")
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default: 0")
    parser.add_argument("train", nargs="*", metavar="-- OPTION", help="further options of experiments.train")


def kill(options: argparse.Namespace) -> Figures:
    """Kill a training at random moments of its whole length, and go on, until it ends as often as it takes.

    After each kill every file must be whole, and each end must be that of a training nobody killed: its figures less
    times, its history and its weights.
    """
    rng = np.random.default_rng(options.seed)
    figures: Figures = {"run": " ".join([options.run, *options.train]), "seed": options.seed}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "experiments.train", options.run, *options.train, "--workdir"]
        started = time.perf_counter()
        subprocess.run([*command, f"{folder}/whole"], check=True, capture_output=True)
        seconds = time.perf_counter() - started
        expected = _end(Path(folder) / "whole")
        reached: Counter[str] = Counter()
        broken, ends, same = [], 0, 0
        while True:
            workdir = Path(folder) / f"killed{ends}"
            left = options.kills - reached.total()
            if _killed(command, workdir, rng.uniform(0, seconds) if left else None):
                reached[_stage(workdir)] += 1
                broken += unsound(workdir)
                print(f"kill {reached.total()} of {options.kills}: in {_stage(workdir)}", flush=True)
                continue
            ends, same = ends + 1, same + (_end(workdir) == expected)
            broken += unsound(workdir)
            print(f"end {ends}: {same} as expected", flush=True)
            if not left:
                break
    figures |= {"kills": reached.total(), "killed_in": dict(reached), "ends": ends, "ends_as_expected": same}
    return figures | {
        "unsound_files": broken,
        "uninterrupted_seconds": round(seconds, 1),
        "passed": same == ends and not broken,
    }


def _killed(command: list[str], workdir: Path, seconds: float | None) -> bool:
    """Whether a training was killed after some seconds; it may end before, and does if there is no limit."""
    process = subprocess.Popen([*command, str(workdir)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
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
    """The stage that a killed training was in, by the file it wrote last."""
    files = sorted(workdir.glob(f"*/*/{runs.BACKUP}/*.npz"), key=lambda path: path.stat().st_mtime_ns)
    return files[-1].stem if files else "no stage yet"


def _end(workdir: Path) -> tuple[Figures, str, list[list[float]]]:
    """What a finished run is compared by."""
    import keras

    (path,) = workdir.glob("*/*/metrics.json")
    figures = {name: value for name, value in runs.read_json(path).items() if name not in runs.TIMING_KEYS}
    model = keras.models.load_model(path.with_name("model.keras"))
    weights = [weight.ravel().tolist() for weight in model.get_weights()]
    return figures, path.with_name("history.csv").read_text(), weights


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
    import json

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


#: Sub-command -> its options and its measurement.
PARTS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], Figures]]] = {
    "kill": (kill_options, kill),
}


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code: 0; 1 if something was not withstood."""
    parser = argparse.ArgumentParser(prog="python -m experiments.robustness", description=__doc__.partition("\n")[0])
    parser.add_argument("--record", type=Path, default=RECORD, help=f"file of the figures; default: {RECORD}")
    parts = parser.add_subparsers(dest="part", required=True)
    for name, (add_options, measure) in PARTS.items():
        add_options(parts.add_parser(name, description=measure.__doc__))
    options = parser.parse_args(arguments)

    figures = PARTS[options.part][1](options)
    record = runs.read_json(options.record) if options.record.exists() else {}
    options.record.parent.mkdir(parents=True, exist_ok=True)
    runs.write_json(options.record, {**record, options.part: {**figures, **runs.provenance()}})
    print("\n".join(f"{name}: {value}" for name, value in figures.items()))
    return 0 if figures["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
