"""What people wait for: commands, first fits, new rows by the million, and what memory that takes.

``python -m experiments.benchmark --waits``. They are measured in processes of their own, with the threads that
libraries take by themselves; beside the fits stands one of scikit-learn's gradient boosting to the same table, in the
same minutes, since other work on a machine makes all of them slower.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments import grids, runs

RECORDS = Path("results/benchmark/waits")
ROWS = 1_000_000  # of the file that is predicted
FITS, EARLY = 100, 20  # whose memory is looked at
#: Name, words, unit, and the most (or the least, of rates) that there should be.
ASKED = (
    ("help", "the help of `vae-moe`", "s", 0.3),
    ("import", "`import vae_moe.estimators`", "s", 5.0),
    ("cluster", "`vae-moe cluster` of 1000 x 15, up to the page", "s", 20.0),
    ("cluster_fast", "the same with `--fast`", "s", None),
    ("regressor", "`DVMoERegressor().fit` of 300 x 18", "s", 3.0),
    ("regressor_again", "the second of that shape", "s", 1.5),
    ("clustering", "`DMVAEClustering().fit` of it", "s", 5.0),
    ("grid", "`GridSearchCV` of 30 such fits", "s", 60.0),
    ("cluster_rate", "1,000,000 new rows x 20 in a CSV file, by 4 clusters", "rows/s", 50_000.0),
    ("experts_rate", "by 4 experts, with intervals", "rows/s", 50_000.0),
    ("cluster_gib", "memory of the first", "GiB", None),
    ("experts_gib", "memory of the second", "GiB", None),
    ("growth", f"memory after {FITS} fits of {FITS} shapes, beside that after {EARLY}", "times", 1.1),
)
#: Runs a command, and prints its seconds and the most memory it took, KiB.
TIMED = """
import resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:])
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""
COMMAND = (sys.executable, "-c", "import vae_moe_command as it, sys; sys.exit(it.main())")


def measure(parts: Sequence[str]) -> dict[str, Any]:
    """The figures of these of ``PARTS``, and the load of the machine before each, by its name."""
    found: dict[str, Any] = {}
    for name in parts:
        load, part = os.getloadavg()[0], PARTS[name]
        with tempfile.TemporaryDirectory() as folder:
            figures = part(Path(folder)) if name in ("starts", "commands", "predictions") else _alone(part)
        found |= {**figures, f"load_{name}": load}
        print("\n".join(f"{figure}: {value:.4g}" for figure, value in figures.items()), flush=True)
    return found


