"""scikit-learn's own checks of every estimator.

Those of Keras models are fitted for one step, without graphs (tracing them takes longer than all steps), and without a
start, which `test_a_trained_clustering_passes_its_check` and tests/test_estimators.py have.
"""

import pytest
import tensorflow as tf
from sklearn.utils.estimator_checks import check_clustering, parametrize_with_checks

from vae_moe import em, estimators

CLUSTERINGS = [estimators.VaDEClustering, estimators.DMVAEClustering]
EXPERTS = [each for each in estimators.ESTIMATORS if each not in CLUSTERINGS]
BY_EM = [getattr(em, name) for name in em.__all__ if "Gated" in name]
SHORT = {"hidden_layer_sizes": (4,), "start": None, "epochs": 1, "batch_size": 200}
EVERY = [
    *(each(3, latent_dim=2, regularization=0.0, **SHORT) for each in CLUSTERINGS),
    *(each(2, **SHORT) for each in EXPERTS),
    *(each(max_iter=20) for each in BY_EM),
]
UNEQUAL = {
    "check_sample_weight_equivalence_on_dense_data": (
        "gradient steps see weights and repetitions in other batches, as in stochastic gradient descent"
    )
}
UNTRAINED = {"check_clustering": "wants clusters after one step; test_a_trained_clustering_passes_its_check has them"}


def expected_failures(estimator):
    """What an estimator fails, and why; what it passes is not in it."""
    if type(estimator) in BY_EM:
        return {}
    return UNEQUAL | UNTRAINED if type(estimator) in CLUSTERINGS else UNEQUAL


@pytest.fixture(autouse=True)
def _one_step(monkeypatch):
    monkeypatch.setattr(estimators._base, "LEAST_STEPS", 1)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(EVERY, expected_failed_checks=expected_failures)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("clustering", CLUSTERINGS)
def test_a_trained_clustering_passes_its_check(clustering):
    check_clustering(
        clustering.__name__, clustering(3, latent_dim=2, hidden_layer_sizes=(16,), start_epochs=20, epochs=1)
    )


def test_every_estimator_is_checked():
    assert {type(each) for each in EVERY} == {*estimators.ESTIMATORS, *BY_EM} and len(BY_EM) == 4
