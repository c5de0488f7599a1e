"""The tree of components."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import is_valid_linkage

from vae_moe.plots import cluster_plots
from vae_moe.training import hierarchy


def test_components_that_share_rows_are_joined_first():
    """Of four, 0 and 2 share half of a row in three, 1 and 3 a little of it."""
    near, little = [0.5, 0, 0.5, 0], [0, 0.9, 0, 0.1]
    probs = np.array([*np.eye(4)[[0, 2]], near, *np.eye(4)[[1, 3]], little])
    tree = hierarchy.tree(np.log(np.maximum(probs, 1e-30)))
    assert is_valid_linkage(tree) and tree.shape == (3, 4)
    assert [set(pair) for pair in tree[:, :2]] == [{0, 2}, {1, 3}, {4, 5}]
    assert tree[0, 2] == pytest.approx(-np.log(0.5 / 1.5), abs=1e-6)  # sqrt(1/3 * 1/3), of one row


def test_distances_are_told_where_nothing_overlaps():
    """Probabilities that no float64 holds: components 0 and 1 are nearer than 2."""
    log_probs = np.array([[0.0, -2000, -5000], [-2000, 0, -5000], [-5000, -5000, 0]])
    tree = hierarchy.tree(log_probs)
    assert set(tree[0, :2]) == {0, 1} and np.isfinite(tree).all()


def test_one_component_is_a_tree_without_joins():
    assert hierarchy.tree(np.zeros((5, 1))).shape == (0, 4)


def test_equal_components_have_no_distance():
    assert hierarchy.tree(np.log(np.full((5, 3), 1 / 3)))[:, 2] == pytest.approx(0, abs=1e-12)


def test_the_picture_names_every_component(rng):
    tree = hierarchy.tree(np.log(rng.dirichlet(np.ones(4), 20)))
    figure = cluster_plots.tree(tree, list("abcd"))
    assert sorted(label.get_text() for label in figure.axes[0].get_yticklabels()) == list("abcd")
    with pytest.raises(ValueError, match="names must hold one name for each of the 4 components, received 3"):
        cluster_plots.tree(tree, list("abc"))


def test_a_tree_has_the_mean_image_of_its_leaves_at_each_node():
    joined = np.array([[0, 2, 1.0, 2], [1, 3, 2.0, 3]])
    images = np.array([[0, 0, 0, 0], [1, 1, 1, 1], [0.5, 0, 0, 0.5]])
    axes = cluster_plots.tree(joined, images=images, image_shape=(2, 2)).axes[0]
    drawn = [box.offsetbox.get_data().ravel().tolist() for box in axes.artists]
    assert drawn[:3] == images.tolist() and drawn[3] == [0.25, 0, 0, 0.25]
    np.testing.assert_allclose(drawn[4], [0.5, 1 / 3, 1 / 3, 0.5])
    assert [box.xy[0] for box in axes.artists] == [0, 0, 0, 1, 2]