def _alone(part: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What a function of this module gives in a process of its own."""
    code = f"import json; from experiments import waits; print(json.dumps(waits.{part.__name__}()))"
    return json.loads(_run([sys.executable, "-c", code], Path.cwd())[0].splitlines()[-1])


def _starts(folder: Path) -> dict[str, float]:
    """The best of three: files are read from the disk once."""
    once = [sys.executable, "-c", "import vae_moe.estimators"]
    return {
        "help": min(_run([*COMMAND, "--help"], folder)[1] for _ in range(3)),
        "import": min(_run(once, folder)[1] for _ in range(3)),
    }


def _commands(folder: Path) -> dict[str, float]:
    import pandas as pd

    x = _grouped(1000, 15)[0]
    pd.DataFrame(x).round(4).add_prefix("x").to_csv(folder / "small.csv", index=False)
    cluster = [*COMMAND, "cluster", "small.csv", "--quiet", "--out"]
    return {
        "cluster": _run([*cluster, "usual"], folder)[1],
        "cluster_fast": _run([*cluster, "fast", "--fast"], folder)[1],
    }


def _predictions(folder: Path) -> dict[str, float]:
    """Rows a second, the start of the process included, and the most memory that it took."""
    import pandas as pd

    x, y = _grouped(ROWS, 20)
    frame = pd.DataFrame(x).round(4).add_prefix("x")
    frame.to_csv(folder / "new.csv", index=False)
    frame.head(2000).assign(y=y[:2000].round(4)).to_csv(folder / "old.csv", index=False)
    brief = ["--epochs", "3", "--quiet"]
    _run([*COMMAND, "cluster", "old.csv", "--out", "clusters", "--components", "4", "--drop", "y", *brief], folder)
    _run([*COMMAND, "experts", "old.csv", "--out", "experts", "--experts", "4", "--target", "y", *brief], folder)
    found: dict[str, float] = {}
    for name, made in (("cluster", "clusters"), ("experts", "experts")):
        predict = [*COMMAND, "predict", made, "new.csv", "--out", f"{made}.csv", "--quiet"]
        _, seconds, gib = _run(predict, folder)
        found |= {f"{name}_rate": ROWS / seconds, f"{name}_gib": gib}
    return found


def small_fits() -> dict[str, float]:
    """Seconds of fits in this process, with the second of boosting's, as the first looks for its threads."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import GridSearchCV

    from vae_moe.estimators import DMVAEClustering, DVMoERegressor

    x, y = _grouped(300, 18)
    grid = {"n_experts": [1, 2, 3, 4, 8], "learning_rate": [1e-3, 2e-3]}
    boosting, regressor = HistGradientBoostingRegressor(random_state=0), DVMoERegressor(random_state=0)
    search = GridSearchCV(DVMoERegressor(random_state=0), grid, cv=3, refit=False)
    before = _seconds(lambda: boosting.fit(x, y), 3)
    found = {
        "regressor": _seconds(lambda: regressor.fit(x, y)),
        "regressor_again": _seconds(lambda: regressor.fit(x, y)),
        "clustering": _seconds(lambda: DMVAEClustering(random_state=0).fit(x)),
        "grid": _seconds(lambda: search.fit(x, y)),
    }
    return {**found, "boosting": (before + _seconds(lambda: boosting.fit(x, y), 3)) / 2}


def memory() -> dict[str, float]:
    """By how much the memory of this process grows over fits of tables of different shapes."""
    from vae_moe.estimators import DMVAEClustering, DVMoERegressor

    brief: dict[str, Any] = {"epochs": 2, "start_epochs": 2, "random_state": 0}
    early = 0.0
    for i in range(FITS):
        x, y = _grouped(150 + i, 3 + i % 50)
        k = 2 + i % 3
        DVMoERegressor(k, **brief).fit(x, y) if i % 2 else DMVAEClustering(k, **brief).fit(x)
        if i + 1 == EARLY:
            early = _resident()
    return {"early_gib": early, "late_gib": _resident(), "growth": _resident() / early}


def _grouped(n_rows: int, n_columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in four groups, each with a linear map of its own to y."""
    rng = np.random.default_rng(0)
    group = rng.integers(4, size=n_rows)
    x = 2 * rng.normal(size=(4, n_columns))[group] + rng.normal(size=(n_rows, n_columns))
    return x, np.einsum("nd,nd->n", x, rng.normal(size=(4, n_columns))[group]) + rng.normal(size=n_rows)


def _run(command: Sequence[str], folder: Path) -> tuple[str, float, float]:
    """What a process prints, its seconds and the most memory it took, GiB.

    Raises:
        RuntimeError: it fails.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    timed = [sys.executable, "-c", TIMED, *command]  # a child's most memory counts its parent's: here a small one's
    done = subprocess.run(timed, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-1000:]}")
    *printed, last = done.stdout.splitlines(keepends=True)
    seconds, kib = map(float, last.split())
    return "".join(printed), seconds, kib / 2**20


def _seconds(function: Callable[[], Any], times: int = 1) -> float:
    """The least seconds of some calls."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        found.append(time.perf_counter() - started)
    return min(found)


def _resident() -> float:
    """The memory that this process holds, GiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 2**20


#: What can be measured apart from the rest.
PARTS: dict[str, Callable[..., dict[str, float]]] = {
    "starts": _starts,
    "commands": _commands,
    "predictions": _predictions,
    "fits": small_fits,
    "memory": memory,
}


def write(path: Path, parts: Sequence[str] = ()) -> dict[str, Any]:
    """Measure these of ``PARTS``, or all, and keep the record; what a file of the day has of others stays."""
    measured = {**measure(parts or list(PARTS)), **runs.provenance()}
    record = {**(runs.read_json(path) if path.exists() else {}), **measured}
    path.parent.mkdir(parents=True, exist_ok=True)
    runs.write_json(path, record)
    return record


def read(folder: Path = RECORDS) -> dict[str, Any]:
    """The newest record; empty if there is none."""
    found = [runs.read_json(path) for path in folder.glob("*.json")]
    return max(found, key=lambda record: record["finished_at"], default={})


def _is_met(unit: str, figure: float, asked: float) -> bool:
    return figure >= asked if unit == "rows/s" else figure <= asked


def _shown(figure: float, unit: str) -> str:
    return (
        f"{figure:.0f} {unit}" if figure >= 1000 else f"{figure:.2f} {unit}" if figure < 10 else f"{figure:.0f} {unit}"
    )


def _loads(record: dict[str, Any]) -> str:
    found = [record[f"load_{name}"] for name in PARTS]
    return f"{min(found):.1f} to {max(found):.1f}"


def table(record: dict[str, Any]) -> str:
    """Markdown: a row a wait, what is asked for, and how many fits of boosting that is."""
    if not all(name in record for name, *_ in ASKED):
        return "No record yet."
    rows = []
    for name, words, unit, asked in ASKED:
        figure, limit = record[name], ""
        if asked is not None:
            least = "at least" if unit == "rows/s" else "at most"
            limit = f"{least} {asked:g}" + ("" if _is_met(unit, figure, asked) else ": **not met**")
        fits = f"{figure / record['boosting']:.1f}" if unit == "s" else ""
        rows.append([words, _shown(figure, unit), limit, fits])
    loads = _loads(record)
    note = (
        f"{record['boosting']:.2f} s is a fit of HistGradientBoostingRegressor to the 300 x 18 rows, in the same "
        f"process as the fits above. The machine had other work: its load was {loads} when parts of this began. "
        f"{record['machine']}; {record['finished_at'][:10]}; `python -m experiments.benchmark "
        f"--waits`, commit `{record['git_commit']}`."
    )
    return grids.markdown(["", "measured", "asked for", "fits of boosting"], rows, note)


def sentence(record: dict[str, Any]) -> str:
    """The main figures in a sentence, and how many of what is asked for are met."""
    if not all(name in record for name, *_ in ASKED):
        return "No record yet."
    limits = [(unit, record[name], asked) for name, _, unit, asked in ASKED if asked is not None]
    met = sum(_is_met(*each) for each in limits)
    shown = {name: _shown(record[name], unit) for name, _, unit, _ in ASKED}
    return (
        f"Help of `vae-moe` takes {shown['help']}, `vae-moe cluster` of 1000 x 15 up to the page {shown['cluster']} "
        f"({shown['cluster_fast']} with `--fast`), a first fit of DVMoERegressor to 300 x 18 {shown['regressor']}, the "
        f"next {shown['regressor_again']}; a million rows are given clusters at {shown['cluster_rate']}, predictions "
        f"at {shown['experts_rate']}. {met} of {len(limits)} of what was asked for are met, beside other work "
        "([all of them](docs/results.md#speed))."
    )
