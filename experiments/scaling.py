"""Tables larger than memory, and many components: ``python -m experiments.scaling``.

An epoch over a ``.npy`` file of ten million rows that is never loaded, with the peak memory of the process that trains;
and the time of a training step against the number of components or experts, beside what their products cost by formula.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments import benchmark, grids, recipes, runs, training

RECORD = Path("results/scaling.json")
ROWS, COLUMNS = 10_000_000, 64
COMPONENTS = (10, 30, 100, 300, 1000)
MODELS = ("dmvae", "vade", "dvmoe")
#: Steps of an epoch that is timed against K.
STEPS = 40
#: Of the stream, whose networks are small: reading is what is measured.
STREAM_BATCH = 1000
STREAM_LAYERS = (128, 64)


def write_rows(path: Path, rows: int, columns: int) -> None:
    """A float64 ``.npy`` file [rows, columns] around ten centres, a block at a time."""
    rng = np.random.default_rng(0)
    centres = 3.0 * rng.standard_normal((10, columns))
    with path.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (rows, columns)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, 100_000):
            n = min(100_000, rows - start)
            (centres[rng.integers(0, 10, n)] + rng.standard_normal((n, columns))).tofile(file)


def stream_epoch(path: Path) -> dict[str, Any]:
    """Train a DMVAE on a file for an epoch, in this process.

    Returns:
        ``epoch_seconds``, ``rows_per_second``, ``loss`` in nats, and ``peak_memory_gib`` of the process.
    """
    import keras

    from vae_moe import DMVAE
    from vae_moe.data import datasets

    data = datasets.stream(path, batch_size=STREAM_BATCH)
    columns = data.element_spec[0].shape[1]
    model = DMVAE(
        columns,
        n_components=10,
        likelihood="gaussian",
        z_encoder_sizes=STREAM_LAYERS,
        c_encoder_sizes=STREAM_LAYERS,
        decoder_sizes=STREAM_LAYERS[::-1],
    )
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=True)
    started = time.perf_counter()
    history = model.fit(data, epochs=1, shuffle=False, verbose=0)
    seconds = time.perf_counter() - started
    return {
        "epoch_seconds": seconds,
        "rows_per_second": len(data) * STREAM_BATCH / seconds,
        "loss": history.history["loss"][-1],
        "peak_memory_gib": runs.peak_memory(),
    }


def larger_than_memory(rows: int, columns: int, folder: Path) -> dict[str, Any]:
    """``stream_epoch`` of a new file in a process of its own, whose memory is that of the training alone."""
    path = folder / "rows.npy"
    write_rows(path, rows, columns)
    command = [sys.executable, "-m", "experiments.scaling", "--train-on", str(path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"rows": rows, "columns": columns, "file_gib": path.stat().st_size / 2**30, **json.loads(output)}


def step_time(model_name: str, n_components: int, dataset) -> dict[str, Any]:
    """Milliseconds of a training step of the default networks with K components, and its operations by formula."""
    recipe = replace(benchmark.Case(model_name, "default", 256).recipe, n_components=n_components)
    y = training.targets(recipe, dataset)
    model, data = training.compiled(recipe, dataset, y, 3)
    seconds = benchmark.timed_epochs(model, data, 4)
    return {
        "model": model_name,
        "components": n_components,
        "step_ms": 1e3 * min(seconds[1:]) / len(data),
        "operations": recipe.batch_size * benchmark.operations(model),
    }


def table(record: dict[str, Any] | None) -> str:
    """Markdown: a row a number of components, the time of a step and what the formula says from the first row's."""
    names = ["K", *(f"{recipes.TITLES[model]}, ms a step (by formula)" for model in MODELS)]
    if record is None:
        return grids.markdown(names, [], "No record yet.")
    rows = [
        [str(k), *(f"{_of(record, model, k)['step_ms']:.1f} ({expected(record, model, k):.1f})" for model in MODELS)]
        for k in sorted({entry["components"] for entry in record["steps"]})
    ]
    stream = record["stream"]
    note = (
        f"500-500-2000 on MNIST, batch 256; the formula counts the products' operations and has the first row's rate. "
        f"An epoch over a file of {stream['rows']:,} x {stream['columns']} numbers ({stream['file_gib']:.1f} GiB) that "
        f"is never loaded takes {stream['epoch_seconds']:.0f} s and at most {stream['peak_memory_gib']:.2f} GiB. "
        f"{record['machine']}; {record['finished_at'][:10]}; `python -m experiments.scaling`, commit "
        f"`{record['git_commit']}`."
    )
    return grids.markdown(names, rows, note)


def expected(record: dict[str, Any], model: str, n_components: int) -> float:
    """Milliseconds of a step by its operations, at the rate of the fewest components."""
    first = _of(record, model, min(entry["components"] for entry in record["steps"]))
    return first["step_ms"] * _of(record, model, n_components)["operations"] / first["operations"]


def _of(record, model: str, n_components: int) -> dict[str, Any]:
    return next(e for e in record["steps"] if (e["model"], e["components"]) == (model, n_components))


def picture(record: dict[str, Any]):
    """Time of a step against K, measured and by formula, a panel a model: a matplotlib Figure."""
    from vae_moe.plots import score_plots

    numbers = sorted({entry["components"] for entry in record["steps"]})
    panels = {
        f"{recipes.TITLES[model]}, ms a step": {
            "measured": {k: [_of(record, model, k)["step_ms"]] for k in numbers},
            "by formula": {k: [expected(record, model, k)] for k in numbers},
        }
        for model in MODELS
    }
    return score_plots.bands(panels, x_name="components K")


def read(path: Path = RECORD) -> dict[str, Any] | None:
    """The record that was kept, or None."""
    return runs.read_json(path) if path.exists() else None


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.scaling", description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of the file; default: {ROWS}")
    parser.add_argument("--columns", type=int, default=COLUMNS, help=f"of the file; default: {COLUMNS}")
    parser.add_argument("--components", type=int, nargs="+", default=list(COMPONENTS), help="numbers to time")
    parser.add_argument("--folder", type=Path, help="where the file is made, and removed; default: a temporary one")
    parser.add_argument("--json", type=Path, default=RECORD, help=f"where the record goes; default: {RECORD}")
    parser.add_argument("--quick", action="store_true", help="few rows and components: to see that it runs")
    parser.add_argument("--train-on", type=Path, help=argparse.SUPPRESS)  # the process whose memory is measured
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if options.train_on:
        print(json.dumps(stream_epoch(options.train_on)))
        return 0
    rows, components, steps = options.rows, options.components, STEPS
    if options.quick:
        rows, components, steps = 5000, [10, 20], 2
    if rows < STREAM_BATCH or options.columns < 1 or min(components) < 1:
        parser.error(f"rows must be {STREAM_BATCH} or more, columns and components 1 or more.")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        stream = larger_than_memory(rows, options.columns, Path(folder))
    print(f"{rows} rows: {stream['epoch_seconds']:.0f} s, {stream['peak_memory_gib']:.2f} GiB", flush=True)
    from vae_moe.data import datasets

    dataset = datasets.load("mnist").without_validation().head(256 * steps)
    measured = []
    for model in MODELS:
        for k in components:
            measured.append(step_time(model, k, dataset))
            print(f"{model}, {k} components: {measured[-1]['step_ms']:.1f} ms a step", flush=True)
    record = {"stream": stream, "steps": measured, **runs.provenance()}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    runs.write_json(options.json, record)
    picture(record).savefig(options.json.with_suffix(".png"), dpi=150)
    print(f"\n{table(record)}\n\n{options.json}, {options.json.with_suffix('.png')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
