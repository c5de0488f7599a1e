"""The estimators on real tables: what they compute, against the Keras models and scikit-learn."""

import copy
import warnings
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import short_plans
import sklearn
from sklearn.base import clone, is_regressor
from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes, load_wine, make_friedman1
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import check_random_state

import vae_moe
from vae_moe import em, estimators
from vae_moe.estimators._inputs import Scaling
from vae_moe.plots import drawing
from vae_moe.training import fit, initialization
from vae_moe.training.plan import EXPERTS
from vae_moe.validation import weighted_rows

CLUSTERINGS = (estimators.VaDEClustering, estimators.DMVAEClustering)
REGRESSORS = (estimators.DVMoERegressor, estimators.VaDEMoERegressor, estimators.DeepMoERegressor)
CLASSIFIERS = (estimators.DVMoEClassifier, estimators.VaDEMoEClassifier, estimators.DeepMoEClassifier)
#: A quick look, in steps without a graph.
SHORT = {"hidden_layer_sizes": (8,), "start_epochs": 1, "epochs": 1, "batch_size": 500, "random_state": 0}


@pytest.fixture(scope="module")
def wine():
    return load_wine(return_X_y=True)


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


@pytest.fixture(scope="module")
def clusterings(wine):
    """One of each kind, fitted to wine for a moment."""
    return [each(3, **SHORT).fit(wine[0]) for each in CLUSTERINGS]


@pytest.fixture(scope="module")
def regressors(diabetes):
    return [each(3, **SHORT).fit(*diabetes) for each in REGRESSORS]


@pytest.fixture(scope="module")
def classifiers(wine):
    names = np.array(["barolo", "grignolino", "barbera"])
    return [each(3, **SHORT).fit(wine[0], names[wine[1]]) for each in CLASSIFIERS]


# ---------------------------------------------------------------- clusterings


def test_a_clustering_reads_out_its_model_in_units_of_x(clusterings, wine):
    X, _ = wine
    x = StandardScaler().fit_transform(X)
    for each in clusterings:
        assert each.likelihood_ == "gaussian"
        np.testing.assert_allclose(each.predict_proba(X), each.model_.predict_proba(x), atol=1e-5)
        np.testing.assert_array_equal(each.labels_, each.model_.cluster(x))
        np.testing.assert_array_equal(each.labels_, each.predict(X))
        np.testing.assert_allclose(each.transform(X), each.model_.encode(x), atol=1e-4)
        decoded = each.inverse_transform(each.transform(X))
        np.testing.assert_allclose((decoded - X.mean(0)) / X.std(0), each.model_.reconstruct(x), atol=1e-4)


def test_scores_are_the_evidence_lower_bound_in_units_of_x(clusterings, wine):
    """The Keras model's own bound of the standardised columns, less the logarithm of their standard deviations."""
    X, _ = wine
    x = StandardScaler().fit_transform(X)
    for each in copy.deepcopy(clusterings):
        initialization.sharpen_posterior(each.model_.mixture)  # as after a training: few samples of z will do
        bound = each.model_.elbo(x, n_samples=64).mean() - np.log(X.std(0)).sum()
        assert each.score(X) == pytest.approx(bound, abs=0.5)  # 16 samples of z, the same for all rows
        np.testing.assert_allclose(each.score_samples(X[:5]), each.score_samples(X)[:5], rtol=1e-4)


def test_samples_come_from_the_prior(clusterings):
    for each in clusterings:
        X, components = each.sample(200)
        assert X.shape == (200, 13) and (np.diff(components) >= 0).all()
        weights = np.exp(np.asarray(each.model_.mixture.prior.log_weights()))
        np.testing.assert_allclose(np.bincount(components, minlength=3) / 200, weights, atol=0.15)
        again, _ = each.sample(200)
        np.testing.assert_array_equal(X, again)  # random_state=0


def test_bic_charges_for_the_components(clusterings, wine):
    """By as many parameters as a Gaussian mixture of diagonal covariances has; a DMVAE's weights are 1 / K each."""
    X, _ = wine
    for each in clusterings:
        prior = GaussianMixture(3, covariance_type="diag").fit(each.transform(X))._n_parameters()
        charged = (each.bic(X) + 2 * each.score_samples(X).sum()) / np.log(len(X))
        assert charged == pytest.approx(prior - 2 * isinstance(each, estimators.DMVAEClustering), rel=1e-3)


