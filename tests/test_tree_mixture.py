"""HDMVAE: a tree of one level is DMVAE, its bound is exact and that of the relaxed steps, and it starts with a tree."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from scipy.cluster.hierarchy import cut_tree, is_valid_linkage

from vae_moe import DMVAE, HDMVAE, estimators
from vae_moe.layers.tree_mixture import pairs
from vae_moe.training import hierarchy

SIZES = {"latent_dim": 2, "z_encoder_sizes": (8,), "c_encoder_sizes": (8,), "decoder_sizes": (8,), "seed": 3}


@pytest.fixture
def x(rng):
    return rng.uniform(0, 1, (10, 6)).astype("f")


@pytest.mark.parametrize("relaxation", ["exact", "gumbel"])
def test_a_tree_of_one_level_is_a_dmvae_term_by_term(x, relaxation):
    dmvae, tree = (
        model(6, n_components=4, relaxation=relaxation, **SIZES, **arguments)
        for model, arguments in ((DMVAE, {}), (HDMVAE, {"branching": (4,)}))
    )
    noise = tf.random.stateless_normal([10, 2], [0, 0])
    for training in (False, True):
        known, found = (model.mixture(x, training=training, noise=noise)["terms"] for model in (dmvae, tree))
        assert known.keys() == found.keys()
        for name, term in known.items():
            np.testing.assert_allclose(found[name], term, rtol=1e-5, atol=1e-6)


def _tree(branching=(2, 1, 3), **arguments):
    """A tree whose p(c) is not uniform."""
    model = HDMVAE(6, n_components=6, branching=branching, learn_weights=True, **SIZES, **arguments)
    model.mixture.prior.logits.assign(np.linspace(-1, 1, 6))
    return model


def test_the_terms_of_c_are_the_divergences_of_its_steps(x):
    model = _tree()
    terms = model.mixture(x)["terms"]
    q, p = model.predict_proba(x), tf.nn.softmax(model.mixture.prior.logits).numpy().astype(float)
    first_q, first_p = q.reshape(-1, 2, 3).sum(-1), p.reshape(2, 3).sum(-1)
    np.testing.assert_allclose(terms["kl_c"], scipy.stats.entropy(first_q, first_p[None], axis=-1), rtol=1e-3)
    below = [
        scipy.stats.entropy(
            q.reshape(-1, 2, 3)[:, j] / first_q[:, j, None], p.reshape(2, 3)[j][None] / first_p[j], axis=-1
        )
        for j in range(2)
    ]
    np.testing.assert_allclose(terms["kl_c2"], (first_q.T * below).sum(0), rtol=1e-3)
    assert model.elbo(x).shape == (10,)


def test_at_temperature_0_the_relaxed_steps_are_the_exact_sum_on_average(x):
    model = _tree(relaxation="gumbel", temperature=1e-4)
    rows, noise = np.repeat(x[:2], 4000, axis=0), tf.zeros([8000, 2])
    relaxed = model.mixture(rows, training=True, noise=noise)["terms"]["kl_z"].numpy().reshape(2, 4000)
    exact = model.mixture(x[:2], noise=noise[:2])["terms"]["kl_z"]
    error = relaxed.std(1) / np.sqrt(4000)
    assert (np.abs(relaxed.mean(1) - exact) < 4 * error).all()
    leaves = model.mixture.prior.kl(*(part[:1] for part in model.posterior(x)[:2]))[0]
    assert (np.abs(relaxed[0][:, None] - leaves).min(1) < 1e-4).mean() > 0.99  # a sample is one leaf's, but for ties


def test_trees_that_have_other_leaves_are_refused():
    with pytest.raises(ValueError, match=r"branching must have n_components=6 leaves, got \(2, 2\)"):
        HDMVAE(6, n_components=6, branching=(2, 2))
    assert [pairs(n) for n in (1, 2, 3, 10)] == [(1,), (2,), (3,), (5, 2)]


def test_the_tree_of_a_tree_keeps_its_branches(rng):
    tree = hierarchy.tree(np.log(rng.dirichlet(np.ones(6), 50)), (2, 3))
    assert is_valid_linkage(tree) and (np.diff(tree[:, 2]) >= 0).all()
    assert len({*cut_tree(tree, 2)[:3, 0]}) == len({*cut_tree(tree, 2)[3:, 0]}) == 1


def test_near_clusters_are_put_next_to_each_other():
    z = np.array([[0.0], [10], [0.5], [9]])
    order = hierarchy.order(z, np.eye(4)).tolist()
    assert {*order[:2]} in ({0, 2}, {1, 3})


def test_an_estimator_has_the_tree_of_its_model(rng):
    centres = np.array([[0, 0], [9, 9], [0, 1.5], [9, 7.5]])
    X = (centres[np.arange(120) % 4] + 0.1 * rng.normal(size=(120, 2))).astype("f")
    short = {"start_epochs": 15, "epochs": 1, "hidden_layer_sizes": (32,), "latent_dim": 2, "random_state": 0}
    model = estimators.HDMVAEClustering(4, branching=(2, 2), **short).fit(X)
    branches = cut_tree(model.tree_, 2)[model.labels_, 0]
    assert len({*branches[::2]}) == len({*branches[1::2]}) == 1  # near centres are siblings
    assert {"kl_c", "kl_c2"} <= set(model.history_)
    with pytest.raises(ValueError, match="branching must have n_components=4 leaves"):
        estimators.HDMVAEClustering(4, branching=(3, 2), **short).fit(X)
