"""Models of other libraries, each in a process of its own: how fast they are, and what clusters they find.

PyTorch beside TensorFlow in one process can end it. What this file runs there imports neither.
"""

import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

#: Libraries that the benchmark of speed asks, by the names they are imported by.
PEERS = ("clustpy",)
#: What each of ClustPy's clusterings needs to be there.
CLUSTERINGS = {"DEC": ("clustpy",), "N2D": ("clustpy", "umap")}


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
    call = f"clustpy_vade(folder, {dataset.n_classes}, {batch_size}, {epochs})"
    return float(_in_a_process_of_its_own(peer, dataset.train.x, call)[0])


def clusters(name: str, x: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Clusters [N] of the rows x [N, D] by one of ClustPy's methods, in a new process.

    Args:
        name: of ``CLUSTERINGS``.
        x: rows.
        n_clusters: K.
        seed: of the method.

    Raises:
        RuntimeError: its process failed.
    """
    call = f"clustpy_clusters({name!r}, folder, {n_clusters}, {seed})"
    return _in_a_process_of_its_own("clustpy", x, call).astype(int)


def installed(name: str) -> bool:
    """Whether all that one of ``CLUSTERINGS`` needs is there."""
    return all(importlib.util.find_spec(library) for library in CLUSTERINGS[name])


def _in_a_process_of_its_own(peer: str, x: np.ndarray, call: str) -> np.ndarray:
    """What a function of this file gives, called in a new process with the folder where x lies."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "x.npy", x)
        code = f"import numpy as np; from experiments import peers; folder = {folder!r}; found = peers.{call}"
        code = f"{code}; np.save(folder + '/found.npy', np.atleast_1d(found))"
        finished = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
        if finished.returncode:
            raise RuntimeError(f"{peer} failed with code {finished.returncode}: {finished.stderr[-2000:]}")
        return np.load(Path(folder) / "found.npy")


def clustpy_vade(folder: str, n_clusters: int, batch_size: int, epochs: int) -> float:
    """Seconds an epoch of clustpy's VaDE on the rows in a folder: of some epochs and the same run without them, the
    difference.
    """
    from clustpy.deep import VaDE

    x = np.load(Path(folder) / "x.npy")

    def run(n_epochs: int) -> float:
        peer = VaDE(n_clusters, batch_size=batch_size, pretrain_epochs=1, clustering_epochs=n_epochs)
        started = time.perf_counter()
        peer.fit(x)
        return time.perf_counter() - started

    return (run(1 + epochs) - run(1)) / epochs


def clustpy_clusters(name: str, folder: str, n_clusters: int, seed: int) -> np.ndarray:
    """Clusters of the rows in a folder by a method of ClustPy's as it comes; N2D's manifold is its paper's UMAP."""
    from clustpy import deep

    x = np.load(Path(folder) / "x.npy").astype(np.float32)
    options = {}
    if name == "N2D":
        from umap import UMAP

        manifold = {"n_components": n_clusters, "n_neighbors": 20, "min_dist": 0.0, "random_state": seed}
        options = {"manifold_class": UMAP, "manifold_params": manifold}
    return getattr(deep, name)(n_clusters, random_state=seed, **options).fit(x).labels_