@pytest.mark.parametrize("clustering", CLUSTERINGS)
def test_digits_are_clustered_better_than_by_k_means(clustering, digits):
    X, y = digits[0][:600], digits[1][:600]
    model = clustering(10, epochs=20, random_state=0).fit(X)
    assert model.likelihood_ == "bernoulli" and (model.x_mean_ == 0).all() and (model.x_scale_ == 1).all()
    k_means = KMeans(10, n_init=10, random_state=0).fit_predict(X)
    assert adjusted_rand_score(y, model.labels_) > adjusted_rand_score(y, k_means)
    assert model.n_iter_ == 20 == len(model.history_["kl_z"])


def test_one_component_takes_all(wine):
    model = estimators.VaDEClustering(1, **SHORT)
    assert (model.fit_predict(wine[0]) == 0).all() and (model.predict_proba(wine[0]) == 1).all()


def test_rows_of_weight_0_are_not_there(wine):
    X, _ = wine
    weight = (np.arange(len(X)) < 100).astype(float)
    weighted = estimators.DMVAEClustering(2, **SHORT).fit(X, sample_weight=weight)
    alone = estimators.DMVAEClustering(2, **SHORT).fit(X[:100], sample_weight=np.ones(100))
    np.testing.assert_allclose(weighted.predict_proba(X), alone.predict_proba(X), atol=1e-5)
    assert len(weighted.labels_) == len(X)


# ---------------------------------------------------------------- experts


@pytest.mark.parametrize("regressor", REGRESSORS)
def test_one_expert_is_ridge_regression(regressor, diabetes):
    """With one expert there is one affine map, and its ridge is the evidence's, as BayesianRidge's."""
    X, y = diabetes
    model = regressor(1, **SHORT).fit(X, y)
    ridge = make_pipeline(StandardScaler(), BayesianRidge()).fit(X, y)
    np.testing.assert_allclose(model.predict(X), ridge.predict(X), atol=0.02 * y.std())


def test_one_expert_of_many_columns_and_few_rows_is_ridge_regression(rng):
    X, X_new = (rng.normal(size=(40, 2000)) + rng.normal(size=(40, 1)) * (np.arange(2000) < 60) for _ in range(2))
    y = X[:, :60].mean(1) + 0.3 * rng.normal(size=40)
    model = estimators.DeepMoERegressor(1, **SHORT | {"start": None, "validation_fraction": 0.0}).fit(X, y)
    ridge = make_pipeline(StandardScaler(), BayesianRidge()).fit(X, y)
    for inputs in (X, X_new):
        np.testing.assert_allclose(model.predict(inputs), ridge.predict(inputs), atol=0.01 * y.std())


def test_predictions_are_the_experts_weighted_by_the_gate(regressors, classifiers, diabetes, wine):
    for each in regressors:
        gate, experts = each.gate_proba(diabetes[0]), each.expert_predictions(diabetes[0])
        np.testing.assert_allclose(gate.sum(1), 1, rtol=1e-5)
        np.testing.assert_allclose(each.predict(diabetes[0]), np.einsum("nk,nko->no", gate, experts)[:, 0], rtol=1e-5)
    for each in classifiers:
        gate, experts = each.gate_proba(wine[0]), each.expert_predictions(wine[0])
        probabilities = np.einsum("nk,nkc->nc", gate, experts)
        np.testing.assert_allclose(each.predict_proba(wine[0]), probabilities, atol=1e-6)
        np.testing.assert_array_equal(each.predict(wine[0]), each.classes_[probabilities.argmax(1)])
        assert set(each.classes_) == {"barolo", "grignolino", "barbera"}


def test_experts_are_affine_maps_of_x_in_units_of_y(regressors, diabetes):
    """Least squares finds each expert's map again without an error."""
    X, _ = diabetes
    for each in regressors:
        predictions = each.expert_predictions(X)[:, :, 0]  # [N, K]
        refitted = LinearRegression().fit(X, predictions).predict(X)
        np.testing.assert_allclose(refitted, predictions, rtol=1e-4)


