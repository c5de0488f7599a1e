"""Fit and fit again in one process: memory stays flat, and a step is traced once a shape."""

import argparse
import gc
from pathlib import Path

import numpy as np
from rich.progress import track

from experiments.robustness import Figures

#: Rows of the two kinds of batches.
SHAPES = (32, 48)
#: Fits after which memory is taken to be as it stays.
EARLY = 100
#: Share by which it may grow from there.
GROWTH = 0.1


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this part."""
    parser.add_argument("--fits", type=int, default=2000, help="in all; default: 2000")


def measure(options: argparse.Namespace) -> Figures:
    """Fit in turn: models that stay, on batches of two shapes, a new model, and a new estimator."""
    import keras
    from sklearn.datasets import load_iris

    from vae_moe import DMVAE, DVMoE
    from vae_moe.estimators import DVMoERegressor

    x, _ = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    y = x[:, :1] * 2 - 1
    small = {"latent_dim": 2, "z_encoder_sizes": (8,), "c_encoder_sizes": (8,), "decoder_sizes": (8,)}

    def clustering():
        model = DMVAE(4, n_components=3, likelihood="gaussian", **small)
        model.compile(keras.optimizers.Adam(1e-3))
        return model

    def experts():
        model = DVMoE(4, 3, 1, likelihood="gaussian", **small)
        model.compile(keras.optimizers.Adam(1e-3))
        return model

    stay = (clustering(), experts())
    traces = []

    def fit(model, rows, batch_size):
        targets = () if isinstance(model, DMVAE) else (y[:rows],)
        model.fit(x[:rows], *targets, batch_size=batch_size, epochs=1, verbose=0)

    def new():
        model = clustering()
        fit(model, 2 * SHAPES[0], SHAPES[0])
        traces.append(_traces(model))

    def estimator():
        DVMoERegressor(n_experts=2, epochs=1, random_state=0).fit(x[:40], y[:40, 0])

    every = [lambda m=model, b=size: fit(m, 2 * b, b) for model in stay for size in SHAPES] + [new, estimator]
    early, early_mib = min(EARLY, options.fits // 2), 0.0
    for i in track(range(options.fits), "fits"):
        every[i % len(every)]()
        if i + 1 == early:
            early_mib = _resident_mib()
    late_mib = _resident_mib()
    most = max(-(-_traces(model) // len(SHAPES)) for model in stay)
    return {
        "fits": options.fits,
        "early": early,
        "early_mib": round(early_mib, 1),
        "late_mib": round(late_mib, 1),
        "shapes": len(SHAPES),
        "traces": {model.name: _traces(model) for model in stay},
        "most_traces": max(most, *traces),
        "passed": late_mib <= (1 + GROWTH) * early_mib and max(most, *traces) == 1,
    }


def _traces(model) -> int:
    """How often the training step of a model was traced."""
    return model.train_function.experimental_get_tracing_count()


def _resident_mib() -> float:
    """Memory of this process that is in use now."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
