"""The grid of small tables, its quick methods alone."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from experiments import grids, tabular


def test_methods_are_cross_validated_and_shown(tmp_path):
    arguments = ["--methods", "linear", "softmax-em", "--quick", "--jobs", "1", "--folder", str(tmp_path)]
    assert tabular.main(arguments) == 0
    records = grids.read(tmp_path / "quick")
    assert {record["method"] for record in records} == {"linear", "softmax-em"}
    assert all(np.isfinite(record["scores"]).all() for record in records if "scores" in record)
    text = (tmp_path / "quick" / "README.md").read_text()
    assert "linear" in text and "softmax-EM" in text


def test_the_linear_classifier_is_scikit_learns():
    x, y = tabular.load("wine", 0)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    scores = cross_val_score(linear, x, y, cv=StratifiedKFold(5, shuffle=True, random_state=0))
    assert len(x) == 178 and scores.mean() > 0.95


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["gmm-em", "softmax-em", "linear", "forest", "boosting", "mlp"])
def test_no_method_depends_on_the_units_of_columns_and_target(method):
    """Metres or millimetres: the same predictions, and none is handicapped by a scale that another takes away."""
    x, y = tabular.load("friedman1", 0)
    units = 2.0 ** np.arange(-5, 5)  # powers of two, which a tree's thresholds follow to the last bit
    with threadpool_limits(1):
        predicted, other = (
            tabular.estimator(method, False, 0).fit(*rows).predict(rows[0]) for rows in ((x, y), (x * units, 1024 * y))
        )
    np.testing.assert_allclose(other / 1024, predicted, atol=1e-3 * y.std())


@pytest.mark.filterwarnings("ignore")
def test_the_networks_baseline_is_not_behind_the_linear_model_for_want_of_a_scale():
    scores = {
        method: tabular.measure(tabular.Cell("friedman1", method, 0), None, quick=True)["score"]
        for method in ("mlp", "linear")
    }
    assert scores["mlp"] < 1.15 * scores["linear"]