def test_where_one_map_is_all_there_is_the_experts_become_one(diabetes):
    """A linear target: the evidence takes the experts together, and the prediction is linear regression's."""
    X, _ = diabetes
    y = StandardScaler().fit_transform(X) @ np.arange(10.0) + np.random.default_rng(0).normal(size=len(X))
    for regressor in REGRESSORS:
        model = regressor(4, **SHORT).fit(X, y)
        spread = model.expert_predictions(X)[:, :, 0].std(1)
        assert spread.mean() < 0.01 * y.std()
        assert np.abs(model.predict(X) - LinearRegression().fit(X, y).predict(X)).mean() < 0.01 * y.std()


@pytest.mark.parametrize("estimator", [*REGRESSORS, *CLASSIFIERS])
def test_a_column_of_small_numbers_is_seen_among_others(estimator, rng):
    """All columns are in [0, 1], as the likelihood "bernoulli" has them; the one that tells y is in [0, 0.01]."""
    X = rng.uniform(size=(200, 5)) * np.array([1e-2, 1, 1, 1, 1])
    y = 100 * X[:, 0] + 0.01 * rng.normal(size=200)
    peer: Any = LinearRegression()
    if estimator in CLASSIFIERS:
        y, peer = (y > np.median(y)).astype(int), make_pipeline(StandardScaler(), LogisticRegression())
    model = estimator(2, **{**SHORT, "start": None, "validation_fraction": 0}).fit(X, y)
    assert model.score(X, y) > peer.fit(X, y).score(X, y) - 0.01
    np.testing.assert_allclose(model.x_scale_, np.ptp(X, 0))  # nor is it small to the gate


def test_a_gate_sees_a_column_of_small_numbers_among_others(rng):
    """A column in [0, 0.01] decides the slope in a column in [0, 1]."""
    X = rng.uniform(size=(400, 3)) * np.array([1e-2, 1, 1])
    y = np.where(X[:, 0] > 0.005, X[:, 1], -X[:, 1]) + 0.05 * rng.normal(size=400)
    model = estimators.DeepMoERegressor(2, epochs=10, random_state=0).fit(X[:300], y[:300])
    assert model.score(X[300:], y[300:]) > 0.8


def test_columns_are_stretched_to_the_unit_interval_and_back(rng):
    X = rng.uniform(size=(9, 3)) * np.array([1e-2, 1, 0]) + np.array([0.1, 0, 0.4])
    scaling = Scaling.to_unit(X)
    x = scaling.apply(X)
    np.testing.assert_array_equal([x[:, :2].min(0), x[:, :2].max(0)], [[0, 0], [1, 1]])
    np.testing.assert_allclose(x[:, 2], 0.4, rtol=1e-6)  # a constant column stays as it is
    np.testing.assert_allclose(scaling.undo(x), X, atol=1e-7)


@pytest.mark.parametrize("regressor", REGRESSORS)
def test_friedmans_function_is_learned_better_than_by_one_map(regressor):
    X, y = make_friedman1(400, noise=0.5, random_state=0)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    model = regressor(start_epochs=40, epochs=20, random_state=0).fit(X, y)
    linear = LinearRegression().fit(X, y)
    assert 1 - model.score(X_test, y_test) < 0.9 * (1 - linear.score(X_test, y_test))


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_clusters_with_classes_of_their_own(classifier, rng):
    """Whether the sign of the first column means 1 or 0 differs between two clusters: no one map tells."""
    cluster = rng.integers(2, size=400)
    X = rng.normal(size=(400, 3)) + 6 * cluster[:, None] * [0, 1, 0]
    y = (X[:, 0] > 0) ^ (cluster == 1)
    model = classifier(2, start_epochs=20, epochs=5, random_state=0).fit(X[:300], y[:300])
    assert model.score(X[300:], y[300:]) > 0.9
    assert LogisticRegression().fit(X[:300], y[:300]).score(X[300:], y[300:]) < 0.7


def test_several_outputs_are_predicted_together(diabetes):
    X, y = diabetes
    Y = np.column_stack([y, -1000 * y + 1e5])
    model = estimators.DeepMoERegressor(2, **SHORT).fit(X, Y)
    predicted = model.predict(X)
    assert predicted.shape == Y.shape and model.expert_predictions(X).shape == (len(X), 2, 2)
    np.testing.assert_allclose(predicted[:, 1], -1000 * predicted[:, 0] + 1e5, rtol=1e-3)
    assert estimators.DeepMoERegressor(2, **SHORT).fit(X, y[:, None]).predict(X).shape == (len(X), 1)


