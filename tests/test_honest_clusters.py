"""How sure a clustering is, how many clusters it finds, and which rows it says belong nowhere."""

import numpy as np
import pytest
import scipy.sparse
from scipy.special import log_softmax, softmax
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from vae_moe import DMVAE
from vae_moe.estimators import DMVAEClustering, DVMoERegressor
from vae_moe.layers import Experts
from vae_moe.training import calibration, consensus, graphs, how_many

BRIEF = {"hidden_layer_sizes": (32, 16), "latent_dim": 3, "start_epochs": 5, "epochs": 5, "random_state": 0}


@pytest.fixture(scope="module")
def three_groups():
    """Three groups apart, and one row far from all: x [301, 4], y [300]."""
    x, y = make_blobs(300, 4, centers=3, cluster_std=0.5, random_state=0)
    return np.concatenate([x, [[40.0, -40, 40, -40]]]), y


@pytest.fixture(scope="module")
def found(three_groups):
    return DMVAEClustering("auto", **BRIEF).fit(three_groups[0])


def test_the_number_is_found(found, three_groups):
    assert found.n_components_ == found.model_.mixture.n_components == 3
    assert len(found.silhouettes_) == 14 and (found.resampled_numbers_ == 3).all()
    assert found.tree_.shape == (2, 4)
    assert adjusted_rand_score(three_groups[1], found.labels_[:-1]) == 1.0


def test_a_row_far_from_all_belongs_nowhere(found):
    assert found.outlier_[-1] and found.outlier_[:-1].mean() < 0.03


def test_probabilities_are_those_of_the_network_at_the_temperature(found, three_groups):
    x = three_groups[0]
    log_q = found.model_.c_log_proba(found._scaling.apply(x))
    expected = np.exp(log_softmax(log_q / found.temperature_, -1))
    np.testing.assert_allclose(found.predict_proba(x), expected)
    assert found.temperature_ >= 1 and (found.predict(x) == found.labels_).all()


@pytest.mark.parametrize("rows", [2, 3])
def test_of_hardly_any_rows_a_number_is_found_too(rows, rng):
    clustering = DMVAEClustering("auto", **BRIEF).fit(rng.normal(size=(rows, 2)))
    assert clustering.n_components_ == rows - 1


def test_a_few_far_rows_change_nothing_for_the_others(rng, three_groups):
    """Also a column of huge scale, a constant one, and rows that come twice."""
    x, y = three_groups[0][:-1], three_groups[1]
    x = np.column_stack([1e9 * x[:, 0], x[:, 1:], np.ones(300)])
    far = 1e12 * rng.choice([-1, 1], (4, 5))
    found = DMVAEClustering(3, **BRIEF | {"start_epochs": 15, "epochs": 30}).fit(np.concatenate([x, far, x[:50]]))
    assert adjusted_rand_score(y, found.labels_[:300]) >= 0.98
    assert found.outlier_[300:304].all()


def test_another_word_for_the_number_is_refused():
    with pytest.raises(ValueError, match=r"n_components must be an integer in .* or 'auto', got 'many'"):
        DMVAEClustering("many").fit(np.eye(5))


def test_the_temperature_of_many_columns_has_the_greatest_bound(rng):
    """Against a grid, of a network whose logits are made four times as large."""
    columns = graphs.FEW_COLUMNS + 1
    model = DMVAE(columns, n_components=3, latent_dim=2, z_encoder_sizes=(8,), c_encoder_sizes=(8,), decoder_sizes=(8,))
    last = model.mixture.c_encoder.layers[-1]
    last.set_weights([40 * weight for weight in last.get_weights()])
    x = rng.normal(size=(200, columns)).astype("f")
    z_mean, z_log_var, _ = model.posterior(x)
    kl_z = np.asarray(model.mixture.prior.kl(z_mean, z_log_var))
    log_weights = np.asarray(model.mixture.prior.log_weights())

    def terms(temperature):
        log_q = log_softmax(model.c_log_proba(x) / temperature, -1)
        return np.mean(np.sum(np.exp(log_q) * (kl_z + log_q - log_weights), -1))

    best = calibration.temperature(model, x)
    grid = np.geomspace(*calibration.TEMPERATURES, 60)
    assert terms(best) <= min(map(terms, grid)) + 1e-4


def test_probabilities_that_were_sharpened_are_flat_again(rng):
    """Those of a posterior to the power of 4, and of one that names the other component in a tenth of the rows."""
    true = log_softmax(rng.normal(size=(1000, 2)), -1)
    assert calibration.as_sure_as(4 * true, true) == pytest.approx(4, rel=1e-3)
    assert calibration.as_sure_as(true, log_softmax(4 * true, -1)) == 1.0
    told = np.log([[0.999, 0.001]] * 9 + [[0.001, 0.999]])
    sure = np.log([[0.999, 0.001]] * 10)
    found = softmax(sure / calibration.as_sure_as(sure, told), -1)
    np.testing.assert_allclose(found.max(-1), 0.9 * 0.999 + 0.1 * 0.001, rtol=1e-6)


def test_clusters_that_overlap_are_as_uncertain_as_they_are(rng):
    """Of two Gaussians whose posterior is known, from hard clusters on."""
    y = rng.random(2000) < 0.3
    x = rng.normal(size=(2000, 3)) + np.where(y[:, np.newaxis], 1.2, 0)
    true = 1 / (1 + np.exp(-(1.2 * x - 0.72).sum(-1)) * 7 / 3)
    resp = np.eye(2)[(true > 0.5).astype(int)]
    found = np.exp(calibration.posterior_of_gaussians(x, resp))[:, 1]
    assert np.abs(found - true).mean() < 0.03


