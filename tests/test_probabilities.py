"""Probabilities are at most 1 and sum to 1 wherever they leave the library: scikit-learn's scores refuse 1.0000001."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import brier_score_loss, get_scorer, log_loss

from vae_moe import DMVAE, DeepMoE, DVMoE, VaDE, VaDEMoE, em, estimators
from vae_moe.app import predictions
from vae_moe.app.report import scores
from vae_moe.probabilities import normalised, normalised_logs, normalised_tensor

pytestmark = pytest.mark.usefixtures("short_steps", "no_graphs")
SIZES = {"latent_dim": 2, "z_encoder_sizes": (8,), "decoder_sizes": (8,), "seed": 1}
MODELS = {
    "VaDE": lambda: VaDE(6, n_components=3, **SIZES),
    "DMVAE": lambda: DMVAE(6, n_components=3, **SIZES),
    "DeepMoE": lambda: DeepMoE(6, 3, 4, "classification", hidden_sizes=(8,), seed=1),
    "DVMoE": lambda: DVMoE(6, 3, 4, "classification", **SIZES),
    "VaDEMoE": lambda: VaDEMoE(6, 3, 4, "classification", **SIZES),
}
SHORT = {"hidden_layer_sizes": (8,), "start": None, "epochs": 1, "batch_size": 500, "random_state": 0}
CLASSIFIERS = [
    estimators.DVMoEClassifier(2, **SHORT),
    estimators.VaDEMoEClassifier(2, **SHORT),
    estimators.DeepMoEClassifier(2, **SHORT),
    em.GMMGatedClassifier(2, reg_covar=1e-2, max_iter=3, tol=1e3, random_state=0),
    em.SoftmaxGatedClassifier(2, max_iter=3, tol=1e3, random_state=0),
]


def check(probabilities):
    """At most 1, at least 0, and sums that float64 takes for 1."""
    assert probabilities.dtype == np.float64 and probabilities.min() >= 0 and probabilities.max() <= 1
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=0, atol=1e-14)


def test_float32_is_normalised_in_float64(rng):
    logits = rng.normal(0, 20, (3000, 5)).astype("f")  # a row's class is all but certain
    rounded = np.exp(logits - logits.max(1, keepdims=True))
    rounded *= np.float32(1 + 2e-7)  # what a float32 sum of products does
    for found in (normalised(rounded), np.exp(normalised_logs(logits))):
        check(found)
        np.testing.assert_allclose(found, softmax(logits.astype(float), axis=1), rtol=1e-4, atol=1e-30)
    served = normalised_tensor(rounded).numpy()
    assert served.dtype == np.float32 and served.max() == 1
    np.testing.assert_allclose(served, normalised(rounded), rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("name", MODELS)
def test_keras_models_read_out_probabilities(name, rng):
    """Weights at random, so large that most rows are all but certain, as after a long training."""
    model = MODELS[name]()
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 1, weight.shape))
    x = rng.normal(size=(3000, 6)).astype("f")
    experts = hasattr(model, "experts")
    gate = model.gate_proba(x) if experts else model.predict_proba(x)
    found = [gate, np.exp(model.c_log_proba(x))]
    if experts:
        found += [model.predict_proba(x), model.predict_mean(x, "hard"), model.expert_predictions(x)]
    if hasattr(model, "mixture"):
        found.append(np.exp(model.posterior(x)[2]))
    for probabilities in found:
        check(probabilities)
    signatures = model.signatures(model._noise(16, 0))
    served = [signatures["cluster"](x)["probabilities"]]
    if experts:
        predicted = signatures["predict"](x)
        served += [predicted["y_probabilities"], predicted["gate_probabilities"]]
        np.testing.assert_allclose(served[1], found[2], atol=1e-4)
    for probabilities in served:  # float32, as a SavedModel gives them
        assert np.max(probabilities) <= 1
        log_loss(np.arange(3000) % probabilities.shape[1], probabilities.numpy())


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda each: type(each).__name__)
def test_scikit_learns_scores_take_every_classifiers_probabilities(classifier):
    X, y = load_breast_cancer(return_X_y=True)
    X = X / X.std(0)
    model = classifier.fit(X, y)
    probabilities = model.predict_proba(X)
    for found in (probabilities, model.gate_proba(X), model.expert_predictions(X)):
        check(found)
    assert np.isfinite(log_loss(y, probabilities)) and brier_score_loss(y, probabilities[:, 1]) < 0.1
    assert np.isfinite(get_scorer("neg_log_loss")(model, X, y))
    assert scores.of_classification(y, probabilities)["accuracy"] > 0.8  # of the command's page
    config = {"kind": "experts", "task": "classification", "target": ["malignant"]}
    written = predictions.of_experts(model, X, config)
    assert written["predicted_malignant_probability"].max() <= 1 and written["expert_probability"].max() <= 1


@pytest.mark.parametrize("clustering", [estimators.VaDEClustering, estimators.DMVAEClustering])
def test_clusterings_give_probabilities(clustering, rng):
    X = rng.normal(size=(500, 2)) + 100 * (np.arange(500) % 2)[:, np.newaxis]
    check(clustering(2, latent_dim=2, **SHORT).fit(X).predict_proba(X))