def test_held_out_rows_choose_the_epoch(diabetes):
    model = estimators.DeepMoERegressor(2, hidden_layer_sizes=(8,), start_epochs=1, patience=2, random_state=0)
    model.fit(*diabetes)
    losses = model.history_["val_nll"]
    assert len(losses) == model.n_iter_ < 100
    assert model.n_iter_ == model.best_epoch_ + 2
    assert model.best_epoch_ == 0 or np.argmin(losses) + 1 == model.best_epoch_
    for each in (model, estimators.DeepMoERegressor(1, **SHORT)):  # of 40 rows none are held out
        each.fit(diabetes[0][:40], diabetes[1][:40])
        assert each.best_epoch_ == each.n_iter_ == 0 and each.history_ == {}


def test_weights_of_experts_are_repetitions(diabetes):
    """An expert by EM alone, as training holds nothing out of 48 rows: doubled rows and doubled weights are alike.

    y has little noise, so that the ridge, which is that of 32 rows in one fit and of 48 in the other, decides nothing.
    """
    X = StandardScaler().fit_transform(diabetes[0][:32])
    y = 150 + X @ np.arange(10.0) + 0.1 * np.random.default_rng(0).normal(size=32)
    model = estimators.DeepMoERegressor(1, **SHORT)
    weight = np.where(np.arange(32) < 16, 2.0, 1.0)
    weighted, repeated = clone(model).fit(X, y, weight), clone(model).fit(np.vstack([X, X[:16]]), np.r_[y, y[:16]])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-3)


def test_weights_have_no_unit(diabetes, rng):
    """Of surveys they are about 1 / N, and millions where they count people."""
    X, weight = diabetes[0], rng.uniform(0, 2, 442) * (np.arange(442) > 9)
    expected = weight[10:] * 432 / weight.sum()
    for unit in (1 / 442, 1e-6, 1e4, 1e307):
        found, rows = weighted_rows(unit * weight / 2, X)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert rows.tolist() == list(range(10, 442))
    model = estimators.DeepMoERegressor(2, **{**SHORT, "start": None})
    alike = clone(model).fit(*diabetes, sample_weight=np.full(442, 1 / 442))
    np.testing.assert_array_equal(alike.predict(X), model.fit(*diabetes).predict(X))


# ---------------------------------------------------------------- scikit-learn around them


@pytest.mark.parametrize("estimator", estimators.ESTIMATORS)
def test_the_same_random_state_gives_the_same_fit_and_another_one_another(estimator, wine):
    X, y = wine
    model = estimator(2, **SHORT)
    first, second = clone(model).fit(X, y), clone(model).fit(X, y)
    readout = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    np.testing.assert_array_equal(getattr(first, readout)(X), getattr(second, readout)(X))
    other = clone(model).set_params(random_state=1).fit(X, y)
    assert (getattr(first, readout)(X) != getattr(other, readout)(X)).any()


def test_the_random_state_alone_draws_a_fit(wine):
    """Neither Keras' global seed nor NumPy's has a part in it, and both are left as they were."""
    fits = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        fits.append(estimators.DMVAEClustering(2, start=None, **SHORT).fit(wine[0][::4]).predict_proba(wine[0]))
        assert check_random_state(None).randint(1000) == check_random_state(seed).randint(1000)
    np.testing.assert_array_equal(*fits)


def test_scikit_learns_transformers_inside_give_arrays_whatever_it_is_set_to(diabetes):
    """`set_config(transform_output="pandas")` is for the user's pipelines."""
    X, y = diabetes[0][:40], diabetes[1][:40]
    model = estimators.DeepMoERegressor(2, **SHORT)
    with sklearn.config_context(transform_output="pandas"):
        inside = model.fit(X, y).predict(X)
        points, _ = drawing.to_plane(X)
    np.testing.assert_array_equal(inside, clone(model).fit(X, y).predict(X))
    assert isinstance(points[0], np.ndarray)


def test_pipelines_grids_and_cross_validation_work(wine):
    X, y = wine
    pipeline = make_pipeline(MinMaxScaler(clip=True), estimators.DeepMoEClassifier(2, **SHORT))
    scores = cross_val_score(pipeline, X, y, cv=3)
    assert scores.min() > 0.9
    grid = GridSearchCV(estimators.DeepMoEClassifier(**SHORT), {"n_experts": [1, 2]}, cv=2).fit(X, y)
    assert grid.best_score_ > 0.9 and grid.best_estimator_.predict(X).shape == y.shape


