"""Policies of types: networks compute as they say, all else in the type of the variables."""

import keras
import numpy as np
import pytest

from vae_moe import DMVAE, DeepMoE, DVMoE, VaDEMoE

pytestmark = pytest.mark.usefixtures("no_graphs")
SIZES = {"latent_dim": 2, "z_encoder_sizes": (8,), "decoder_sizes": (8,), "regularization": {"adversarial": 1.0}}
CONV = {"image_shape": (3, 2), "encoder": "conv", "decoder": "conv", "filters": (3,), "trunk_sizes": (8,)}
MODELS = {
    "DMVAE": lambda **dtype: DMVAE(
        6, n_components=3, relaxation="gumbel", c_batch_normalization=True, **SIZES, **dtype
    ),
    "DVMoE": lambda **dtype: DVMoE(6, 3, 2, bound_share=0.5, **CONV, **SIZES, **dtype),
    "VaDEMoE": lambda **dtype: VaDEMoE(6, 3, 2, expert_input="features", **SIZES, **dtype),
    "DeepMoE": lambda **dtype: DeepMoE(6, 3, 2, hidden_sizes=(8,), regularization={"balance": 1.0}, **dtype),
}


@pytest.fixture(params=["given", "global"])
def options(request):
    """A function of a policy's name that gives it by argument, or sets it for all of Keras."""
    before = keras.config.dtype_policy()

    def given(name):
        if request.param == "given":
            return {"dtype": name}
        keras.config.set_dtype_policy(name)
        return {}

    yield given
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_any_policy_trains_and_reads_out(name, policy, options, rng):
    model = MODELS[name](**options(policy))
    x, y = rng.uniform(size=(8, 6)).astype("f"), rng.normal(size=(8, 2)).astype("f")
    model.compile("sgd", run_eagerly=True)
    history = model.fit(x, None if name == "DMVAE" else y, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert {weight.dtype for weight in model.trainable_variables} == {"float64" if policy == "float64" else "float32"}
    np.testing.assert_allclose(np.exp(model.c_log_proba(x)).sum(-1), np.ones(8))
    again = type(model).from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.c_log_proba(x), model.c_log_proba(x))
    if name == "DeepMoE":
        assert np.isfinite(model.predict_mean(x)).all()
    else:
        assert np.isfinite(model.elbo(x)).all()
