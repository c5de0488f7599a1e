"""Gate and experts against least squares, TFP's mixture, and their limits."""

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from sklearn.linear_model import LinearRegression, LogisticRegression

from vae_moe import DeepMoE, DVMoE, VaDEMoE
from vae_moe.training.expert_em import fit_experts

SMALL = {"latent_dim": 2, "z_encoder_sizes": (8,), "decoder_sizes": (8,)}
MODELS = {
    "DeepMoE": lambda **options: DeepMoE(4, 3, hidden_sizes=(8,), **options),
    "DVMoE": lambda **options: DVMoE(4, 3, c_encoder_sizes=(8,), **SMALL, **options),
    "VaDEMoE": lambda **options: VaDEMoE(4, 3, **SMALL, **options),
}


@pytest.fixture
def x(rng):
    return rng.uniform(0, 1, (30, 4)).astype("f")


def _fit_batch(model, x, y, learning_rate, n_steps):
    """Full-batch training to convergence, in few calls of the compiled step."""
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, n_steps)
    model.compile(keras.optimizers.Adam(rate), jit_compile=True)
    model.fit(tf.data.Dataset.from_tensors((x, y)).repeat(n_steps), verbose=0, shuffle=False)


def _randomise(model, rng):
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 0.7, weight.shape))


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("name", ["DeepMoE", "DVMoE"])
def test_the_loss_is_minus_the_predictive_log_prob(name, task, x, rng):
    """Two ways to the same number: the loss in log space, and TFP's MixtureSameFamily."""
    model = MODELS[name](n_outputs=3, task=task, learn_variance=True)
    _randomise(model, rng)
    y = rng.normal(size=(30, 3)).astype("f") if task == "regression" else rng.integers(0, 3, 30)
    nll = model.loss_terms(tf.constant(y), model(x))["nll"]
    np.testing.assert_allclose(nll, model.nll(x, y), rtol=1e-4)


def test_mixture_by_hand(x, rng):
    model = MODELS["DeepMoE"](n_outputs=2)
    _randomise(model, rng)
    y = rng.normal(size=(30, 2)).astype("f")
    gate, means = model.gate_proba(x), model.expert_predictions(x)
    log_probs = -0.5 * np.square(y[:, None] - means).sum(-1) - np.log(2 * np.pi)
    np.testing.assert_allclose(model.nll(x, y), -scipy.special.logsumexp(np.log(gate) + log_probs, axis=1), rtol=1e-4)
    np.testing.assert_allclose(model.predict_mean(x), (gate[..., None] * means).sum(1), rtol=1e-5)
    hard = means[np.arange(30), gate.argmax(1)]
    np.testing.assert_allclose(model.predict_mean(x, routing="hard"), hard, rtol=1e-5)


def test_objectives_are_ordered_and_meet_with_one_expert(x, rng):
    y = tf.constant(rng.normal(size=(30, 2)).astype("f"))
    values = {}
    for objective in ("mixture", "jensen", "blend"):
        for n_experts in (1, 3):
            model = DeepMoE(4, n_experts, 2, objective=objective, seed=1)
            values[objective, n_experts] = model.loss_terms(y, model(x))["nll"].numpy()
    assert (values["mixture", 3] <= values["jensen", 3] + 1e-5).all()  # Jensen's inequality
    for objective in ("jensen", "blend"):
        np.testing.assert_allclose(values[objective, 1], values["mixture", 1], rtol=1e-5)


def test_one_gaussian_expert_is_least_squares(x, rng):
    y = (x @ rng.normal(size=(4, 2)) + rng.normal(0, 0.1, (30, 2))).astype("f")
    model = DeepMoE(4, 1, 2)
    _fit_batch(model, x, y, 0.1, 1500)
    np.testing.assert_allclose(model.predict_mean(x), LinearRegression().fit(x, y).predict(x), atol=2e-3)


