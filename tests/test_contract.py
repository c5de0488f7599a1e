"""One contract for every layer and model: config and file round trips, finite gradients, none left untested."""

import importlib
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from vae_moe import layers, models

SMALL = {"n_components": 3, "latent_dim": 2, "z_encoder_sizes": (8,), "decoder_sizes": (8,), "seed": 3}
SMALL_GATE = {name: value for name, value in SMALL.items() if name != "n_components"}
IMAGES = {"image_shape": (3, 2, 1), "encoder": "conv", "filters": (4, 3)}  # one side odd
CONV = {**SMALL_GATE, **IMAGES, "decoder": "conv", "trunk_sizes": (8,)}
MODELS = {
    "VAE": lambda: models.VAE(6, **SMALL_GATE),
    "VaDE": lambda: models.VaDE(6, **SMALL, learn_weights=True, trunk_sizes=(7,)),
    "DeepMoE": lambda: models.DeepMoE(
        6, 3, 2, hidden_sizes=(8,), learn_variance=True, regularization={"balance": 0.5}, seed=3
    ),
    "DVMoE": lambda: models.DVMoE(
        6,
        3,
        2,
        expert_input="features",
        c_encoder_sizes=(8,),
        regularization={"adversarial": 1.0, "entropy": 0.1},
        **SMALL_GATE,
    ),
    "VaDEMoE": lambda: models.VaDEMoE(6, 3, 4, task="classification", elbo_weight=0.5, **SMALL_GATE),
    "DMVAE": lambda: models.DMVAE(
        6,
        **SMALL,
        c_encoder_sizes=(8,),
        c_batch_normalization=True,
        relaxation="gumbel",
        regularization={"consistency": 2.0, "balance": 1.0},
    ),
    "HDMVAE": lambda: models.HDMVAE(
        6, n_components=4, branching=(2, 2), relaxation="gumbel", c_encoder_sizes=(8,), **SMALL_GATE
    ),
    "HMoE": lambda: models.HMoE(6, 4, 2, branching=(2, 2), learn_variance=True, c_encoder_sizes=(8,), **SMALL_GATE),
    "VAE conv": lambda: models.VAE(6, **CONV),
    "VaDE conv": lambda: models.VaDE(6, n_components=3, likelihood="heteroscedastic_gaussian", **CONV),
    "DMVAE conv": lambda: models.DMVAE(
        6, n_components=3, regularization={"consistency": 2.0, "adversarial": 1.0}, bound_share=0.5, **CONV
    ),
    "DMVAE layer": lambda: models.DMVAE(
        6, **SMALL, encoder=_layer_of_images(), decoder=keras.layers.Dense(6), image_shape=(3, 2, 1)
    ),
    "DeepMoE conv": lambda: models.DeepMoE(6, 3, 2, hidden_sizes=(8,), expert_input="features", seed=3, **IMAGES),
    "DVMoE conv": lambda: models.DVMoE(6, 3, 2, regularization={"adversarial": 1.0}, **CONV),
    "VaDEMoE conv": lambda: models.VaDEMoE(6, 3, 4, task="classification", **CONV),
}
TARGETS = {  # of the mixtures of experts
    "DeepMoE": np.linspace(-1, 1, 20, dtype="f").reshape(10, 2),
    "DVMoE": np.linspace(-1, 1, 20, dtype="f").reshape(10, 2),
    "VaDEMoE": np.arange(10) % 4,
    "HMoE": np.linspace(-1, 1, 20, dtype="f").reshape(10, 2),
}
READOUTS = {
    "VAE": ("encode", "reconstruct", "elbo"),
    "VaDE": ("predict_proba", "encode", "reconstruct", "elbo"),
    "DMVAE": ("predict_proba", "encode", "reconstruct", "elbo"),
    "HDMVAE": ("predict_proba", "encode", "reconstruct", "elbo"),
    "DeepMoE": ("gate_proba", "predict_mean"),
    "DVMoE": ("gate_proba", "predict_mean", "encode", "elbo"),
    "VaDEMoE": ("gate_proba", "predict_mean", "encode", "elbo"),
    "HMoE": ("gate_proba", "predict_mean", "encode", "elbo"),
}
LAYERS = {
    "ConvEncoder": (lambda: layers.ConvEncoder((3, 2), (4, 5), (8,), seed=1), 6),
    "ConvDecoder": (lambda: layers.ConvDecoder((3, 2, 1), (4, 5), (8,), 2, seed=1), 2),
    "MLP": (lambda: layers.MLP((8, 4), 3, seed=1), 6),
    "MLP normalised": (lambda: layers.MLP((8, 4), 3, seed=1, batch_normalization=True), 6),
    "GumbelSoftmax": (lambda: layers.GumbelSoftmax(0.5, 1), 6),
    "Experts": (lambda: layers.Experts(3, 2, learn_variance=True, seed=1), 6),
    "SoftmaxGate": (lambda: layers.SoftmaxGate(6, 3, (8,), seed=1), 6),
    "MixturePrior": (lambda: layers.MixturePrior(3, 2, True, seed=1), None),
    "BayesMixture": (lambda: layers.BayesMixture(6, **SMALL, learn_weights=True), 6),
    "NetworkMixture": (lambda: layers.NetworkMixture(6, **SMALL), 6),
    "TreeMixture": (lambda: layers.TreeMixture(6, **SMALL), 6),
    "TreeMLP": (lambda: layers.TreeMLP((8,), (3, 2), seed=1), 6),
}


