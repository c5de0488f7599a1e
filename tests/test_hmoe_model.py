"""HMoE with a generative gate: one level is DVMoE, and EM shrinks experts to their branch's."""

import numpy as np
import pytest

from vae_moe import DVMoE, HMoE
from vae_moe.estimators import HMoERegressor
from vae_moe.training.expert_em import fit_experts, shared_kernel

SIZES = {"latent_dim": 2, "z_encoder_sizes": (8,), "c_encoder_sizes": (8,), "decoder_sizes": (8,), "seed": 3}
KINDS = {"likelihood": "gaussian", "learn_variance": True}
TASKS = ["regression", "classification"]


@pytest.fixture
def rows(rng):
    """Inputs, and the targets of either task."""
    x = rng.normal(size=(60, 3)).astype("f")
    y = (x @ rng.normal(size=(3, 2)) + rng.normal(size=(60, 2))).astype("f")
    return x, {"regression": y, "classification": (y[:, 0] > 0).astype(int)}


def _as_flat(task):
    """A DVMoE and the HMoE of one level, with its weights."""
    flat, tree = (
        each(3, 4, 2, task, **KINDS, **SIZES, **branching)
        for each, branching in ((DVMoE, {}), (HMoE, {"branching": (4,)}))
    )
    tree.set_weights(flat.get_weights())
    return flat, tree


@pytest.mark.parametrize("by_evidence", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_one_level_is_a_dvmoe(rows, task, by_evidence):
    x, y = rows[0], rows[1][task]
    flat, tree = _as_flat(task)
    np.testing.assert_allclose(tree.nll(x, y), flat.nll(x, y), rtol=1e-5)
    for model in (flat, tree):
        center = shared_kernel(model.experts, x, y) if by_evidence else None
        fit_experts(model, x, y, center=center)
    np.testing.assert_allclose(tree.predict_mean(x), flat.predict_mean(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tree.nll(x, y), flat.nll(x, y), rtol=1e-4)


@pytest.mark.parametrize("by_evidence", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_an_expert_without_rows_is_its_siblings(rows, task, by_evidence):
    """It has the map of its branch, between its sibling's and that of all; and when they are resumed it keeps that."""
    x, y = rows[0], rows[1][task]
    model = HMoE(3, 4, 2, task, branching=(2, 2), **KINDS, **SIZES)
    model.gate.c_encoder.layers[-1].set_weights([np.zeros((8, 6), "f"), np.array([0, 0, -60, 60, 0, 0], "f")])
    center = shared_kernel(model.experts, x, y) if by_evidence else None
    for resume in (False, True):
        fit_experts(model, x, y, resume=resume, center=center, tol=-1.0, max_iter=100)
        step, sibling = model.experts.kernels.numpy()[:2] - (0 if center is None else center)  # [3, 2]
        share = (step * sibling).sum(0) / np.square(sibling).sum(0)  # of each output
        np.testing.assert_allclose(step, share * sibling, atol=0.02)
        assert ((share > 0) & (share < 1)).all() if by_evidence else share == pytest.approx(0.5, abs=0.05)
    assert task == "classification" or np.square(model.predict_mean(x) - y).mean() < 1.25  # of noise of 1


def test_an_estimator_has_as_many_experts_as_its_tree_has_leaves(rows):
    model = HMoERegressor(branching=(2, 2), hidden_layer_sizes=(4,), start=None, epochs=1, random_state=0)
    assert model.fit(rows[0], rows[1]["regression"]).n_experts_ == 4
    assert model.gate_proba(rows[0]).shape == (60, 4)


def test_the_tree_has_no_other_branches_than_leaves():
    with pytest.raises(ValueError, match="branching must have n_components=4 leaves"):
        HMoE(3, 4, 2, branching=(3, 2))
