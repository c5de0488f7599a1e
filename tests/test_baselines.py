"""Every column of the tables runs, on rows few enough to be quick."""

import numpy as np
import pytest

from experiments import baselines, label_efficiency, table1
from vae_moe import datasets


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", list(baselines.ESTIMATORS))
def test_a_baseline_beats_the_mean_on_the_spiral(method):
    data = datasets.spiral(n_train=60, n_validation=10, n_test=40)
    targets = datasets.affine_targets(data, 2, seed=0)
    figures = baselines.regression(method, data, targets, seed=0)
    assert figures["test_error"] < targets.test.var(0).sum() and figures["rows"] == 350
    if method.endswith("-em"):
        assert (np.diff(figures["lower_bounds"]) > -1e-9).all()


def test_every_column_has_a_method():
    assert set(table1.COLUMNS) == set(table1.NEURAL) | set(baselines.ESTIMATORS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", sorted(set(label_efficiency.COLUMNS) - set(label_efficiency.NEURAL)))
def test_a_classifier_learns_digits(method, digits):
    x, y = digits
    labels = y[:400].copy()
    if method == "self-training":
        labels[100:] = -1
    fitted = label_efficiency._estimator(method, 0).fit(x[:400], labels)
    assert fitted.score(x[400:], y[400:]) > 0.7
