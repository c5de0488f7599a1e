"""Hierarchical mixtures of experts by EM: the tree's posterior against dense Gaussians, its gate, what it borrows."""

from dataclasses import replace

import numpy as np
import pytest
from em_data import HMOE, SOFTMAX, assert_monotone, spiral, spiral_for
from scipy.stats import multivariate_normal

from vae_moe.em import HierarchicalGate, HMoERegressor, SoftmaxGatedRegressor
from vae_moe.em._ridge_trees import CategoricalTree
from vae_moe.em._trees import GaussianTree, TreePosterior

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
TREE = (2, 1, 3)
PARENTS = [-1, -1, 0, 1, 2, 2, 2, 3, 3, 3]  # of TREE's nodes but the root, level by level
LEVELS = np.array([0, 0, 1, 1, 2, 2, 2, 2, 2, 2])


def _steps():
    """What each node's map is of its own and its ancestors' steps, [nodes, nodes]."""
    steps = np.eye(len(PARENTS))
    for node, parent in enumerate(PARENTS):
        if parent >= 0:
            steps[node] += steps[parent]
    return steps


def test_the_posterior_of_a_tree_is_that_of_all_maps_at_once(rng):
    precisions, rows = np.array([0.5, 2.0, 7.0]), rng.normal(size=(6, 4, 3))
    G, h = np.einsum("knd,kne->kde", rows, rows), rng.normal(size=(6, 3))
    found = TreePosterior.of(G, h, precisions, TREE)

    back = np.kron(np.linalg.inv(_steps()), np.eye(3))  # from maps to steps
    precision = back.T @ np.diag(np.repeat(precisions[LEVELS], 3)) @ back
    for k in range(6):
        leaf = slice(12 + 3 * k, 15 + 3 * k)
        precision[leaf, leaf] += G[k]
    covariance = np.linalg.inv(precision)
    means = covariance @ np.concatenate([np.zeros(12), h.ravel()])
    np.testing.assert_allclose(found.means, means.reshape(-1, 3)[4:])
    np.testing.assert_allclose(found.covariances[4], covariance[24:27, 24:27])
    np.testing.assert_allclose(found.log_dets.sum(), np.linalg.slogdet(precision)[1])
    moments = np.square(back @ means) + np.diag(back @ covariance @ back.T)
    np.testing.assert_allclose(found.spreads, [moments.reshape(-1, 3)[level == LEVELS].sum() for level in range(3)])


def test_the_objective_of_the_experts_is_the_evidence(rng):
    """Of rows that are known to be one leaf's, about their mean; under the precisions of the posterior."""
    leaf = np.repeat(np.arange(6), 5)
    X, Y = rng.normal(size=(30, 2)), rng.normal(size=(30, 1))
    for k in range(6):
        X[leaf == k] -= X[leaf == k].mean(axis=0)
        Y[leaf == k] -= Y[leaf == k].mean(axis=0)
    with np.errstate(divide="ignore"):
        log_resp = np.log(np.eye(6)[leaf])
    precisions = np.array([[0.3], [1.0], [4.0]])
    experts = GaussianTree(0.0, 1e-6, 0.7, branching=TREE, precisions=precisions, variances=np.full((6, 1), 0.7))
    fitted = experts.fit(X, Y, log_resp)
    under = replace(fitted, precisions=precisions)
    objective = under.log_prob(X, Y)[np.arange(30), leaf].sum() + under.log_penalty()

    of_maps = _steps()[4:] @ np.diag(1 / precisions[LEVELS, 0]) @ _steps()[4:].T  # covariance of leaves' entries
    covariance = 0.7 * np.eye(30) + of_maps[np.ix_(leaf, leaf)] * (X @ X.T)
    np.testing.assert_allclose(objective, multivariate_normal(np.zeros(30), covariance).logpdf(Y[:, 0]))
    better = fitted.log_prob(X, Y)[np.arange(30), leaf].sum() + fitted.log_penalty()
    assert better > objective