def _layer_of_images():
    parts = [keras.layers.Conv2D(4, 2, activation="relu"), keras.layers.BatchNormalization()]
    return keras.Sequential([*parts, keras.layers.GlobalAveragePooling2D()])


@pytest.fixture
def x(rng):
    return rng.uniform(0, 1, (10, 6)).astype("f")


def _shaped(x, model):
    """Rows, or images for a model of images."""
    shape = getattr(model, "mixture", getattr(model, "gate", None)).image_shape
    return x if shape is None else x.reshape(-1, *shape)


@pytest.mark.parametrize(("module", "cases"), [(models, MODELS), (layers, LAYERS)])
def test_no_class_is_left_out(module, cases):
    public = {name: getattr(module, name) for name in module.__all__}
    made = {name for name, each in public.items() if keras.saving.get_registered_name(each) != name}
    assert made == {name.split()[0] for name in cases}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_config_round_trip(name):
    make, input_dim = LAYERS[name]
    layer = make()
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()
    for each in (layer, copy):
        each.build((None, input_dim))
    for ours, theirs in zip(layer.trainable_weights, copy.trainable_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)  # the same seed, the same start


@pytest.mark.parametrize("name", MODELS)
def test_save_and_load_gives_the_same_readouts(name, x, tmp_path, recwarn):
    model = MODELS[name]()
    y = TARGETS.get(name.split()[0])
    x = _shaped(x, model)
    model.compile(keras.optimizers.Adam(), run_eagerly=name != "DVMoE")  # of the others no graph: it takes seconds
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config() and loaded.compiled
    for readout in READOUTS[name.split()[0]]:
        np.testing.assert_array_equal(getattr(loaded, readout)(x), getattr(model, readout)(x))
    loaded.fit(x, y, epochs=1, verbose=0)
    assert not [str(w.message) for w in recwarn if "could not" in str(w.message) or "not found" in str(w.message)]


@pytest.mark.parametrize("name", ["DMVAE", "DeepMoE", "VaDEMoE conv"])
def test_a_model_that_was_compiled_and_not_trained_loads_without_a_warning(name, tmp_path):
    model = MODELS[name]()
    model.compile(keras.optimizers.Adam())
    model.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.compiled and len(loaded.optimizer.variables) == len(model.optimizer.variables)


