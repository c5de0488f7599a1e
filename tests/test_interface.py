"""What users of Keras see of the models: signatures, docstrings, metrics while training."""

import inspect

import numpy as np
import pytest

import vae_moe
from vae_moe import DMVAE, DeepMoE, DVMoE

pytestmark = pytest.mark.usefixtures("no_graphs")


@pytest.mark.parametrize("name", ["VAE", "VaDE", "DMVAE", "HDMVAE", "DeepMoE", "DVMoE", "VaDEMoE", "HMoE"])
def test_signatures_name_every_argument(name):
    model = getattr(vae_moe, name)
    parameters = inspect.signature(model).parameters
    assert not any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    assert {"input_dim", "seed", "regularization", "adversarial_radius", "held"} <= parameters.keys()
    assert not parameters.keys() & model.FIXED.keys() and "    Args:\n" in model.__doc__
    defaults = {each.name: each.default for each in parameters.values() if each.kind is each.KEYWORD_ONLY}
    sizes = {"n_experts": 2, "n_outputs": 1} if "n_experts" in parameters else {}
    sizes = sizes or ({} if "n_components" in model.FIXED else {"n_components": 2})
    assert type(model(3, **sizes, **defaults)) is model


def test_metrics_of_keras_are_of_what_is_predicted(rng):
    x = rng.uniform(size=(64, 3)).astype("f")
    model = DeepMoE(3, 2, 3, task="classification", hidden_sizes=(4,))
    model.compile(optimizer="adam", metrics=["accuracy"])
    y = rng.integers(3, size=64)
    history = model.fit(x, y, batch_size=16, epochs=2, verbose=0).history
    assert len(history["accuracy"]) == 2
    accuracy = (model.predict_proba(x).argmax(-1) == y).mean()
    assert model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"] == pytest.approx(accuracy)


def test_metrics_of_a_regression_and_none_without_y(rng):
    x, y = rng.uniform(size=(32, 3)).astype("f"), rng.normal(size=(32, 2)).astype("f")
    model = DVMoE(3, 2, 2, latent_dim=2, z_encoder_sizes=(4,), c_encoder_sizes=(4,), decoder_sizes=(4,))
    model.compile(optimizer="adam", metrics=["mae"])
    model.fit(x, y, batch_size=16, verbose=0)
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    assert found["mae"] == pytest.approx(np.abs(model.predict_mean(x) - y).mean(), abs=0.05)
    clustering = DMVAE(3, 2, z_encoder_sizes=(4,))
    with pytest.raises(ValueError, match="compiled with a loss or metrics"):
        clustering.compile(optimizer="adam", metrics=["mae"])