def test_variances_are_best_under_their_prior(rng):
    """With all else as it is; also that which they have in common."""
    leaf = np.arange(60) % 6
    X, Y = rng.normal(size=(60, 2)), rng.normal(size=(60, 1)) * (1.0 + leaf[:, None])
    log_resp = np.log(0.9 * np.eye(6)[leaf] + 0.1 / 6)
    fitted = GaussianTree(0.0, 1e-6, branching=TREE)
    for _ in range(200):
        fitted = fitted.fit(X, Y, log_resp)

    def objective(variances):
        moved = replace(fitted, variances=variances)
        return (np.exp(log_resp) * moved.log_prob(X, Y)).sum() + moved.log_penalty()

    for change in [*np.eye(6), np.ones(6)]:
        for step in (1e-3, -1e-3):
            assert objective(fitted.variances * np.exp(step * change)[:, None]) < objective(fitted.variances)


def test_inner_nodes_of_classes_are_where_the_ridge_is_least(rng):
    X, log_resp = rng.normal(size=(90, 2)), np.log(rng.dirichlet(np.ones(6), 90))
    fitted = CategoricalTree(3, 2.0, 5, branching=TREE).fit(X, np.arange(90) % 3, log_resp)
    assert [level.shape for level in fitted.levels] == [(1, 2, 3), (2, 2, 3), (2, 2, 3)]
    for level, node in ((0, 1), (1, 0)):
        for step in (1e-3, -1e-3):
            levels = [kernels.copy() for kernels in fitted.levels]
            levels[1 + level][node, 1, 2] += step
            moved = replace(fitted, levels=tuple(levels)).log_penalty()
            children = 1 if level == 0 else 3
            assert moved - fitted.log_penalty() == pytest.approx(-(1 + children) * step**2, rel=1e-4)  # alpha / 2 = 1


@pytest.mark.parametrize("at", [0, 1], ids=["regression", "classification"])
def test_one_level_is_the_softmax_gated_mixture(at):
    X, y = spiral_for(SOFTMAX[at], 150)
    ridges = {"alpha": 0.1, "alpha_gate": 1.0, "random_state": 0, "max_iter": 12}
    tree, flat = HMOE[at]((3,), **ridges).fit(X, y), SOFTMAX[at](3, **ridges).fit(X, y)
    np.testing.assert_allclose(tree.lower_bounds_, flat.lower_bounds_, rtol=1e-12)
    np.testing.assert_allclose(tree.log_likelihood(X, y), flat.log_likelihood(X, y), rtol=1e-9)


def test_a_gate_is_the_product_of_the_choices_on_the_way(rng):
    X, log_resp = rng.normal(size=(60, 2)), np.log(rng.dirichlet(np.ones(6), 60))
    gate = HierarchicalGate((2, 3), 0.1, 30).fit(X, log_resp)
    prob, resp = np.exp(gate.log_prob(X)), np.exp(log_resp)
    first = np.exp(gate.levels[0][0].log_prob(X))
    np.testing.assert_allclose(prob.reshape(60, 2, 3).sum(axis=2), first)
    second = prob.reshape(60, 2, 3)[:, 1] / first[:, 1:]
    np.testing.assert_allclose(second, np.exp(gate.levels[1][1].log_prob(X)))
    slope = X.T @ (resp[:, 3:] - resp[:, 3:].sum(axis=1, keepdims=True) * second)  # of the second child's gate
    np.testing.assert_allclose(slope, 0.1 * gate.levels[1][1].kernel, atol=1e-6)


def test_few_rows_borrow_from_their_branch(rng):
    X, test = rng.normal(size=(120, 6)), rng.normal(size=(400, 6))
    kernel = rng.normal(size=6)

    def target(X):
        return X @ kernel + 2 * np.abs(X[:, 0]) + 0.3 * rng.normal(size=len(X))

    y, test_y = target(X), target(test)
    tree = HMoERegressor((4, 4), random_state=0).fit(X, y)
    assert_monotone(tree)
    flat = SoftmaxGatedRegressor(16, random_state=0).fit(X, y)
    linear = SoftmaxGatedRegressor(1).fit(X, y)
    scores = [-model.log_likelihood(test, test_y).mean() for model in (tree, linear, flat)]
    assert scores == sorted(scores)


@pytest.mark.parametrize("branching", [0, (2, 0), (), 2.5, "auto", ((2, 2),)])
def test_what_is_no_tree_is_refused(branching):
    X, Y, _ = spiral(50)
    with pytest.raises(ValueError, match="branching must be a number of children of the root, or one for each level"):
        HMoERegressor(branching).fit(X, Y)