@pytest.mark.parametrize("name", MODELS)
def test_every_trainable_weight_gets_a_finite_gradient(name, x):
    model = MODELS[name]()
    x = _shaped(x, model)
    inputs = {"x": x, "view": x[::-1]} if hasattr(model, "cluster") else x
    y = TARGETS.get(name.split()[0])
    y = None if y is None else tf.constant(y)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(y=y, y_pred=model(inputs, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    assert len(gradients) > 3
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None and np.isfinite(gradient).all() and np.any(gradient), weight.path


@pytest.mark.parametrize(("name", "part"), [("DVMoE", "experts"), ("DVMoE", "gate"), ("DMVAE", "decoder")])
def test_what_is_held_is_held_after_loading(name, part, x, tmp_path, recwarn):
    """The optimizer's state too: it has as many variables as there are trained ones."""
    model = MODELS[name]()
    model._parts()[part].trainable = False
    model.compile(keras.optimizers.Adam(), run_eagerly=True)
    model.fit(x, TARGETS.get(name), epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not [str(w.message) for w in recwarn if "optimizer" in str(w.message)]
    assert len(loaded.trainable_variables) == len(model.trainable_variables)
    for ours, theirs in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    before = [weight.numpy() for weight in loaded._parts()[part].weights]
    loaded.fit(x, TARGETS.get(name), epochs=1, verbose=0)
    for ours, theirs in zip(before, loaded._parts()[part].weights, strict=True):
        if "seed" not in theirs.path:  # of the next samples
            np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match=r"held may name .*, got 'encoder'\."):
        type(model)(**{**model.get_config(), "held": ["encoder"]})


def test_sizes_may_be_numpys():
    sizes = np.array([8, 4])
    shape = {"image_shape": np.array((3, 2, 1)), "filters": sizes, "encoder": "conv", "decoder": "conv"}
    network = {"latent_dim": sizes[1], "trunk_sizes": sizes, "decoder_sizes": sizes, "z_encoder_sizes": sizes}
    for each in (models.VaDE, models.DMVAE):
        assert each(6, n_components=np.int64(3), **network, **shape).decode(np.zeros((1, 4))).size == 6
    assert models.DVMoE(6, np.int64(3), np.int64(2), **network).predict_mean(np.zeros((1, 6))).shape == (1, 2)


@pytest.mark.parametrize("name", ["VaDE", "DMVAE", "DVMoE"])  # each gate that draws, and experts
def test_same_seed_same_training(name, x):
    def train():
        model = MODELS[name]()
        model.compile(keras.optimizers.Adam(0.01), jit_compile=name == "DVMoE")
        return model.fit(x, TARGETS.get(name), epochs=3, shuffle=False, verbose=0).history["loss"]

    assert train() == train()


@pytest.mark.parametrize("given", [{"loss": "mse"}, {"metrics": ["mae"]}, {"weighted_metrics": ["mae"]}], ids=str)
def test_a_loss_or_metrics_of_keras_are_refused(given):
    """They would be left out, or fail in Keras on outputs that the user does not know of."""
    name = "DeepMoE" if "loss" in given else "DMVAE"  # metrics are of y, which the former has
    with pytest.raises(ValueError, match=rf"{name} was compiled with a loss( or metrics)?: its loss is the sum of its"):
        MODELS[name]().compile("adam", **given)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "DMVAE",
            lambda x: np.where(x > x.mean(), np.nan, x),
            "x has NaN or infinite entries, the first at row 0, col",
        ),
        ("DeepMoE", lambda x: {"x": x * np.inf}, "x has NaN or infinite entries"),
        ("VAE", lambda x: x[:, :5], r"x must be \[N, 6\] with N >= 1, got shape \(10, 5\)"),
        (
            "VaDE",
            lambda x: np.round(255 * x).astype(np.uint8),
            r"x must be in \[0, 1\] for likelihood=.*divide bytes ",
        ),
        ("DVMoE", lambda x: x - 0.5, r"x must be in \[0, 1\] for likelihood='bernoulli', got values from -0.4"),
    ],
)
def test_fit_looks_at_arrays_first(name, change, message, x):
    model = MODELS[name]()
    model.compile("adam", run_eagerly=True)
    with pytest.raises(ValueError, match=message):
        model.fit(change(x), TARGETS.get(name), verbose=0)


def test_another_backend_of_keras_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ImportError, match="Keras' backend is 'jax': set KERAS_BACKEND=tensorflow"):
        importlib.reload(models)
