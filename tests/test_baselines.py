"""Every column of the tables runs, on rows few enough to be quick."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from experiments import baselines, label_efficiency, table1
from vae_moe.data import datasets, targets


@pytest.fixture(autouse=True)
def one_thread():
    """Few rows: several threads of BLAS and OpenMP would only wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", list(baselines.REGRESSORS))
def test_a_baseline_beats_the_mean_on_the_spiral(method):
    data = datasets.spiral(n_train=60, n_validation=10, n_test=40)
    y = targets.affine(data, 2, seed=0)
    figures = baselines.regression(method, data, y, seed=0)
    assert figures["test_error"] < y.test.var(0).sum() and figures["rows"] == 350
    if method.endswith("-em"):
        assert (np.diff(figures["lower_bounds"]) > -1e-9).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["ridge", "boosting", "forest"])  # of the MLP: experiments/baselines.py
def test_a_baseline_does_not_depend_on_the_unit_of_y(method):
    data = datasets.spiral(n_train=60, n_validation=10, n_test=40)
    y = targets.affine(data, 1, seed=0)
    other = targets.Targets(*(1024 * part for part in (y.train, y.validation, y.test, y.kernels, y.biases)))
    error, larger = (baselines.regression(method, data, each, seed=0)["test_error"] for each in (y, other))
    np.testing.assert_allclose(larger / 1024**2, error, rtol=0.01)


def test_every_column_has_a_method():
    assert set(table1.COLUMNS) == set(table1.NEURAL) | set(baselines.REGRESSORS)
    assert set(label_efficiency.COLUMNS) == set(label_efficiency.NEURAL) | set(baselines.CLASSIFIERS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", list(baselines.CLASSIFIERS))
@pytest.mark.parametrize("n_labels", [100, None])
def test_a_classifier_learns_digits(method, n_labels):
    data = datasets.digits()
    figures = baselines.classification(method, data, targets.classes(data, n_labels), seed=0)
    assert figures["accuracy"] > (0.8 if n_labels else 0.9) and figures["n_labels"] == (n_labels or 1200)