def test_the_numbers_of_few_rows_are_few(rng):
    assert len(how_many.silhouettes(np.ones((9, 2)))) == 0
    assert len(how_many.silhouettes(rng.normal(size=(5, 2)))) == 3


def test_a_number_that_resamples_do_not_give_again_is_told(rng):
    """Rows without groups, of which one number is as good as another."""
    numbers = how_many.in_resamples(rng.normal(size=(60, 4)))
    assert numbers.shape == (how_many.RESAMPLES,) and len(set(numbers.tolist())) > 1


def test_a_few_far_rows_are_no_cluster_that_the_graph_tells(rng):
    """Rows that are nearly equal within a cloud: no gap between them is longer than the steps in the cloud."""
    x = np.concatenate([3 * rng.normal(size=(300, 6)), 0.01 * rng.normal(size=(30, 6))]).astype("f")
    neighbors = graphs.nearest_neighbors(x)
    clusters = np.eye(2)[np.repeat([0, 1], [300, 30])]
    assert not consensus.told_by_graph(x, neighbors, graphs.adjacency(neighbors), clusters)
    apart = x + 100 * clusters[:, 1:]
    neighbors = graphs.nearest_neighbors(apart)
    assert consensus.told_by_graph(apart, neighbors, graphs.adjacency(neighbors), clusters)


@pytest.mark.parametrize(("sizes", "links", "told"), [((200, 200), 200, True), ((385, 15), 2, False)])
def test_a_few_rows_that_hang_on_few_links_are_no_cluster_that_the_graph_tells(sizes, links, told):
    """Two groups, in each of which every row is every other's neighbour, joined by few links."""
    clusters = np.eye(2)[np.repeat([0, 1], sizes)]
    graph = clusters @ clusters.T
    across = np.argwhere(graph == 0)
    across = across[(across[:, 0] < sizes[0]) & (across[:, 1] >= sizes[0])][:links]
    graph[across[:, 0], across[:, 1]] = graph[across[:, 1], across[:, 0]] = 1
    neighbors = graphs.nearest_neighbors(np.zeros((400, 1)))  # not looked at where links are cut
    assert consensus.told_by_graph(np.zeros((400, 1)), neighbors, scipy.sparse.csr_array(graph), clusters) == told


def test_rows_that_all_ways_put_alike_are_held(rng):
    """Two clouds that touch, of which the spectral clusters are kept: rows near the border, too, if all ways agree."""
    x = rng.normal(size=(400, 2)).astype("f")
    x[200:, 0] += 3.5
    neighbors = graphs.nearest_neighbors(x)

    def spectral(rows):
        return graphs.spectral_start(x[rows], graphs.nearest_neighbors(x[rows]), 2)

    resp, held = consensus.agreed(x, neighbors, spectral)
    np.testing.assert_array_equal(resp, spectral(np.arange(400)))
    same = [(way == resp).all(-1) for way in consensus.clusterings(x, resp)[0]]
    everywhere = np.all([rows if rows.mean() > 0.5 else ~rows for rows in same], 0)  # by whatever names
    assert held[everywhere].all() and everywhere.sum() > graphs.core(neighbors, resp).sum()


def test_votes_of_clusterings_that_agree_are_sure(rng):
    clusters = np.eye(3)[rng.integers(0, 3, 60)]
    others = clusters[:, [2, 0, 1]]  # the same clusters by other names
    resp = consensus.consensus([clusters, others, clusters])
    np.testing.assert_allclose(resp.max(-1), 1)
    assert adjusted_rand_score(clusters.argmax(-1), resp.argmax(-1)) == 1


def test_votes_leave_no_cluster_without_rows():
    """Three ways set ten rows apart, each other ones: none has most of the votes."""
    shuffled = np.random.RandomState(0)
    found = [np.eye(2)[shuffled.permutation(np.repeat([0, 1], [90, 10]))] for _ in range(3)]
    assert sorted(np.bincount(consensus.consensus(found).argmax(-1))) == [10, 90]


def test_rows_held_out_tell_how_many_experts():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    noise = 0.1 * rng.normal(size=300)
    one, two = x[:, 0] + noise, np.where(x[:, 1] > 0, 3 * x[:, 0], -3 * x[:, 0]) + noise
    layer = Experts(1, 1, "regression", True, 0)
    layer.build((None, 2))
    of_one, of_two = (
        how_many.experts_by_likelihood(layer, x, y[:, np.newaxis], np.ones(300), reg_variance=1e-3) for y in (one, two)
    )
    assert of_one.n_experts == 1
    assert of_one.untold[1] < min(of_one.untold.values()) + 0.02
    assert of_two.n_experts > 1
    assert min(of_two.untold.values()) < of_two.untold[1] - 1
    few = how_many.experts_by_likelihood(layer, x[:6], one[:6, np.newaxis], np.ones(6), reg_variance=1e-3)
    assert few == (1, how_many.SEARCHES["regression"].ridges[0], {})
    alone = DVMoERegressor(hidden_layer_sizes=(4,), start_epochs=1, epochs=1).fit(x[:6], one[:6])
    assert (alone.n_experts_, alone.untold_) == (1, {})


def test_of_numbers_that_are_not_told_apart_the_least_is_taken(rng):
    one = rng.normal(size=400)
    two = one + rng.normal(0.001, 0.1, 400)  # greater by a fifth of a standard error
    four = one + 1
    weights = np.ones(400)
    assert how_many._simplest({(1, 1.0): one, (2, 1.0): two, (2, 3.0): two}, weights, 1.0) == (1, 1.0)
    assert how_many._simplest({(1, 1.0): one, (2, 1.0): two + 1, (2, 3.0): two + 1, (4, 1.0): four}, weights, 1.0) == (
        2,
        3.0,
    )
