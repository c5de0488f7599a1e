"""The clusterings on real tables against their Keras models, and what all estimators are to scikit-learn."""

import copy

import keras
import numpy as np
import pytest
import sklearn
from scipy.special import softmax
from short_plans import CLUSTERINGS, SHORT
from sklearn.base import clone, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import check_random_state

from vae_moe import em, estimators
from vae_moe.estimators._inputs import Scaling
from vae_moe.plots import drawing
from vae_moe.training import initialization
from vae_moe.validation import weighted_rows

pytestmark = pytest.mark.usefixtures("short_steps", "no_graphs")


@pytest.fixture(scope="module")
def clusterings(wine):
    """One of each kind, fitted to wine for a moment."""
    return [each(3, **SHORT).fit(wine[0]) for each in CLUSTERINGS]


def test_a_clustering_reads_out_its_model_in_units_of_x(clusterings, wine):
    X, _ = wine
    x = StandardScaler().fit_transform(X)
    for each in clusterings:
        assert each.likelihood_ == "gaussian"
        tempered = softmax(each.model_.c_log_proba(x) / each.temperature_, -1)
        np.testing.assert_allclose(each.predict_proba(X), tempered, atol=1e-5)
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


def test_samples_are_of_components_in_their_shares_of_the_rows(clusterings):
    for each in clusterings:
        X, components = each.sample(200)
        assert X.shape == (200, 13) and (np.diff(components) >= 0).all()
        sizes = np.bincount(each.labels_, minlength=3) / len(each.labels_)
        np.testing.assert_allclose(np.bincount(components, minlength=3) / 200, sizes, atol=0.1)
        again, _ = each.sample(200)
        np.testing.assert_array_equal(X, again)  # random_state=0


def test_bic_charges_for_the_components(clusterings, wine):
    """Another component of a DMVAE has a mean and a variance for each of 10 latents; VaDE's has a weight, too."""
    X, _ = wine  # of 178 rows
    for three, n_more in zip(clusterings, (21, 20), strict=True):
        two = clone(three).set_params(n_components=2, start=None).fit(X)
        charge = three.bic(X) - two.bic(X) + 2 * 178 * (three.score(X) - two.score(X))
        assert charge == pytest.approx(n_more * np.log(178), abs=0.5)


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


def test_columns_are_stretched_to_the_unit_interval_and_back(rng):
    X = rng.uniform(size=(9, 3)) * np.array([1e-2, 1, 0]) + np.array([0.1, 0, 0.4])
    scaling = Scaling.to_unit(X)
    x = scaling.apply(X)
    np.testing.assert_array_equal([x[:, :2].min(0), x[:, :2].max(0)], [[0, 0], [1, 1]])
    np.testing.assert_allclose(x[:, 2], 0.4, rtol=1e-6)  # a constant column stays as it is
    np.testing.assert_allclose(scaling.undo(x), X, atol=1e-7)


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


@pytest.mark.parametrize("estimator", [*CLUSTERINGS, estimators.DVMoERegressor, estimators.DeepMoEClassifier])
def test_another_random_state_gives_another_fit(estimator, wine):
    """That the same one gives the same fit, those that are saved and loaded show."""
    X, y = wine
    model = estimator(2, **SHORT)
    readout = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    first, other = (getattr(clone(model).set_params(random_state=seed).fit(X, y), readout)(X) for seed in (0, 1))
    assert (first != other).any()


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
        ({"n_experts": "many"}, r"n_experts must be an integer in \[1, inf\) or 'auto', got 'many'"),
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
    with pytest.raises(ValueError, match="Input y contains NaN"):
        estimators.DeepMoERegressor(2, **SHORT).fit(X, np.where(y > 1, np.nan, y))
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


def test_constant_columns_and_equal_rows_are_fine(wine):
    X = np.column_stack([wine[0], np.ones(len(wine[0]))])
    for each in (estimators.VaDEClustering(2, **SHORT), estimators.DeepMoERegressor(2, **SHORT)):
        each.fit(X, wine[1].astype(float))
        assert np.isfinite(each.predict(X)).all()
    few = np.repeat(np.eye(3), 10, axis=0)  # fewer different rows than components
    assert np.isfinite(estimators.DMVAEClustering(5, **SHORT).fit(few).predict_proba(few)).all()


def numpy_kind(value):
    """A parameter as NumPy holds it: what a grid over np.arange or np.logspace gives."""
    if isinstance(value, tuple):
        return np.array(value)
    kinds = {int: np.int64, float: np.float32}
    return kinds[type(value)](value) if type(value) in kinds else value


@pytest.mark.parametrize(
    "estimator", [estimators.DMVAEClustering, estimators.VaDEMoERegressor, estimators.DeepMoEClassifier]
)
def test_numbers_of_numpy_are_numbers(estimator, wine, tmp_path):
    parameters = estimator(3, **SHORT).get_params()
    model = estimator(**{name: numpy_kind(value) for name, value in parameters.items()}).fit(*wine)
    model.save(tmp_path / "model")
    assert estimators.load(tmp_path / "model").hidden_layer_sizes == (8,)


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
