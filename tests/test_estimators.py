"""The scikit-learn estimators on scikit-learn's tables, briefly trained."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vae_moe import estimators

BRIEF = {"epochs": 2, "start_epochs": 2, "hidden_layer_sizes": (16, 8), "latent_dim": 2, "random_state": 0}
SOFTMAX = {key: value for key, value in BRIEF.items() if key != "latent_dim"}


@pytest.fixture(scope="module")
def wine():
    return load_wine(return_X_y=True)


@pytest.fixture(scope="module")
def clustering(wine):
    return estimators.DMVAEClustering(n_components=3, **BRIEF).fit(wine[0])


@pytest.fixture(scope="module")
def classifier(wine):
    return estimators.DVMoEClassifier(n_experts=2, **BRIEF).fit(*wine)


def test_a_clustering_reads_out_in_units_of_x(wine, clustering):
    x, _ = wine
    proba = clustering.predict_proba(x)
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(clustering.predict(x), proba.argmax(1))
    z = clustering.transform(x)
    assert z.shape == (len(x), 2) and clustering.likelihood_ == "gaussian"
    standardised = clustering.model_.decode(z)  # the networks see standard scores
    np.testing.assert_allclose(clustering.inverse_transform(z), standardised * x.std(0) + x.mean(0), rtol=1e-4)
    samples, components = clustering.sample(50)
    assert samples.shape == (50, x.shape[1]) and set(components) <= {0, 1, 2}


def test_pickled_saved_and_fitted_again_they_are_the_same(wine, clustering, classifier, tmp_path):
    x, y = wine
    for estimator in (clustering, classifier):
        expected = estimator.predict_proba(x)
        folder = tmp_path / type(estimator).__name__
        estimator.save(folder)
        for again in (pickle.loads(pickle.dumps(estimator)), estimators.load(folder)):
            np.testing.assert_allclose(again.predict_proba(x), expected, atol=1e-6)
    np.testing.assert_allclose(clone(classifier).fit(x, y).predict_proba(x), classifier.predict_proba(x), atol=1e-5)


def test_a_folder_that_is_no_estimator_is_refused(tmp_path):
    (tmp_path / "estimator.json").write_text("{")
    with pytest.raises(estimators.LoadError):
        estimators.load(tmp_path)


def test_probabilities_of_classes_are_the_gates_mixture_of_the_experts(wine, classifier):
    x, _ = wine
    gate, experts = classifier.gate_proba(x), classifier.expert_predictions(x)  # [N, K], [N, K, C]
    np.testing.assert_allclose(classifier.predict_proba(x), np.einsum("nk,nkc->nc", gate, experts), atol=1e-5)
    assert classifier.score(*wine) > 0.9


@pytest.mark.parametrize("name", ["DVMoERegressor", "VaDEMoERegressor", "DeepMoERegressor"])
def test_one_expert_is_a_linear_model(name):
    x, y = load_diabetes(return_X_y=True)
    options = SOFTMAX if name == "DeepMoERegressor" else BRIEF
    ours = getattr(estimators, name)(n_experts=1, **options).fit(x[:300], y[:300])
    linear = make_pipeline(StandardScaler(), Ridge(1.0)).fit(x[:300], y[:300])
    assert np.corrcoef(ours.predict(x[300:]), linear.predict(x[300:]))[0, 1] > 0.99
    assert ours.score(x[300:], y[300:]) > linear.score(x[300:], y[300:]) - 0.05


def test_they_cross_validate_in_a_pipeline():
    x, y = load_diabetes(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), estimators.DeepMoERegressor(n_experts=2, **SOFTMAX))
    assert np.all(cross_val_score(pipeline, x[:200], y[:200], cv=2) > 0)


def test_parameters_out_of_their_range_are_named(wine):
    for arguments, words in (
        ({"epochs": 0}, "epochs must be an integer"),
        ({"start": "random"}, "start must be one of"),
    ):
        with pytest.raises(ValueError, match=words):
            estimators.DMVAEClustering(**arguments).fit(wine[0])
    with pytest.raises(ValueError, match="NaN"):
        estimators.DMVAEClustering().fit(np.full((5, 2), np.nan))
