"""How near ``model.fit`` comes to the machine's limit: ``python -m experiments.benchmark``.

The limit is the float32 matrix product, timed between the epochs, as other work on a machine changes it from minute to
minute. An epoch is one of plain ``model.fit`` with the batches and the compiled step that every recipe has; what it
costs is counted by formula: 6 operations a weight and example (a product forwards and two backwards, a multiplication
and an addition each). Terms that are not the report's, which cost further passes, are left out.
"""

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from experiments import em_benchmark, grids, peers, recipes, runs, training, waits
from experiments.sizes import VADE

#: A file a benchmark, named by its day; the second of a day ends in -2.
RECORDS = Path("results/benchmark")
#: Preset and batch size; ``default`` is timed with VaDE's networks, 500-500-2000.
CASES = (("paper", 200), ("default", 256), ("default", 1000))
MODELS = ("dmvae", "vade", "dvmoe")
#: Side of the square product that is called the machine's limit.
PEAK_SIDE = 2048


@dataclass(frozen=True)
class Case:
    """What is timed."""

    model: str
    preset: str
    batch_size: int

    @property
    def recipe(self) -> recipes.Recipe:
        """The recipe without the terms that are not the report's, the bound on all of each batch."""
        recipe = recipes.get(f"mnist-{self.model}", self.preset)
        recipe = recipes.with_network(recipe, regularization={}, bound_share=1.0)
        if self.preset == "default":
            recipe = recipes.with_network(recipe, z_encoder_sizes=VADE, decoder_sizes=VADE[::-1])
        return replace(recipe, batch_size=self.batch_size, adversarial_reach=None)


def product_rate(rows: int = PEAK_SIDE, inner: int = PEAK_SIDE, columns: int = PEAK_SIDE, repeats: int = 4) -> float:
    """Operations a second of TensorFlow's float32 product [rows, inner] x [inner, columns], the best of some."""
    import tensorflow as tf

    left, right = tf.random.normal([rows, inner]), tf.random.normal([inner, columns])
    best = np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        tf.matmul(left, right).numpy()
        best = min(best, time.perf_counter() - started)
    return 2 * rows * inner * columns / best


def operations(model) -> int:
    """Of a training step, an example: 6 a weight of every dense layer and expert."""
    return 6 * sum(int(np.prod(weight.shape)) for weight in model.trainable_weights if "kernel" in weight.path)


def measure(case: Case, dataset, epochs: int) -> dict[str, Any]:
    """Train a case's model for some epochs, the limit measured after each.

    Args:
        case: which.
        dataset: a ``vae_moe.data.datasets.Dataset``.
        epochs: timed; one more before them compiles the step.

    Returns:
        ``epoch_seconds`` (the median), ``operations`` an example, ``peak`` and ``shape_peak`` (operations a second at
        2048^3 and at the model's widest layer), ``share_of_peak``, ``images_per_second`` in training and
        ``inference_per_second``, ``first_epoch_seconds`` (with the compilation).
    """
    recipe = case.recipe
    y = training.targets(recipe, dataset)
    model, data = training.compiled(recipe, dataset, y)  # as for a whole training, not for the few epochs here
    widest = max((w.shape for w in model.trainable_weights if w.path.endswith("kernel")), key=np.prod)
    peaks, shape_peaks = [product_rate()], []

    def limits() -> None:
        peaks.append(product_rate())
        shape_peaks.append(product_rate(case.batch_size, widest[0], widest[1], repeats=20))

    seconds = timed_epochs(model, data, epochs + 1, limits)
    epoch_seconds = float(np.median(seconds[1:]))
    n_images = len(data) * min(case.batch_size, len(dataset.train))
    rate = n_images / epoch_seconds
    readout = model.predict_proba if recipe.task is None else model.predict_mean
    return {
        "epoch_seconds": epoch_seconds,
        "first_epoch_seconds": seconds[0],
        "operations": operations(model),
        "peak": max(peaks),
        "shape_peak": max(shape_peaks),
        "share_of_peak": rate * operations(model) / max(peaks),
        "images_per_second": rate,
        "inference_per_second": _rate(lambda: readout(dataset.test.x), len(dataset.test)),
    }


def timed_epochs(model, data, epochs: int, between: Callable[[], None] = lambda: None) -> list[float]:
    """Seconds of each epoch of a compiled model's training; what is done ``between`` them is no part of any."""
    import keras

    seconds = []

    class Timer(keras.callbacks.Callback):
        """Times epochs."""

        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            seconds.append(time.perf_counter() - self.started)
            between()

    model.fit(data, epochs=epochs, shuffle=False, verbose=0, callbacks=[Timer()])
    return seconds


def _rate(function: Callable[[], Any], n_rows: int) -> float:
    """Rows a second, the best of three calls after one that compiles."""
    function()
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return n_rows / min(seconds)


