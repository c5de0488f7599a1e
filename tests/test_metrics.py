"""Scores against brute force over all assignments."""

import itertools

import numpy as np
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
