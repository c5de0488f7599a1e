"""Ensembles of regressors, and the densities of one and of several."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from short_plans import shorten
from sklearn.exceptions import NotFittedError

from vae_moe import estimators
from vae_moe.estimators import DeepMoEClassifier, DeepMoERegressor, EnsembleClassifier, EnsembleRegressor
from vae_moe.estimators.intervals import Predictive, calibrated

BRIEF = {"hidden_layer_sizes": (8,), "start": None, "epochs": 2, "batch_size": 100}


@pytest.fixture(scope="module")
def rows():
    """Two regimes, and noise: X [300, 3], y [300]."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    return X, np.where(X[:, 0] > 0, 3 * X[:, 1], -2 * X[:, 2] + 5) + 0.5 * rng.normal(size=300)


@pytest.fixture(scope="module")
def ensemble(rows):
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        return EnsembleRegressor(DeepMoERegressor(2, **BRIEF), 3, random_state=0).fit(*rows)


def density():
    """Of two rows and one output, by two experts."""
    gate = np.array([[0.3, 0.7], [0.9, 0.1]])
    return Predictive(gate, np.array([[[0.0], [2.0]], [[1.0], [-1.0]]]), np.array([[1.0], [0.5]]), one_output=True)


def test_moments_of_a_density_are_its_integrals():
    found = density()
    for row in range(2):

        def p(y, row=row):
            return sum(found.gate[row, k] * norm.pdf(y, found.means[row, k, 0], found.stddevs[k, 0]) for k in (0, 1))

        first, second = (quad(lambda y, n=n, p=p: y**n * p(y), -15, 15)[0] for n in (1, 2))
        assert found.mean[row] == pytest.approx(first)
        assert found.variance[row] == pytest.approx(second - first**2)
        assert found.log_prob(np.array([0.4, 0.4]))[row] == pytest.approx(np.log(p(0.4)))


def test_the_mean_of_densities_is_a_density():
    one, other = density(), Predictive(np.ones((2, 1)), np.full((2, 1, 1), 4.0), np.ones((1, 1)), one_output=True)
    both, y = Predictive.mean_of([one, other]), np.array([0.5, 1.5])
    np.testing.assert_allclose(np.exp(both.log_prob(y)), np.exp([one.log_prob(y), other.log_prob(y)]).mean(0))
    np.testing.assert_allclose(both.mean, (one.mean + other.mean) / 2)


def test_an_ensemble_predicts_the_mean_of_its_density(ensemble, rows):
    X, y = rows
    found = ensemble.predict_distribution(X)
    np.testing.assert_allclose(ensemble.predict(X), found.mean, rtol=1e-4, atol=1e-4)
    of_each = [each.predict_distribution(X).log_prob(y) for each in ensemble.estimators_]
    np.testing.assert_allclose(np.exp(found.log_prob(y)), np.exp(of_each).mean(0))


def test_intervals_hold_at_least_what_they_say(ensemble):
    """Rather more: each row's rank is one regressor's, and the interval is of the mean of them all."""
    rng = np.random.default_rng(1)
    new = rng.normal(size=(2000, 3))
    new_y = np.where(new[:, 0] > 0, 3 * new[:, 1], -2 * new[:, 2] + 5) + 0.5 * rng.normal(size=2000)
    low, high = ensemble.predict_interval(new, 0.8).T
    assert np.mean((low <= new_y) & (new_y <= high)) >= 0.77
    assert (ensemble.ranks_[1:] >= ensemble.ranks_[:-1]).all() and len(ensemble.ranks_) == 300


def test_several_outputs_have_intervals_each(rows):
    X, y = rows
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        found = EnsembleRegressor(DeepMoERegressor(2, **BRIEF), 2, random_state=0).fit(X, np.stack([y, -y], 1))
    assert found.predict(X).shape == (300, 2) and found.predict_interval(X).shape == (300, 2, 2)
    assert found.predict_distribution(X).mean.shape == (300, 2)


def test_a_level_that_is_none_is_refused(ensemble, rows):
    with pytest.raises(ValueError, match=r"level must be a number in \(0, 1\), got 90"):
        ensemble.predict_interval(rows[0], 90)


def test_an_ensemble_of_classifiers_has_the_mean_of_their_probabilities(rows):
    X, y = rows
    names = np.where(y > y.mean(), "high", "low")
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        found = EnsembleClassifier(DeepMoEClassifier(2, **BRIEF), 2, random_state=0).fit(X, names)
    np.testing.assert_allclose(found.predict_proba(X), np.mean([e.predict_proba(X) for e in found.estimators_], 0))
    assert found.score(X, names) > 0.7


def test_members_are_of_this_package(rows):
    with pytest.raises(TypeError, match=r"must be a regressor of vae_moe.estimators, got DeepMoEClassifier\(\)"):
        EnsembleRegressor(DeepMoEClassifier()).fit(*rows)


def test_an_ensemble_is_saved_with_its_members(ensemble, rows, tmp_path):
    X, _ = rows
    with pytest.raises(NotFittedError):
        EnsembleRegressor().save(tmp_path / "none")
    given = EnsembleRegressor(DeepMoERegressor(3, hidden_layer_sizes=(4, 4)), 4, random_state=1)
    given.__dict__ |= {name: value for name, value in vars(ensemble).items() if name.endswith("_")}
    given.save(tmp_path / "made")
    loaded = estimators.load(tmp_path / "made")
    assert str(loaded) == str(given) and len(loaded.estimators_) == len(ensemble.estimators_)
    np.testing.assert_array_equal(loaded.predict_interval(X), ensemble.predict_interval(X))
    (tmp_path / "made" / "member-1" / "arrays.npz").unlink()
    with pytest.raises(estimators.LoadError, match=r"is not whole, .*[^.]\. Save the estimator again\.$"):
        estimators.load(tmp_path / "made")


def test_one_estimator_is_no_ensemble(rows):
    with pytest.raises(ValueError, match=r"n_estimators must be an integer in \[2, inf\), got 1"):
        EnsembleRegressor(n_estimators=1).fit(*rows)


def test_intervals_are_as_wide_as_rows_held_out_ask():
    """Of a density that is far too narrow, or of none held out."""
    ranks = np.sort(np.concatenate([np.zeros(40), np.linspace(0, 1, 20), np.ones(40)]))
    np.testing.assert_array_equal(calibrated(ranks, 0.9), [0, 1])
    np.testing.assert_allclose(calibrated(np.empty(0), 0.9), [0.05, 0.95])
    np.testing.assert_allclose(calibrated(np.linspace(0, 1, 10001), 0.9), [0.05, 0.95], atol=1e-3)
