"""The experts' M step against least squares, logistic regression and the truth of noiseless maps."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

from vae_moe import DeepMoE, DVMoE
from vae_moe.em import CategoricalExperts, GaussianExperts
from vae_moe.training.coordinates import Coordinates
from vae_moe.training.expert_em import ExpertsMStep, fit_experts, shared_kernel


@pytest.fixture
def x(rng):
    return rng.normal(size=(200, 4)).astype("f")


def _open_gate(model, kernel):
    """Let the linear gate of a DeepMoE without hidden layers be x @ kernel."""
    model.gate.output_layer.layers[-1].set_weights([kernel, np.zeros(kernel.shape[1])])


def test_one_gaussian_expert_is_least_squares(x, rng):
    y = (x @ rng.normal(size=(4, 2)) + rng.normal(size=(200, 2))).astype("f")
    model = DeepMoE(4, 1, 2, learn_variance=True)
    fit_experts(model, x, y, alphas=[1e-9])
    theirs = LinearRegression().fit(x, y)
    np.testing.assert_allclose(model.predict_mean(x), theirs.predict(x), atol=1e-4)
    variance = np.square(y - theirs.predict(x)).mean(0)
    np.testing.assert_allclose(np.exp(model.experts.log_vars)[0], variance, rtol=1e-3)


def test_one_categorical_expert_is_logistic_regression(digits):
    x, y = digits[0][:300], digits[1][:300]
    model = DeepMoE(64, 1, 10, task="classification")
    fit_experts(model, x, y)
    theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=2000).fit(x, y).predict_proba(x)
    np.testing.assert_allclose(model.predict_proba(x), theirs, atol=0.02)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_where_experts_shrink_to_one_map_units_of_columns_change_nothing(task, x, rng):
    y = (x @ rng.normal(size=(4, 2)) + 0.1 * rng.normal(size=(200, 2))).astype("f")
    y = y if task == "regression" else (y[:, 0] > 0).astype(int)
    units, offset = np.array([1e-3, 1, 50, 1], "f"), np.array([0, 2, 0, -1], "f")
    means = []
    for inputs in (x, x * units + offset):
        model = DeepMoE(4, 2, 2, task, hidden_sizes=(), learn_variance=True, seed=1)
        _open_gate(model, np.zeros((4, 2)))
        center = shared_kernel(model.experts, inputs, y)
        fit_experts(model, inputs, y, center=center)
        fit_experts(model, inputs, y, center=center, resume=True)
        means.append(model.predict_mean(inputs))
    np.testing.assert_allclose(*means, atol=1e-3)


@pytest.mark.parametrize("n_rows", [15, 60])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_experts_are_the_same_in_the_directions_of_their_rows(task, n_rows, rng):
    """Where these are fewer than columns too: the fit in all standardised columns, of which one is constant."""
    x, targets = rng.normal(2, 3, (n_rows, 30)), rng.normal(size=(n_rows, 2))
    x[:, 4] = 7.0
    y, experts = targets, GaussianExperts(0.7, 1e-6)
    if task == "classification":
        y, experts = np.arange(n_rows) % 2, CategoricalExperts(2, 0.7, 100)
    scaler, coordinates = StandardScaler().fit(x), Coordinates.of(x)
    assert coordinates.inputs(x).shape[1] == min(n_rows, 30)
    log_resp, center = np.log(rng.dirichlet([1, 1], n_rows)), rng.normal(size=(30, 2))
    known = replace(experts, center=center * scaler.scale_[:, None]).fit(scaler.transform(x), y, log_resp)
    found = replace(experts, center=coordinates.kernels(center)).fit(coordinates.inputs(x), y, log_resp)
    kernels = coordinates.kernels_of_x(found.kernels, center)
    np.testing.assert_allclose(kernels * scaler.scale_[:, None], known.kernels, atol=1e-5)
    np.testing.assert_allclose(found.biases, known.biases, atol=1e-5)
    np.testing.assert_allclose(coordinates.kernels(kernels), found.kernels, atol=1e-9)


def test_it_finds_noiseless_maps_from_a_gate_that_errs(rng):
    """A gate wrong on a tenth of the rows: the E step uses y, so that the maps come out exact."""
    x = rng.normal(size=(1000, 3)).astype("f")
    side = (x[:, 0] > 0).astype(int)
    kernels = rng.normal(size=(2, 3, 2)).astype("f")
    y = np.einsum("nd,ndo->no", x, kernels[side])
    model = DeepMoE(3, 2, 2, hidden_sizes=(), learn_variance=True)
    tilted = np.zeros((3, 2), "f")
    tilted[:2, 1] = 3.0, 1.0  # the boundary is x0 > -x1/3
    _open_gate(model, tilted)
    likelihoods = fit_experts(model, x, y, alphas=[1e-6], max_iter=30)
    assert (np.diff(likelihoods) > -1e-3).all()
    np.testing.assert_allclose(model.experts.kernels, kernels, atol=1e-2)


def test_experts_at_their_best_resume_with_one_step(x, rng):
    y = (x @ rng.normal(size=(4, 2)) + rng.normal(size=(200, 2))).astype("f")
    model = DeepMoE(4, 2, 2, learn_variance=True)
    fit_experts(model, x, y, alphas=[0.1], max_iter=50)
    kernels = model.experts.kernels.numpy()
    assert len(fit_experts(model, x, y, resume=True, alphas=[0.1], max_iter=50)) == 1
    np.testing.assert_allclose(model.experts.kernels, kernels, atol=0.02)


def test_rows_without_y_are_left_out_and_none_at_all_is_an_error(x, rng):
    y = (x @ rng.normal(size=(4, 2))).astype("f")
    few, all_of_them = DeepMoE(4, 2, 2, seed=1), DeepMoE(4, 2, 2, seed=1)
    fit_experts(few, x[:50], y[:50])
    y[50:, 1] = np.nan
    fit_experts(all_of_them, x, y)
    np.testing.assert_array_equal(few.experts.kernels, all_of_them.experts.kernels)
    with pytest.raises(ValueError, match="no row has a y"):
        fit_experts(few, x, np.full_like(y, np.nan))


def test_tied_variances_are_their_mean_over_the_rows(rng):
    side = np.arange(200) % 4 == 0  # a quarter of the rows
    x = np.column_stack([2 * side - 1, rng.normal(size=(200, 2))]).astype("f")
    y = (x @ rng.normal(size=(3, 2)) + np.where(side, 2.0, 0.5)[:, None] * rng.normal(size=(200, 2))).astype("f")
    model = DeepMoE(3, 2, 2, hidden_sizes=(), learn_variance=True)
    _open_gate(model, np.array([[-500, 500], [0, 0], [0, 0]], "f"))
    fit_experts(model, x, y, alphas=[1e-9], tied=True)
    residuals = [y[rows] - LinearRegression().fit(x[rows], y[rows]).predict(x[rows]) for rows in (side, ~side)]
    expected = np.square(np.concatenate(residuals)).mean(0)
    np.testing.assert_allclose(np.exp(model.experts.log_vars), [expected, expected], rtol=1e-3)


def test_variances_are_free_in_the_end_also_where_training_stops_early(x, rng):
    side = x[:, 0] > 0
    y = (x @ rng.normal(size=(4, 2)) + np.where(side, 2.0, 0.5)[:, None] * rng.normal(size=(200, 2))).astype("f")
    model = DeepMoE(4, 2, 2, hidden_sizes=(), learn_variance=True)
    _open_gate(model, np.array([[-500, 500], [0, 0], [0, 0], [0, 0]], "f"))
    model.experts.trainable = False
    model.compile(keras.optimizers.Adam(0.0), run_eagerly=True)
    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", True))
    model.fit(x, y, epochs=5, batch_size=200, verbose=0, callbacks=[ExpertsMStep(x, y, alpha=1e-6), stop])
    spread = np.exp(0.5 * model.experts.log_vars.numpy()).mean(1)
    np.testing.assert_allclose(sorted(spread), [0.5, 2.0], rtol=0.15)


def test_weights_are_repetitions(x, rng):
    y, weights = rng.normal(size=(200, 2)).astype("f"), rng.integers(1, 4, 200)
    weighted, repeated = (DeepMoE(4, 2, 2, seed=1, learn_variance=True) for _ in range(2))
    fit_experts(weighted, x, y, sample_weight=weights.astype("f"))
    fit_experts(repeated, np.repeat(x, weights, 0), np.repeat(y, weights, 0))
    np.testing.assert_allclose(weighted.experts.kernels, repeated.experts.kernels, atol=1e-4)
    np.testing.assert_allclose(weighted.experts.log_vars, repeated.experts.log_vars, atol=1e-4)


def test_experts_on_features_and_fixed_variance(digits):
    x, y = digits[0][:200], digits[1][:200]
    model = DVMoE(64, 10, 10, task="classification", expert_input="features", z_encoder_sizes=(8,), latent_dim=3)
    before = model.gate_proba(x)
    assert fit_experts(model, x, y)[-1] > -np.log(10)
    np.testing.assert_array_equal(model.gate_proba(x), before)
    assert model.experts.kernels.shape == (10, 3, 10)
