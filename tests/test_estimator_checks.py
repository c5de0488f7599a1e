"""scikit-learn's own checks of every estimator.

Clusterings are fitted for one step without a start, but for the check that looks at the clusters themselves; experts by
EM, with their gate as it begins.
"""

import pytest
import short_plans
from sklearn.utils.estimator_checks import check_clustering, parametrize_with_checks

from vae_moe import em, estimators

BY_EM = [getattr(em, name) for name in em.__all__ if name.endswith(("Regressor", "Classifier"))]
SHORT = {"hidden_layer_sizes": (), "start": None, "epochs": 1, "batch_size": 200}
TRAINED = {"start": "spectral", "start_epochs": 2}
GATED = (
    estimators.DVMoERegressor,
    estimators.DVMoEClassifier,
    estimators.DeepMoERegressor,
    estimators.DeepMoEClassifier,
)
EVERY = [
    *(each(3, latent_dim=2, regularization=0.0, **SHORT) for each in short_plans.CLUSTERINGS),
    *(each(2, validation_fraction=0.0, **SHORT) for each in GATED),
    *(each(max_iter=20) for each in BY_EM),
]
#: They differ from those above in their model's gate alone.
ALSO = ("HDMVAEClustering", "VaDEMoERegressor", "VaDEMoEClassifier", "HMoERegressor", "HMoEClassifier")
UNEQUAL = "check_sample_weight_equivalence_on_dense_data"
BY_BATCHES = "a row of weight 2 and one that is there twice come in other batches, and float32 is not equal to 1e-7"
BY_K_MEANS = "k-means draws other rows to start from, as scikit-learn's own; from given responsibilities EM passes"


def expected_failures(estimator):
    """What an estimator fails, and why."""
    return {UNEQUAL: BY_K_MEANS if type(estimator) in BY_EM else BY_BATCHES}


pytestmark = pytest.mark.usefixtures("no_graphs")


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    short_plans.shorten(monkeypatch)
    monkeypatch.setattr(estimators._clustering, "ELBO_SAMPLES", 1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(EVERY, expected_failed_checks=expected_failures)
def test_scikit_learn_contract(estimator, check):
    if check.func is check_clustering:
        estimator.set_params(**TRAINED)
    check(estimator)


def test_every_estimator_is_checked():
    also = {getattr(estimators, name) for name in ALSO}
    assert {type(each) for each in EVERY} | also == {*estimators.ESTIMATORS, *BY_EM} and len(BY_EM) == 6
