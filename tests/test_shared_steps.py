"""Fits that share compiled steps, and give what they give alone."""

import numpy as np
import pytest
from short_plans import shorten

from vae_moe.engine import shared_steps
from vae_moe.estimators import DVMoERegressor

BRIEF = {"hidden_layer_sizes": (8,), "start_epochs": 2, "epochs": 3, "batch_size": 100}


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    shorten(monkeypatch)
    shared_steps.forget()


def fitted(seed, n_experts=2, regularization=0.0):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    model = DVMoERegressor(n_experts, random_state=seed, regularization=regularization, **BRIEF)
    model.fit(X, np.abs(X[:, 0]))
    return np.concatenate([model.predict(X), *model.history_.values()])


def test_a_fit_after_others_is_the_one_that_it_is_alone():
    alone = fitted(1)
    shared_steps.forget()
    fitted(0)
    (kept,) = shared_steps._kept.values()
    steps = [step.function for step in kept.model.kept_steps.values()]
    np.testing.assert_array_equal(fitted(1), alone)
    assert [step.function for step in kept.model.kept_steps.values()] == steps


def test_shares_of_another_start_are_another_step():
    alone = fitted(1, regularization=0.1)
    shared_steps.forget()
    fitted(0, regularization=0.1)
    np.testing.assert_array_equal(fitted(1, regularization=0.1), alone)


def test_the_last_models_alone_are_kept(monkeypatch):
    monkeypatch.setattr(shared_steps, "MOST", 1)
    for n_experts in (1, 2):
        fitted(0, n_experts)
    (kept,) = shared_steps._kept.values()
    assert kept.model.experts.n_experts == 2


def test_a_fit_that_fails_leaves_nothing_behind():
    fitted(0, regularization=0.1)
    model = DVMoERegressor(2, random_state=0, learning_rate=1e30, regularization=0.1, **BRIEF)
    X = np.random.default_rng(0).normal(size=(200, 3))
    with pytest.raises(FloatingPointError):
        model.fit(X, np.abs(X[:, 0]))
    assert len(shared_steps._kept) == 0