def import_seconds() -> float:
    """Of ``import vae_moe.models`` in a new process, less an empty one."""

    def run(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return time.perf_counter() - started

    return run("import vae_moe.models") - run("pass")


def read(folder: Path = RECORDS) -> list[grids.Records]:
    """The records of each benchmark that was kept, the newest first."""
    found = [list(runs.read_json(path)) for path in folder.glob("*.json")]
    return sorted(found, key=lambda records: records[-1]["finished_at"], reverse=True)


def table(records: grids.Records) -> str:
    """A Markdown table: a row a case."""
    names = ["model", "networks", "batch", "s an epoch", "images/s", "inference, images/s", "share of the peak", "peer"]
    rows = [
        [
            recipes.TITLES[record["model"]],
            "the report's" if record["preset"] == "paper" else "500-500-2000",
            str(record["batch_size"]),
            f"{record['epoch_seconds']:.2f}",
            f"{record['images_per_second']:.0f}",
            f"{record['inference_per_second']:.0f}",
            f"{record['share_of_peak']:.2f}",
            "" if record["peer"] is None else f"clustpy {record['peer']:.1f} s",
        ]
        for record in records
    ]
    if not records:
        return grids.markdown(names, rows, "No records yet.")
    last = records[-1]
    peak = max(record["peak"] for record in records) / 1e9
    compiled = [record["first_epoch_seconds"] for record in records]
    # older records do not tell it
    em_memory = f" and its process at most {last['em_peak_memory_gib']:.1f} GiB" if "em_peak_memory_gib" in last else ""
    note = (
        f"MNIST, {last['rows']} images an epoch, float32. The peak is the best product of {PEAK_SIDE} x {PEAK_SIDE} "
        f"matrices timed between a row's epochs, up to {peak:.0f} GFLOP/s. Import {last['import_seconds']:.1f} s, "
        f"first epoch with its compilation {min(compiled):.1f} to {max(compiled):.1f} s, at most "
        f"{last['peak_memory_gib']:.1f} GiB of memory. An iteration of the GMM-gated mixture of experts by EM takes "
        f"{last['em_iteration_seconds']:.1f} s{em_memory}; an "
        f"iteration of scikit-learn's GaussianMixture on the same x takes {last['sklearn_iteration_seconds']:.1f} s. "
        f"{last['machine']}; {last['finished_at'][:10]}; "
        f"`python -m experiments.benchmark`, commit `{last['git_commit']}`."
    )
    return grids.markdown(names, rows, note)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmark", description="Speed of model.fit.")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="default: all")
    parser.add_argument("--epochs", type=int, default=3, help="timed for each case; default: 3")
    parser.add_argument(
        "--against", choices=peers.PEERS, help="time this library's VaDE too (pip install 'vae_moe[bench]')"
    )
    kept = f"{date.today()}.json"
    parser.add_argument("--json", type=Path, help=f"where the records go; default: {RECORDS / kept}")
    parser.add_argument(
        "--waits", nargs="*", choices=waits.PARTS, help="what people wait for, or parts of it, in place of model.fit"
    )
    parser.add_argument("--quick", action="store_true", help="1000 rows, one epoch: to see that it runs")
    options = parser.parse_args(arguments)
    if options.epochs < 1:
        parser.error(f"epochs must be 1 or more, got {options.epochs}.")
    if options.waits is not None:
        target = options.json or waits.RECORDS / kept
        print(f"\n{waits.sentence(waits.write(target, options.waits))}\n\n{target}")
        return 0
    target = options.json or _unused(RECORDS / kept)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from vae_moe.data import datasets

    dataset = datasets.load("mnist").without_validation()
    epochs = options.epochs
    if options.quick:
        dataset, epochs = dataset.head(1000), 1
    cases = [Case(model, *case) for model in options.models for case in CASES]
    records: grids.Records = []
    imported = import_seconds()
    for case in cases:
        figures = measure(case, dataset, epochs)
        print(f"{case.model} {case.preset} {case.batch_size}: {figures['epoch_seconds']:.2f} s an epoch", flush=True)
        records.append({**asdict(case), **figures, "peer": _peer(options.against, case, dataset, epochs)})
    shared = {
        "rows": len(dataset.train),
        "import_seconds": imported,
        "peak_memory_gib": runs.peak_memory(),
        "em_peak_memory_gib": em_benchmark.peak_memory(),
        **em_benchmark.iterations(dataset),
        **runs.provenance(),
    }
    records = [{**record, **shared} for record in records]
    target.parent.mkdir(parents=True, exist_ok=True)
    runs.write_json(target, records)
    print(f"\n{table(records)}\n\n{target}")
    return 0


def _unused(path: Path) -> Path:
    """The path, or the first of name-2, name-3 and so on that is no file yet."""
    names = (path.with_stem(f"{path.stem}-{i}") for i in itertools.count(2))
    return next(chosen for chosen in itertools.chain([path], names) if not chosen.exists())


def _peer(peer: str | None, case: Case, dataset, epochs: int) -> float | None:
    """Seconds an epoch of another library on the same network and batch, or None, with a message why not."""
    if peer is None or (case.model, case.preset, case.batch_size) != ("vade", "default", 256):
        return None
    try:
        return peers.epoch_seconds(peer, dataset, case.batch_size, epochs)
    except ImportError as error:
        print(f"{peer} is left out: {error}. Install it with: pip install 'vae_moe[bench]'")
    except RuntimeError as error:
        print(f"{peer} is left out: {error}")
    return None


if __name__ == "__main__":
    sys.exit(main())
