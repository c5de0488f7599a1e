"""Fit and fit again in one process: memory stays flat, and a step is traced once a shape."""

import argparse
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from experiments.robustness import Figures

#: Rows of the two kinds of batches.
SHAPES = (32, 48)
#: Fits after which memory is taken to be as it stays.
EARLY = 100
#: Share by which it may grow from there.
GROWTH = 0.1
SMALL: dict[str, Any] = {"latent_dim": 2, "z_encoder_sizes": (8,), "c_encoder_sizes": (8,), "decoder_sizes": (8,)}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this part."""
    parser.add_argument("--fits", type=int, default=2000, help="in all; default: 2000")


def measure(options: argparse.Namespace) -> Figures:
    """Fit in turn: models that stay, on batches of two shapes; now and then new models, and new estimators.

    After each round of turns Keras' ``clear_session`` is called, as Keras asks where many models are made.
    """
    import keras
    from sklearn.datasets import load_iris

    from vae_moe import DMVAE, DVMoE
    from vae_moe.em import GMMGatedRegressor
    from vae_moe.estimators import DVMoERegressor

    x, _ = load_iris(return_X_y=True)
    x, y = x.astype(np.float32), x[:, :1].astype(np.float32)
    clustering = Traced(lambda: DMVAE(4, n_components=3, likelihood="gaussian", **SMALL))
    experts = Traced(lambda: DVMoE(4, 3, 1, likelihood="gaussian", **SMALL))
    most_of_new = 0

    def new():
        nonlocal most_of_new
        model = Traced(lambda: DMVAE(4, n_components=3, likelihood="gaussian", **SMALL))
        model.fit(x[:64], batch_size=32)
        most_of_new = max(most_of_new, model.traces)

    stay = [
        *(lambda n=n: clustering.fit(x[: 2 * n], batch_size=n) for n in SHAPES),
        *(lambda n=n: experts.fit(x[: 2 * n], y[: 2 * n], batch_size=n) for n in SHAPES),
    ]
    estimators = [
        lambda: GMMGatedRegressor(2, random_state=0).fit(x, y),
        lambda: DVMoERegressor(n_experts=2, epochs=1, random_state=0).fit(x[:40], y[:40, 0]),
    ]
    turns = 10 * stay + 8 * [new] + estimators
    early, early_mib = min(EARLY, max(1, options.fits // 2)), 0.0
    for i in track(range(options.fits), "fits"):
        turns[i % len(turns)]()
        if (i + 1) % len(turns) == 0:
            keras.backend.clear_session()
        if i + 1 == early:
            early_mib = resident_mib()
    late_mib = resident_mib()
    most = max(clustering.traces / len(SHAPES), experts.traces / len(SHAPES), most_of_new)
    return {
        "fits": options.fits,
        "early": early,
        "early_mib": round(early_mib, 1),
        "late_mib": round(late_mib, 1),
        "shapes": len(SHAPES),
        "most_traces": most,
        "passed": late_mib <= (1 + GROWTH) * early_mib and most <= 1,
    }


class Traced:
    """A model, compiled, that counts how often its training step is traced: how often Python runs it."""

    def __init__(self, make: Callable):
        import keras

        self.traces, self.model = 0, make()
        step = self.model.train_step

        def counted(data):
            self.traces += 1
            return step(data)

        self.model.train_step = counted
        self.model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)

    def fit(self, *arrays: np.ndarray, batch_size: int) -> None:
        """An epoch."""
        self.model.fit(*arrays, batch_size=batch_size, epochs=1, verbose=0)


def resident_mib() -> float:
    """Memory of this process that is in use now."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