def test_one_categorical_expert_is_logistic_regression(digits):
    x, y = digits[0][:300], digits[1][:300] % 3
    model = DeepMoE(64, 1, 3, task="classification")
    _fit_batch(model, x, y, 0.02, 50)
    expected = LogisticRegression(C=0.1).fit(x, y)
    assert np.mean(model.predict_mean(x).argmax(1) == expected.predict(x)) > 0.95


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("name", ["DVMoE", "VaDEMoE"])
def test_rows_without_y_give_the_elbo_alone(name, task, x, rng):
    model = MODELS[name](n_outputs=3, task=task)
    _randomise(model, rng)
    y = rng.normal(size=(30, 3)).astype("f") if task == "regression" else rng.integers(0, 3, 30)
    missing = np.full_like(y, np.nan if task == "regression" else -1)
    half = np.where((np.arange(30) < 15)[:, None] if task == "regression" else np.arange(30) < 15, y, missing)

    with tf.GradientTape(persistent=True) as tape:
        outputs = model(x)
        nll = {name: model.loss_terms(tf.constant(t), outputs)["nll"] for name, t in (("half", half), ("all", y))}
        of_half, of_first_rows = tf.reduce_sum(nll["half"]), tf.reduce_sum(nll["all"][:15])
    for weight in model.experts.trainable_variables:
        np.testing.assert_allclose(tape.gradient(of_half, weight), tape.gradient(of_first_rows, weight), rtol=1e-4)
    terms = model.loss_terms(tf.constant(missing), outputs)
    assert not np.any(terms.pop("nll"))
    bound = np.mean(sum(np.asarray(term) for term in terms.values()))
    np.testing.assert_allclose(model.compute_loss(y=tf.constant(missing), y_pred=outputs), bound, rtol=1e-5)


def _alike(model, y):
    """What trains, scores and fits a model of y, in numbers that have to agree between shapes of y."""
    x = np.linspace(0, 1, 4 * len(y), dtype="f").reshape(-1, 4)
    weights = model.get_weights()
    model.compile("sgd", run_eagerly=True)
    trained = model.fit(x, y, shuffle=False, verbose=0).history["loss"]
    scores = [*model.evaluate(x, y, verbose=0), model.nll(x, y).mean(), fit_experts(model, x, y)[-1]]
    model.set_weights(weights)
    return [*trained, *scores]