def test_names_of_columns_are_kept(wine):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(wine[0], columns=[f"column {i}" for i in range(13)])
    model = estimators.DMVAEClustering(2, latent_dim=3, **SHORT).fit(frame)
    assert list(model.feature_names_in_) == list(frame.columns)
    assert list(model.get_feature_names_out()) == [f"dmvaeclustering{i}" for i in range(3)]
    out = model.set_output(transform="pandas").transform(frame)
    assert list(out.columns) == list(model.get_feature_names_out()) and len(out) == len(frame)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[frame.columns[::-1]])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_experts": 0}, "n_experts must be an integer in"),
        ({"epochs": 1.5}, "epochs must be an integer in"),
        ({"validation_fraction": 1.0}, "validation_fraction must be a number in"),
        ({"learning_rate": 0.0}, "learning_rate must be a number in"),
        ({"start": "kmeans"}, "start must be one of spectral, gmm, None, got 'kmeans'"),
        ({"start_epochs": "many"}, "start_epochs must be an integer in"),
        ({"likelihood": "poisson"}, "likelihood must be one of auto, bernoulli, gaussian"),
        ({"likelihood": "bernoulli"}, r"needs X in \[0, 1\], got values from"),
        ({"hidden_layer_sizes": (8, -1)}, "hidden_layer_sizes must be a tuple of positive integers"),
        ({"hidden_layer_sizes": 8}, "hidden_layer_sizes must be a tuple of positive integers, got 8"),
        ({"n_experts": 500}, "n_samples=442 is less than n_experts=500"),
    ],
    ids=str,
)
def test_wrong_parameters_are_named(parameters, message, diabetes):
    with pytest.raises(ValueError, match=message):
        estimators.DVMoERegressor(**{**SHORT, **parameters}).fit(*diabetes)


def test_wrong_data_are_refused(clusterings, wine):
    from scipy.sparse import csr_array

    X, y = wine
    with pytest.raises(TypeError, match="Sparse data was passed"):
        estimators.DMVAEClustering(2, **SHORT).fit(csr_array(X))
    with pytest.raises(ValueError, match="NaN"):
        estimators.DeepMoEClassifier(2, **SHORT).fit(np.where(X > 1000, np.nan, X), y)
    for y_of_one, name in ((np.zeros(len(X), int), "0"), (np.full(len(X), "barolo"), "'barolo'")):
        with pytest.raises(ValueError, match=f"y holds one class, {name}. Give"):
            estimators.DeepMoEClassifier(2, **SHORT).fit(X, y_of_one)
    with pytest.raises(ValueError, match="n_samples=178 is less than n_components=200"):
        estimators.VaDEClustering(200, **SHORT).fit(X)
    with pytest.raises(ValueError, match=r"Z must be \[N, 10\], got shape \(5, 13\)"):
        clusterings[0].inverse_transform(X[:5])
    with pytest.raises(ValueError, match="sample_weight is positive for 1 rows"):
        estimators.VaDEClustering(2, **SHORT).fit(X, sample_weight=np.eye(len(X))[0])
    with pytest.raises(ValueError, match="n_samples must be at least 1"):
        clusterings[0].sample(0)


@pytest.mark.parametrize("estimator", [*estimators.ESTIMATORS, em.GMMGatedRegressor, em.SoftmaxGatedRegressor])
def test_numbers_too_large_are_named(estimator, wine):
    x, y = wine
    large = x.copy()
    large[7, 2] = -1e300
    with pytest.raises(ValueError, match=r"X has -1e\+300 in row 7, column 2, counted from 0, which is too large"):
        estimator(2).fit(large, y)
    if is_regressor(estimator()):
        with pytest.raises(ValueError, match=r"y has 1e\+300 in row 3.*too large"):
            estimator(2).fit(x, np.where(np.arange(178) == 3, 1e300, y))


def test_new_numbers_too_large_are_named(clusterings, wine):
    large = wine[0].copy()
    large[7, 2] = 1e300
    for fitted in (*clusterings, em.GMMGatedRegressor(2, max_iter=200).fit(*wine)):
        with pytest.raises(ValueError, match=r"X has 1e\+300 in row 7, column 2"):
            fitted.predict(large)


