"""The grid of small tables, its quick methods alone."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

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
