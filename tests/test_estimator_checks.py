"""scikit-learn's own checks, of estimators that are fitted for a step or two, without graphs: tracing takes longest."""

import pytest
import tensorflow as tf
from sklearn.utils.estimator_checks import check_clustering, parametrize_with_checks

from vae_moe import estimators

SHORT = {"hidden_layer_sizes": (4,), "epochs": 1, "batch_size": 200}
CLUSTERING = {**SHORT, "n_components": 3, "latent_dim": 2, "start_epochs": 1, "regularization": 0.0}
QUICK = [
    *(each(**CLUSTERING) for each in (estimators.VaDEClustering, estimators.DMVAEClustering)),
    *(each(n_experts=2, start=None, **SHORT) for each in estimators.ESTIMATORS if "Clustering" not in each.__name__),
]
FAILED = {
    "check_sample_weight_equivalence_on_dense_data": "steps are of batches, and the start sees all rows alike",
}
UNTRAINED = {"check_clustering": "one step does not train; test_a_trained_clustering_passes_its_check does"}


@pytest.fixture(autouse=True)
def _without_graphs():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@parametrize_with_checks(
    QUICK, expected_failed_checks=lambda each: FAILED | (UNTRAINED if hasattr(each, "n_components") else {})
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("clustering", [estimators.VaDEClustering, estimators.DMVAEClustering])
def test_a_trained_clustering_passes_its_check(clustering):
    tf.config.run_functions_eagerly(False)
    check_clustering(clustering.__name__, clustering(3, hidden_layer_sizes=(32,)))