@pytest.mark.parametrize(
    ("n_outputs", "task", "y", "others"),
    [
        (1, "regression", np.linspace(-1, 1, 12)[:, None], [np.ravel, pd.DataFrame, lambda y: pd.Series(y[:, 0])]),
        (3, "classification", np.arange(12) % 3, [lambda y: y[:, None], lambda y: y.astype("uint8"), pd.Series]),
    ],
)
def test_y_may_be_a_column_or_flat(n_outputs, task, y, others):
    model = DeepMoE(4, 2, n_outputs, task, hidden_sizes=(3,))
    expected = _alike(model, y)
    for other in others:
        np.testing.assert_allclose(_alike(model, other(y)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("n_outputs", "task", "y", "message"),
    [
        (1, "regression", np.zeros((8, 3)), r"y must be \[N, 1\] or \[N\] for n_outputs=1, got shape \(8, 3\)"),
        (3, "regression", np.zeros(8), r"y must be \[N, 3\] for n_outputs=3, got shape \(8,\)"),
        (1, "regression", np.full(8, "a"), "y must be numbers, got string: number classes from 0 on"),
        (3, "classification", np.eye(3)[[0] * 8], r"got shape \(8, 3\): of one-hot rows give the numbers"),
    ],
)
def test_y_of_another_shape_is_refused_by_all(n_outputs, task, y, message):
    model, x = DeepMoE(4, 2, n_outputs, task, hidden_sizes=(3,)), np.zeros((8, 4), "f")
    model.compile("sgd", run_eagerly=True)
    numbers = y.dtype.kind == "f"  # of others Keras has a message of its own
    for use in (model.nll, *([model.fit, model.evaluate] if numbers else []), lambda x, y: fit_experts(model, x, y)):
        with pytest.raises(ValueError, match=message):
            use(x, y)


def test_classes_and_rows_that_are_not_there_are_named(x):
    model = DeepMoE(4, 2, 3, "classification", hidden_sizes=(3,))
    model.compile("sgd")
    words = "classes must be whole numbers from 0 to 2 for n_outputs=3, or -1 for none, got {} in row 2: number them"
    for wrong, received in ((3, "3"), (-2, "-2"), (0.5, "0.5"), (np.inf, "inf")):
        y = np.array([0, -1, wrong, 7])
        for use in (model.nll, model.fit, model.evaluate, lambda x, y: fit_experts(model, x, y)):
            with pytest.raises(ValueError, match=words.format(received)):
                use(x[:4], y)
    with pytest.raises(ValueError, match="x and y must have as many rows, got 30 and 4"):
        fit_experts(model, x, np.zeros(4, int))


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_reported_nll_is_the_mean_over_the_rows_with_y(task, x, rng):
    model = MODELS["DeepMoE"](n_outputs=2, task=task)
    y = rng.normal(size=(30, 2)) if task == "regression" else rng.integers(0, 2, 30)
    y[::3] = np.nan if task == "regression" else -1
    known, weights = np.arange(30) % 3 > 0, rng.uniform(0.5, 1.5, 30)
    nll = model.nll(x, y)
    np.testing.assert_array_equal(np.isnan(nll), ~known)
    model.compile("sgd", run_eagerly=True)
    scores = model.evaluate(x, y, batch_size=7, verbose=0, return_dict=True)
    np.testing.assert_allclose(scores["nll"], nll[known].mean(), rtol=1e-5)
    np.testing.assert_allclose(scores["loss"], nll[known].sum() / 30, rtol=1e-5)  # each row's share of the bound
    scores = model.evaluate(x, y, sample_weight=weights, batch_size=30, verbose=0, return_dict=True)
    np.testing.assert_allclose(scores["nll"], np.average(nll[known], weights=weights[known]), rtol=1e-5)


def test_blobs_with_a_map_each_are_learned(rng):
    """Class-wise affine targets on well-separated clusters: a gate and experts fit them, one linear map does not."""
    centers = np.array([[0, 0], [6, 0], [0, 6]])
    c = rng.integers(0, 3, 900)
    x = (centers[c] + rng.normal(size=(900, 2))).astype("f")
    kernels, biases = rng.normal(size=(3, 2, 1)), rng.normal(size=(3, 1))
    y = (np.einsum("nf,nfo->no", x, kernels[c]) + biases[c]).astype("f")
    model = DeepMoE(2, 3, 1, hidden_sizes=(32,), seed=1)
    _fit_batch(model, x, y, 0.03, 400)
    error = np.mean(np.square(model.predict_mean(x) - y))
    assert error < 0.1 * np.mean(np.square(LinearRegression().fit(x, y).predict(x) - y))


def test_bad_choices_are_named():
    with pytest.raises(
        ValueError, match="objective must be one of 'mixture', 'jensen', 'blend', 'as-released', got 'sum'"
    ):
        DeepMoE(4, 3, 1, objective="sum")
    with pytest.raises(ValueError, match="expert_input must be 'x' or 'features', got 'z'"):
        DVMoE(4, 3, 1, expert_input="z")
    with pytest.raises(ValueError, match="task must be 'regression' or 'classification', got 'ranking'"):
        DeepMoE(4, 3, 1, task="ranking")
    with pytest.raises(ValueError, match="routing must be 'soft' or 'hard', got 'top'"):
        DeepMoE(4, 3, 1).predict_mean(np.zeros((2, 4)), routing="top")


def test_the_released_objective_is_one_sum_over_the_batch(x, rng):
    """-log of the sum over examples and experts; every example is given that one number."""
    model = DeepMoE(4, 3, 2, objective="as-released", seed=1)
    y = rng.normal(size=(30, 2)).astype("f")
    nll = model.loss_terms(tf.constant(y), model(x))["nll"].numpy()
    mixture = DeepMoE(4, 3, 2, seed=1)
    each = mixture.nll(x, y)
    np.testing.assert_allclose(nll, np.full(30, -scipy.special.logsumexp(-each)), rtol=1e-4)


def test_the_released_objective_leaves_rows_without_y_out(x, rng):
    model = DeepMoE(4, 3, 2, objective="as-released", seed=1)
    y = (40 + rng.normal(size=(30, 2))).astype("f")  # far from every expert's: a row with y = 0 would be the whole sum
    alone = model.loss_terms(tf.constant(y[:26]), model(x[:26]))["nll"]
    y[26:] = np.nan
    with tf.GradientTape(persistent=True) as tape:
        nll = model.loss_terms(tf.constant(y), model(x))["nll"]
        none = tf.reduce_sum(model.loss_terms(tf.fill([30, 2], np.nan), model(x))["nll"])
    np.testing.assert_allclose(nll, [*alone, 0, 0, 0, 0], rtol=1e-5)
    assert alone[0] > 1000 and none == 0
    for gradient in tape.gradient(none, model.trainable_variables):
        assert not np.any(gradient)


def test_class_probabilities_are_a_classifications(x):
    model = DeepMoE(4, 3, 5, task="classification")
    np.testing.assert_allclose(model.predict_proba(x).sum(1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="no class probabilities: use predict_mean"):
        DeepMoE(4, 3, 5).predict_proba(x)


def test_experts_see_x_or_the_gates_features(x):
    on_x, on_z = (DVMoE(4, 3, 1, c_encoder_sizes=(8,), expert_input=kind, **SMALL) for kind in ("x", "features"))
    np.testing.assert_array_equal(on_x.expert_inputs(x), x)
    np.testing.assert_array_equal(on_z.expert_inputs(x), on_z.encode(x))


def test_part_of_the_batch_gives_the_bound_of_that_part(x):
    """bound_share: the gate sees every row, the terms are those of the first ones, scaled to the batch's mean."""
    whole, part = (DVMoE(4, 3, 1, c_encoder_sizes=(8,), bound_share=share, **SMALL) for share in (1.0, 0.4))
    ours, theirs = part(x, training=True), whole(x[:12], training=True)
    np.testing.assert_allclose(ours["c_logits"], whole(x)["c_logits"], rtol=1e-6)
    np.testing.assert_allclose(np.mean(ours["terms"]["kl_z"]), np.mean(theirs["terms"]["kl_z"]), rtol=1e-4)
    assert ours["terms"]["recon"].shape == (30,)
    np.testing.assert_allclose(part(x)["terms"]["kl_c"], whole(x)["terms"]["kl_c"], rtol=1e-6)  # evaluation: all rows
    with pytest.raises(ValueError, match="bound_share must be in"):
        DVMoE(4, 3, 1, bound_share=0.0)


def test_part_of_the_batch_keeps_the_sample_that_gave_the_gate(x):
    """Where p(c|z) is the gate, the bound's z is the gate's: with the same noise, the whole batch's terms, scaled."""
    whole, part = (VaDEMoE(4, 3, 1, bound_share=share, **SMALL) for share in (1.0, 0.4))
    noise = np.random.default_rng(0).normal(size=(len(x), SMALL["latent_dim"])).astype(np.float32)
    ours, theirs = (model.gate(x, training=True, noise=noise)["terms"] for model in (part, whole))
    for name, term in ours.items():
        np.testing.assert_allclose(term, np.where(np.arange(30) < 12, 2.5 * theirs[name], 0), rtol=1e-4, err_msg=name)