@pytest.mark.parametrize("regressor", [*REGRESSORS, em.GMMGatedRegressor, em.SoftmaxGatedRegressor])
def test_a_constant_target_is_predicted(regressor, rng):
    X, y = rng.normal(size=(60, 3)), np.full(60, 1e6 + 0.1)
    model = regressor(
        2, **({**SHORT, "start": None, "validation_fraction": 0.0} if regressor in REGRESSORS else {"random_state": 0})
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        np.testing.assert_allclose(model.fit(X, y).predict(X), y, rtol=1e-12)
    both = model.fit(X, np.column_stack([y, X[:, 0]])).predict(X)
    np.testing.assert_allclose(both, np.column_stack([y, X[:, 0]]), rtol=1e-12, atol=0.01)


def test_constant_columns_and_equal_rows_are_fine(wine):
    X = np.column_stack([wine[0], np.ones(len(wine[0]))])
    for each in (estimators.VaDEClustering(2, **SHORT), estimators.DeepMoERegressor(2, **SHORT)):
        each.fit(X, wine[1].astype(float))
        assert np.isfinite(each.predict(X)).all()
    few = np.repeat(np.eye(3), 10, axis=0)  # fewer different rows than components
    assert np.isfinite(estimators.DMVAEClustering(5, **SHORT).fit(few).predict_proba(few)).all()


def test_ridge_is_not_far_from_the_default(diabetes):
    """The default of every regressor on diabetes, with a short training: no worse than Ridge by more than 5 %."""
    X, X_test, y, y_test = train_test_split(*diabetes, random_state=0)
    ridge = make_pipeline(StandardScaler(), Ridge()).fit(X, y)
    error = np.sqrt(np.square(ridge.predict(X_test) - y_test).mean())
    for regressor in REGRESSORS:
        model = regressor(epochs=10, start_epochs=20, random_state=0).fit(X, y)
        assert np.sqrt(np.square(model.predict(X_test) - y_test).mean()) < 1.05 * error


def numpy_kind(value):
    """A parameter as NumPy holds it: what a grid over np.arange or np.logspace gives."""
    if isinstance(value, tuple):
        return np.array(value)
    kinds = {int: np.int64, float: np.float32}
    return kinds[type(value)](value) if type(value) in kinds else value


@pytest.mark.parametrize(
    "estimator", [estimators.DMVAEClustering, estimators.VaDEMoERegressor, estimators.DeepMoEClassifier]
)
def test_numbers_of_numpy_are_numbers(estimator, wine, tmp_path, monkeypatch):
    short_plans.shorten(monkeypatch)
    parameters = estimator(3, **SHORT).get_params()
    model = estimator(**{name: numpy_kind(value) for name, value in parameters.items()}).fit(*wine)
    model.save(tmp_path / "model")
    assert estimators.load(tmp_path / "model").hidden_layer_sizes == (8,)


def test_the_gates_terms_reach_as_far_as_the_neighbours(diabetes):
    """Rows twice as far apart have changes twice as long; without regularization there are none."""
    x = diabetes[0][:60]
    held, free = (
        vae_moe.DVMoE(10, 2, 1, regularization={"adversarial": weight}, z_encoder_sizes=(2,), decoder_sizes=(2,))
        for weight in (1.0, 0.0)
    )
    plan = replace(EXPERTS, adversarial_reach=0.5)
    distances, _ = NearestNeighbors(n_neighbors=7).fit(x).kneighbors()  # the root of 60
    np.testing.assert_allclose(fit._radius(held, x, plan, None), 0.5 * distances.mean(1), rtol=1e-5)
    np.testing.assert_allclose(fit._radius(held, 2 * x, plan, None), distances.mean(1), rtol=1e-5)
    assert fit._radius(free, x, plan, None) is None


def test_images_have_convolutions_and_views(digits):
    x = digits[0][:120]
    for options in ({"augment": True}, {"encoder": "conv"}):
        model = estimators.DMVAEClustering(10, image_shape=(8, 8), **options, **SHORT).fit(x)
        assert model.inverse_transform(model.transform(x)).shape == (120, 64)
        assert ("consistency" in model.history_) == ("augment" in options)
        with pytest.raises(ValueError, match="image_shape"):
            estimators.DMVAEClustering(10, **options).fit(x)
    with pytest.raises(ValueError, match=r"image_shape must be \(height, width\).* got 8"):
        estimators.DMVAEClustering(10, image_shape=8).fit(x)
