"""Scores against brute force over all assignments."""

import itertools

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from sklearn.metrics import adjusted_rand_score

from vae_moe import metrics


def test_accuracy_is_the_best_over_all_permutations(rng):
    y, clusters = rng.integers(0, 5, 200), rng.integers(0, 5, 200)
    best = max(np.mean(np.array(order)[clusters] == y) for order in itertools.permutations(range(5)))
    assert metrics.clustering_accuracy(y, clusters) == best
    assert np.mean([metrics.best_assignment(y, clusters)[c] == t for c, t in zip(clusters, y, strict=True)]) == best


def test_classes_may_be_any_numbers_or_text():
    clusters = np.array([0, 0, 1, 1, 2])
    for classes in (["u", "v", "w"], [-1, 5, -7], [0.5, 1.5, 2.5]):
        y = np.array(classes)[clusters]
        assert metrics.clustering_accuracy(y, clusters) == 1
        assert metrics.best_assignment(y, clusters) == dict(enumerate(classes))


def test_renaming_clusters_changes_nothing():
    y = np.repeat([0, 1, 2], 10)
    assert metrics.clustering_accuracy(y, (y + 1) % 3) == 1.0
    assert metrics.clustering_scores(y, np.eye(3)[(y + 1) % 3])["ari"] == 1.0


def test_more_or_fewer_clusters_than_classes():
    y = np.repeat([0, 1], 10)
    assert metrics.clustering_accuracy(y, np.zeros(20, int)) == 0.5
    assert metrics.clustering_accuracy(y, np.arange(20) // 5) == 0.5


def test_the_odd_clustering_out_agrees_least(rng):
    one = rng.integers(0, 3, 100)
    renamed, odd = (one + 1) % 3, rng.integers(0, 3, 100)
    agreed = metrics.agreement([one, odd, renamed])
    assert agreed.argmin() == 1 and agreed[0] == agreed[2]
    np.testing.assert_allclose(agreed[0], (1 + adjusted_rand_score(one, odd)) / 2)


def test_many_to_one_counts_the_majority_of_each_cluster():
    y, clusters = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 2, 2, 3, 3])
    assert metrics.many_to_one_accuracy(y, clusters) == 5 / 6  # clusters 0 to 2 are pure, 3 is half a class
    assert metrics.clustering_accuracy(y, clusters) == 4 / 6


def _purity_by_pairs(y, clusters, tree):
    """Of each pair of points of one class: the purity of the smallest of leaves and branches that has both."""
    leaves = [{k} for k in range(len(tree) + 1)]
    for one, other in np.asarray(tree)[:, :2].astype(int):
        leaves.append(leaves[one] | leaves[other])
    found = []
    for i, j in itertools.combinations(range(len(y)), 2):
        if y[i] == y[j]:
            least = min((node for node in leaves if {clusters[i], clusters[j]} <= node), key=len)
            found.append(np.mean(y[np.isin(clusters, list(least))] == y[i]))
    return np.mean(found)


def test_dendrogram_purity_is_that_of_all_pairs(rng):
    tree = linkage(rng.normal(size=(6, 2)), "average")
    y, clusters = rng.integers(0, 4, 60), rng.integers(0, 5, 60)  # the sixth leaf is empty
    np.testing.assert_allclose(metrics.dendrogram_purity(y, clusters, tree), _purity_by_pairs(y, clusters, tree))


def test_dendrogram_purity_is_clustpys(rng):
    """Where ClustPy is installed."""
    theirs = pytest.importorskip("clustpy.metrics.external").dendrogram_purity
    tree = linkage(rng.normal(size=(9, 2)), "average")
    y, clusters = rng.integers(0, 5, 500), rng.integers(0, 9, 500)
    np.testing.assert_allclose(metrics.dendrogram_purity(y, clusters, tree), theirs(tree, y, clusters))


def test_purities_at_their_limits():
    y, tree = np.repeat([0, 1, 2, 3], 5), [[0, 1, 1, 2], [2, 3, 1, 2], [4, 5, 2, 4]]
    assert metrics.dendrogram_purity(y, y, tree) == metrics.leaf_purity(y, y) == 1
    assert metrics.dendrogram_purity(y > 1, y, tree) == 1  # a branch is as good as a leaf
    assert metrics.dendrogram_purity(y % 2, y, tree) == (2 * 10 + 25 / 2) / 45  # classes meet at the root alone
    assert metrics.dendrogram_purity(y % 2, np.zeros(20, int), np.zeros((0, 4))) == metrics.leaf_purity(y % 2, 0 * y)


def test_components_used_and_majorities():
    clusters = np.array([0] * 50 + [2] * 49 + [3])
    assert metrics.components_used(clusters, 4) == 2
    y = np.array([7] * 40 + [1] * 59 + [1])
    assert metrics.majority_classes(y, clusters, 4) == [7, None, 1, 1]


def test_gate_scores_at_their_limits():
    y = np.repeat([0, 1, 2], 10)
    sure, even = metrics.gate_scores(y, np.eye(3)[(y + 1) % 3]), metrics.gate_scores(y, np.full((30, 3), 1 / 3))
    assert sure["gate_accuracy"] == 1 and sure["experts_used"] == 3 and sure["gate_nmi"] == 1
    np.testing.assert_allclose([sure["gate_entropy"], even["gate_entropy"]], [0, np.log(3)], atol=1e-12)
    np.testing.assert_allclose([sure["gate_use_entropy"], even["gate_use_entropy"]], np.log(3))
