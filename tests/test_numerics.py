"""Inputs and parameters at their limits: everything stays finite, or an error names the cause."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from threadpoolctl import threadpool_limits

from vae_moe import em, estimators, layers, likelihoods, models
from vae_moe.training.stop_on_nan import StopOnNaN

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Number of distinct clusters"),
]

D, K = 6, 3
ROWS = np.random.default_rng(0).normal(size=(12, D))
INPUTS = {
    "scaled by 1e8": 1e8 * ROWS,
    "scaled by 1e-8": 1e-8 * ROWS,
    "columns of very different scales": ROWS * 10.0 ** np.arange(-8, 10, 3),
    "constant columns": np.where(np.arange(D) < 4, 7.0, ROWS),
    "duplicates": np.repeat(ROWS[:3], 4, 0),
    "one point": np.repeat(ROWS[:1], 12, 0),
    "all zero": np.zeros((12, D)),
    "one row": ROWS[:1],
    "fewer rows than components": ROWS[:2],
    "float16": ROWS.astype(np.float16),
    "float64": ROWS,
    "integers": np.round(3 * ROWS).astype(np.int64),
    "bytes": np.round(100 + 50 * ROWS).astype(np.uint8),
}
#: Of learned variances: a squared distance over one of them. The error that a training ends with is tested below.
BEYOND_FLOAT32 = ("scaled by 1e8", "columns of very different scales")
GATE = {"latent_dim": 2, "z_encoder_sizes": (8,), "decoder_sizes": (8,), "likelihood": "gaussian"}
TERMS = {"adversarial": 1.0, "balance": 1.0, "entropy": 1.0}
MODELS = {
    "VAE": lambda: models.VAE(D, **GATE),
    "VaDE": lambda: models.VaDE(D, n_components=K, learn_weights=True, **GATE),
    "DMVAE": lambda: models.DMVAE(D, n_components=K, relaxation="gumbel", regularization=TERMS, **GATE),
    "DMVAE heteroscedastic": lambda: models.DMVAE(
        D, n_components=K, **GATE | {"likelihood": "heteroscedastic_gaussian"}
    ),
    "DeepMoE": lambda: models.DeepMoE(D, K, 2, hidden_sizes=(8,), learn_variance=True, regularization=TERMS),
    "DVMoE": lambda: models.DVMoE(D, K, 2, regularization=TERMS, **GATE),
    "VaDEMoE": lambda: models.VaDEMoE(D, K, 2, task="classification", **GATE),
}


CLUSTERINGS = ("VaDE", "DMVAE", "DMVAE heteroscedastic")


def targets(name, n):
    """Of a mixture of experts, for n rows."""
    if "MoE" not in name:
        return None
    return np.arange(n) % 2 if name == "VaDEMoE" else np.linspace(-1, 1, 2 * n, dtype="f").reshape(n, 2)


def assert_finite_step(model, x, y=None, kind=""):
    """Loss, terms and gradients of a training step are finite."""
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = model.compute_loss(y=None if y is None else tf.constant(y), y_pred=outputs)
    for term, values in outputs["terms"].items():
        assert np.isfinite(values).all(), f"{term} of {kind}"
    gradients = tape.gradient(loss, model.trainable_variables)
    assert np.isfinite(loss), kind
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is None or np.isfinite(gradient).all(), f"{weight.path}, {kind}"


@pytest.mark.parametrize("name", MODELS)
def test_a_step_and_the_readouts_of_models_are_finite(name):
    model = MODELS[name]()
    readouts = ["elbo", "encode", "gate_proba", "predict_mean", *(["predict_proba"] if name in CLUSTERINGS else [])]
    for kind, x in INPUTS.items():
        if name == "DMVAE heteroscedastic" and kind in BEYOND_FLOAT32:
            continue
        assert_finite_step(model, x.astype(np.float32), targets(name, len(x)), kind)
        for readout in readouts:
            if hasattr(model, readout):
                assert np.isfinite(getattr(model, readout)(x)).all(), f"{readout} of {kind}"


def test_what_float32_cannot_hold_stops_the_training_and_is_named():
    model = MODELS["DMVAE heteroscedastic"]()
    model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    x = INPUTS["scaled by 1e8"].astype(np.float32)
    with pytest.raises(FloatingPointError, match=r"no longer finite.*largest \|x\|"):
        model.fit(x, epochs=3, verbose=0, callbacks=[StopOnNaN(x)])
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("name", ["DMVAE", "DVMoE"])
def test_fit_takes_any_numbers(name):
    model = MODELS[name]()
    model.compile(keras.optimizers.Adam(), run_eagerly=True)
    for kind in ("float16", "float64", "integers", "bytes", "one row"):
        x = INPUTS[kind]
        history = model.fit(x, targets(name, len(x)), batch_size=12, verbose=0).history
        assert np.isfinite(history["loss"]).all(), kind
        assert all(np.isfinite(weight).all() for weight in model.get_weights()), kind


@pytest.mark.parametrize("extreme", [-1e8, 1e8])
@pytest.mark.parametrize("name", ["DMVAE", "DeepMoE", "DVMoE"])
def test_extreme_logits(name, extreme):
    """One component takes all, the others have probability 0 and log-probabilities that are finite."""
    model = MODELS[name]()
    gate = model.mixture if name == "DMVAE" else model.gate
    network = gate.output_layer if name == "DeepMoE" else gate.c_encoder
    network.layers[-1].bias.assign([extreme, 0.0, -extreme])
    x = ROWS.astype(np.float32)
    assert_finite_step(model, x, targets(name, len(x)))
    proba = model.predict_proba(x) if name == "DMVAE" else model.gate_proba(x)
    np.testing.assert_allclose(proba, np.tile(np.eye(3)[0 if extreme > 0 else 2], (12, 1)), atol=1e-6)


@pytest.mark.parametrize("temperature", [1e-3, 1e3])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_extreme_temperatures(temperature, scale, rng):
    layer = layers.GumbelSoftmax(temperature, seed=1)
    logits = tf.Variable((scale * rng.normal(size=(50, K))).astype("f"))
    with tf.GradientTape() as tape:
        zeta = layer(logits)
        loss = tf.reduce_sum(zeta**2)
    np.testing.assert_allclose(tf.reduce_sum(zeta, -1), 1.0, rtol=1e-5)
    assert np.isfinite(tape.gradient(loss, logits)).all()
    model = models.DMVAE(D, n_components=K, relaxation="gumbel", temperature=temperature, **GATE)
    assert_finite_step(model, ROWS.astype(np.float32))


@pytest.mark.parametrize("extreme", [-50.0, 50.0])
@pytest.mark.parametrize("name", ["VaDE", "DMVAE"])
def test_extreme_log_variances_of_the_prior(name, extreme):
    model = MODELS[name]()
    model.mixture.prior.log_vars.assign([[extreme, extreme], [0.0, extreme], [0.0, 0.0]])
    assert_finite_step(model, ROWS.astype(np.float32))
    assert np.isfinite(model.predict_proba(ROWS)).all() and np.isfinite(model.elbo(ROWS)).all()


@pytest.mark.parametrize("extreme", [-50.0, 50.0])
def test_extreme_log_variances_of_experts_and_decoders(extreme):
    model = MODELS["DeepMoE"]()
    model.experts.log_vars.assign(np.full((K, 2), extreme))
    assert_finite_step(model, ROWS.astype(np.float32), targets("DeepMoE", 12))
    params = np.concatenate([np.zeros((1, 4)), np.full((1, 4), extreme)], -1)
    found = likelihoods.get("heteroscedastic_gaussian").log_prob(tf.constant(params), tf.ones((1, 4), tf.float64))
    held = max(extreme, -likelihoods.LOG_VAR_BOUND)
    expected = -2 * (np.log(2 * np.pi) + held + np.exp(-held))
    np.testing.assert_allclose(found, [expected])


@pytest.mark.parametrize("logit", [-1e8, -100.0, 100.0, 1e8])
def test_extreme_logits_of_bernoulli_and_categorical(logit):
    bernoulli, categorical = likelihoods.get("bernoulli"), likelihoods.get("categorical")
    np.testing.assert_allclose(bernoulli.log_prob(tf.constant([[logit]]), tf.constant([[1.0]])), [min(logit, 0.0)])
    np.testing.assert_allclose(bernoulli.log_prob(tf.constant([[logit]]), tf.constant([[0.0]])), [min(-logit, 0.0)])
    np.testing.assert_allclose(categorical.log_prob(tf.constant([[logit, 0.0]]), tf.constant([0])), [min(logit, 0.0)])


ONE_OR_FEW = ("one row", "fewer rows than components")


def fitted_or_refused(model, x, *y):
    """The fitted model; None for an error that says something."""
    try:
        return model.fit(x, *y)
    except ValueError as error:
        assert len(str(error)) > 30
        return None


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("name", ["GMMGatedRegressor", "GMMGatedClassifier", "SoftmaxGatedRegressor"])
def test_em_is_finite_or_names_the_cause(name, kind):
    x = INPUTS[kind]
    y = np.arange(len(x)) % 2 if "Classifier" in name else x[:, 0] + np.arange(len(x))
    with threadpool_limits(1):
        model = fitted_or_refused(getattr(em, name)(K, random_state=0, max_iter=5), x, y)
    assert kind in (*ONE_OR_FEW, "scaled by 1e8") or model is not None  # it says: scale the features
    if model is not None:
        assert np.isfinite(model.predict(x)).all() and np.isfinite(model.lower_bounds_).all()
        assert np.isfinite(model.gate_proba(x)).all()


@pytest.mark.usefixtures("short_steps")
@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("DMVAEClustering", ["scaled by 1e8", "constant columns", "one point", "all zero", *ONE_OR_FEW]),
        ("DeepMoERegressor", ["scaled by 1e8", "all zero", "integers", *ONE_OR_FEW]),
    ],
)
def test_estimators_are_finite_or_name_the_cause(name, kinds):
    brief = {"epochs": 1, "start_epochs": 1, "hidden_layer_sizes": (8,), "random_state": 0}
    size = {"n_components": K} if "Clustering" in name else {"n_experts": K}
    for kind in kinds:
        x = INPUTS[kind]
        y = () if "Clustering" in name else (x[:, 0] + np.arange(len(x)),)
        model = fitted_or_refused(getattr(estimators, name)(**size, **brief), x, *y)
        assert kind in ONE_OR_FEW or model is not None, kind
        for readout in ("predict", "transform", "score_samples"):
            if hasattr(model, readout):
                assert np.isfinite(getattr(model, readout)(x)).all(), f"{readout} of {kind}"
