"""The benchmark of predictions on real tables: scikit-learn's tables as if they came from wheels, and quick methods."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.datasets import load_wine, make_friedman1
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from experiments import grids, tabular
from experiments.tabular import methods, named, shown
from vae_moe.plots import score_plots

FACTS = {"seed": 0, "seconds": 1.0, "machine": "m", "finished_at": "2026", "git_commit": "c"}


@pytest.fixture
def wine(one_wheel):
    one_wheel(load_wine)


@pytest.fixture
def friedman1():
    return make_friedman1(200, random_state=0)


def test_halves_have_as_many_regressions_as_classifications():
    kinds = [[table.classes for table in half] for half in named.HALVES.values()]
    assert [len(half) for half in kinds] == [18, 18] and [sum(half) for half in kinds] == [9, 9]
    assert len(named.TABLES) == 36


def test_methods_are_cross_validated_and_shown(wine, tmp_path):
    arguments = ["--methods", "linear", "gmm-em", "mlp", "--tables", "sklearn/diabetes", "keel/wine", "--quick"]
    assert tabular.main([*arguments, "--jobs", "1", "--folder", str(tmp_path)]) == 0
    records = grids.read(tmp_path / "quick")
    assert len(records) == 6
    assert all(np.isfinite(record["fold_nll"]).all() and len(record["fold_error"]) == 2 for record in records)
    text = (tmp_path / "quick" / "README.md").read_text()
    assert "| sklearn/diabetes | chosen | 442 | 10 |" in text and "| GMM-EM | " in text
    errors = {record["method"]: np.mean(record["fold_error"]) for record in records if record["table"] == "keel/wine"}
    assert errors["linear"] < 5


def test_what_makes_numbers_of_columns_sees_no_row_held_out(wine):
    frame, y = named.load(named.TABLES["keel/wine"], 0)
    for x, train_y, test_x, test_y in named.folds(frame, y, 0, 5, True):
        assert len(x) + len(test_x) == len(train_y) + len(test_y) == 178
        np.testing.assert_allclose(x[:, :13].mean(0), 0, atol=1e-6)
        assert np.abs(test_x[:, :13].mean(0)).max() > 1e-3


def test_a_point_has_the_density_of_its_errors_on_spare_rows(friedman1):
    x, y = friedman1
    found = methods.regression(Ridge, x[:150], y[:150], x[150:], y[150:], 0)
    assert 0.8 < found["coverage"] <= 1
    deviation = found["width"] * y[:150].std() / (2 * norm.ppf(0.95))
    expected = 0.5 * np.log(2 * np.pi * deviation**2) + 0.5 * (found["error"] / deviation) ** 2
    assert found["nll"] == pytest.approx(expected)


def test_a_mixture_of_experts_has_its_own_density(friedman1):
    from vae_moe.estimators import DVMoERegressor
    from vae_moe.estimators.intervals import calibrated

    x, y = friedman1
    model = DVMoERegressor(2, epochs=1, start_epochs=1, random_state=0).fit(x, y)
    log_density, low, high = methods._density(model, x, y)
    grid = np.linspace(y.min() - 20, y.max() + 20, 2000)
    first = np.exp(model.predict_distribution(np.repeat(x[:1], len(grid), 0)).log_prob(grid))
    assert np.trapezoid(first, grid) == pytest.approx(1, abs=1e-3)
    inside = (grid > low[0]) & (grid < high[0])
    low_level, high_level = calibrated(model.ranks_, 0.9)
    assert np.trapezoid(first[inside], grid[inside]) == pytest.approx(high_level - low_level, abs=0.02)
    assert log_density.shape == low.shape == high.shape == y.shape


class _Sure:
    classes_ = np.arange(2)

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        return np.tile([1.0, 0.0], (len(x), 1))


def test_a_probability_of_0_counts_as_one_in_as_many_as_rows():
    x, y = np.zeros((50, 1)), np.arange(50) % 2
    found = methods.classification(_Sure, x, y, x[:2], y[:2], 0)
    assert found["error"] == 50 and found["nll"] == pytest.approx(np.log(50) / 2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["gmm-em", "softmax-em", "linear", "forest", "boosting", "mlp"])
def test_no_method_depends_on_the_units_of_the_target(method, friedman1):
    """Metres or millimetres: the same predictions."""
    x, y = friedman1
    with threadpool_limits(1):
        predicted, other = (
            methods.estimator(method, None, 0).fit(x, target).predict(x) for target in (y, 1024 * y)
        )  # a power of two, which a tree's thresholds follow to the last bit
    np.testing.assert_allclose(other / 1024, predicted, atol=1e-3 * y.std())


def test_ranks_are_of_methods_with_all_tables():
    names = [table.name for table in named.CHOSEN[:3]]
    errors = {"linear": (2.0, 2.0, 2.0), "forest": (1.0, 3.0, 2.0), "mlp": (1.0, 1.0)}
    records = [
        {"table": name, "method": method, "fold_error": [value], **FACTS}
        for method, values in errors.items()
        for name, value in zip(names, values, strict=False)
    ]
    ranks = shown.ranks(records, names, "fold_error")
    assert {method: values.tolist() for method, values in ranks.items()} == {
        "linear": [2, 1, 1.5],
        "forest": [1, 2, 1.5],
    }
    assert shown.behind_linear(records, "forest", names, "fold_error") == [-50, 50, 0]
    assert shown.ranks([], names, "fold_error") == {}
    assert "No two methods" in shown.picture([]).texts[0].get_text()


def test_the_critical_difference_is_demsars():
    """Demsar (2006), table 5a and the example of section 3.2.2: 4 methods on 14 tables."""
    assert shown.critical_difference(4, 14) == pytest.approx(2.569 * np.sqrt(20 / 84), abs=2e-3)


def test_mean_ranks_are_drawn_the_best_on_top_and_bars_join_what_is_near():
    figure = score_plots.mean_ranks({"RMSE": {"a": 3.0, "b": 1.0, "c": 1.5, "d": 3.2}}, {"RMSE": 0.6})
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "c", "a", "d"]
    bars = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 2]
    np.testing.assert_allclose(bars, [[-0.2, 1.2], [1.8, 3.2]])


def test_methods_are_asked_what_they_can(monkeypatch):
    monkeypatch.setattr(methods.importlib.util, "find_spec", lambda name: object() if name == "cubist" else None)
    assert methods.can("cubist", False) and not methods.can("cubist", True)
    assert not methods.can("ebm", False) and methods.can("dvmoe", True)
