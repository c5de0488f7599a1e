"""Speed of other libraries' models, each in a process of its own: part of the benchmark.

PyTorch beside TensorFlow in one process can end it. What this file runs there imports neither.
"""

import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

#: Libraries, by the names they are imported by.
PEERS = ("clustpy",)


def epoch_seconds(peer: str, dataset, batch_size: int, epochs: int) -> float:
    """Seconds an epoch of a library's VaDE, 500-500-2000, in a new process.

    Args:
        peer: of ``PEERS``.
        dataset: a ``vae_moe.data.datasets.Dataset``.
        batch_size: rows a step.
        epochs: timed.

    Raises:
        ImportError: the library is not there.
        RuntimeError: its process failed.
    """
    if importlib.util.find_spec(peer) is None:
        raise ImportError(f"{peer} is not installed")
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "x.npy"
        np.save(rows, dataset.train.x)
        arguments = f"{str(rows)!r}, {dataset.n_classes}, {batch_size}, {epochs}"
        code = f"from experiments import peers; print(peers.clustpy_vade({arguments}))"
        finished = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    if finished.returncode:
        raise RuntimeError(f"{peer} failed with code {finished.returncode}: {finished.stderr[-2000:]}")
    return float(finished.stdout.split()[-1])


def clustpy_vade(path: str, n_clusters: int, batch_size: int, epochs: int) -> float:
    """Seconds an epoch of clustpy's VaDE on the rows of a file: of some epochs and the same run without them, the
    difference.
    """
    from clustpy.deep import VaDE

    x = np.load(path)

    def run(n_epochs: int) -> float:
        peer = VaDE(n_clusters, batch_size=batch_size, pretrain_epochs=1, clustering_epochs=n_epochs)
        started = time.perf_counter()
        peer.fit(x)
        return time.perf_counter() - started

    return (run(1 + epochs) - run(1)) / epochs
