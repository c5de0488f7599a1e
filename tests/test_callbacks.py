"""Schedules against their formulas, and what a compiled step sees of them."""

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vae_moe import DMVAE
from vae_moe.training import callbacks

SIZES = {"n_components": 3, "latent_dim": 2, "z_encoder_sizes": (8,), "c_encoder_sizes": (8,), "decoder_sizes": (8,)}


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    """A model trained for four epochs with all callbacks, its history, and the pictures' folder."""
    (x, y), folder = digits, tmp_path_factory.mktemp("figures")
    model = DMVAE(x.shape[1], relaxation="gumbel", temperature=1.0, **SIZES)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=True)
    extra = [
        callbacks.TemperatureAnnealing(1.0, 0.5, 0.2),
        callbacks.KLWarmUp(4),
        callbacks.ClusteringMetrics(x[200:400], y[200:400]),
        callbacks.FigureLogger(folder, lambda model: {"drawn": Figure()}, every=3),
    ]
    return model, model.fit(x[:200], epochs=4, batch_size=100, verbose=0, callbacks=extra).history, folder


def test_temperature_is_exponential_with_a_floor(trained):
    model, history, _ = trained
    assert history["temperature"] == [1.0, 0.5, 0.25, 0.2]
    np.testing.assert_allclose(model.mixture.gumbel_softmax.temperature, 0.2)


def test_kl_weight_rises_linearly_or_in_steps():
    linear, stairs = callbacks.KLWarmUp(4), callbacks.KLWarmUp(8, steps=2)
    assert [linear.weight(epoch) for epoch in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert [stairs.weight(epoch) for epoch in range(9)] == [0.5] * 7 + [1.0] * 2
    assert callbacks.KLWarmUp(0).weight(0) == 1.0


def test_the_compiled_step_sees_the_kl_weight(trained):
    """Right after the switch the loss must count the KL in full."""
    names = ("loss", "recon", "kl_z", "kl_c", "kl_weight")
    for loss, recon, kl_z, kl_c, weight in zip(*map(trained[1].get, names), strict=True):
        np.testing.assert_allclose(loss, recon + weight * (kl_z + kl_c), rtol=1e-4)


def test_clustering_metrics_join_the_history(trained):
    assert [len(trained[1][f"val_{name}"]) for name in ("clustering_accuracy", "nmi", "ari")] == [4, 4, 4]


def test_figures_reach_tensorboard(trained):
    events = EventAccumulator(str(trained[2]), size_guidance={"tensors": 0}).Reload()
    assert [event.step for event in events.Tensors("drawn")] == [2, 3]


def test_bad_schedules_are_named():
    with pytest.raises(ValueError, match="initial=0"):
        callbacks.TemperatureAnnealing(0)
    with pytest.raises(ValueError, match="epochs=-1"):
        callbacks.KLWarmUp(-1)
